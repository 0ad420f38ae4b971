//! The deployment's own keys: the ES256 keys that sign tokens and the secret that makes handles.
//!
//! They lie in one file, sealed under the master key, so that the master key is the only secret
//! that an operator has to keep apart from a backup. A keyring that the master key doesn't open
//! stops the start before any record is touched: with other keys every session would be lost.
//!
//! The signing keys rotate while requests are served. A change is sealed first (`Keyring::sealed_with`),
//! brought to the disk by whoever has it, and only then in force (`Keyring::take_over`): a token is never
//! signed by a key that a crash could take away.
//!
//! This room must never write a key unsealed, and never make a new keyring where records of an
//! earlier one exist.

mod error;
mod masters;
mod sealed;
mod signers;

pub use error::KeyringError;
pub(crate) use masters::Masters;
pub(crate) use signers::{PUBLISHED_BEFORE, Signer, Signers};

use crate::clock::UnixSeconds;
use crate::sessions::csrf::CsrfTokens;
use crate::sessions::handles::Handles;
use crate::token::SigningKey;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use lacre_keystore::{DigestKey, MasterKeyRing};
use rand::CryptoRng;
use sealed::{Contents, SECRET};
use signers::Times;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use zeroize::Zeroizing;

/// The keys of one deployment.
pub struct Keyring {
    // In one place of the heap: moving a keyring must not leave copies of it behind.
    handle_secret: Box<Zeroizing<[u8; SECRET]>>,
    handles: Handles,
    csrf: CsrfTokens,
    state: RwLock<State>,
}

/// What changes.
#[derive(Clone)]
struct State {
    signers: Arc<Signers>,
    masters: Arc<Masters>,
    /// The version of the sealed form that they are from, where it lies in a store that others write to; 0 elsewhere.
    version: u64,
}

impl Keyring {
    /// Makes new keys, for a deployment that has none.
    pub fn generate(rng: &mut impl CryptoRng) -> Result<Self, KeyringError> {
        let mut handle_secret = Box::new(Zeroizing::new([0; SECRET]));
        rng.fill_bytes(handle_secret.as_mut_slice());
        let signer = Signer::new(SigningKey::generate(rng)?, Times::default())?;
        Ok(Self::new(Contents {
            handle_secret,
            signers: Signers::new(vec![signer])?,
            masters: Masters::default(),
        }))
    }

    /// The same, whose keys and master key are in use since then.
    pub(crate) fn begun_at(
        self,
        now: UnixSeconds,
        master: &MasterKeyRing,
    ) -> Result<Self, KeyringError> {
        let signers = self.signers().since(now)?;
        let masters = self.masters().as_ref().clone();
        self.take_over(signers, masters.sealing_since(master.current_id(), now));
        Ok(self)
    }

    fn new(contents: Contents) -> Self {
        let secret = contents.handle_secret;
        Self {
            handles: Handles::new(&secret),
            csrf: CsrfTokens::new(&secret),
            handle_secret: secret,
            state: RwLock::new(State {
                signers: Arc::new(contents.signers),
                masters: Arc::new(contents.masters),
                version: 0,
            }),
        }
    }

    /// Opens a sealed keyring.
    pub fn open(sealed: &[u8], master: &MasterKeyRing) -> Result<Self, KeyringError> {
        sealed::open(sealed, master).map(Self::new)
    }

    /// Seals the keyring for its file.
    pub fn seal(
        &self,
        master: &MasterKeyRing,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, KeyringError> {
        self.sealed_with(&self.signers(), &self.masters(), master, rng)
    }

    /// The keyring as it would be sealed with these signing keys, and with this known of the master keys.
    pub(crate) fn sealed_with(
        &self,
        signers: &Signers,
        masters: &Masters,
        master: &MasterKeyRing,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, KeyringError> {
        sealed::seal(&self.handle_secret, signers, masters, master, rng)
    }

    /// Goes by these signing keys from now on, and by this that is known of the master keys. Signatures of
    /// keys that aren't among them are refused when it returns, those of tokens in use included.
    pub(crate) fn take_over(&self, signers: Signers, masters: Masters) {
        let held = self.state.write();
        let mut held = held.unwrap_or_else(PoisonError::into_inner);
        let version = held.version;
        held.replace(signers, masters, version);
    }

    /// Goes by what another node, or this one, has sealed under this version, as [`take_over`](Self::take_over) does;
    /// nothing is done where that is so already. Fails where it is another deployment's.
    pub(crate) fn take_up(
        &self,
        sealed: &[u8],
        version: u64,
        master: &MasterKeyRing,
    ) -> Result<(), KeyringError> {
        let contents = sealed::open(sealed, master)?;
        let same = verify_slices_are_equal(&**contents.handle_secret, &**self.handle_secret);
        same.map_err(|_| KeyringError::Foreign)?;
        let held = self.state.write();
        let mut held = held.unwrap_or_else(PoisonError::into_inner);
        if version > held.version {
            let signers = contents.signers.known_as(&held.signers)?;
            held.replace(signers, contents.masters, version);
        }
        Ok(())
    }

    /// The version of the sealed form that this is from. To be read before what is to be changed: a change that came
    /// in between is told by it.
    pub(crate) fn version(&self) -> u64 {
        self.state().version
    }

    /// The same, from the sealed form of this version.
    #[cfg(any(feature = "server", test))]
    #[must_use]
    pub(crate) fn at_version(self, version: u64) -> Self {
        let held = self.state.write();
        held.unwrap_or_else(PoisonError::into_inner).version = version;
        self
    }

    /// What makes handles and finds their records.
    #[must_use]
    pub fn handles(&self) -> &Handles {
        &self.handles
    }

    /// The key of the digest of the keystore: it stays when master keys and signing keys are rotated.
    #[must_use]
    pub fn digest_key(&self) -> DigestKey {
        DigestKey::derived(&self.handle_secret)
    }

    /// What makes and checks the tokens against cross-site request forgery.
    #[must_use]
    pub fn csrf(&self) -> &CsrfTokens {
        &self.csrf
    }

    /// The signing keys as they are now.
    pub(crate) fn signers(&self) -> Arc<Signers> {
        self.state().signers
    }

    /// What is known of the master keys now.
    pub(crate) fn masters(&self) -> Arc<Masters> {
        self.state().masters
    }

    fn state(&self) -> State {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.clone()
    }
}

impl State {
    fn replace(&mut self, signers: Signers, masters: Masters, version: u64) {
        let signers = Arc::new(signers);
        let state = Self {
            signers: Arc::clone(&signers),
            masters: Arc::new(masters),
            version,
        };
        let former = std::mem::replace(self, state);
        former.signers.drop_but(&signers);
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Keyring(signs with {}, ..)",
            self.signers().signer().id()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::sealed::tests::master;
    use super::*;
    use crate::token::{Handle, TokenKind};
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    /// The keyring that its sealed form leads to.
    fn again(keyring: &Keyring) -> Keyring {
        let sealed = keyring.seal(&master(1), &mut StdRng::seed_from_u64(9));
        Keyring::open(&sealed.unwrap(), &master(1)).unwrap()
    }

    fn ids(keyring: &Keyring) -> Vec<String> {
        let signers = keyring.signers();
        signers
            .iter()
            .map(|signer| signer.id().to_owned())
            .collect()
    }

    #[test]
    fn a_keyring_comes_back_as_it_was() {
        let mut rng = StdRng::seed_from_u64(1);
        let keyring = Keyring::generate(&mut rng).unwrap();
        let keyring = keyring.begun_at(77, &master(1)).unwrap();
        let again = again(&keyring);
        assert_eq!(ids(&again), ids(&keyring));
        assert_eq!(
            again.handles().user_tag("u"),
            keyring.handles().user_tag("u")
        );
        let session = Handle::parse("s").unwrap();
        let csrf = keyring.csrf().make(&session, &mut rng);
        assert!(again.csrf().verify(&session, csrf.expose().as_bytes()));
        assert_eq!(again.masters().since(1), Some(77));
        assert_eq!(again.signers().iter().next().unwrap().times.since, Some(77));
    }

    #[test]
    fn derived_keys_come_back_with_the_keyring_and_sign_no_token() {
        let mut rng = StdRng::seed_from_u64(1);
        let keyring = Keyring::generate(&mut rng).unwrap();
        let reopened = again(&keyring);
        let other = Keyring::generate(&mut rng).unwrap();
        let derived: [fn(&Signers) -> &SigningKey; 2] = [
            |signers| signers.forwarder(0),
            |signers| signers.receipts()[0],
        ];
        for key in derived {
            let id = |keyring: &Keyring| key(&keyring.signers()).id().to_owned();
            assert_eq!(id(&reopened), id(&keyring));
            assert_ne!(id(&keyring), ids(&keyring)[0]);
            assert_ne!(id(&other), id(&keyring));
            let signers = keyring.signers();
            let jws = key(&signers).sign(TokenKind::Access, b"{}").unwrap();
            assert!(signers.verifiers().verify(&jws).is_err(), "no key of ours");
        }
        let signers = keyring.signers();
        let [forwards, receipts] = derived.map(|key| key(&signers).id());
        assert_ne!(forwards, receipts);
    }

    #[test]
    fn an_earlier_signing_key_is_accepted_until_it_is_dropped_and_comes_back_with_its_times() {
        let mut rng = StdRng::seed_from_u64(1);
        let keyring = Keyring::generate(&mut rng).unwrap();
        let sign = |keyring: &Keyring| {
            let signers = keyring.signers();
            signers.signer().sign(TokenKind::Access, b"{}").unwrap()
        };
        let takes =
            |keyring: &Keyring, jws: &[u8]| keyring.signers().verifiers().verify(jws).is_ok();
        let first = sign(&keyring);
        let masters = Masters::clone(&keyring.masters());
        let next = keyring
            .signers()
            .replaced_by(&Signers::fresh(100, &mut rng).unwrap(), 900)
            .unwrap();
        let sealed = keyring.sealed_with(&next, &masters, &master(1), &mut rng);
        keyring.take_over(next, masters.clone());
        let second = sign(&keyring);
        let reopened = Keyring::open(&sealed.unwrap(), &master(1)).unwrap();
        assert_eq!(ids(&reopened), ids(&keyring));
        for keyring in [&keyring, &reopened] {
            assert!(takes(keyring, &first) && takes(keyring, &second));
            let signers = keyring.signers();
            let times = signers.iter().nth(1).unwrap().times;
            assert_eq!(
                (times.retired_at, times.accepted_until),
                (Some(100), Some(900))
            );
        }
        let alone = keyring.signers().accepted_until(None, |_| None).unwrap();
        keyring.take_over(alone, masters);
        assert!(!takes(&keyring, &first) && takes(&keyring, &second));
        assert_eq!(ids(&keyring).len(), 1);
        assert_eq!(ids(&again(&keyring)), ids(&keyring));
    }

    #[test]
    fn what_another_node_has_sealed_is_taken_up_once_and_its_known_keys_go_on() {
        let mut rng = StdRng::seed_from_u64(1);
        let here = Keyring::generate(&mut rng).unwrap().at_version(1);
        let there = again(&here).at_version(1);
        let signed = |keyring: &Keyring| {
            let signers = keyring.signers();
            signers.signer().sign(TokenKind::Access, b"{}").unwrap()
        };
        let (first, in_use) = (signed(&here), there.signers());
        let next = here
            .signers()
            .replaced_by(&Signers::fresh(100, &mut rng).unwrap(), 900)
            .unwrap();
        let sealed = here.sealed_with(&next, &here.masters(), &master(1), &mut rng);
        there.take_up(&sealed.unwrap(), 2, &master(1)).unwrap();
        assert_eq!((there.version(), ids(&there).len()), (2, 2));
        assert!(
            in_use.verifiers().verify(&first).is_ok(),
            "it wasn't dropped"
        );
        // What is older, or the same, changes nothing.
        let old = here.seal(&master(1), &mut rng).unwrap();
        there.take_up(&old, 2, &master(1)).unwrap();
        assert_eq!((there.version(), ids(&there).len()), (2, 2));
        // A key that is missing is dropped for whoever still knows it.
        let alone = there.signers().accepted_until(None, |_| None).unwrap();
        let sealed = there.sealed_with(&alone, &there.masters(), &master(1), &mut rng);
        there.take_up(&sealed.unwrap(), 3, &master(1)).unwrap();
        assert!(in_use.verifiers().verify(&first).is_err());
        let other = Keyring::generate(&mut rng).unwrap();
        let foreign = other.seal(&master(1), &mut rng).unwrap();
        let refused = there.take_up(&foreign, 4, &master(1)).unwrap_err();
        assert_eq!((refused.code(), there.version()), ("store_foreign", 3));
        assert!(there.take_up(&foreign, 4, &master(2)).is_err());
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
    fn secrets_print_nothing() {
        let keyring = Keyring::generate(&mut StdRng::seed_from_u64(1)).unwrap();
        let secret = format!("{:?}", keyring.handle_secret.as_slice());
        let printed = format!("{keyring:?}");
        assert!(!printed.contains(&secret), "{printed}");
    }
}
