//! The header: the file's own key, sealed under a passphrase or a master key, and a MAC over it.
//!
//! This room must never do more work for a stranger's header than [`MAX_LOG_N`] allows (threat:
//! backup-flood).

use super::error::ArchiveError;
use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{hkdf, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use rand::CryptoRng;
use std::fmt;
use zeroize::Zeroizing;

const INTRO: &str = "age-encryption.org/v1";
const SCRYPT: &str = "scrypt";
const SCRYPT_SALT: &[u8] = b"age-encryption.org/v1/scrypt";
const MASTER: &str = "lacre-master-key";
const MASTER_INFO: &[u8] = b"lacre v1 backup under master key";
/// 64 MiB and a fifth of a second for each guess at a passphrase.
const LOG_N: u8 = 16;
/// What age itself takes at most without being asked.
const MAX_LOG_N: u8 = 20;
const TAG: usize = 16;
/// More than any header that we read.
pub(super) const MAX_HEADER: usize = 1024;

/// The key of one file. Wiped when dropped.
pub struct FileKey(Zeroizing<[u8; 16]>);

impl FileKey {
    /// A new one.
    #[must_use]
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut key = Zeroizing::new([0; 16]);
        rng.fill_bytes(&mut *key);
        Self(key)
    }

    /// The key of these bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|key| Self(Zeroizing::new(key)))
    }

    /// The bytes, to be handed to whoever seals the content.
    #[must_use]
    pub fn expose(&self) -> &[u8; 16] {
        &self.0
    }

    /// HKDF-SHA-256 (RFC 5869).
    pub(super) fn derive(&self, salt: &[u8], info: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
        derive(&*self.0, salt, info)
    }
}

impl fmt::Debug for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileKey")
    }
}

/// Under what a file's key is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lock {
    /// A passphrase.
    Passphrase {
        /// The salt of scrypt.
        salt: Vec<u8>,
        /// The binary logarithm of its cost.
        log_n: u8,
    },
    /// The master key with this id.
    MasterKey {
        /// The id.
        id: u32,
        /// The salt of HKDF.
        salt: Vec<u8>,
    },
}

/// A header that was read, not yet proven.
pub(super) struct Header {
    pub(super) lock: Lock,
    body: Vec<u8>,
    /// What the MAC is over.
    text: Vec<u8>,
    mac: Vec<u8>,
}

/// The header of a file under a passphrase.
pub fn under_passphrase(
    passphrase: &str,
    key: &FileKey,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Vec<u8>, ArchiveError> {
    let salt = salt(rng);
    let wrap = scrypt(passphrase, &salt, LOG_N).ok_or(ArchiveError::Sealing)?;
    let arguments = format!("{SCRYPT} {} {LOG_N}", BASE64.encode(salt));
    write(&arguments, &wrap, key).ok_or(ArchiveError::Sealing)
}

/// The header of a file under the master key with this id.
pub fn under_master_key(
    id: u32,
    master: &[u8; 32],
    key: &FileKey,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Vec<u8>, ArchiveError> {
    let salt = salt(rng);
    let wrap = derive(master, &salt, MASTER_INFO).ok_or(ArchiveError::Sealing)?;
    let arguments = format!("{MASTER} {id} {}", BASE64.encode(salt));
    write(&arguments, &wrap, key).ok_or(ArchiveError::Sealing)
}

fn salt(rng: &mut (impl CryptoRng + ?Sized)) -> [u8; 16] {
    let mut salt = [0; 16];
    rng.fill_bytes(&mut salt);
    salt
}

fn write(arguments: &str, wrap: &[u8; 32], key: &FileKey) -> Option<Vec<u8>> {
    let mut body = key.expose().to_vec();
    cipher(wrap)?
        .seal_in_place_append_tag(no_nonce(), Aad::empty(), &mut body)
        .ok()?;
    let text = format!("{INTRO}\n-> {arguments}\n{}\n---", BASE64.encode(body));
    let mac = hmac::sign(&mac_key(key)?, text.as_bytes());
    Some(format!("{text} {}\n", BASE64.encode(mac.as_ref())).into_bytes())
}

impl Header {
    /// Reads a header of one stanza that we know; `text` is all of it.
    pub(super) fn parse(text: &[u8]) -> Result<Self, ArchiveError> {
        let whole = std::str::from_utf8(text).map_err(|_| ArchiveError::Foreign)?;
        let lines: Vec<&str> = whole.split_terminator('\n').collect();
        let [INTRO, stanza, body, mac] = lines.as_slice() else {
            return Err(ArchiveError::Foreign);
        };
        let stanza = stanza.strip_prefix("-> ").ok_or(ArchiveError::Foreign)?;
        let words: Vec<&str> = stanza.split(' ').collect();
        let decoded = |text: &str| BASE64.decode(text).map_err(|_| ArchiveError::Damaged);
        let lock = match words.as_slice() {
            [SCRYPT, salt, log_n] => Lock::Passphrase {
                salt: decoded(salt)?,
                log_n: log_n.parse().map_err(|_| ArchiveError::Damaged)?,
            },
            [MASTER, id, salt] => Lock::MasterKey {
                id: id.parse().map_err(|_| ArchiveError::Damaged)?,
                salt: decoded(salt)?,
            },
            _ => return Err(ArchiveError::Foreign),
        };
        let mac_text = mac.strip_prefix("--- ").ok_or(ArchiveError::Damaged)?;
        let covered = text.len() - mac_text.len() - 2;
        Ok(Self {
            lock,
            body: decoded(body)?,
            text: text[..covered].to_vec(),
            mac: decoded(mac_text)?,
        })
    }

    pub(super) fn open_with_passphrase(&self, passphrase: &str) -> Result<FileKey, ArchiveError> {
        let Lock::Passphrase { salt, log_n } = &self.lock else {
            return Err(ArchiveError::WrongKey);
        };
        if *log_n == 0 || *log_n > MAX_LOG_N || salt.len() != 16 {
            return Err(ArchiveError::Damaged);
        }
        let wrap = scrypt(passphrase, salt, *log_n).ok_or(ArchiveError::Damaged)?;
        self.open(&wrap)
    }

    pub(super) fn open_with_master_key(&self, master: &[u8; 32]) -> Result<FileKey, ArchiveError> {
        let Lock::MasterKey { salt, .. } = &self.lock else {
            return Err(ArchiveError::WrongKey);
        };
        let wrap = derive(master, salt, MASTER_INFO).ok_or(ArchiveError::Damaged)?;
        self.open(&wrap)
    }

    fn open(&self, wrap: &[u8; 32]) -> Result<FileKey, ArchiveError> {
        // The length first: else a body could be made that opens under two keys.
        if self.body.len() != 16 + TAG {
            return Err(ArchiveError::Damaged);
        }
        let mut body = Zeroizing::new(self.body.clone());
        let cipher = cipher(wrap).ok_or(ArchiveError::Damaged)?;
        let opened = cipher
            .open_in_place(no_nonce(), Aad::empty(), &mut body)
            .map_err(|_| ArchiveError::WrongKey)?;
        let key = FileKey::from_bytes(opened).ok_or(ArchiveError::Damaged)?;
        let mac = hmac::sign(&mac_key(&key).ok_or(ArchiveError::Damaged)?, &self.text);
        verify_slices_are_equal(mac.as_ref(), &self.mac).map_err(|_| ArchiveError::Damaged)?;
        Ok(key)
    }
}

fn mac_key(key: &FileKey) -> Option<hmac::Key> {
    let bytes = key.derive(&[], b"header")?;
    Some(hmac::Key::new(hmac::HMAC_SHA256, &*bytes))
}

pub(super) fn cipher(key: &[u8; 32]) -> Option<LessSafeKey> {
    let key = UnboundKey::new(&CHACHA20_POLY1305, key).ok()?;
    Some(LessSafeKey::new(key))
}

/// Each wrapping key seals one file key: its salt is the file's own.
fn no_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

fn derive(secret: &[u8], salt: &[u8], info: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    let info = [info];
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    let expanded = extracted.expand(&info, hkdf::HKDF_SHA256).ok()?;
    expanded.fill(&mut *key).ok()?;
    Some(key)
}

fn scrypt(passphrase: &str, salt: &[u8], log_n: u8) -> Option<Zeroizing<[u8; 32]>> {
    let n = 1_u64.checked_shl(log_n.into())?;
    let salt = [SCRYPT_SALT, salt].concat();
    let mut key = Zeroizing::new([0; 32]);
    let memory = n * 128 * 8 + (1 << 20);
    openssl::pkcs5::scrypt(passphrase.as_bytes(), &salt, n, 8, 1, memory, &mut *key).ok()?;
    Some(key)
}
