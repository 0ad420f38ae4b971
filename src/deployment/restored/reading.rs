//! A backup, read to its end before anything of it is used.
//!
//! This room must never use a part of a backup that isn't whole.

use super::error::RestoreError;
use super::given::{Given, Unlocking};
use crate::archive::{About, ArchiveError, Entries, Entry, Holds};
use crate::deployment::data_dir::{MasterKeyFile, MasterKeySource};
use crate::receipts::Head;
use crate::token::base64url;
use lacre_keystore::{MasterKey, MasterKeyRing, RecordKey};
use serde_json::Value;
use std::fs::File;
use std::io::Seek as _;

/// What of a backup is kept in memory: no rows and no sessions.
pub(super) struct Backup {
    pub(super) about: About,
    pub(super) keys: MasterKeyFile,
    /// Sealed under those keys.
    pub(super) keyring: Option<Vec<u8>>,
    /// Where the log of ends stood.
    pub(super) receipts: Option<Head>,
    unlocking: Unlocking,
    /// Opened once: another file that takes its name meanwhile is another backup.
    file: File,
}

impl Backup {
    pub(super) fn read(
        given: &Given,
        configured: &MasterKeySource,
        progress: &mut impl FnMut(u64, u64),
    ) -> Result<Self, RestoreError> {
        let unlocking = given.unlocking(configured)?;
        let file = given.open()?;
        let size = file.metadata().map_err(ArchiveError::Unreadable)?.len();
        let mut entries = Entries::open(&file, &unlocking)?;
        let about = entries.about().clone();
        let (mut keys, mut keyring, mut receipts) = (Vec::new(), None, None);
        while let Some(entry) = entries.next_entry()? {
            match entry {
                Entry::MasterKeys(text) => {
                    let file = MasterKeyFile::from_text(text.expose());
                    for (id, key) in file.ok_or(ArchiveError::Damaged)?.keys() {
                        if !keys.iter().any(|(known, _)| *known == id) {
                            keys.push((id, *key));
                        }
                    }
                }
                Entry::Keyring(text) => keyring = base64url::decode(text.expose().as_bytes()),
                Entry::Receipts(head) => {
                    let head = serde_json::from_value(Value::Object(head));
                    receipts = Some(head.map_err(|_| ArchiveError::Damaged)?);
                }
                _ => {}
            }
            progress(entries.read(), size);
        }
        if keys.is_empty() || (about.holds == Holds::Everything && keyring.is_none()) {
            return Err(ArchiveError::Damaged.into());
        }
        Ok(Self {
            about,
            keys: MasterKeyFile::of(keys.into_iter()),
            keyring,
            receipts,
            unlocking,
            file,
        })
    }

    /// The master keys that open the backup's records.
    pub(super) fn ring(&self) -> Result<MasterKeyRing, RestoreError> {
        let keys = self.keys.keys().rev();
        let mut keys = keys.map(|(id, key)| MasterKey::from_bytes(id, *key));
        let current = keys.next().ok_or(ArchiveError::Damaged)?;
        Ok(keys.try_fold(MasterKeyRing::new(current), MasterKeyRing::with_older)?)
    }
}

/// The entries of a backup that was read to its end before. One reading at a time: there is one place in the file.
pub(super) fn content_of(
    backup: &Backup,
) -> Result<impl Iterator<Item = Result<Entry, ArchiveError>>, RestoreError> {
    let mut file = &backup.file;
    file.rewind().map_err(ArchiveError::Unreadable)?;
    let mut entries = Entries::open(file, &backup.unlocking)?;
    Ok(std::iter::from_fn(move || entries.next_entry().transpose()))
}

/// The key and the sealed record of an entry, if it is a session.
pub(super) fn session(entry: &Entry) -> Result<Option<(RecordKey, Vec<u8>)>, ArchiveError> {
    let Entry::Session { key, sealed } = entry else {
        return Ok(None);
    };
    let key: Option<[u8; 32]> = base64url::decode_array(key.as_bytes());
    let key = key.ok_or(ArchiveError::Damaged)?;
    let sealed = base64url::decode(sealed.as_bytes()).ok_or(ArchiveError::Damaged)?;
    Ok(Some((RecordKey::from_bytes(&key), sealed)))
}
