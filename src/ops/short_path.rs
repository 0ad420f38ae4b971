//! A path of any length as a socket's address.
//!
//! This room must never follow another path than it was given.

use rustix::fs::{Mode, OFlags};
use rustix::net::SocketAddrUnix;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

/// A path that fits into a socket's address, which takes 107 bytes: a longer one is reached
/// through its open directory.
#[derive(Debug)]
pub(super) struct ShortPath {
    path: PathBuf,
    _directory: Option<OwnedFd>,
}

impl ShortPath {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let (parent, name) = (path.parent(), path.file_name());
        if let (Err(rustix::io::Errno::NAMETOOLONG), Some(parent), Some(name)) =
            (SocketAddrUnix::new(path), parent, name)
        {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let directory = rustix::fs::open(parent, flags, Mode::empty())?;
            let open = format!("/proc/self/fd/{}", directory.as_raw_fd());
            return Ok(Self {
                path: Path::new(&open).join(name),
                _directory: Some(directory),
            });
        }
        Ok(Self {
            path: path.to_owned(),
            _directory: None,
        })
    }

    pub(super) fn as_path(&self) -> &Path {
        &self.path
    }
}
