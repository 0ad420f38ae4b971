//! How far a store has come, noted outside of its folder.
//!
//! Who puts back a whole folder as it was puts back a store that agrees with itself, and sessions that
//! have ended since. So the number of each durable group of changes is noted in another place as well,
//! which isn't copied and put back along with the folder. A store whose number is behind the note is an
//! earlier one ([0054](../../../docs/decisions/0054-epoch.md)).
//!
//! Each store that is noted has a name of its own, its line, which begins anew whenever somebody has said
//! that a store is to be gone on with that doesn't agree with the note.
//!
//! | bytes of the note | hold |
//! |---|---|
//! | 1 | the form: 1 |
//! | 1 | 0 until the store has the line as well, then 1 |
//! | 16 | the line |
//! | 8 | the number of the last durable group, big-endian |
//! | 32 | a MAC, with a key of the deployment's |
//!
//! This room must never note a group that isn't durable, and never take a store for a later one because
//! a note can't be read.

mod file;

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::error::KeystoreError;
use crate::local::sled::digest::DigestKey;

pub use file::EpochFile;

/// How long a note is.
const LENGTH: usize = 1 + 1 + 16 + 8 + 32;

const FORM: u8 = 1;

/// The name of a line of stores, random.
pub(crate) type Line = [u8; 16];

/// A place outside of a store's folder. All calls may block for as long as a disk takes.
pub trait EpochPlace: fmt::Debug + Send + Sync {
    /// What an operator calls it.
    fn name(&self) -> String;

    /// The note that is there; `None` where there never was one.
    fn read(&self) -> io::Result<Option<Vec<u8>>>;

    /// Puts a note there, durably, in the place of another or where there was none.
    fn begin(&self, note: &[u8]) -> io::Result<()>;

    /// Puts a later note in the place of the one that is there. It outlives the process when this returns,
    /// and a crash of the machine soon after.
    fn write(&self, note: &[u8]) -> io::Result<()>;
}

/// Where a store notes outside of its folder how far it has come.
#[derive(Clone, Debug, Default)]
pub enum Epoch {
    /// Nowhere. A store that has been noted somewhere is refused.
    #[default]
    Nowhere,
    /// At this place; `fresh` is random, and the name of a line that begins now.
    At {
        /// The place.
        place: Arc<dyn EpochPlace>,
        /// 16 random bytes.
        fresh: [u8; 16],
    },
    /// The store is a copy that is looked at, and goes: nothing is compared, and nothing noted.
    Unasked,
}

/// What is known of a store from itself.
#[derive(Clone, Copy)]
pub(crate) struct Own {
    /// The number of its last durable group.
    pub(crate) group: u64,
    /// The line that it has, where it is noted somewhere.
    pub(crate) line: Option<Line>,
    /// Whether there is no session in it that could come back.
    pub(crate) is_empty: bool,
}

/// How a store and the place go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum GoOn {
    /// Nothing is noted.
    Apart,
    /// The store is of this line, and so is the note.
    On(Line),
    /// A line begins.
    Begin(Line),
    /// The note has the line already; the store hasn't.
    Take(Line),
    /// The store is noted nowhere any more.
    Leave,
}

impl Epoch {
    /// Whether a store may be opened, and how its line goes on.
    pub(crate) fn judge(&self, own: Own, key: &DigestKey) -> Result<GoOn, KeystoreError> {
        let (place, fresh) = match self {
            Self::Unasked => return Ok(GoOn::Apart),
            Self::Nowhere => {
                return match own.line {
                    None => Ok(GoOn::Apart),
                    Some(_) if own.is_empty => Ok(GoOn::Leave),
                    Some(_) => Err(KeystoreError::EpochUnset),
                };
            }
            Self::At { place, fresh } => (place, *fresh),
        };
        let name = || place.name().into();
        let refused = match (read(&**place, key)?, own.line) {
            (Noted::Nothing, None) => return Ok(GoOn::Begin(fresh)),
            (Noted::Nothing, Some(_)) => KeystoreError::EpochMissing { place: name() },
            (Noted::Unreadable, _) => KeystoreError::EpochForeign { place: name() },
            (Noted::Note(note), Some(line)) if note.line != line => {
                KeystoreError::EpochForeign { place: name() }
            }
            (Noted::Note(note), line) => {
                let is_later = own.group >= note.group;
                match line {
                    Some(line) if is_later && note.is_kept => return Ok(GoOn::On(line)),
                    Some(line) if is_later => return Ok(GoOn::Take(line)),
                    // Cut off between the note and the store.
                    None if is_later && !note.is_kept => return Ok(GoOn::Take(note.line)),
                    None if is_later => KeystoreError::EpochForeign { place: name() },
                    _ => KeystoreError::StoreOlder {
                        place: name(),
                        noted: note.group,
                        found: own.group,
                    },
                }
            }
        };
        // Nothing comes back of a new store, nor of an empty one of which nothing is noted. Another one is
        // refused though it is empty: it would begin a line, and the present one would not be of it.
        let is_new = own.line.is_none() || matches!(refused, KeystoreError::EpochMissing { .. });
        if own.is_empty && is_new {
            return Ok(GoOn::Begin(fresh));
        }
        Err(refused)
    }

    /// What the place says, where there is one and it can be read.
    pub(crate) fn noted_group(&self, key: &DigestKey) -> Option<u64> {
        match self {
            Self::At { place, .. } => match read(&**place, key) {
                Ok(Noted::Note(note)) => Some(note.group),
                _ => None,
            },
            Self::Nowhere | Self::Unasked => None,
        }
    }
}

/// The number of the group that is noted at a place, for whoever looks without opening the store; `None`
/// where nothing is noted.
pub fn noted_at(place: &dyn EpochPlace, key: &DigestKey) -> Result<Option<u64>, KeystoreError> {
    match read(place, key)? {
        Noted::Nothing => Ok(None),
        Noted::Unreadable => Err(KeystoreError::EpochForeign {
            place: place.name().into(),
        }),
        Noted::Note(note) => Ok(Some(note.group)),
    }
}

/// A store's own way to its place.
#[derive(Debug)]
pub(crate) struct Keeper {
    place: Arc<dyn EpochPlace>,
    line: Line,
    key: DigestKey,
}

impl Keeper {
    /// For a store that goes on so; `None` where nothing is noted.
    pub(crate) fn of(epoch: &Epoch, go_on: GoOn, key: &DigestKey) -> Option<Self> {
        let (Epoch::At { place, .. }, GoOn::On(line) | GoOn::Begin(line) | GoOn::Take(line)) =
            (epoch, go_on)
        else {
            return None;
        };
        Some(Self {
            place: Arc::clone(place),
            line,
            key: key.clone(),
        })
    }

    /// Notes that the line begins, before the store has it.
    pub(crate) fn begin(&self, group: u64) -> Result<(), KeystoreError> {
        let note = self.note(group, false);
        self.place.begin(&note).map_err(|error| self.failed(&error))
    }

    /// Notes that this group is durable.
    pub(crate) fn keep(&self, group: u64) -> Result<(), KeystoreError> {
        let note = self.note(group, true);
        self.place.write(&note).map_err(|error| self.failed(&error))
    }

    /// The line's name.
    pub(crate) fn line(&self) -> &Line {
        &self.line
    }

    fn note(&self, group: u64, is_kept: bool) -> Vec<u8> {
        Note {
            line: self.line,
            group,
            is_kept,
        }
        .to_bytes(&self.key)
    }

    fn failed(&self, error: &io::Error) -> KeystoreError {
        let place = self.place.name();
        KeystoreError::unavailable(format!(
            "could not note in {place} how far it has come: {error}"
        ))
    }
}

struct Note {
    line: Line,
    group: u64,
    is_kept: bool,
}

enum Noted {
    Nothing,
    /// It is damaged, or another deployment's.
    Unreadable,
    Note(Note),
}

fn read(place: &dyn EpochPlace, key: &DigestKey) -> Result<Noted, KeystoreError> {
    let bytes = place.read().map_err(|error| {
        let place = place.name();
        KeystoreError::unavailable(format!("could not read {place}: {error}"))
    })?;
    Ok(match bytes {
        None => Noted::Nothing,
        Some(bytes) => Note::from_bytes(&bytes, key).map_or(Noted::Unreadable, Noted::Note),
    })
}

impl Note {
    fn to_bytes(&self, key: &DigestKey) -> Vec<u8> {
        let mut bytes = vec![FORM, u8::from(self.is_kept)];
        bytes.extend_from_slice(&self.line);
        bytes.extend_from_slice(&self.group.to_be_bytes());
        let mac = key.mac_of_epoch(&bytes);
        bytes.extend_from_slice(&mac);
        bytes
    }

    fn from_bytes(bytes: &[u8], key: &DigestKey) -> Option<Self> {
        let bytes: &[u8; LENGTH] = bytes.try_into().ok()?;
        let (said, mac) = bytes.split_at_checked(LENGTH - 32)?;
        if !key.is_mac_of_epoch(said, mac) {
            return None;
        }
        let (&[form, kept], said) = said.split_first_chunk()?;
        let (line, group) = said.split_first_chunk()?;
        (form == FORM && kept <= 1).then_some(Self {
            line: *line,
            group: u64::from_be_bytes(group.try_into().ok()?),
            is_kept: kept == 1,
        })
    }
}

#[cfg(test)]
mod tests;
