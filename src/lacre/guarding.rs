//! Sessions are verified, and what goes with a verified one is made.
//!
//! This room must never do a part's work, nor hand a part out.

use super::Lacre;
use super::timings::timed;
use crate::sessions::csrf::CsrfToken;
use crate::sessions::grant::IssuedToken;
use crate::sessions::guard::{Explained, LiveSession, Refusal};
use crate::token::{Handle, TokenError, TokenKind};
use lacre_keystore::RecordKey;
use serde_json::{Map, Value};
use std::net::IpAddr;

/// A session is verified.
impl Lacre {
    /// Verifies a token of this kind as it came in.
    pub async fn guard(&self, token: &[u8], kind: TokenKind) -> Result<LiveSession, Refusal> {
        self.0.guard.verify(token, kind).await
    }

    /// Verifies a token that was good before and whose record certainly hasn't changed, without
    /// waiting. `None` means nothing: the caller has to ask [`guard_known`](Self::guard_known).
    #[inline]
    pub(crate) fn guard_at_once(&self, token: &[u8], kind: TokenKind) -> Option<LiveSession> {
        self.0.guard.verify_at_once(token, kind)
    }

    /// Verifies a token that was good before. `None` means nothing: the caller has to ask
    /// [`guard_unknown`](Self::guard_unknown).
    pub(crate) async fn guard_known(&self, token: &[u8], kind: TokenKind) -> Option<LiveSession> {
        self.0.guard.verify_known(token, kind).await
    }

    /// Verifies a token by its session's record alone.
    pub(crate) async fn guard_unknown(
        &self,
        token: &[u8],
        kind: TokenKind,
    ) -> Result<LiveSession, Refusal> {
        timed(
            &self.0.timings.opened,
            self.0.guard.verify_unknown(token, kind),
        )
        .await
    }

    /// Says what verifying a token comes to, for operators.
    pub(crate) async fn explain(&self, token: &[u8]) -> Explained {
        self.0.guard.explain(token).await
    }

    /// Notes from where a session is used, for the record that is behind.
    pub(crate) fn note_address(&self, key: &RecordKey, address: IpAddr) {
        self.0.notes.note_address(key, address);
    }

    /// Signs a JWT that tells the service of this audience who came (RFC 9068): good for half a minute,
    /// and for nothing here. `session` is what the guard has just let in.
    pub(crate) fn forward(
        &self,
        session: &LiveSession,
        audience: &str,
    ) -> Result<IssuedToken, TokenError> {
        self.0.forwarder.sign(session, audience)
    }

    /// The public keys of those JWTs, as JWKs (RFC 7517).
    pub(crate) fn forwarding_keys(&self) -> Vec<Map<String, Value>> {
        self.0.forwarder.public_keys()
    }

    /// Makes a token against cross-site request forgery for a session's browser.
    pub(crate) fn csrf_token(&self, session: &Handle) -> CsrfToken {
        let csrf = self.0.records.keyring().csrf();
        csrf.make(session, &mut (self.0.entropy)())
    }

    /// Whether this is a token against cross-site request forgery of this session.
    pub(crate) fn verify_csrf_token(&self, session: &Handle, text: &[u8]) -> bool {
        self.0.records.keyring().csrf().verify(session, text)
    }
}
