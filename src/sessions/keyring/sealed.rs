//! The keyring as it lies sealed under the master key.
//!
//! ```text
//! number of secrets, one byte ‖ the secret behind the handles ‖ the scalars of the signing keys, the
//! newest first ‖ what is known of them, JSON
//! ```
//!
//! Each secret is 32 bytes. Earlier versions sealed the secrets alone, without their number and under a
//! context of its own; that form is read and not written any more.
//!
//! This room must never put a secret into text.

use super::error::{KeyringError, MAX_SIGNERS};
use super::masters::Masters;
use super::signers::{Signer, Signers, Times};
use crate::clock::UnixSeconds;
use crate::token::SigningKey;
use lacre_keystore::{KeystoreError, MasterKeyRing};
use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// What the sealed file is, so that no other sealed file can stand in for it.
const CONTEXT: &[u8] = b"lacre keyring v2";
/// The same of earlier versions.
const CONTEXT_1: &[u8] = b"lacre keyring v1";
/// Bytes of a secret or a scalar.
pub(super) const SECRET: usize = 32;

/// What a keyring holds.
pub(super) struct Contents {
    pub(super) handle_secret: Box<Zeroizing<[u8; SECRET]>>,
    pub(super) signers: Signers,
    pub(super) masters: Masters,
}

/// What is no secret.
#[derive(Default, Serialize, Deserialize)]
struct Known {
    signers: Vec<KnownSigner>,
    masters: Masters,
}

#[derive(Default, Serialize, Deserialize)]
struct KnownSigner {
    since: Option<UnixSeconds>,
    retired_at: Option<UnixSeconds>,
    accepted_until: Option<UnixSeconds>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dropped_at: Option<UnixSeconds>,
}

/// Seals these keys.
pub(super) fn seal(
    handle_secret: &[u8; SECRET],
    signers: &Signers,
    masters: &Masters,
    master: &MasterKeyRing,
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, KeyringError> {
    let known = Known {
        signers: signers.kept().map(KnownSigner::of).collect(),
        masters: masters.clone(),
    };
    let known = serde_json::to_vec(&known).map_err(|_| KeyringError::Damaged)?;
    let count = 1 + signers.kept().count();
    let mut bytes = Zeroizing::new(Vec::with_capacity(1 + SECRET * count + known.len()));
    bytes.push(u8::try_from(count).map_err(|_| KeyringError::Damaged)?);
    bytes.extend_from_slice(handle_secret);
    for signer in signers.kept() {
        bytes.extend_from_slice(signer.signing().scalar().as_slice());
    }
    bytes.extend_from_slice(&known);
    master
        .seal_bytes(CONTEXT, &bytes, rng)
        .map_err(KeyringError::NotOurs)
}

/// Opens sealed keys.
pub(super) fn open(sealed: &[u8], ring: &MasterKeyRing) -> Result<Contents, KeyringError> {
    let (bytes, is_first_form) = match ring.open_bytes(CONTEXT, sealed) {
        Ok(bytes) => (bytes, false),
        Err(KeystoreError::SealedDamaged) => {
            let bytes = ring.open_bytes(CONTEXT_1, sealed);
            (bytes.map_err(KeyringError::NotOurs)?, true)
        }
        Err(error) => return Err(KeyringError::NotOurs(error)),
    };
    let read = if is_first_form {
        read_first_form(&bytes)
    } else {
        read(&bytes)
    };
    read.ok_or(KeyringError::Damaged)
}

fn read(bytes: &[u8]) -> Option<Contents> {
    let (count, rest) = bytes.split_first()?;
    let (secrets, known) = rest.split_at_checked(usize::from(*count) * SECRET)?;
    let known: Known = serde_json::from_slice(known).ok()?;
    contents(secrets, &known)
}

fn read_first_form(bytes: &[u8]) -> Option<Contents> {
    let signers = (bytes.len() / SECRET)
        .saturating_sub(1)
        .min(MAX_SIGNERS + 1);
    let known = Known {
        signers: (0..signers).map(|_| KnownSigner::default()).collect(),
        masters: Masters::default(),
    };
    contents(bytes, &known)
}

fn contents(secrets: &[u8], known: &Known) -> Option<Contents> {
    let (secrets, []) = secrets.as_chunks::<SECRET>() else {
        return None;
    };
    let (handle_secret, scalars) = secrets.split_first()?;
    if scalars.len() != known.signers.len() {
        return None;
    }
    let signer = |(scalar, known): (&[u8; SECRET], &KnownSigner)| {
        let key = SigningKey::from_scalar(scalar)?;
        Signer::new(key, known.times())
    };
    let signers = scalars.iter().zip(&known.signers).map(signer);
    let signers = signers.collect::<Result<Vec<_>, _>>().ok()?;
    Some(Contents {
        handle_secret: Box::new(Zeroizing::new(*handle_secret)),
        signers: Signers::new(signers).ok()?,
        masters: known.masters.clone(),
    })
}

impl KnownSigner {
    fn of(signer: &Signer) -> Self {
        let times = signer.times;
        Self {
            since: times.since,
            retired_at: times.retired_at,
            accepted_until: times.accepted_until,
            dropped_at: times.dropped_at,
        }
    }

    fn times(&self) -> Times {
        Times {
            since: self.since,
            retired_at: self.retired_at,
            accepted_until: self.accepted_until,
            dropped_at: self.dropped_at,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use lacre_keystore::MasterKey;
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    pub(crate) fn master(seed: u64) -> MasterKeyRing {
        MasterKeyRing::new(MasterKey::generate(1, &mut StdRng::seed_from_u64(seed)))
    }

    /// Sealed bytes in the form of now, or of the first.
    fn opened(bytes: &[u8], context: &[u8]) -> Result<Contents, KeyringError> {
        let mut rng = StdRng::seed_from_u64(1);
        let sealed = master(1).seal_bytes(context, bytes, &mut rng).unwrap();
        open(&sealed, &master(1))
    }

    #[test]
    fn sealed_bytes_that_are_no_keyring_are_damaged() {
        let damaged = |bytes: &[u8], context| {
            let opened = opened(bytes, context).map(|_| ());
            assert_eq!(opened, Err(KeyringError::Damaged), "{bytes:?}");
        };
        for bytes in [
            &[][..],
            &[7; 31],
            &[7; 32],
            &[7; 65],
            &[0; 64],
            &[7; 32 * 18],
        ] {
            damaged(bytes, CONTEXT_1);
            damaged(bytes, CONTEXT);
        }
        let known = br#"{"signers":[{}],"masters":[]}"#;
        let good = [&[2][..], &[7; 64], known].concat();
        assert!(opened(&good, CONTEXT).is_ok());
        for length in 0..good.len() {
            damaged(&good[..length], CONTEXT);
        }
        damaged(&[&good[..], b"x"].concat(), CONTEXT);
        for count in [0, 1, 3] {
            damaged(&[&[count][..], &good[1..]].concat(), CONTEXT);
        }
        damaged(&[&[2][..], &[7; 32], &[0; 32], known].concat(), CONTEXT);
        let two = br#"{"signers":[{},{}],"masters":[]}"#;
        damaged(&[&[2][..], &[7; 64], two].concat(), CONTEXT);
    }

    #[test]
    fn the_form_of_earlier_versions_is_read() {
        let contents = opened(&[7; 96], CONTEXT_1).unwrap();
        assert_eq!(**contents.handle_secret, [7; 32]);
        let times: Vec<_> = contents.signers.iter().map(|signer| signer.times).collect();
        assert_eq!(times, [Times::default(), Times::default()]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            let _ = read(&bytes);
            let _ = read_first_form(&bytes);
        }
    }
}
