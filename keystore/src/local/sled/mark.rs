//! How far the store had come, noted beside the store.
//!
//! sled takes a damaged place in its log for the end of the log and drops what follows, without a
//! word; removals that follow are undone, and ended sessions are back. The same happens when an
//! old copy of the database file is put in place of a newer one. So every durable group has a
//! number: in the database, with the group's own changes, and here, written after the group was
//! durable. A database whose number is behind the mark has lost something.
//!
//! The mark isn't synced, but its name is, before the first group. A crash of the machine may leave an
//! older one, or none of its bytes, never one that is ahead of the database it belongs to; a mark that isn't
//! there was taken away.
//!
//! This room must never refuse a store because of a mark that can't be read: a torn mark is the
//! trace of a crash, not of a loss.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// The file that holds the mark: the number of the last durable group, and its complement, so that
/// a torn one is told; eight bytes each, big-endian.
pub(super) struct Mark(File);

impl Mark {
    /// Opens the mark in the store's folder; made, for its owner alone, where there is none.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(folder.join("mark"))
            .map(Self)
    }

    /// The number that was noted last in this folder, with nothing made; `None` where there is no mark.
    pub(super) fn noted(folder: &Path) -> io::Result<Option<u64>> {
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
            .open(folder.join("mark"));
        match opened {
            Ok(mark) => Ok(Some(Self(mark).read())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The number that was noted last; 0 where none was or it can't be read.
    fn read(&self) -> u64 {
        let (mut number, mut complement) = ([0; 8], [0; 8]);
        let read = self.0.read_exact_at(&mut number, 0);
        let read = read.and_then(|()| self.0.read_exact_at(&mut complement, 8));
        let (number, complement) = (u64::from_be_bytes(number), u64::from_be_bytes(complement));
        if read.is_ok() && number == !complement {
            number
        } else {
            0
        }
    }

    /// Notes that this group is durable.
    pub(super) fn note(&self, group: u64) -> io::Result<()> {
        let both = u128::from(group) << 64 | u128::from(!group);
        self.0.write_all_at(&both.to_be_bytes(), 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_mark_is_read_as_it_was_noted_last() {
        let folder = tempfile::tempdir().unwrap();
        let mark = Mark::open(folder.path()).unwrap();
        assert_eq!(mark.read(), 0);
        for number in [1, 2, u64::MAX, 3, 0x0102_0304_0506_0708] {
            mark.note(number).unwrap();
            assert_eq!(Mark::open(folder.path()).unwrap().read(), number);
        }
    }

    #[test]
    fn a_torn_mark_is_no_mark() {
        let folder = tempfile::tempdir().unwrap();
        let mark = Mark::open(folder.path()).unwrap();
        mark.note(77).unwrap();
        let whole = fs::read(folder.path().join("mark")).unwrap();
        for length in 0..16 {
            fs::write(folder.path().join("mark"), &whole[..length]).unwrap();
            assert_eq!(Mark::open(folder.path()).unwrap().read(), 0);
        }
        for bit in 0..16 * 8 {
            let mut torn = whole.clone();
            torn[bit / 8] ^= 1 << (bit % 8);
            fs::write(folder.path().join("mark"), torn).unwrap();
            assert_eq!(Mark::open(folder.path()).unwrap().read(), 0);
        }
        fs::write(folder.path().join("mark"), [0; 16]).unwrap();
        assert_eq!(Mark::open(folder.path()).unwrap().read(), 0);
    }
}
