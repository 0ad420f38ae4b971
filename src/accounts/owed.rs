//! Ends that a change of an account owes.
//!
//! Accounts are in one store and sessions in another, and no transaction reaches both. So the
//! change is written together with what it owes, and what is owed is taken away once it is paid.
//! Whoever is killed between the two finds it at the next start.
//!
//! This room must never take away what is owed of its own accord: it doesn't know of sessions.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Accounts;
use super::error::AccountsError;
use super::identity::UserId;
use crate::clock::UnixSeconds;

/// What ends among the sessions of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Every session.
    All,
    /// Every session but this one.
    AllBut(Kept),
    /// The access tokens; the sessions stay.
    Access,
}

/// The session that stays, by its handle and its beginning: a handle alone may name another one
/// meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its handle.
    pub handle: String,
    /// When it began.
    pub since: UnixSeconds,
}

/// What a change of an account has to end, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owes {
    /// The name of the keystore that has the sessions, so that nobody pays for another's.
    pub keystore: String,
    /// Which sessions of the account.
    pub reach: Reach,
}

/// An end that is owed, until [`Accounts::paid`] takes it away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    pub(super) id: String,
    /// Whose sessions; the account may be gone.
    pub user: UserId,
    /// Which of them.
    pub reach: Reach,
}

/// An end to write down, and for which keystore.
pub(super) struct NewDebt {
    pub(super) owed: Owed,
    pub(super) keystore: String,
    pub(super) created_at: UnixSeconds,
}

impl Accounts {
    /// What changes of before `before` owe this keystore and isn't known to be paid.
    pub async fn owed(
        &self,
        keystore: &str,
        before: UnixSeconds,
    ) -> Result<Vec<Owed>, AccountsError> {
        self.inner.store.owed(keystore, before).await
    }

    /// Takes away what is owed: the sessions have ended, durably.
    pub async fn paid(&self, owed: &Owed) -> Result<(), AccountsError> {
        self.inner.store.paid(&owed.id).await
    }

    /// What is to be written down with a change of this account.
    pub(super) fn debt(&self, user: &UserId, owes: Owes, now: UnixSeconds) -> NewDebt {
        let id = self.with_random(|random| {
            let mut id = [0; 16];
            random.fill_bytes(&mut id);
            URL_SAFE_NO_PAD.encode(id)
        });
        NewDebt {
            owed: Owed {
                id,
                user: user.clone(),
                reach: owes.reach,
            },
            keystore: owes.keystore,
            created_at: now,
        }
    }
}
