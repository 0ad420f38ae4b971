//! What [`Accounts`] does with links.
//!
//! This room must never link a subject because of its e-mail: whoever has an address at one issuer
//! isn't the owner of the account that has it here (threat: outside-takeover).

use super::account::{Account, ImportedAccount};
use super::error::{AccountsError, invalid};
use super::identity::{Email, UserId};
use super::link::{FirstSight, Link, OutsideSubject};
use super::outbox::{Ends, OutboxRow};
use super::{Accounts, display_name};

/// The longest issuer and subject.
const MAX_NAME: usize = 1024;

impl Accounts {
    /// The account that this subject is.
    pub async fn linked(&self, outside: &OutsideSubject) -> Result<Option<Account>, AccountsError> {
        self.inner.store.linked(outside).await
    }

    /// The links of an account, in the order of their issuers.
    pub async fn links_of(&self, user: &UserId) -> Result<Vec<Link>, AccountsError> {
        self.inner.store.links_of(user).await
    }

    /// Links a subject to an account. Once more is no error; [`AccountsError::LinkExists`] where it is
    /// another account's.
    pub async fn link(&self, user: &UserId, outside: OutsideSubject) -> Result<(), AccountsError> {
        for (field, text) in [("issuer", &outside.issuer), ("subject", &outside.subject)] {
            if !(1..=MAX_NAME).contains(&text.len()) || text.chars().any(char::is_control) {
                let reason = "must be 1 to 1024 bytes of text without control characters";
                return Err(invalid(field, reason));
            }
        }
        let link = Link {
            outside,
            user: user.clone(),
            created_at: self.inner.clock.now(),
        };
        if self
            .inner
            .store
            .link(&link, self.authority.as_ref())
            .await?
        {
            return Ok(());
        }
        match self.linked(&link.outside).await? {
            Some(account) if account.id == *user => Ok(()),
            Some(_) => Err(AccountsError::LinkExists),
            None => Err(AccountsError::AccountUnknown),
        }
    }

    /// Takes the links of an account to an issuer away, and says how many there were. What that `ends`
    /// is written into the outbox in either case; the caller ends it and then says that it is
    /// [`delivered`](Self::delivered).
    pub async fn unlink(
        &self,
        user: &UserId,
        issuer: &str,
        ends: Ends,
    ) -> Result<(usize, OutboxRow), AccountsError> {
        let row = self.row_of_user(user, ends, self.inner.clock.now());
        let by = self.authority.as_ref();
        let unlinked = self.inner.store.unlink(user, issuer, &row, by).await?;
        Ok((unlinked, row.row))
    }

    /// Makes an account together with its first link, both or neither: nobody can log in to it by
    /// a password.
    ///
    /// [`AccountsError::AccountExists`] where the address is another account's,
    /// [`AccountsError::LinkExists`] where the subject was linked meanwhile.
    pub async fn create_linked(&self, first: FirstSight) -> Result<Account, AccountsError> {
        let id = self.with_random(UserId::generate);
        let given = first.email.and_then(|email| Email::parse(&email).ok());
        let email = match given {
            Some(email) => email,
            // RFC 2606 §2: nobody can have an address there.
            None => Email::parse(&format!("{id}@{}.invalid", first.issuer_name))?,
        };
        let name = first.name.filter(|name| display_name("name", name).is_ok());
        let row = self.new_account(ImportedAccount {
            id: Some(id),
            email,
            name,
            roles: first.roles,
            permissions: Vec::new(),
            active: true,
            hash: None,
        })?;
        let link = Link {
            outside: first.outside,
            user: row.account.id.clone(),
            created_at: row.account.created_at,
        };
        self.inner.store.insert_linked(row, &link).await
    }
}
