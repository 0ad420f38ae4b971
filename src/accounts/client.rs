//! Trusted back ends, which ask for tokens in the name of users.
//!
//! A client's secret is 256 random bits, so one SHA-256 guards it: there is nothing to guess that
//! a slow hash would make slower.
//!
//! This room must never keep or show a secret after the moment it was made.

use std::fmt;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::CryptoRng;
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

use super::error::{AccountsError, invalid};
use crate::clock::UnixSeconds;
use crate::defaults::CLIENT_PREFIX;

const RANDOM_LENGTH: usize = 16;
const MAX_SERVICE: usize = 64;
const MAX_SERVICES: usize = 32;

/// The identifier of a client: `client_` and 16 characters of base64url.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(String);

impl ClientId {
    /// Takes an identifier as named in a request.
    pub fn parse(text: &str) -> Result<Self, AccountsError> {
        let random = text.strip_prefix(CLIENT_PREFIX).unwrap_or_default();
        if random.len() != RANDOM_LENGTH
            || !random
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
        {
            return Err(invalid("id", "is no client's: 'client_' and 16 characters"));
        }
        Ok(Self(text.to_owned()))
    }

    /// A new identifier from 12 random bytes.
    #[must_use]
    pub fn generate(random: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut bytes = [0; 12];
        random.fill_bytes(&mut bytes);
        Self(format!("{CLIENT_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The identifier's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The secret of a client: 43 characters of base64url, 32 random bytes. `Debug` shows nothing;
/// wiped on drop.
pub struct ClientSecret(Zeroizing<String>);

impl ClientSecret {
    /// A new secret.
    #[must_use]
    pub fn generate(random: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut bytes = [0; 32];
        random.fill_bytes(&mut bytes);
        let text = URL_SAFE_NO_PAD.encode(bytes);
        bytes.zeroize();
        Self(Zeroizing::new(text))
    }

    /// The text to show, once.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.0)
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret")
    }
}

/// A client just made, with the only copy of its secret.
#[derive(Debug)]
pub struct NewClient {
    /// Its identifier.
    pub id: ClientId,
    /// Its secret.
    pub secret: ClientSecret,
}

/// A client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its identifier.
    pub id: ClientId,
    /// What the operator calls it.
    pub name: String,
    /// When it was made.
    pub created_at: UnixSeconds,
    /// Whether it vouches for users of its own, of whom no account is kept.
    pub own_users: bool,
    /// The services that it asks about tokens for, by their names in the configuration; with none, all.
    pub services: Vec<String>,
}

/// What an operator says of a client to make.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientTerms {
    /// What to call it: 1 to 200 characters.
    pub name: String,
    /// Whether it vouches for users of its own.
    pub own_users: bool,
    /// The services that it asks about tokens for, each 1 to 64 characters of `[A-Za-z0-9_-]`.
    pub services: Vec<String>,
}

impl ClientTerms {
    /// Those of a client that asks for the sessions of accounts, and about the tokens of every service.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// The services, each once, or what is wrong with one of them.
    pub(super) fn checked_services(&self) -> Result<Vec<String>, AccountsError> {
        let is_name = |name: &str| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
            (1..=MAX_SERVICE).contains(&name.len()) && name.bytes().all(plain)
        };
        if self.services.len() > MAX_SERVICES {
            return Err(invalid("service", "may be given 32 times at most"));
        }
        if !self.services.iter().all(|name| is_name(name)) {
            return Err(invalid(
                "service",
                "must have 1 to 64 characters of A-Z, a-z, 0-9, '_' and '-'",
            ));
        }
        let mut services = self.services.clone();
        services.sort_unstable();
        services.dedup();
        Ok(services)
    }
}

/// The SHA-256 of a secret, as it is stored.
#[derive(Clone)]
pub(super) struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a secret as presented: any text.
    pub(super) fn of(secret: &str) -> Self {
        let mut bytes = [0; 32];
        let hash = digest::digest(&digest::SHA256, secret.as_bytes());
        bytes.copy_from_slice(hash.as_ref());
        Self(bytes)
    }

    /// One that no secret has, but with a chance of 2^-256: what an unknown client is compared to.
    pub(super) fn decoy(random: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut bytes = [0; 32];
        random.fill_bytes(&mut bytes);
        Self(bytes)
    }

    pub(super) fn from_stored(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether both are of one secret; in the same time whatever the answer.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;
    use crate::accounts::identity::UserId;

    #[test]
    fn what_is_generated_has_its_form() {
        let mut random = StdRng::seed_from_u64(7);
        for _ in 0..500 {
            let id = ClientId::generate(&mut random);
            assert_eq!(ClientId::parse(id.as_str()).unwrap(), id);
            assert_eq!(id.as_str().len(), 23);
            assert_eq!(ClientSecret::generate(&mut random).expose().len(), 43);
        }
    }

    #[test]
    fn no_client_is_a_user() {
        let mut random = StdRng::seed_from_u64(8);
        let client = ClientId::generate(&mut random);
        assert!(UserId::parse(client.as_str()).is_err());
        let user = UserId::generate(&mut random);
        assert!(ClientId::parse(user.as_str()).is_err());
    }

    #[test]
    fn a_client_id_has_one_form() {
        for bad in [
            "",
            "client_",
            "client_0123456789abcde",
            "client_0123456789abcdefg",
            "Client_0123456789abcdef",
            "client_0123456789abcde/",
            "client_0123456789abcd\u{e9}",
        ] {
            assert!(ClientId::parse(bad).is_err(), "{bad}");
        }
        assert!(ClientId::parse("client_0123456789-_cdef").is_ok());
    }

    #[test]
    fn services_are_named_as_in_the_configuration() {
        let checked = |services: &[&str]| {
            ClientTerms {
                services: services.iter().map(|&name| name.to_owned()).collect(),
                ..ClientTerms::named("shop")
            }
            .checked_services()
        };
        assert_eq!(checked(&["b", "a", "b"]).unwrap(), ["a", "b"]);
        assert!(checked(&[]).unwrap().is_empty());
        assert!(checked(&["x".repeat(64).as_str()]).is_ok());
        for bad in ["", "a b", "a/b", "\u{e9}", "x".repeat(65).as_str()] {
            assert!(checked(&[bad]).is_err(), "{bad:?}");
        }
        assert!(checked(&["a"; 33]).is_err());
    }

    #[test]
    fn a_fingerprint_is_the_sha_256_of_the_secret() {
        // FIPS 180-2, appendix B.1
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let hex: String = Fingerprint::of("abc")
            .as_bytes()
            .iter()
            .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        assert_eq!(hex, known);
        assert!(Fingerprint::of("abc").is(&Fingerprint::of("abc")));
        assert!(!Fingerprint::of("abc").is(&Fingerprint::of("abd")));
    }

    #[test]
    fn debug_shows_no_secret() {
        let mut random = StdRng::seed_from_u64(9);
        let new = NewClient {
            id: ClientId::generate(&mut random),
            secret: ClientSecret::generate(&mut random),
        };
        assert!(!format!("{new:?}").contains(new.secret.expose()));
    }
}
