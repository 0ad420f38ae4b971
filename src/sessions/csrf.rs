//! Tokens against cross-site request forgery, each bound to one session.
//!
//! A browser sends its cookies with whatever another site makes it send. A second value, which
//! only pages of our own origin can read and repeat in a header, tells the two apart. It is
//! signed over the session's handle, so that somebody who can plant a cookie can't plant one that
//! fits (the signed double submit of the OWASP cheat sheet, threat: request-forgery). Nothing is stored.
//!
//! This room must never take a token for proof of who asks: it only says that the sender could
//! read the session's cookie.

use crate::token::{Handle, base64url};
use aws_lc_rs::hmac;
use rand::CryptoRng;
use std::fmt;

/// Bytes of the signature: HMAC-SHA-256.
const SIGNATURE: usize = 32;
/// Random bytes, so that no two tokens of a session are alike.
const RANDOM: usize = 16;

/// Makes and checks the tokens of one deployment.
#[derive(Clone)]
pub struct CsrfTokens(hmac::Key);

/// A token on its way to its browser: 64 characters of base64url.
pub struct CsrfToken(String);

impl CsrfToken {
    /// The token's text, for the cookie that the browser's scripts read.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl CsrfTokens {
    /// Takes a secret of the deployment. The key is derived from it for this purpose alone.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let derived = hmac::sign(&secret, b"lacre v1 key of csrf tokens");
        Self(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()))
    }

    /// Makes a token for the session of this handle.
    pub fn make(&self, session: &Handle, rng: &mut impl CryptoRng) -> CsrfToken {
        let mut bytes = [0; SIGNATURE + RANDOM];
        let (signature, random) = bytes.split_at_mut(SIGNATURE);
        rng.fill_bytes(random);
        signature.copy_from_slice(hmac::sign(&self.0, &signed(session, random)).as_ref());
        CsrfToken(base64url::encode(bytes))
    }

    /// Whether `text` is a token that was made for the session of this handle. The time it takes
    /// tells nothing of the right signature.
    #[must_use]
    pub fn verify(&self, session: &Handle, text: &[u8]) -> bool {
        let Some(bytes) = base64url::decode_array::<{ SIGNATURE + RANDOM }>(text) else {
            return false;
        };
        let (signature, random) = bytes.split_at(SIGNATURE);
        hmac::verify(&self.0, &signed(session, random), signature).is_ok()
    }
}

/// What is signed. The random part has a fixed length, so no two pairs read the same.
fn signed(session: &Handle, random: &[u8]) -> Vec<u8> {
    [session.as_str().as_bytes(), random].concat()
}

impl fmt::Debug for CsrfTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CsrfTokens(..)")
    }
}

impl fmt::Debug for CsrfToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CsrfToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    fn tokens() -> CsrfTokens {
        CsrfTokens::new(&[7; 32])
    }

    fn handle(text: &str) -> Handle {
        Handle::parse(text).unwrap()
    }

    fn made(session: &str, seed: u64) -> String {
        let token = tokens().make(&handle(session), &mut StdRng::seed_from_u64(seed));
        token.expose().to_owned()
    }

    #[test]
    fn a_token_is_good_for_its_session_alone() {
        let token = made("session_a", 1);
        assert_eq!(token.len(), 64);
        assert!(tokens().verify(&handle("session_a"), token.as_bytes()));
        for other in ["session_b", "session_", "session_aa", "s"] {
            assert!(
                !tokens().verify(&handle(other), token.as_bytes()),
                "{other}"
            );
        }
    }

    #[test]
    fn a_token_of_another_deployment_is_none_of_ours() {
        let token = made("session_a", 1);
        let other = CsrfTokens::new(&[8; 32]);
        assert!(!other.verify(&handle("session_a"), token.as_bytes()));
    }

    #[test]
    fn no_character_can_be_changed_left_out_or_added() {
        let token = made("session_a", 1).into_bytes();
        let good = |text: &[u8]| tokens().verify(&handle("session_a"), text);
        for at in 0..token.len() {
            let mut bad = token.clone();
            bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
            assert!(!good(&bad), "character {at}");
            assert!(!good(&token[..at]), "cut at {at}");
        }
        assert!(!good(&[&token[..], b"A"].concat()));
        assert!(!good(&[&token[..], b"="].concat()));
        assert!(!good(b""));
        assert!(good(&token), "the others fail for their change alone");
    }

    #[test]
    fn no_two_tokens_of_a_session_are_alike() {
        assert_ne!(made("session_a", 1), made("session_a", 2));
    }

    #[test]
    fn the_key_is_not_the_secret_that_makes_handles() {
        let session = handle("session_a");
        let random = [0; RANDOM];
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
        let signature = hmac::sign(&secret, &signed(&session, &random));
        let forged = base64url::encode([signature.as_ref(), &random].concat());
        assert!(!tokens().verify(&session, forged.as_bytes()));
    }

    #[test]
    fn they_print_nothing() {
        let token = tokens().make(&handle("s"), &mut StdRng::seed_from_u64(1));
        assert_eq!(format!("{token:?}"), "CsrfToken(..)");
        assert_eq!(format!("{:?}", tokens()), "CsrfTokens(..)");
    }
}
