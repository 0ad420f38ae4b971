//! The one handle over a deployment's sessions: a façade over the parts of [`crate::sessions`].
//!
//! This room must never do a part's work, nor hand a part out.

mod builder;
mod ending;
mod guarding;
mod listing;
#[cfg(test)]
pub(crate) mod testing;
mod timings;
mod upkeep;

pub(crate) use builder::CONTENT_KEY_BYTES;
pub use builder::LacreBuilder;
pub use timings::Timed;

use crate::clock::UnixSeconds;
use crate::entropy::Entropy;
use crate::sessions::content_keys::ContentKeys;
use crate::sessions::forward::Forwarder;
use crate::sessions::grant::{Grant, IssueError, Issued, Subject};
use crate::sessions::guard::{Guard, LiveSession};
use crate::sessions::issue::Issuer;
use crate::sessions::keyring::{Keyring, KeyringError};
use crate::sessions::last_seen::{LastSeen, Notes};
use crate::sessions::list::Listing;
#[cfg(feature = "server")]
use crate::sessions::receipting::Receipts;
use crate::sessions::records::Records;
use crate::sessions::refresh::{RefreshError, Refresher};
use crate::sessions::revoke::Revoker;
use crate::sessions::rotation::Rotation;
use crate::sessions::rules::Rules;
use crate::sessions::sweep::Sweeper;
use crate::sessions::tokens::TokenMaker;
use lacre_keystore::{Keystore, MasterKeyRing};
use rand::CryptoRng;
use std::fmt;
use std::sync::Arc;
use timings::{Timings, timed};

/// Issues, verifies, refreshes, lists and revokes sessions. Cheap to clone; every clone is the same
/// deployment.
#[derive(Clone)]
pub struct Lacre(Arc<Parts>);

/// The handle of a deployment that isn't kept open by it.
#[cfg(feature = "server")]
pub(crate) struct WeakLacre(std::sync::Weak<Parts>);

#[cfg(feature = "server")]
impl WeakLacre {
    /// The handle; `None` once the last one has gone.
    pub(crate) fn upgrade(&self) -> Option<Lacre> {
        self.0.upgrade().map(Lacre)
    }
}

struct Parts {
    rules: Arc<Rules>,
    records: Records,
    entropy: Entropy,
    tokens: Arc<TokenMaker>,
    content_keys: Arc<ContentKeys>,
    issuer: Issuer,
    guard: Guard,
    forwarder: Forwarder,
    refresher: Refresher,
    listing: Arc<Listing>,
    revoker: Arc<Revoker>,
    sweeper: Sweeper,
    last_seen: LastSeen,
    rotation: Rotation,
    #[cfg(feature = "server")]
    receipts: Option<Arc<Receipts>>,
    timings: Timings,
    notes: Notes,
    /// What the keystore's directory is locked with: held as long as the keystore, which stands
    /// above and is dropped first.
    _lock: Option<Lock>,
}

/// Something that is released by being dropped.
type Lock = Box<dyn std::any::Any + Send + Sync>;

impl Lacre {
    /// Puts a deployment together from its keystore, its keys and its rules.
    pub fn builder(keystore: Keystore, keyring: Keyring, rules: Rules) -> LacreBuilder {
        LacreBuilder::new(keystore, keyring, rules)
    }

    /// This handle, without keeping the deployment open.
    #[cfg(feature = "server")]
    pub(crate) fn downgrade(&self) -> WeakLacre {
        WeakLacre(Arc::downgrade(&self.0))
    }

    /// The rules that this deployment follows.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.0.rules
    }

    /// The keystore, for the operator's window.
    #[must_use]
    pub fn keystore(&self) -> &Keystore {
        self.0.records.keystore()
    }

    /// The time that this deployment goes by.
    pub(crate) fn now(&self) -> UnixSeconds {
        self.0.records.now()
    }

    /// The name of this deployment among others: the same for as long as its keyring is, and it
    /// tells nothing of it.
    pub(crate) fn deployment_name(&self) -> String {
        self.0.records.keyring().handles().name()
    }

    /// What rotates the keys, for the operators' room.
    pub(crate) fn rotation(&self) -> &Rotation {
        &self.0.rotation
    }

    /// For how many seconds the master key seals and the signing key signs, where that is known.
    #[cfg(feature = "server")]
    #[must_use]
    pub fn key_ages(&self) -> (Option<u64>, Option<u64>) {
        let (keyring, now) = (self.0.records.keyring(), self.now());
        let age = |since: u64| now.saturating_sub(since);
        let current = self.keystore().master_keys().current_id();
        let signers = keyring.signers();
        let signs = signers.iter().next().and_then(|signer| signer.times.since);
        (keyring.masters().since(current).map(age), signs.map(age))
    }

    /// The keyring, sealed under these master keys.
    pub(crate) fn sealed_keyring(&self, under: &MasterKeyRing) -> Result<Vec<u8>, KeyringError> {
        self.0.records.keyring().seal(under, &mut self.random())
    }

    /// A generator of randomness.
    pub(crate) fn random(&self) -> Box<dyn CryptoRng> {
        (self.0.entropy)()
    }

    /// The bytes of the longest token that was made since the start.
    #[must_use]
    pub fn largest_token(&self) -> usize {
        self.0.tokens.largest()
    }

    /// What was measured of this deployment's work since the start.
    #[must_use]
    pub fn timed(&self) -> Timed {
        Timed {
            issued: self.0.timings.issued.read(),
            opened: self.0.timings.opened.read(),
            content_keys: self.0.content_keys.kept(),
        }
    }

    /// Wipes the content keys of tokens in use; the next request of each works its own out anew.
    pub fn forget_content_keys(&self) {
        self.0.content_keys.clear();
    }
}

/// A session begins and is renewed.
impl Lacre {
    /// Begins a session and returns its tokens, after its record is durable.
    pub async fn issue(&self, grant: &Grant) -> Result<Issued, IssueError> {
        timed(&self.0.timings.issued, self.0.issuer.issue(grant)).await
    }

    /// Gives new tokens for a refresh token.
    ///
    /// `subject` says who the user is now, and is asked again whenever the record has changed, so
    /// that rights that were taken away meanwhile don't come back; `None` ends the session. Of a client's user
    /// ([`Occasion::OwnUser`](crate::Occasion::OwnUser)) it only says whether there still is one: the
    /// session has what the client says.
    pub async fn refresh<E>(
        &self,
        token: &[u8],
        subject: impl AsyncFn(&str) -> Result<Option<Subject>, E>,
    ) -> Result<Issued, RefreshError<E>> {
        self.0.refresher.refresh(token, subject).await
    }

    /// Gives a fresh access token to a session whose user has just proven the password: the same
    /// generation, no refresh token. `None` where the session has ended or was refreshed meanwhile.
    pub async fn renew_access(
        &self,
        session: &LiveSession,
        subject: &Subject,
    ) -> Result<Option<Issued>, IssueError> {
        self.0.refresher.renew_access(session, subject).await
    }
}

impl fmt::Debug for Lacre {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lacre")
            .field("rules", &self.0.rules)
            .finish_non_exhaustive()
    }
}
