//! The deployment's own keys: the ES256 keys that sign tokens and the secret that makes handles.
//!
//! They lie in one file, sealed under the master key, so that the master key is the only secret
//! that an operator has to keep apart from a backup. A keyring that the master key doesn't open
//! stops the start before any record is touched: with other keys every session would be lost.
//!
//! This room must never write a key unsealed, and never make a new keyring where records of an
//! earlier one exist.

use crate::sessions::csrf::CsrfTokens;
use crate::sessions::handles::Handles;
use crate::token::{KeyError, SigningKey, VerifyingKeys};
use lacre_keystore::{KeystoreError, MasterKeyRing};
use rand::CryptoRng;
use std::fmt;
use thiserror::Error;
use zeroize::Zeroizing;

/// What the sealed file is, so that no other sealed file can stand in for it.
const CONTEXT: &[u8] = b"lacre keyring v1";
/// What the keys of forwarded JWTs are derived for.
const FORWARDING: &[u8] = b"lacre v1 key of forwarded jwts";
/// Bytes of a secret or a scalar.
const SECRET: usize = 32;
/// The maximum of signing keys: more than overlap in any rotation.
const MAX_SIGNERS: usize = 16;

/// The keys of one deployment.
pub struct Keyring {
    // In one place of the heap: moving a keyring must not leave copies of it behind.
    handle_secret: Box<Zeroizing<[u8; SECRET]>>,
    handles: Handles,
    csrf: CsrfTokens,
    /// The first one signs, every one verifies.
    signers: Vec<SigningKey>,
    verifiers: VerifyingKeys,
    /// The keys of forwarded JWTs, one for each signer and in their order.
    forwarders: Vec<SigningKey>,
}

impl Keyring {
    /// Makes new keys, for a deployment that has none.
    pub fn generate(rng: &mut impl CryptoRng) -> Result<Self, KeyringError> {
        let mut handle_secret = Box::new(Zeroizing::new([0; SECRET]));
        rng.fill_bytes(handle_secret.as_mut_slice());
        Self::new(handle_secret, vec![SigningKey::generate(rng)?])
    }

    fn new(
        handle_secret: Box<Zeroizing<[u8; SECRET]>>,
        signers: Vec<SigningKey>,
    ) -> Result<Self, KeyringError> {
        if signers.is_empty() || signers.len() > MAX_SIGNERS {
            return Err(KeyringError::Damaged);
        }
        let verifiers = signers
            .iter()
            .map(SigningKey::verifying_key)
            .collect::<Result<Vec<_>, _>>()?;
        // Derived, so that they last as long as the keyring, are the same on every node, and are rotated
        // together with the signers. Nothing that they sign can be taken for what a signer has signed.
        let forwarders = signers
            .iter()
            .map(|signer| signer.derived(FORWARDING))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            forwarders,
            handles: Handles::new(&handle_secret),
            csrf: CsrfTokens::new(&handle_secret),
            handle_secret,
            signers,
            verifiers: VerifyingKeys::new(verifiers),
        })
    }

    /// Opens a sealed keyring.
    pub fn open(sealed: &[u8], master: &MasterKeyRing) -> Result<Self, KeyringError> {
        let bytes = master
            .open_bytes(CONTEXT, sealed)
            .map_err(KeyringError::NotOurs)?;
        let (secrets, rest) = bytes.as_chunks::<SECRET>();
        let Some((handle_secret, scalars)) = secrets.split_first().filter(|_| rest.is_empty())
        else {
            return Err(KeyringError::Damaged);
        };
        let signers = scalars
            .iter()
            .map(SigningKey::from_scalar)
            .collect::<Result<Vec<_>, _>>()?;
        Self::new(Box::new(Zeroizing::new(*handle_secret)), signers)
    }

    /// Seals the keyring for its file.
    pub fn seal(
        &self,
        master: &MasterKeyRing,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, KeyringError> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(SECRET * (1 + self.signers.len())));
        bytes.extend_from_slice(self.handle_secret.as_slice());
        for signer in &self.signers {
            bytes.extend_from_slice(signer.scalar().as_ref());
        }
        master
            .seal_bytes(CONTEXT, &bytes, rng)
            .map_err(KeyringError::NotOurs)
    }

    /// What makes handles and finds their records.
    #[must_use]
    pub fn handles(&self) -> &Handles {
        &self.handles
    }

    /// What makes and checks the tokens against cross-site request forgery.
    #[must_use]
    pub fn csrf(&self) -> &CsrfTokens {
        &self.csrf
    }

    /// The key that signs new tokens.
    #[must_use]
    pub fn signer(&self) -> &SigningKey {
        &self.signers[0]
    }

    /// The ids of the signing keys: the one that signs, then those that still verify.
    pub fn signer_ids(&self) -> impl Iterator<Item = &str> {
        self.signers.iter().map(SigningKey::id)
    }

    /// The keys of forwarded JWTs: the first one signs, all are published.
    pub(crate) fn forwarders(&self) -> &[SigningKey] {
        &self.forwarders
    }

    /// The keys whose signatures are ours.
    #[must_use]
    pub fn verifiers(&self) -> &VerifyingKeys {
        &self.verifiers
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring(signs with {}, ..)", self.signer().id())
    }
}

/// Why there is no keyring.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// The master key doesn't open it.
    #[error("the keyring doesn't open: {0}")]
    NotOurs(KeystoreError),
    /// It opens and is not a keyring.
    #[error("the keyring is damaged")]
    Damaged,
    /// It is missing, and there are records that only it can find.
    #[error("the keyring is missing, and the keystore has sessions that were made with it")]
    Missing,
}

impl From<KeyError> for KeyringError {
    fn from(_: KeyError) -> Self {
        Self::Damaged
    }
}

impl KeyringError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotOurs(_) => "master_key_mismatch",
            Self::Damaged => "keyring_damaged",
            Self::Missing => "keyring_missing",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::Handle;
    use lacre_keystore::MasterKey;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    fn master(seed: u64) -> MasterKeyRing {
        MasterKeyRing::new(MasterKey::generate(1, &mut StdRng::seed_from_u64(seed)))
    }

    #[test]
    fn a_keyring_comes_back_as_it_was() {
        let mut rng = StdRng::seed_from_u64(1);
        let keyring = Keyring::generate(&mut rng).unwrap();
        let sealed = keyring.seal(&master(1), &mut rng).unwrap();
        let again = Keyring::open(&sealed, &master(1)).unwrap();
        assert_eq!(again.signer().id(), keyring.signer().id());
        assert_eq!(
            again.handles().user_tag("u"),
            keyring.handles().user_tag("u")
        );
        let session = Handle::parse("s").unwrap();
        let csrf = keyring.csrf().make(&session, &mut rng);
        assert!(again.csrf().verify(&session, csrf.expose().as_bytes()));
    }

    #[test]
    fn forwarded_jwts_have_keys_of_their_own_that_come_back_with_the_keyring() {
        let mut rng = StdRng::seed_from_u64(1);
        let keyring = Keyring::generate(&mut rng).unwrap();
        let sealed = keyring.seal(&master(1), &mut rng).unwrap();
        let again = Keyring::open(&sealed, &master(1)).unwrap();
        let id = |keyring: &Keyring| keyring.forwarders()[0].id().to_owned();
        assert_eq!(id(&again), id(&keyring));
        assert_ne!(id(&keyring), keyring.signer().id());
        let other = Keyring::generate(&mut rng).unwrap();
        assert_ne!(id(&other), id(&keyring));
        let jws = keyring.forwarders()[0]
            .sign(crate::token::TokenKind::Access, b"{}")
            .unwrap();
        assert!(keyring.verifiers().verify(&jws).is_err(), "no key of ours");
    }

    #[test]
    fn another_master_key_a_flipped_bit_or_another_file_is_refused() {
        let mut rng = StdRng::seed_from_u64(1);
        let sealed = Keyring::generate(&mut rng)
            .unwrap()
            .seal(&master(1), &mut rng)
            .unwrap();
        assert_eq!(
            Keyring::open(&sealed, &master(2)).unwrap_err().code(),
            "master_key_mismatch"
        );
        for byte in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[byte] ^= 1;
            assert!(Keyring::open(&bad, &master(1)).is_err(), "byte {byte}");
            assert!(
                Keyring::open(&sealed[..byte], &master(1)).is_err(),
                "cut at {byte}"
            );
        }
        let other = master(1)
            .seal_bytes(b"something else", &[7; 64], &mut rng)
            .unwrap();
        assert!(Keyring::open(&other, &master(1)).is_err());
    }

    #[test]
    fn sealed_bytes_that_are_no_keyring_are_damaged() {
        let mut rng = StdRng::seed_from_u64(1);
        for bytes in [
            &[][..],
            &[7; 31],
            &[7; 32],
            &[7; 65],
            &[0; 64],
            &[7; 32 * 18],
        ] {
            let sealed = master(1).seal_bytes(CONTEXT, bytes, &mut rng).unwrap();
            let opened = Keyring::open(&sealed, &master(1));
            assert_eq!(
                opened.unwrap_err(),
                KeyringError::Damaged,
                "{} bytes",
                bytes.len()
            );
        }
    }

    #[test]
    fn secrets_print_nothing() {
        let keyring = Keyring::generate(&mut StdRng::seed_from_u64(1)).unwrap();
        let secret = format!("{:?}", keyring.handle_secret.as_slice());
        let printed = format!("{keyring:?}");
        assert!(!printed.contains(&secret), "{printed}");
    }
}
