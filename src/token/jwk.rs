//! JSON Web Keys from files: P-256, checked in full (RFC 7517, RFC 7518 §6.2).
//!
//! Keys come from files that an operator names, never from a token (RFC 8725 §3.10).
//!
//! This room must never accept a private key whose public half is another's.

use super::agreement::EphemeralPublicKey;
use super::{KeyError, SessionKey, base64url};
use josekit::jwk::Jwk;
use p256::SecretKey;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use zeroize::Zeroizing;

/// The session key in a private JWK.
pub fn session_key(jwk: &Jwk) -> Result<SessionKey, KeyError> {
    let secret = private_key(jwk)?;
    let mut scalar = Zeroizing::new([0; 32]);
    scalar.copy_from_slice(&Zeroizing::new(<[u8; 32]>::from(secret.to_bytes()))[..]);
    SessionKey::from_scalar(&scalar).map_err(|_| KeyError)
}

/// The recipient's key in a public JWK.
pub fn recipient(jwk: &Jwk) -> Result<EphemeralPublicKey, KeyError> {
    let point = public_point(jwk)?;
    let (x, y) = point[1..].split_at(32);
    let (x, y) = (
        x.try_into().map_err(|_| KeyError)?,
        y.try_into().map_err(|_| KeyError)?,
    );
    EphemeralPublicKey::from_coordinates(x, y).map_err(|_| KeyError)
}

pub(super) fn private_key(jwk: &Jwk) -> Result<SecretKey, KeyError> {
    let point = public_point(jwk)?;
    let scalar = Zeroizing::new(coordinate(jwk, "d")?);
    let secret = SecretKey::from_slice(scalar.as_ref()).map_err(|_| KeyError)?;
    if secret.public_key().to_sec1_point(false).as_bytes() == point {
        Ok(secret)
    } else {
        Err(KeyError)
    }
}

pub(super) fn public_point(jwk: &Jwk) -> Result<[u8; 65], KeyError> {
    if jwk.key_type() != "EC" || jwk.curve() != Some("P-256") {
        return Err(KeyError);
    }
    let mut point = [4; 65];
    point[1..33].copy_from_slice(&coordinate(jwk, "x")?);
    point[33..].copy_from_slice(&coordinate(jwk, "y")?);
    match p256::PublicKey::from_sec1_bytes(&point) {
        Ok(_) => Ok(point),
        Err(_) => Err(KeyError),
    }
}

fn coordinate(jwk: &Jwk, name: &str) -> Result<[u8; 32], KeyError> {
    jwk.parameter(name)
        .and_then(|value| value.as_str())
        .and_then(|text| base64url::decode_array(text.as_bytes()))
        .ok_or(KeyError)
}

#[cfg(test)]
mod tests {
    use super::*;
    use josekit::jwk::alg::ec::EcCurve;

    #[test]
    fn a_generated_pair_reads_and_belongs_together() {
        let jwk = Jwk::generate_ec_key(EcCurve::P256).unwrap();
        let session = session_key(&jwk).unwrap();
        let public = recipient(&jwk.to_public_key().unwrap()).unwrap();
        assert_eq!(session.public_key().unwrap(), public);
    }

    #[test]
    fn other_curves_missing_halves_and_mixed_pairs_are_refused() {
        let p384 = Jwk::generate_ec_key(EcCurve::P384).unwrap();
        assert_eq!(recipient(&p384), Err(KeyError));
        let one = Jwk::generate_ec_key(EcCurve::P256).unwrap();
        assert!(
            session_key(&one.to_public_key().unwrap()).is_err(),
            "no private half"
        );
        let mut octets = one.to_public_key().unwrap();
        octets.set_key_type("OKP");
        assert_eq!(recipient(&octets), Err(KeyError));
        let two = Jwk::generate_ec_key(EcCurve::P256).unwrap();
        let mut mixed = one;
        mixed
            .set_parameter("d", two.parameter("d").cloned())
            .unwrap();
        assert!(session_key(&mixed).is_err(), "the halves are of two keys");
    }
}
