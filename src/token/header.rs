//! The protected header of the outer JWE: six members, each exactly as the profile has it.
//!
//! An allow-list of one value per member leaves nothing to negotiate (RFC 8725 §3.1): no `zip`
//! bomb, no `crit` to overlook, no `p2c` to count to, no key or address that the sender brings.
//!
//! This room must never ignore a member.

use super::agreement::EphemeralPublicKey;
use super::profile::{ALG, ENC};
use super::{Handle, TokenError, base64url, json};
use serde_json::{Map, Value};

const TYP: &str = "JWE";
const CTY: &str = "JWT";

/// What the strict header leaves to say: which session, and the sender's ephemeral key.
#[derive(Debug, Clone)]
pub(super) struct Header {
    /// The session handle (`kid`).
    pub handle: Handle,
    /// The sender's ephemeral public key (`epk`), a checked point of P-256.
    pub epk: EphemeralPublicKey,
}

impl Header {
    /// Reads the header's JSON, refusing whatever the profile doesn't know.
    pub(super) fn parse(text: &[u8]) -> Result<Self, TokenError> {
        let mut members = json::object(text).ok_or(TokenError::Header)?;
        for (name, value) in [("alg", ALG), ("enc", ENC), ("typ", TYP), ("cty", CTY)] {
            if take_text(&mut members, name)? != value {
                return Err(TokenError::Header);
            }
        }
        let handle = Handle::parse(&take_text(&mut members, "kid")?)?;
        let Some(Value::Object(epk)) = members.remove("epk") else {
            return Err(TokenError::Header);
        };
        if !members.is_empty() {
            return Err(TokenError::Header);
        }
        Ok(Self {
            handle,
            epk: ephemeral_key(epk)?,
        })
    }

    /// The header's JSON in the order in which lacre writes it.
    pub(super) fn to_json(&self) -> String {
        let (x, y) = self.epk.coordinates();
        format!(
            r#"{{"alg":"{ALG}","enc":"{ENC}","typ":"{TYP}","cty":"{CTY}","kid":"{}","epk":{{"kty":"EC","crv":"P-256","x":"{}","y":"{}"}}}}"#,
            self.handle,
            base64url::encode(x),
            base64url::encode(y),
        )
    }
}

/// Exactly `kty`, `crv`, `x`, `y`; each coordinate exactly 32 bytes (RFC 7518 §6.2.1.2), so that no
/// one can shift the border between the two.
pub(super) fn ephemeral_key(
    mut members: Map<String, Value>,
) -> Result<EphemeralPublicKey, TokenError> {
    if take_text(&mut members, "kty")? != "EC" || take_text(&mut members, "crv")? != "P-256" {
        return Err(TokenError::Header);
    }
    let x = take_text(&mut members, "x")?;
    let y = take_text(&mut members, "y")?;
    if !members.is_empty() {
        return Err(TokenError::Header);
    }
    let coordinate = |text: String| {
        base64url::decode_array::<32>(text.as_bytes()).ok_or(TokenError::EphemeralKey)
    };
    EphemeralPublicKey::from_coordinates(&coordinate(x)?, &coordinate(y)?)
}

fn take_text(members: &mut Map<String, Value>, name: &str) -> Result<String, TokenError> {
    match members.remove(name) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(TokenError::Header),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::SessionKey;
    use rand::SeedableRng as _;

    fn good() -> String {
        let mut rng = rand::rngs::StdRng::seed_from_u64(1);
        let epk = SessionKey::generate(&mut rng).public_key().unwrap();
        Header {
            handle: Handle::parse("h-1").unwrap(),
            epk,
        }
        .to_json()
    }

    #[test]
    fn what_is_written_is_read() {
        let header = Header::parse(good().as_bytes()).unwrap();
        assert_eq!(header.handle.as_str(), "h-1");
        assert_eq!(header.to_json(), good());
    }

    #[test]
    fn one_changed_value_or_member_is_refused() {
        let good = good();
        let changes = [
            (ALG, "ECDH-ES"),
            (ALG, "ecdh-es+a256kw"),
            (ENC, "A256GCM"),
            ("\"typ\":\"JWE\"", "\"typ\":\"JWT\""),
            ("\"typ\":\"JWE\"", "\"typ\":[\"JWE\"]"),
            ("\"cty\":\"JWT\"", "\"cty\":\"jwt\""),
            ("\"cty\":\"JWT\",", ""),
            ("\"kid\":\"h-1\"", "\"kid\":\"../h\""),
            ("\"kid\":\"h-1\"", "\"kid\":1"),
            ("\"kid\":\"h-1\"", "\"kid\":\"h-1\",\"zip\":\"DEF\""),
            ("\"kid\":\"h-1\"", "\"kid\":\"h-1\",\"kid\":\"h-1\""),
            ("\"kty\":\"EC\"", "\"kty\":\"EC\",\"d\":\"AA\""),
            ("P-256", "P-384"),
            ("{\"kty\"", "[{\"kty\""),
        ];
        for (from, to) in changes {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good, "{from} must occur");
            assert!(Header::parse(bad.as_bytes()).is_err(), "{from} -> {to}");
        }
    }
}
