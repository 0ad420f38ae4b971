//! A directory as it is: to show that a refused start touched nothing.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Everything below a directory: mode, time of the last change, and content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot(BTreeMap<PathBuf, Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    mode: u32,
    inode: u64,
    modified: SystemTime,
    content: Vec<u8>,
}

impl Snapshot {
    pub(crate) fn of(directory: &Path) -> Self {
        let mut entries = BTreeMap::new();
        let mut open = vec![directory.to_owned()];
        while let Some(path) = open.pop() {
            let metadata = std::fs::symlink_metadata(&path).unwrap();
            let mut content = Vec::new();
            if metadata.is_dir() {
                open.extend(std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
            } else if metadata.is_file() {
                content = std::fs::read(&path).unwrap();
            }
            let entry = Entry {
                mode: metadata.permissions().mode(),
                inode: metadata.ino(),
                modified: metadata.modified().unwrap(),
                content,
            };
            entries.insert(path, entry);
        }
        Self(entries)
    }

    /// The same without one file.
    pub(crate) fn without(mut self, path: &Path) -> Self {
        self.0.remove(path);
        self
    }

    /// Demands that nothing has changed since `before`, and names what has.
    pub(crate) fn is_still(&self, before: &Self) {
        let changed: Vec<_> = self
            .0
            .keys()
            .chain(before.0.keys())
            .filter(|path| self.0.get(*path) != before.0.get(*path))
            .collect();
        assert!(changed.is_empty(), "changed: {changed:?}");
    }
}
