//! An ordinary token, and all the keys that belong to it.

use crate::rules::{AUDIENCE, ISSUER};
use lacre::internals::token::{
    Claims, Expected, Handle, Recipient, RecipientKey, SessionKey, SigningKey, TokenKind,
    VerifyingKeys, seal,
};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::Map;

/// The time that stands still.
pub(crate) const NOW: u64 = 1_800_000_000;

/// The claims that the service puts into an access token.
pub(crate) fn claims() -> Claims {
    Claims {
        issuer: ISSUER.to_owned(),
        subject: "Q7yJv0bN3xkE9wTzLrHc2A".to_owned(),
        audience: vec![AUDIENCE.to_owned()],
        issued_at: NOW,
        expires_at: NOW + 900,
        not_before: None,
        token_id: "k3VtYp0sWmZx8qLfRbNjUg".to_owned(),
        session: Handle::parse("Zk1rT9xQhVbW2nLsYp7mCg0aE4uJdFoR8iKtXwNzHqM").unwrap(),
        generation: 1,
        id: Some("Q7yJv0bN3xkE9wTzLrHc2A".to_owned()),
        email: Some("ada@example.com".to_owned()),
        role: Some("user".to_owned()),
        roles: vec!["user".to_owned()],
        permissions: vec![],
        fresh: Some(true),
        authenticated_at: Some(NOW),
        client_id: None,
        client_name: None,
        account_name: None,
        additional: Map::new(),
    }
}

/// A token and the keys of its session and its signer.
pub(crate) struct Sealed {
    pub(crate) session: SessionKey,
    pub(crate) signer: SigningKey,
    pub(crate) verifiers: VerifyingKeys,
    pub(crate) token: String,
}

/// Seals the ordinary claims for the owner of `session`; the same each time but for the signature.
pub(crate) fn sealed(session: SessionKey) -> Sealed {
    let mut rng = StdRng::seed_from_u64(1);
    let signer = SigningKey::generate(&mut rng).unwrap();
    let claims = claims();
    let recipient = Recipient {
        key: RecipientKey::Own(&session),
        handle: &claims.session,
    };
    let token = seal(recipient, &signer, TokenKind::Access, &claims, &mut rng).unwrap();
    Sealed {
        session,
        verifiers: VerifyingKeys::new(vec![signer.verifying_key().unwrap()]),
        signer,
        token,
    }
}

/// A session's key, the same each time.
pub(crate) fn session() -> SessionKey {
    SessionKey::generate(&mut StdRng::seed_from_u64(4))
}

/// What such a token must say.
pub(crate) fn expected() -> Expected<'static> {
    Expected {
        now: NOW,
        leeway: 0,
        issuer: ISSUER,
        audience: AUDIENCE,
        kind: TokenKind::Access,
        user: None,
        generation: 1,
    }
}
