//! The file with the latest time that a deployment has reached.
//!
//! One line: Unix seconds. It is no secret, and is written as secrets are: whole or not at all.
//!
//! This room must never take a damaged file for a time.

use super::error::DataDirError;
use super::private;
use super::secret_file::write_secret;
use crate::clock::UnixSeconds;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

/// What is in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Mark {
    Time(UnixSeconds),
    Missing,
    Damaged,
}

/// Reads the mark at `path`.
pub(in super::super) fn read_mark(path: &Path) -> Result<Mark, DataDirError> {
    let file = match private::open_file(path, OpenOptions::new().read(true)) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Mark::Missing),
        Err(error) => return Err(DataDirError::unusable(path, error)),
    };
    let mut text = Vec::new();
    let read = file.take(64).read_to_end(&mut text);
    read.map_err(|error| DataDirError::unusable(path, error))?;
    let text = str::from_utf8(&text).unwrap_or_default();
    let time: Option<UnixSeconds> = text
        .strip_suffix('\n')
        .and_then(|digits| digits.parse().ok());
    // One spelling: no sign, no zero before the first digit.
    let time = time.filter(|time| format!("{time}\n") == text);
    Ok(time.map_or(Mark::Damaged, Mark::Time))
}

/// Writes `time` in place of what is at `path`, durably.
pub(in super::super) fn write_mark(path: &Path, time: UnixSeconds) -> Result<(), DataDirError> {
    write_secret(path, format!("{time}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_is_written_is_read_and_nobody_else_may() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("clock");
        assert_eq!(read_mark(&path).unwrap(), Mark::Missing);
        for time in [0, 1_800_000_000, u64::MAX] {
            write_mark(&path, time).unwrap();
            assert_eq!(read_mark(&path).unwrap(), Mark::Time(time));
        }
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_time_is_damaged() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("clock");
        for text in [
            &b""[..],
            b"1800000000",
            b"1800000000\n\n",
            b"+1800000000\n",
            b"01800000000\n",
            b"-1\n",
            b"1.8e9\n",
            b"99999999999999999999\n",
            b"\xff\n",
            &[b'1'; 4096],
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(read_mark(&path).unwrap(), Mark::Damaged, "{text:?}");
        }
    }

    #[test]
    fn a_link_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let (path, other) = (directory.path().join("clock"), directory.path().join("a"));
        write_mark(&other, 5).unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        assert_eq!(read_mark(&path).unwrap_err().code(), "data_dir_unwritable");
        // A new mark takes the place of the link, and what it points to stays.
        write_mark(&path, 7).unwrap();
        assert_eq!(read_mark(&path).unwrap(), Mark::Time(7));
        assert_eq!(read_mark(&other).unwrap(), Mark::Time(5));
    }
}
