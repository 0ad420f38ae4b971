//! A handle is put together from its parts.
//!
//! This room must never do a part's work, nor hand a part out.

use super::timings::Timings;
use super::{Lacre, Lock, Parts};
use crate::clock::{Clock, SystemClock};
use crate::entropy::{self, Entropy};
use crate::sessions::content_keys::ContentKeys;
use crate::sessions::forward::Forwarder;
use crate::sessions::guard::Guard;
use crate::sessions::issue::Issuer;
use crate::sessions::keyring::Keyring;
use crate::sessions::last_seen::LastSeen;
use crate::sessions::list::Listing;
#[cfg(feature = "server")]
use crate::sessions::receipting::Receipts;
use crate::sessions::records::Records;
use crate::sessions::refresh::Refresher;
use crate::sessions::revoke::Revoker;
use crate::sessions::rotation::{KeyStorage, Nowhere, Rotation};
use crate::sessions::rules::Rules;
use crate::sessions::sweep::Sweeper;
use crate::sessions::tokens::TokenMaker;
use lacre_keystore::Keystore;
use std::path::PathBuf;
use std::sync::Arc;

/// How much memory content keys may take where nobody says otherwise.
pub(crate) const CONTENT_KEY_BYTES: u64 = 256 << 20;

/// Builds a [`Lacre`]; time and randomness are the system's unless given.
#[must_use]
pub struct LacreBuilder {
    keystore: Keystore,
    keyring: Keyring,
    rules: Rules,
    clock: Arc<dyn Clock>,
    entropy: Entropy,
    content_key_bytes: u64,
    storage: Box<dyn KeyStorage>,
    lock: Option<Lock>,
    receipts: Option<PathBuf>,
}

impl LacreBuilder {
    pub(super) fn new(keystore: Keystore, keyring: Keyring, rules: Rules) -> Self {
        Self {
            keystore,
            keyring,
            rules,
            clock: Arc::new(SystemClock::default()),
            entropy: entropy::system(),
            content_key_bytes: CONTENT_KEY_BYTES,
            storage: Box::new(Nowhere),
            lock: None,
            receipts: None,
        }
    }

    /// Takes the time from `clock`.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Takes randomness from `entropy`.
    pub fn entropy(mut self, entropy: Entropy) -> Self {
        self.entropy = entropy;
        self
    }

    /// Keeps the content keys of tokens in use in at most so many bytes of memory, 0 for none: a
    /// token whose key isn't kept costs an ECDH and an ES256 verification at each request. The
    /// default is 256 MiB, room for some 150 000 tokens, which is taken as tokens are used.
    pub fn content_key_memory(mut self, bytes: u64) -> Self {
        self.content_key_bytes = bytes;
        self
    }

    /// Keeps keys that are rotated there.
    pub(crate) fn keys_in(mut self, storage: Box<dyn KeyStorage>) -> Self {
        self.storage = storage;
        self
    }

    /// Keeps receipts of ends in this file.
    #[cfg(feature = "server")]
    pub(crate) fn receipts(mut self, file: PathBuf) -> Self {
        self.receipts = Some(file);
        self
    }

    /// Keeps `lock` until the last clone of the handle is gone.
    pub(crate) fn holding(mut self, lock: impl Send + Sync + 'static) -> Self {
        self.lock = Some(Box::new(lock));
        self
    }

    /// The finished handle.
    #[must_use]
    pub fn build(self) -> Lacre {
        let rules = Arc::new(self.rules);
        let keyring = Arc::new(self.keyring);
        let content_keys = ContentKeys::of(&self.keystore, self.content_key_bytes);
        let records = Records::new(self.keystore, Arc::clone(&keyring), self.clock)
            .explaining(rules.explain_for > 0)
            .receipting(self.receipts.is_some());
        let entropy = self.entropy;
        #[cfg(feature = "server")]
        let receipts = self
            .receipts
            .map(|file| Receipts::new(records.clone(), file, &mut entropy()));
        let tokens = Arc::new(TokenMaker::new(
            Arc::clone(&rules),
            keyring,
            Entropy::clone(&entropy),
        ));
        let (last_seen, notes) = LastSeen::new(records.clone());
        let listing = Arc::new(Listing::new(records.clone()));
        let revoker = Arc::new(Revoker::new(records.clone(), Arc::clone(&listing)));
        Lacre(Arc::new(Parts {
            issuer: Issuer::new(
                Arc::clone(&rules),
                records.clone(),
                Entropy::clone(&entropy),
                Arc::clone(&tokens),
                Arc::clone(&content_keys),
                Arc::clone(&revoker),
            ),
            guard: Guard::new(
                Arc::clone(&rules),
                records.clone(),
                Arc::clone(&content_keys),
                notes.clone(),
                Arc::clone(&revoker),
            ),
            notes,
            forwarder: Forwarder::new(
                Arc::clone(&rules),
                records.clone(),
                Entropy::clone(&entropy),
            ),
            refresher: Refresher::new(
                Arc::clone(&rules),
                records.clone(),
                Arc::clone(&tokens),
                Arc::clone(&revoker),
            ),
            revoker,
            sweeper: Sweeper::new(records.clone(), rules.explain_for),
            last_seen,
            #[cfg(feature = "server")]
            rotation: Rotation::new(
                records.clone(),
                Arc::clone(&rules),
                Entropy::clone(&entropy),
                self.storage,
            )
            .handing_over(receipts.clone()),
            #[cfg(not(feature = "server"))]
            rotation: Rotation::new(
                records.clone(),
                Arc::clone(&rules),
                Entropy::clone(&entropy),
                self.storage,
            ),
            #[cfg(feature = "server")]
            receipts,
            timings: Timings::default(),
            listing,
            rules,
            records,
            entropy,
            tokens,
            content_keys,
            _lock: self.lock,
        }))
    }
}
