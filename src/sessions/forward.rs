//! Signed JWTs that tell another service who came (RFC 9068): made for one request, readable by whoever
//! gets them, and good for half a minute.
//!
//! They are signed by keys of their own, and lacre takes none of them for a token of a session: those are
//! encrypted, and their inner signature is by other keys.
//!
//! This room must never sign what the guard hasn't let in.

use super::grant::IssuedToken;
use super::guard::LiveSession;
use super::records::Records;
use super::rules::Rules;
use crate::entropy::Entropy;
use crate::token::{SigningKey, TokenError, TokenKind, base64url};
use rand::Rng as _;
use serde_json::{Map, Value};
use std::sync::Arc;
use zeroize::Zeroizing;

/// How many seconds a JWT is good.
pub const LIFE: u64 = 30;

/// The `client_id` of a session that no client asked for: its user logged in to lacre itself.
pub const OWN_CLIENT: &str = "lacre";

/// Makes the JWTs of one deployment.
pub(crate) struct Forwarder {
    rules: Arc<Rules>,
    records: Records,
    entropy: Entropy,
}

impl Forwarder {
    pub(crate) fn new(rules: Arc<Rules>, records: Records, entropy: Entropy) -> Self {
        Self {
            rules,
            records,
            entropy,
        }
    }

    /// A JWT for this audience about a session that the guard has just let in.
    pub(crate) fn sign(
        &self,
        session: &LiveSession,
        audience: &str,
    ) -> Result<IssuedToken, TokenError> {
        let mut id = [0; 16];
        (self.entropy)().fill_bytes(&mut id);
        let now = self.records.now();
        let claims = claims(
            session,
            &self.rules.issuer,
            audience,
            now,
            &base64url::encode(id),
        );
        let text = Zeroizing::new(serde_json::to_vec(&claims).map_err(|_| TokenError::Claims)?);
        let signers = self.records.keyring().signers();
        let mut jws = signers.forwarder(now).sign(TokenKind::Access, &text)?;
        String::from_utf8(std::mem::take(&mut *jws))
            .map(IssuedToken::new)
            .map_err(|_| TokenError::InnerForm)
    }

    /// The public halves of the keys that sign, will sign, or have signed what may be good still, as JWKs
    /// (RFC 7517).
    pub(crate) fn public_keys(&self) -> Vec<Map<String, Value>> {
        let signers = self.records.keyring().signers();
        let keys = signers.published(self.records.now());
        keys.map(SigningKey::public_jwk).collect()
    }
}

/// RFC 9068 §2.2. It is never good for longer than the token that it stands for.
fn claims(
    session: &LiveSession,
    issuer: &str,
    audience: &str,
    now: u64,
    id: &str,
) -> Map<String, Value> {
    let known = &session.claims;
    let expires_at = (now + LIFE).min(known.expires_at).min(session.expires_at);
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
    put("iss", issuer.into());
    put("sub", session.subject().into());
    put("aud", audience.into());
    put(
        "client_id",
        session.client_id().unwrap_or(OWN_CLIENT).into(),
    );
    put("iat", now.into());
    put("exp", expires_at.into());
    put("jti", id.into());
    put("sid", session.handle().as_str().into());
    // An empty scope is none (RFC 6749 §3.3), and libraries refuse it.
    if !known.permissions.is_empty() {
        put("scope", known.permissions.join(" ").into());
    }
    if !known.roles.is_empty() {
        put("roles", known.roles.as_slice().into());
    }
    if let Some(at) = known.authenticated_at {
        put("auth_time", at.into());
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lacre::testing::Fixture;
    use crate::sessions::grant::{Grant, Subject};
    use crate::token::{VerifyingKey, VerifyingKeys};
    use josekit::jwk::Jwk;

    const AUDIENCE: &str = "https://wiki.test";

    async fn session(fixture: &Fixture) -> LiveSession {
        let subject = Subject {
            id: "u1".to_owned(),
            email: Some("u1@example.org".to_owned()),
            name: Some("Ada".to_owned()),
            roles: vec!["clerk".to_owned()],
            permissions: vec!["read".to_owned(), "write".to_owned()],
        };
        let issued = fixture.lacre.issue(&Grant::log_in(subject)).await.unwrap();
        let token = issued.access.token.expose().as_bytes();
        fixture.lacre.guard(token, TokenKind::Access).await.unwrap()
    }

    fn published(fixture: &Fixture) -> VerifyingKeys {
        let keys = fixture.lacre.forwarding_keys().into_iter();
        let keys = keys.map(|key| VerifyingKey::from_jwk(&Jwk::from_map(key).unwrap()).unwrap());
        VerifyingKeys::new(keys.collect())
    }

    fn claims_of(jws: &str) -> Value {
        let claims = jws.split('.').nth(1).unwrap();
        serde_json::from_slice(&base64url::decode(claims.as_bytes()).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_jwt_says_what_rfc_9068_has_it_say_and_no_more() {
        let fixture = Fixture::new();
        let session = session(&fixture).await;
        let jws = fixture.lacre.forward(&session, AUDIENCE).unwrap();
        let said = claims_of(jws.expose());
        let now = fixture.lacre.now();
        assert_eq!(
            said,
            serde_json::json!({
                "iss": fixture.lacre.rules().issuer, "sub": "u1", "aud": AUDIENCE,
                "client_id": OWN_CLIENT, "iat": now, "exp": now + LIFE, "jti": said["jti"],
                "sid": session.handle().as_str(), "scope": "read write", "roles": ["clerk"],
                "auth_time": now,
            })
        );
        assert_eq!(said["jti"].as_str().unwrap().len(), 22);
        let header = jws.expose().split('.').next().unwrap();
        let header = base64url::decode(header.as_bytes()).unwrap();
        let header: Value = serde_json::from_slice(&header).unwrap();
        assert_eq!(
            (&header["alg"], &header["typ"]),
            (&"ES256".into(), &"at+jwt".into())
        );
        assert!(published(&fixture).verify(jws.expose().as_bytes()).is_ok());
    }

    #[tokio::test]
    async fn what_is_empty_is_left_out() {
        let fixture = Fixture::new();
        let mut session = session(&fixture).await;
        session.claims.permissions.clear();
        session.claims.roles.clear();
        session.claims.authenticated_at = None;
        let jws = fixture.lacre.forward(&session, AUDIENCE).unwrap();
        let said = claims_of(jws.expose());
        for name in ["scope", "roles", "auth_time"] {
            assert_eq!(said[name], Value::Null, "{name}");
        }
    }

    #[tokio::test]
    async fn each_jwt_is_made_anew() {
        let fixture = Fixture::new();
        let session = session(&fixture).await;
        let [one, two] = [AUDIENCE; 2].map(|aud| fixture.lacre.forward(&session, aud).unwrap());
        assert_ne!(
            claims_of(one.expose())["jti"],
            claims_of(two.expose())["jti"]
        );
    }

    #[tokio::test]
    async fn no_jwt_outlives_the_token_that_it_stands_for() {
        let fixture = Fixture::new();
        let mut session = session(&fixture).await;
        session.claims.expires_at = fixture.lacre.now() + 5;
        let jws = fixture.lacre.forward(&session, AUDIENCE).unwrap();
        assert_eq!(claims_of(jws.expose())["exp"], session.claims.expires_at);
        session.expires_at = fixture.lacre.now() + 3;
        let jws = fixture.lacre.forward(&session, AUDIENCE).unwrap();
        assert_eq!(claims_of(jws.expose())["exp"], session.expires_at);
    }

    #[tokio::test]
    async fn nothing_here_takes_a_forwarded_jwt() {
        let fixture = Fixture::new();
        let jws = fixture
            .lacre
            .forward(&session(&fixture).await, AUDIENCE)
            .unwrap();
        for kind in [TokenKind::Access, TokenKind::Refresh] {
            let refused = fixture.lacre.guard(jws.expose().as_bytes(), kind).await;
            assert!(refused.is_err(), "{kind}");
        }
        let signers = fixture.lacre.records().keyring().signers();
        assert!(signers.verifiers().verify(jws.expose().as_bytes()).is_err());
    }
}
