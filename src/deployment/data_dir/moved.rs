//! What a move of the sessions writes into a directory: that they are on their way here, or that they have left.
//!
//! This room must never take a damaged file for none.

use super::error::DataDirError;
use super::secret_file::{read_secret, write_secret};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

/// Which move, and of what or to where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct MoveMark {
    /// The number of the move.
    pub(in super::super) id: String,
    /// In a directory that sessions are brought to, the name of the deployment; in one that they have left, where they
    /// are.
    pub(in super::super) about: String,
}

/// In a directory that sessions are being brought to.
pub(in super::super) const COMING: &str = "moving-here";
/// In a directory that they have come to.
#[cfg(feature = "server")]
pub(in super::super) const CAME: &str = "moved-here";
/// In a directory that sessions have left.
pub(in super::super) const LEFT: &str = "moved";

/// Reads the file of this name.
pub(in super::super) fn read_move(
    directory: &Path,
    name: &str,
) -> Result<Option<MoveMark>, DataDirError> {
    let path = directory.join(name);
    let Some(text) = read_secret(&path)? else {
        return Ok(None);
    };
    let mark = serde_json::from_slice(&text);
    let damaged = |_| DataDirError::unusable(&path, io::Error::other("it is damaged"));
    mark.map(Some).map_err(damaged)
}

/// Writes the file of this name, durably.
pub(in super::super) fn write_move(
    directory: &Path,
    name: &str,
    mark: &MoveMark,
) -> Result<(), DataDirError> {
    let text = serde_json::to_vec(mark).unwrap_or_default();
    write_secret(&directory.join(name), &text)
}

/// Takes it away, durably.
pub(in super::super) fn remove_move(directory: &Path, name: &str) -> Result<(), DataDirError> {
    let removed = match std::fs::remove_file(directory.join(name)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => File::open(directory).and_then(|directory| directory.sync_all()),
    };
    removed.map_err(|why| DataDirError::unusable(directory, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written_and_a_damaged_one_is_no_mark() {
        let directory = tempfile::tempdir().unwrap();
        let (path, mark) = (
            directory.path(),
            MoveMark {
                id: "7".to_owned(),
                about: "postgres://db/lacre".to_owned(),
            },
        );
        assert_eq!(read_move(path, LEFT).unwrap(), None);
        write_move(path, LEFT, &mark).unwrap();
        assert_eq!(read_move(path, LEFT).unwrap(), Some(mark));
        assert_eq!(read_move(path, COMING).unwrap(), None);
        for damaged in [&b""[..], b"{}", b"{\"id\":\"7\"}"] {
            write_secret(&path.join(LEFT), damaged).unwrap();
            assert!(read_move(path, LEFT).is_err());
        }
        remove_move(path, LEFT).unwrap();
        remove_move(path, LEFT).unwrap();
        assert_eq!(read_move(path, LEFT).unwrap(), None);
    }
}
