//! The one handle of the library: keystore, keys, time, randomness and the rules for tokens.
//!
//! [`crate::issuer`], [`crate::guard`] and [`crate::sessions`] are its three faces: before, during
//! and after a session's life.
//!
//! This room must never have a default for what a deployment has to decide: whose tokens these are
//! and whom they are for.

use crate::clock::{Clock, SystemClock, UnixSeconds};
use crate::config::Location;
use crate::content_keys::ContentKeys;
use crate::data_dir::DataDir;
use crate::entropy::{self, Entropy};
use crate::issuer::Turns;
use crate::keyring::Keyring;
use crate::sessions::Seen;
use crate::token::{MAX_TOKEN_LENGTH, TokenError};
use lacre_keystore::Keystore;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

/// How much memory content keys may take where nobody says otherwise.
const CONTENT_KEY_BYTES: u64 = 256 << 20;

/// The rules for tokens and sessions. Durations are whole seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The `iss` of our tokens, and the only one accepted.
    pub issuer: String,
    /// The `aud` of our tokens, and the one that must be among a token's.
    pub audience: String,
    /// How long an access token lives.
    pub access_ttl: u64,
    /// By up to how many percent of that, at random, an access token lives shorter; more than 50
    /// count as 50. Those who log in together don't refresh together then.
    pub access_ttl_jitter: u32,
    /// How long a session lives without being refreshed.
    pub refresh_ttl: u64,
    /// How long a session lives at most.
    pub absolute_ttl: u64,
    /// By how much `exp`, `iat` and `nbf` may be off.
    pub leeway: u64,
    /// How long the refresh token of the generation before is still answered.
    pub refresh_grace: u64,
    /// The most characters of a token, issued or accepted; at most [`MAX_TOKEN_LENGTH`].
    pub max_token_length: usize,
    /// The most sessions of one user; a new one beyond them ends the oldest.
    pub max_per_user: usize,
    /// Where a request may carry its token, unless a route says otherwise. With
    /// [`Location::Cookie`], log-in and refresh set cookies as well.
    pub locations: Vec<Location>,
}

impl Rules {
    /// Rules with the documented defaults for this issuer and this audience.
    #[must_use]
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audience: audience.into(),
            access_ttl: 15 * 60,
            access_ttl_jitter: 0,
            refresh_ttl: 30 * 24 * 3600,
            absolute_ttl: 90 * 24 * 3600,
            leeway: 0,
            refresh_grace: 10,
            max_token_length: MAX_TOKEN_LENGTH,
            max_per_user: 100,
            locations: vec![Location::Header],
        }
    }
}

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
    /// Where [`Lacre::open`] took a directory: held as long as the keystore, which stands above
    /// and is dropped first.
    _data_dir: Option<DataDir>,
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
            data_dir: None,
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
    data_dir: Option<DataDir>,
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

    /// Holds `data_dir` until the last clone of the handle is gone.
    pub(crate) fn holding(mut self, data_dir: DataDir) -> Self {
        self.data_dir = Some(data_dir);
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
            _data_dir: self.data_dir,
        }))
    }
}
