//! The file of the master keys: one line a key, `id:key`.
//!
//! ```text
//! 1:C2mTCRxEnIhF0cLFmLpGXYqSe1xNLvWbiQ0n4MZ1f7k
//! ```
//!
//! `id` is a decimal number without leading zeros, ascending from line to line; `key` is 32 bytes
//! as base64url without padding. The key with the highest id seals; the others only open what
//! they sealed before it.
//!
//! This room must never guess: one wrong character and no key of the file is used, for a record
//! sealed under half a ring is lost with it.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use rand::CryptoRng;
use zeroize::Zeroizing;

use super::{DataDirError, read_or_create_secret, read_secret};
use crate::token::base64url;

/// The 256-bit master keys with their ids, ascending, one at least. Wiped when dropped.
pub struct MasterKeyFile(Vec<(u32, Zeroizing<[u8; 32]>)>);

impl MasterKeyFile {
    /// A file with one new key, whose id is 1.
    #[must_use]
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self(vec![(1, new_key(rng))])
    }

    /// A file of these keys.
    #[must_use]
    pub fn of(keys: impl Iterator<Item = (u32, [u8; 32])>) -> Self {
        let mut keys: Vec<_> = keys.map(|(id, key)| (id, Zeroizing::new(key))).collect();
        keys.sort_by_key(|(id, _)| *id);
        Self(keys)
    }

    /// Whether `other` has every key of these, under the same ids.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.keys().all(|(id, key)| {
            let mut same = other.keys().filter(|(theirs, _)| *theirs == id);
            same.any(|(_, theirs)| verify_slices_are_equal(theirs, key).is_ok())
        })
    }

    /// The file of this text; `None` where it is none.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::parse(text.as_bytes()).ok()
    }

    /// What stands in the file.
    #[must_use]
    pub fn text(&self) -> Zeroizing<String> {
        // An id of 10 digits, a colon, a key of 43 characters and a line end.
        let mut text = Zeroizing::new(String::with_capacity(self.0.len() * 55));
        for (id, key) in self.keys() {
            let key = Zeroizing::new(base64url::encode(key));
            let _ = writeln!(text, "{id}:{}", *key);
        }
        text
    }

    /// Reads the file at `path`, and makes it with one new key if there is none.
    pub fn open(path: &Path, rng: &mut (impl CryptoRng + ?Sized)) -> Result<Self, DataDirError> {
        let text = read_or_create_secret(path, || Self::generate(rng).to_bytes())?;
        Self::read_from(path, &text)
    }

    /// Reads the file at `path`; `None` where there is none.
    pub fn read(path: &Path) -> Result<Option<Self>, DataDirError> {
        let text = read_secret(path)?;
        text.map(|text| Self::read_from(path, &text)).transpose()
    }

    fn read_from(path: &Path, text: &[u8]) -> Result<Self, DataDirError> {
        Self::parse(text).map_err(|(line, why)| DataDirError::BadMasterKey {
            path: path.to_owned(),
            line,
            why,
        })
    }

    /// Puts the keys at `path`, in place of those that were there.
    #[cfg(feature = "server")]
    pub fn save(&self, path: &Path) -> Result<(), DataDirError> {
        super::write_secret(path, &self.to_bytes())
    }

    /// The same with this key, which seals from now on: its id is greater than all others.
    #[must_use]
    pub fn with_key(mut self, id: u32, key: &[u8; 32]) -> Self {
        self.0.push((id, Zeroizing::new(*key)));
        self
    }

    /// The same without the keys of these ids.
    #[must_use]
    pub fn without(mut self, ids: &[u32]) -> Self {
        self.0.retain(|(id, _)| !ids.contains(id));
        self
    }

    /// The keys, ascending by id; the last one seals.
    #[must_use]
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = (u32, &[u8; 32])> {
        self.0.iter().map(|(id, key)| (*id, &**key))
    }

    /// Reads the form above; on failure the line and what is wrong with it.
    fn parse(text: &[u8]) -> Result<Self, (usize, &'static str)> {
        let text = std::str::from_utf8(text).map_err(|_| (1, "not a file of master keys"))?;
        let mut keys: Vec<(u32, Zeroizing<[u8; 32]>)> = Vec::new();
        for (i, line) in text.split_terminator('\n').enumerate() {
            let bad = |why| (i + 1, why);
            let (id, key) = line
                .split_once(':')
                .ok_or(bad("expected `id:key`, one key a line"))?;
            let id = read_id(id).ok_or(bad("the id is no number without leading zeros"))?;
            if keys.last().is_some_and(|(before, _)| *before >= id) {
                return Err(bad("the ids don't ascend"));
            }
            let key = base64url::decode_array(key.as_bytes())
                .map(Zeroizing::new)
                .ok_or(bad("the key is no base64url of 32 bytes, 43 characters"))?;
            keys.push((id, key));
        }
        if keys.is_empty() {
            return Err((1, "no key in it"));
        }
        Ok(Self(keys))
    }

    /// The form above.
    pub(in super::super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.text().as_bytes().to_vec())
    }
}

/// Where the master keys of a deployment are.
#[derive(Clone)]
pub enum MasterKeySource {
    /// A file, which is made at the first start.
    File(PathBuf),
    /// The environment: the keys themselves, with a comma, a blank or a line end between two.
    Text(Zeroizing<String>),
}

/// What the environment calls them.
const VARIABLE: &str = "LACRE_MASTER_KEY";

impl MasterKeySource {
    /// Reads the keys, and makes one where there is no file yet.
    pub fn open(&self, rng: &mut (impl CryptoRng + ?Sized)) -> Result<MasterKeyFile, DataDirError> {
        match self {
            Self::File(path) => MasterKeyFile::open(path, rng),
            Self::Text(text) => Self::parse(text),
        }
    }

    /// Reads the keys; `None` where there are none.
    pub fn read(&self) -> Result<Option<MasterKeyFile>, DataDirError> {
        match self {
            Self::File(path) => MasterKeyFile::read(path),
            Self::Text(text) if text.is_empty() => Ok(None),
            Self::Text(text) => Self::parse(text).map(Some),
        }
    }

    fn parse(text: &str) -> Result<MasterKeyFile, DataDirError> {
        let text = text.trim();
        let lines = Zeroizing::new(text.replace([',', ' '], "\n"));
        MasterKeyFile::read_from(Path::new(VARIABLE), lines.as_bytes())
    }

    /// The file, where there is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Text(_) => None,
        }
    }

    /// What an operator calls it.
    #[must_use]
    pub fn place(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Text(_) => VARIABLE.to_owned(),
        }
    }
}

impl fmt::Debug for MasterKeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKeySource({})", self.place())
    }
}

impl fmt::Debug for MasterKeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKeyFile")
    }
}

fn read_id(text: &str) -> Option<u32> {
    let id: u32 = text.parse().ok()?;
    (id > 0 && id.to_string() == text).then_some(id)
}

fn new_key(rng: &mut (impl CryptoRng + ?Sized)) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    rng.fill_bytes(&mut *key);
    key
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::super::write_secret;
    use super::*;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

    fn rng() -> StdRng {
        StdRng::seed_from_u64(1)
    }

    fn problem(text: &str) -> (usize, &'static str) {
        MasterKeyFile::parse(text.as_bytes())
            .map(|_| ())
            .unwrap_err()
    }

    #[test]
    fn the_form_is_read_to_the_byte() {
        let text = format!("1:{KEY}\n7:{KEY}\n");
        let file = MasterKeyFile::parse(text.as_bytes()).unwrap();
        let bytes: [u8; 32] = std::array::from_fn(|i| u8::try_from(i).unwrap());
        assert_eq!(file.keys().collect::<Vec<_>>(), [(1, &bytes), (7, &bytes)]);
        assert_eq!(*file.to_bytes(), text.into_bytes());
    }

    #[test]
    fn whatever_is_not_that_form_names_its_line() {
        let good = format!("1:{KEY}\n");
        assert_eq!(problem(""), (1, "no key in it"));
        for bad in [
            "\n".to_owned(),
            KEY.to_owned(),
            format!("0:{KEY}"),
            format!("01:{KEY}"),
            format!("+1:{KEY}"),
            format!("4294967296:{KEY}"),
            format!(" 1:{KEY}"),
            format!("1:{KEY} "),
            format!("1:{KEY}="),
            format!("1:{KEY}\r"),
            format!("1:{}", &KEY[1..]),
            format!("1:{}9", &KEY[1..]),
            format!("1:{}", "+".repeat(43)),
        ] {
            assert_eq!(problem(&bad).0, 1, "{bad:?}");
            let (line, _) = problem(&format!("{good}{}", bad.replacen("1:", "2:", 1)));
            assert_eq!(line, 2, "{bad:?}");
        }
        assert_eq!(
            problem(&format!("{good}{good}")),
            (2, "the ids don't ascend")
        );
        assert!(MasterKeyFile::parse(b"1:\xff").is_err());
    }

    #[test]
    fn the_first_open_makes_a_key_and_later_ones_find_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        let first = MasterKeyFile::open(&path, &mut rng()).unwrap();
        let mut other = StdRng::seed_from_u64(2);
        let again = MasterKeyFile::open(&path, &mut other).unwrap();
        assert_eq!(first.to_bytes(), again.to_bytes());
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_file_is_an_error_and_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        write_secret(&path, b"1:garbage\n").unwrap();
        let error = MasterKeyFile::open(&path, &mut rng()).unwrap_err();
        assert_eq!(error.code(), "master_key_bad");
        assert!(!error.to_string().contains("garbage"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"1:garbage\n");
    }

    #[test]
    fn a_key_that_is_added_seals_and_earlier_ones_stay_until_they_are_taken_away() {
        let file = MasterKeyFile::parse(format!("1:{KEY}\n").as_bytes()).unwrap();
        let file = file.with_key(2, &[7; 32]).with_key(3, &[8; 32]);
        let again = MasterKeyFile::parse(&file.to_bytes()).unwrap();
        let ids = |file: &MasterKeyFile| file.keys().map(|(id, _)| id).collect::<Vec<_>>();
        assert_eq!(ids(&again), [1, 2, 3]);
        assert_eq!(again.keys().last(), Some((3, &[8; 32])));
        assert_eq!(ids(&again.without(&[1, 3, 9])), [2]);
    }

    #[test]
    fn keys_that_are_given_as_text_stand_on_lines_or_behind_commas() {
        let source = |text: &str| MasterKeySource::Text(Zeroizing::new(text.to_owned()));
        for text in [
            format!("1:{KEY}\n2:{KEY}\n"),
            format!("1:{KEY},2:{KEY}"),
            format!("1:{KEY} 2:{KEY}"),
        ] {
            let keys = source(&text).read().unwrap().unwrap();
            let ids: Vec<_> = keys.keys().map(|(id, _)| id).collect();
            assert_eq!(ids, [1, 2], "{text:?}");
        }
        for text in [
            KEY.to_owned(),
            format!("1:{KEY},1:{KEY}"),
            format!("1:{KEY};2:{KEY}"),
        ] {
            let error = source(&text).open(&mut rng()).unwrap_err();
            assert_eq!(error.code(), "master_key_bad");
            assert!(!error.to_string().contains(KEY), "{error}");
        }
        assert!(source("").read().unwrap().is_none(), "as if it weren't set");
        assert_eq!(
            source("").open(&mut rng()).unwrap_err().code(),
            "master_key_bad"
        );
    }

    #[test]
    fn keys_are_never_printed() {
        assert_eq!(
            format!("{:?}", MasterKeyFile::generate(&mut rng())),
            "MasterKeyFile"
        );
    }

    proptest! {
        #[test]
        fn no_content_makes_the_reader_panic(
            content in prop_oneof![any::<Vec<u8>>(), "([0-9]{0,11}:[a-zA-Z0-9_-]{40,45}\n){0,3}".prop_map(String::into_bytes)],
        ) {
            if let Ok(file) = MasterKeyFile::parse(&content) {
                let text = file.to_bytes();
                prop_assert_eq!(text.strip_suffix(b"\n"), content.strip_suffix(b"\n").or(Some(&content)));
            }
        }
    }
}
