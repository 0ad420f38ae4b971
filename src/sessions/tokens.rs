//! The tokens that go with a record: claims, signed, then sealed for the session's key.
//!
//! Nothing is stored here, and nothing leaves: whoever makes the record durable hands them out.
//!
//! This room must never put into a token what the record or the subject doesn't say.

use super::grant::{IssueError, IssuedToken, Lasting, Subject};
use super::keyring::Keyring;
use super::profile::Profile;
use super::rules::Rules;
use crate::clock::UnixSeconds;
use crate::entropy::Entropy;
use crate::token::{
    Claims, Handle, Recipient, RecipientKey, SessionKey, TokenKind, base64url, seal,
};
use lacre_keystore::Record;
use rand::{CryptoRng, RngExt as _};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// The maximum percentage of its life that an access token may lose at random.
const MAX_JITTER: u32 = 50;

/// Bytes of a token from which on every request gets noticeably longer.
const LARGE: usize = 2048;

/// The claim that tells the name of a client's user.
const NAME: &str = "name";

/// What the tokens of a record say.
pub(super) struct Contents<'a> {
    pub(super) subject: &'a Subject,
    pub(super) handle: &'a Handle,
    pub(super) record: &'a Record,
    /// When they are made. Read once for the record and both tokens: a second that passes between
    /// them would be missing in `expires_in`.
    pub(super) now: UnixSeconds,
    /// Whether a password was proven for them.
    pub(super) fresh: bool,
    pub(super) additional: &'a Map<String, Value>,
    /// What the client that the record names says of the user; `None` where the user is an account.
    pub(super) profile: Option<&'a Profile>,
}

/// An access token and the refresh token of the same generation.
pub(super) struct Pair {
    pub(super) access: Lasting,
    pub(super) refresh: Lasting,
}

/// Makes the tokens of one deployment.
pub(crate) struct TokenMaker {
    rules: Arc<Rules>,
    keyring: Arc<Keyring>,
    entropy: Entropy,
    /// The bytes of the longest token that was made.
    largest: AtomicUsize,
}

impl TokenMaker {
    pub(crate) fn new(rules: Arc<Rules>, keyring: Arc<Keyring>, entropy: Entropy) -> Self {
        Self {
            rules,
            keyring,
            entropy,
            largest: AtomicUsize::new(0),
        }
    }

    /// The bytes of the longest token that was made since the start.
    pub(crate) fn largest(&self) -> usize {
        self.largest.load(Relaxed)
    }

    /// Makes both tokens of the record's generation.
    pub(super) fn pair(&self, contents: &Contents<'_>) -> Result<Pair, IssueError> {
        let access = self.access_token(contents)?;
        let ends = contents.record.expires_at;
        let refresh = self.token(contents, TokenKind::Refresh, ends)?;
        Ok(Pair { access, refresh })
    }

    /// Makes the access token alone.
    pub(super) fn access_token(&self, contents: &Contents<'_>) -> Result<Lasting, IssueError> {
        let life = life(
            self.rules.access_ttl,
            self.rules.access_ttl_jitter,
            &mut (self.entropy)(),
        );
        let expires_at = contents.now.saturating_add(life);
        self.token(
            contents,
            TokenKind::Access,
            expires_at.min(contents.record.expires_at),
        )
    }

    fn token(
        &self,
        contents: &Contents<'_>,
        kind: TokenKind,
        expires_at: u64,
    ) -> Result<Lasting, IssueError> {
        let mut rng = (self.entropy)();
        let now = contents.now;
        let mut claims = Claims {
            issuer: self.rules.issuer.clone(),
            subject: contents.subject.id.clone(),
            audience: vec![self.rules.audience.clone()],
            issued_at: now,
            expires_at,
            not_before: None,
            token_id: random_id(&mut rng),
            session: contents.handle.clone(),
            generation: contents.record.generation,
            id: None,
            email: None,
            role: None,
            roles: Vec::new(),
            permissions: Vec::new(),
            fresh: None,
            authenticated_at: None,
            client_id: None,
            client_name: None,
            account_name: None,
            additional: contents.additional.clone(),
        };
        if let Some(profile) = contents.profile {
            claims.client_id.clone_from(&contents.record.client_id);
            claims.client_name = Some(profile.client_name.clone());
        }
        // A refresh token says nothing of the user's rights: they are looked up when it is used.
        if kind == TokenKind::Access {
            let subject = contents.subject;
            claims.id = Some(subject.id.clone());
            claims.email.clone_from(&subject.email);
            claims.account_name.clone_from(&subject.name);
            claims.role = subject.roles.first().cloned();
            claims.roles.clone_from(&subject.roles);
            claims.permissions.clone_from(&subject.permissions);
            claims.fresh = Some(contents.fresh);
            claims.authenticated_at = contents.record.proven_at();
            if let Some(name) = contents.profile.and_then(|profile| profile.name.clone()) {
                claims.additional.insert(NAME.to_owned(), name.into());
            }
        }
        let key = SessionKey::from_scalar(contents.record.private_scalar.expose())?;
        let recipient = Recipient {
            key: RecipientKey::Own(&key),
            handle: contents.handle,
        };
        let signers = self.keyring.signers();
        let mut token = seal(recipient, signers.signer(), kind, &claims, &mut rng)?;
        // The name is for reading, and its owner chooses it: it keeps nobody from logging in.
        if self.rules.check_length(token.as_bytes()).is_err()
            && claims.account_name.take().is_some()
        {
            token = seal(recipient, signers.signer(), kind, &claims, &mut rng)?;
        }
        self.rules.check_length(token.as_bytes())?;
        self.weigh(kind, token.len());
        let expires_in = expires_at.saturating_sub(now);
        Ok(Lasting {
            token: IssuedToken::new(token),
            expires_in,
        })
    }

    /// Tells the log what a token weighs: it goes along with every request.
    fn weigh(&self, kind: TokenKind, bytes: usize) {
        self.largest.fetch_max(bytes, Relaxed);
        let kind = kind.typ();
        log::debug!(kind, bytes; "a token was issued");
        if bytes > LARGE {
            log::warn!(
                code = "token_large", kind, bytes;
                "the token makes every request longer by so much: fewer roles, permissions and \
                 additional claims make it shorter"
            );
        }
    }
}

/// How long an access token lives: `ttl`, less a random part of it of at most `jitter` percent. It
/// never lives longer than `ttl`, and never less than half of it.
fn life(ttl: u64, jitter: u32, rng: &mut impl CryptoRng) -> u64 {
    let jitter = u64::from(jitter.min(MAX_JITTER));
    let most = u128::from(ttl) * u128::from(jitter) / 100;
    let most = u64::try_from(most).unwrap_or(ttl);
    ttl - rng.random_range(0..=most)
}

/// 128 random bits as 22 characters.
fn random_id(rng: &mut impl CryptoRng) -> String {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    base64url::encode(bytes)
}
