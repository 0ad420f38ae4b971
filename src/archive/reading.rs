//! Reading a backup, entry by entry.
//!
//! This room must never say that a backup is at its end where entries are missing.

use super::entry::{About, End, Entry, VERSION};
use super::error::ArchiveError;
use super::header::{FileKey, Header, Lock, MAX_HEADER};
use super::payload::Opener;
use serde_json::Value;
use std::fmt;
use std::io::{BufReader, Read};
use zeroize::Zeroizing;

/// The longest line that is read: a row has an account, a session a record of 4 KiB.
const MAX_LINE: usize = 1 << 20;

/// Gives the key of a file for the lock that its header has.
pub trait Unlock {
    /// The passphrase, where one was given.
    fn passphrase(&self) -> Option<&str>;
    /// The master key with this id.
    fn master_key(&self, id: u32) -> Option<&[u8; 32]>;
}

/// The entries of a backup.
pub struct Entries<R> {
    content: Opener<BufReader<Counted<R>>>,
    about: About,
    plain: Zeroizing<Vec<u8>>,
    /// Where the next line begins.
    from: usize,
    seen: End,
    ended: bool,
}

impl<R: Read> Entries<R> {
    /// Opens a backup, up to its first entry.
    pub fn open(from: R, unlock: &impl Unlock) -> Result<Self, ArchiveError> {
        let mut from = BufReader::new(Counted { from, bytes: 0 });
        let header = Header::parse(&head(&mut from)?)?;
        let key = unlocked(&header, unlock)?;
        let content = Opener::new(&key, from)?;
        let mut entries = Self {
            content,
            about: About {
                version: 0,
                holds: super::Holds::Sessions,
                deployment: String::new(),
                made_at: 0,
                at_rest: false,
            },
            plain: Zeroizing::new(Vec::new()),
            from: 0,
            seen: End::default(),
            ended: false,
        };
        entries.about = entries.first()?;
        Ok(entries)
    }

    /// What it is.
    #[must_use]
    pub fn about(&self) -> &About {
        &self.about
    }

    /// How many bytes of the file were read.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.content.inner().get_ref().bytes
    }

    /// The next entry; `None` behind the last one, of a backup that is whole.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, ArchiveError> {
        let Some(line) = self.line()? else {
            return if self.ended {
                Ok(None)
            } else {
                Err(ArchiveError::Damaged)
            };
        };
        let entry = serde_json::from_slice(&line).map_err(|_| ArchiveError::Damaged)?;
        if self.ended {
            return Err(ArchiveError::Damaged);
        }
        match &entry {
            Entry::Backup(_) => return Err(ArchiveError::Damaged),
            Entry::Row { table, .. } => {
                self.seen.rows += 1;
                self.seen.accounts += u64::from(table == "accounts");
            }
            Entry::Session { .. } => self.seen.sessions += 1,
            Entry::End(end) if *end != self.seen => return Err(ArchiveError::Damaged),
            Entry::End(_) => self.ended = true,
            Entry::MasterKeys(_) | Entry::Keyring(_) | Entry::Receipts(_) => {}
        }
        Ok(Some(entry))
    }

    /// The first entry. That of a newer version may have any other form.
    fn first(&mut self) -> Result<About, ArchiveError> {
        let line = self.line()?.ok_or(ArchiveError::Foreign)?;
        let first: Value = serde_json::from_slice(&line).map_err(|_| ArchiveError::Foreign)?;
        let version = first["backup"]["version"].as_u64();
        let version = version.and_then(|version| u32::try_from(version).ok());
        match version.ok_or(ArchiveError::Foreign)? {
            found if found > VERSION => Err(ArchiveError::TooNew {
                found,
                known: VERSION,
            }),
            _ => match serde_json::from_value(first) {
                Ok(Entry::Backup(about)) => Ok(about),
                _ => Err(ArchiveError::Damaged),
            },
        }
    }

    fn line(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, ArchiveError> {
        let mut searched = self.from;
        loop {
            if let Some(length) = memchr::memchr(b'\n', &self.plain[searched..]) {
                let end = searched + length;
                let line = Zeroizing::new(self.plain[self.from..end].to_vec());
                self.from = end + 1;
                return Ok(Some(line));
            }
            self.plain.drain(..self.from);
            self.from = 0;
            searched = self.plain.len();
            if searched > MAX_LINE {
                return Err(ArchiveError::Damaged);
            }
            if !self.content.next(&mut self.plain)? {
                return if self.plain.is_empty() {
                    Ok(None)
                } else {
                    Err(ArchiveError::Damaged)
                };
            }
        }
    }
}

impl<R> fmt::Debug for Entries<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entries")
            .field("about", &self.about)
            .finish_non_exhaustive()
    }
}

fn unlocked(header: &Header, unlock: &impl Unlock) -> Result<FileKey, ArchiveError> {
    match header.lock {
        Lock::Passphrase { .. } => {
            let passphrase = unlock.passphrase().ok_or(ArchiveError::NeedsPassphrase)?;
            header.open_with_passphrase(passphrase)
        }
        Lock::MasterKey { id, .. } => {
            let key = unlock
                .master_key(id)
                .ok_or(ArchiveError::NeedsMasterKey { id })?;
            header.open_with_master_key(key)
        }
    }
}

/// The header: all up to the end of the line that begins with three hyphens.
fn head(from: &mut impl Read) -> Result<Vec<u8>, ArchiveError> {
    let (mut head, mut line, mut byte) = (Vec::new(), 0, [0]);
    loop {
        match from.read(&mut byte).map_err(ArchiveError::Unreadable)? {
            0 => return Err(ArchiveError::Foreign),
            _ if head.len() == MAX_HEADER => return Err(ArchiveError::Foreign),
            _ => head.push(byte[0]),
        }
        if byte[0] == b'\n' {
            if head[line..].starts_with(b"---") {
                return Ok(head);
            }
            line = head.len();
        }
    }
}

/// Counts what is read.
struct Counted<R> {
    from: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.from.read(into)?;
        self.bytes += read as u64;
        Ok(read)
    }
}
