//! The file that a database of `SQLite` was opened in.
//!
//! `SQLite` goes on writing into a file that was removed, or that another one took the place of: what is
//! committed then is lost with the process.
//!
//! This room must never open the file.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A file by its name and by what it is.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    path: PathBuf,
    device: u64,
    number: u64,
}

impl DatabaseFile {
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        let about = path.metadata()?;
        Ok(Self {
            path: path.to_owned(),
            device: about.dev(),
            number: about.ino(),
        })
    }

    /// Whether this is of the same file.
    pub(super) fn is(&self, about: &Metadata) -> bool {
        (about.dev(), about.ino()) == (self.device, self.number)
    }

    /// Fails where the file isn't under its name any more.
    pub(super) fn is_there(&self) -> Result<(), sqlx::Error> {
        let now = self.path.metadata().map_err(sqlx::Error::Io)?;
        if self.is(&now) {
            return Ok(());
        }
        let why = "another file is in its place";
        Err(sqlx::Error::Io(io::Error::new(
            io::ErrorKind::NotFound,
            why,
        )))
    }
}

#[cfg(test)]
impl DatabaseFile {
    /// Whether a line of `/proc/locks` is about this file.
    pub(super) fn is_in(&self, line: &str) -> bool {
        line.contains(&format!(":{} ", self.number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_removed_or_replaced_is_not_there() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("database");
        assert!(DatabaseFile::at(&path).is_err());
        std::fs::write(&path, "1").unwrap();
        let file = DatabaseFile::at(&path).unwrap();
        assert!(file.is_there().is_ok());
        std::fs::write(&path, "2").unwrap();
        assert!(file.is_there().is_ok(), "it is written, and the same");
        let other = home.path().join("other");
        std::fs::write(&other, "3").unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert!(file.is_there().is_err());
        std::fs::remove_file(&path).unwrap();
        assert!(file.is_there().is_err());
    }
}
