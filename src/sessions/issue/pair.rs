//! The tokens that go with a record: claims, signed, then sealed for the session's key.
//!
//! Nothing is stored here, and nothing leaves: whoever makes the record durable hands them out.
//!
//! This room must never put into a token what the record or the subject doesn't say.

use super::{IssueError, IssuedToken, Lasting, Subject};
use crate::clock::UnixSeconds;
use crate::lacre::Lacre;
use crate::token::{
    Claims, Handle, Recipient, RecipientKey, SessionKey, TokenKind, base64url, seal,
};
use lacre_keystore::Record;
use rand::{CryptoRng, RngExt as _};
use serde_json::{Map, Value};
use std::sync::atomic::Ordering::Relaxed;
use zeroize::Zeroizing;

/// The most percent of its life that an access token may lose at random.
const MOST_JITTER: u32 = 50;

/// Bytes of a token from which on every request gets noticeably longer.
const LARGE: usize = 2048;

/// What the tokens of a record say.
pub(crate) struct Contents<'a> {
    pub(crate) subject: &'a Subject,
    pub(crate) handle: &'a Handle,
    pub(crate) record: &'a Record,
    /// When they are made. Read once for the record and both tokens: a second that passes between
    /// them would be missing in `expires_in`.
    pub(crate) now: UnixSeconds,
    /// Whether a password was proven for them.
    pub(crate) fresh: bool,
    pub(crate) additional: &'a Map<String, Value>,
}

/// An access token and the refresh token of the same generation.
pub(crate) struct Pair {
    pub(crate) access: Lasting,
    pub(crate) refresh: Lasting,
}

impl Lacre {
    /// Makes both tokens of the record's generation.
    pub(crate) fn token_pair(&self, contents: &Contents<'_>) -> Result<Pair, IssueError> {
        let access = self.access_token(contents)?;
        let ends = contents.record.expires_at;
        let refresh = self.token(contents, TokenKind::Refresh, ends)?;
        Ok(Pair { access, refresh })
    }

    /// Makes the access token alone.
    pub(crate) fn access_token(&self, contents: &Contents<'_>) -> Result<Lasting, IssueError> {
        let (parts, rules) = (self.parts(), self.rules());
        let life = life(
            rules.access_ttl,
            rules.access_ttl_jitter,
            &mut (parts.entropy)(),
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
        let parts = self.parts();
        let mut rng = (parts.entropy)();
        let now = contents.now;
        let mut claims = Claims {
            issuer: parts.rules.issuer.clone(),
            subject: contents.subject.id.clone(),
            audience: vec![parts.rules.audience.clone()],
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
            additional: contents.additional.clone(),
        };
        // A refresh token says nothing of the user's rights: they are looked up when it is used.
        if kind == TokenKind::Access {
            let subject = contents.subject;
            claims.id = Some(subject.id.clone());
            claims.email.clone_from(&subject.email);
            claims.role = subject.roles.first().cloned();
            claims.roles.clone_from(&subject.roles);
            claims.permissions.clone_from(&subject.permissions);
            claims.fresh = Some(contents.fresh);
            claims.authenticated_at = Some(contents.record.authenticated_at);
        }
        let key = SessionKey::from_scalar(contents.record.private_scalar.expose())?;
        let recipient = Recipient {
            key: RecipientKey::Own(&key),
            handle: contents.handle,
        };
        let token = seal(recipient, parts.keyring.signer(), kind, &claims, &mut rng)?;
        self.check_length(token.as_bytes())?;
        self.weigh(kind, token.len());
        let expires_in = expires_at.saturating_sub(now);
        Ok(Lasting {
            token: IssuedToken(Zeroizing::new(token)),
            expires_in,
        })
    }

    /// Tells the log what a token weighs: it goes along with every request.
    fn weigh(&self, kind: TokenKind, bytes: usize) {
        self.parts().largest_token.fetch_max(bytes, Relaxed);
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
    let jitter = u64::from(jitter.min(MOST_JITTER));
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
