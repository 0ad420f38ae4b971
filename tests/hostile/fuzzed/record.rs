//! Any bytes as a keystore's record. After an even first byte they stand in the store as they are:
//! none is a record. After an odd one they are a plaintext, sealed rightly by another sealer
//! (OpenSSL, from the description of the form): what is taken, another decoder reads the same.

use super::builder::hmac;
use futures_util::FutureExt as _;
use lacre_keystore::{
    Change, Engine, KeyBytes, KeyRange, Keystore, KeystoreError, LocalStore, MasterKey,
    MasterKeyRing, RecordKey, SessionId, UserTag,
};
use openssl::hash::MessageDigest;
use openssl::symm::{Cipher, encrypt_aead};
use rand::rngs::SysRng;
use std::sync::{Arc, LazyLock, Mutex};

const MASTER: [u8; 32] = [7; 32];
const NAME: RecordKey =
    RecordKey::new(UserTag::from_bytes([1; 16]), SessionId::from_bytes([2; 16]));

/// A store that has the same bytes under every name.
#[derive(Clone, Default)]
struct Same(Arc<Mutex<Vec<u8>>>);

impl Engine for Same {
    fn get(&self, _: &KeyBytes) -> Result<Option<Vec<u8>>, KeystoreError> {
        Ok(Some(self.0.lock().unwrap().clone()))
    }

    fn scan(&self, _: &KeyRange, _: usize) -> Result<Vec<(KeyBytes, Vec<u8>)>, KeystoreError> {
        Ok(Vec::new())
    }

    fn count(&self) -> Result<u64, KeystoreError> {
        Ok(0)
    }

    fn count_up_to(&self, _: &KeyRange, _: usize) -> Result<usize, KeystoreError> {
        Ok(0)
    }

    fn apply(&self, _: &[Change]) -> Result<bool, KeystoreError> {
        Ok(false)
    }

    fn note_emptying(
        &self,
        _: bool,
        _: Option<&lacre_keystore::Note>,
    ) -> Result<(), KeystoreError> {
        Ok(())
    }

    fn persist(&self) -> Result<(), KeystoreError> {
        Ok(())
    }

    fn size_on_disk(&self) -> Result<u64, KeystoreError> {
        Ok(0)
    }
}

static STORE: LazyLock<(Same, Keystore)> = LazyLock::new(|| {
    let same = Same::default();
    let ring = MasterKeyRing::new(MasterKey::from_bytes(1, MASTER));
    let keystore = Keystore::open(LocalStore::open(same.clone()).unwrap(), ring, SysRng).unwrap();
    (same, keystore)
});

/// Held from writing a record until it is read, where tests share the store.
static TURN: Mutex<()> = Mutex::new(());

pub(crate) fn check(input: &[u8]) -> bool {
    let Some((first, bytes)) = input.split_first() else {
        return false;
    };
    let (same, keystore) = &*STORE;
    let turn = TURN.lock().unwrap();
    let sealed_rightly = first % 2 == 1;
    *same.0.lock().unwrap() = if sealed_rightly {
        seal(bytes)
    } else {
        bytes.to_vec()
    };
    let found = keystore.get(&NAME).now_or_never().unwrap();
    drop(turn);
    let expected = Plain::decode(bytes).filter(|_| sealed_rightly);
    match (found, expected) {
        (Ok(Some(stored)), Some(plain)) => {
            let record = stored.record;
            let read = Plain {
                scalar: record.private_scalar.expose().to_vec(),
                user_id: record.user_id,
                numbers: [
                    record.created_at,
                    record.authenticated_at,
                    record.expires_at,
                    record.ends_at,
                    record.last_seen_at,
                    record.generation,
                    record.rotated_at,
                ],
                access_ended: record.access_ended,
                texts: [
                    record.label,
                    record.address,
                    record.user_agent,
                    record.client_id,
                    record.last_seen_address,
                    record.profile,
                ],
            };
            assert!(read == plain);
            true
        }
        (Err(error), None) => {
            assert_eq!(error.record(), Some(NAME));
            false
        }
        (found, expected) => panic!("{:?}, due is {}", found.map(|_| ()), expected.is_some()),
    }
}

/// `1 ‖ key id ‖ nonce ‖ AES-256-GCM ciphertext ‖ tag`, under a key of the record's own.
fn seal(plaintext: &[u8]) -> Vec<u8> {
    let name = NAME.to_bytes();
    let label = [b"lacre record v1", &name[..]].concat();
    let key = hmac(MessageDigest::sha256(), &MASTER, &label);
    let (prefix, nonce, mut tag) = ([1, 0, 0, 0, 1], [9; 12], [0; 16]);
    let aad = [&prefix[..], &name].concat();
    let cipher = Cipher::aes_256_gcm();
    let ciphertext = encrypt_aead(cipher, &key, Some(&nonce), &aad, plaintext, &mut tag).unwrap();
    [&prefix[..], &nonce, &ciphertext, &tag].concat()
}

/// What a record's plaintext says, read by the description of postcard's wire format.
#[derive(PartialEq)]
struct Plain {
    scalar: Vec<u8>,
    user_id: String,
    numbers: [u64; 7],
    access_ended: bool,
    texts: [Option<String>; 6],
}

impl Plain {
    fn decode(mut bytes: &[u8]) -> Option<Self> {
        let from = &mut bytes;
        let plain = Self {
            scalar: run(from)?.to_vec(),
            user_id: text(from)?,
            numbers: {
                let mut numbers = [0; 7];
                for number in &mut numbers {
                    *number = varint(from)?;
                }
                numbers
            },
            access_ended: flag(from)?,
            texts: {
                let mut texts = [const { None }; 6];
                for place in &mut texts[..4] {
                    if flag(from)? {
                        *place = Some(text(from)?);
                    }
                }
                // The last two: where neither is, the plaintext ends, and the first of them alone has no
                // flag. An empty text with something after it says that the second is there.
                if !from.is_empty() {
                    texts[4] = Some(text(from)?);
                }
                if !from.is_empty() {
                    if !texts[4].take()?.is_empty() {
                        return None;
                    }
                    if flag(from)? {
                        texts[4] = Some(text(from)?);
                    }
                    texts[5] = Some(text(from)?);
                }
                texts
            },
        };
        (bytes.is_empty() && plain.scalar.len() == 32).then_some(plain)
    }
}

fn byte(from: &mut &[u8]) -> Option<u8> {
    let (first, rest) = from.split_first()?;
    *from = rest;
    Some(*first)
}

/// Seven bits a byte, the lowest first; at most ten bytes, of which the last has one bit.
fn varint(from: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for place in 0..10 {
        let byte = byte(from)?;
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            return (place < 9 || byte <= 1).then_some(number);
        }
    }
    None
}

fn flag(from: &mut &[u8]) -> Option<bool> {
    match byte(from)? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

fn run<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(varint(from)?).ok()?;
    let (run, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(run)
}

fn text(from: &mut &[u8]) -> Option<String> {
    String::from_utf8(run(from)?.to_vec()).ok()
}
