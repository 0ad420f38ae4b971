//! The one handle of the library: keystore, keys, time, randomness and the rules for tokens.
//!
//! [`crate::sessions`] does the work: before, during and after a session's life.
//!
//! This room must never have a default for what a deployment has to decide: whose tokens these are
//! and whom they are for.

use crate::clock::{Clock, SystemClock, UnixSeconds};
use crate::entropy::{self, Entropy};
use crate::sessions::content_keys::ContentKeys;
use crate::sessions::issue::Turns;
use crate::sessions::keyring::Keyring;
use crate::sessions::last_seen::Seen;
use crate::sessions::rules::Rules;
use crate::token::TokenError;
use lacre_keystore::Keystore;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

/// How much memory content keys may take where nobody says otherwise.
const CONTENT_KEY_BYTES: u64 = 256 << 20;

/// Something that is released by being dropped.
type Lock = Box<dyn std::any::Any + Send + Sync>;

/// Issues, guards and ends sessions. Cheap to clone; every clone is the same deployment.
#[derive(Clone)]
pub struct Lacre(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) rules: Rules,
    pub(crate) keystore: Keystore,
    pub(crate) keyring: Keyring,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Entropy,
    /// Whose turn it is to end the sessions of a user who has too many.
    pub(crate) turns: Turns,
    /// Which sessions were used a while after their records say so.
    pub(crate) seen: Seen,
    /// What the guard needs not work out again for a token in use.
    pub(crate) content_keys: Arc<ContentKeys>,
    /// The bytes of the longest token that was made.
    pub(crate) largest_token: AtomicUsize,
    /// What the keystore's directory is locked with: held as long as the keystore, which stands
    /// above and is dropped first.
    _lock: Option<Lock>,
}

impl Lacre {
    /// Puts a deployment together from its keystore, its keys and its rules.
    pub fn builder(keystore: Keystore, keyring: Keyring, rules: Rules) -> LacreBuilder {
        LacreBuilder {
            keystore,
            keyring,
            rules,
            clock: Arc::new(SystemClock::default()),
            entropy: entropy::system(),
            content_key_bytes: CONTENT_KEY_BYTES,
            lock: None,
        }
    }

    /// The rules that this deployment follows.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.0.rules
    }

    /// The keystore, for the operator's window.
    #[must_use]
    pub fn keystore(&self) -> &Keystore {
        &self.0.keystore
    }

    /// The first question to a token, before anything of it is parsed.
    pub(crate) fn check_length(&self, token: &[u8]) -> Result<(), TokenError> {
        if token.len() > self.rules().max_token_length {
            return Err(TokenError::TooLong);
        }
        Ok(())
    }

    /// The time that this deployment goes by.
    pub(crate) fn now(&self) -> UnixSeconds {
        self.0.clock.now()
    }

    /// The bytes of the longest token that was made since the start.
    #[must_use]
    pub fn largest_token(&self) -> usize {
        self.0.largest_token.load(Ordering::Relaxed)
    }

    /// Wipes the content keys of tokens in use; the next request of each works its own out anew.
    pub fn forget_content_keys(&self) {
        self.0.content_keys.clear();
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.0
    }

    /// The parts for somebody who must not keep the deployment open.
    pub(crate) fn weak(&self) -> Weak<Parts> {
        Arc::downgrade(&self.0)
    }
}

#[cfg(test)]
pub(crate) mod testing;

impl fmt::Debug for Lacre {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lacre")
            .field("rules", &self.0.rules)
            .finish_non_exhaustive()
    }
}

/// Builds a [`Lacre`]; time and randomness are the system's unless given.
#[must_use]
pub struct LacreBuilder {
    keystore: Keystore,
    keyring: Keyring,
    rules: Rules,
    clock: Arc<dyn Clock>,
    entropy: Entropy,
    content_key_bytes: u64,
    lock: Option<Lock>,
}

impl LacreBuilder {
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

    /// Keeps `lock` until the last clone of the handle is gone.
    pub(crate) fn holding(mut self, lock: impl Send + Sync + 'static) -> Self {
        self.lock = Some(Box::new(lock));
        self
    }

    /// The finished handle.
    #[must_use]
    pub fn build(self) -> Lacre {
        let content_keys = ContentKeys::of(&self.keystore, self.content_key_bytes);
        Lacre(Arc::new(Parts {
            rules: self.rules,
            keystore: self.keystore,
            keyring: self.keyring,
            clock: self.clock,
            entropy: self.entropy,
            turns: Turns::default(),
            seen: Seen::default(),
            content_keys,
            largest_token: AtomicUsize::new(0),
            _lock: self.lock,
        }))
    }
}
