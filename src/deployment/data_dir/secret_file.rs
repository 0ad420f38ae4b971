//! Files that hold secrets: mode 0600, written whole or not at all.
//!
//! A file is written beside its place under a name of its own, brought to the disk, and only then
//! put in place by one rename; the directory is brought to the disk last. A full disk or a killed
//! process leaves the file of before, or none.
//!
//! This room must never write over a secret that it was asked to create, and never read one that
//! others may read, nor one of another user. A link is followed where root or the user who runs
//! this made it, which is how orchestrators mount secrets.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use super::DataDirError;
use super::private;

/// What a file under way is called, so that [`sweep`] finds what a killed process left.
pub(in super::super) const UNDER_WAY: &str = ".lacre-new-";

/// More than any file of secrets holds: what is larger is something else.
const MAX_SIZE: u64 = 1 << 20;

/// Reads the secret at `path`; where there is none, keeps what `make` returns and returns that.
///
/// Of two processes that come at once, both return the secret of the one that came first.
pub fn read_or_create_secret(
    path: &Path,
    make: impl FnOnce() -> Zeroizing<Vec<u8>>,
) -> Result<Zeroizing<Vec<u8>>, DataDirError> {
    if let Some(secret) = read_secret(path)? {
        return Ok(secret);
    }
    let unusable = |why| DataDirError::unusable(path, why);
    let fresh = make();
    let file = under_way(path, &fresh).map_err(unusable)?;
    match file.persist_noclobber(path) {
        Ok(_) => sync_directory(path).map_err(unusable)?,
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => {
            let gone = || unusable(ErrorKind::NotFound.into());
            return read_secret(path)?.ok_or_else(gone);
        }
        Err(error) => return Err(unusable(error.error)),
    }
    Ok(fresh)
}

/// Reads the secret at `path`, `None` where there is none.
pub fn read_secret(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, DataDirError> {
    let unusable = |why| DataDirError::unusable(path, why);
    let target = match resolved(path) {
        Ok(target) => target,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(error)),
    };
    let mut file = match private::open_file(&target, OpenOptions::new().read(true)) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(error)),
    };
    // Of the open file, not of the path: nobody can change it in between.
    let about = file.metadata().map_err(unusable)?;
    if !about.is_file() || about.len() > MAX_SIZE {
        return Err(unusable(io::Error::other("not a file of secrets")));
    }
    let mode = about.mode() & 0o7777;
    if !private::is_trusted(about.uid(), path) {
        return Err(DataDirError::Foreign {
            path: path.to_owned(),
            uid: about.uid(),
        });
    }
    // The group of root's file is the one that root gave to the service: 0440, as mounted.
    let mounted = about.uid() == 0 && mode == 0o440;
    if mode & 0o077 != 0 && !mounted {
        return Err(DataDirError::SecretExposed {
            path: path.to_owned(),
            mode,
        });
    }
    // Room for all of it at once: a buffer that grows leaves copies behind.
    let room = usize::try_from(about.len()).unwrap_or_default() + 1;
    let mut secret = Zeroizing::new(Vec::with_capacity(room));
    file.read_to_end(&mut secret).map_err(unusable)?;
    Ok(Some(secret))
}

/// Where the file is: at the end of links of root's or of one's own.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    let about = std::fs::symlink_metadata(path)?;
    if !about.is_symlink() {
        return Ok(path.to_owned());
    }
    if !private::is_trusted(about.uid(), path) {
        return Err(io::Error::other("it is a link of another user"));
    }
    path.canonicalize()
}

/// Puts `secret` at `path`, in place of what was there.
pub fn write_secret(path: &Path, secret: &[u8]) -> Result<(), DataDirError> {
    let unusable = |why| DataDirError::unusable(path, why);
    let file = under_way(path, secret).map_err(unusable)?;
    file.persist(path).map_err(|error| unusable(error.error))?;
    sync_directory(path).map_err(unusable)
}

/// Puts `secret` in the place of the file at `path`, which keeps its mode and its owner. What is no file of
/// this user's to write stays as it is.
pub(in super::super) fn replace_secret(path: &Path, secret: &[u8]) -> io::Result<()> {
    let about = std::fs::symlink_metadata(path)?;
    if about.is_symlink() {
        // Whoever mounts secrets puts others in their place.
        let why = "it is a link";
        return Err(io::Error::new(ErrorKind::ReadOnlyFilesystem, why));
    }
    let file = under_way(path, secret)?;
    let own = file.as_file().metadata()?;
    if (own.uid(), own.gid()) != (about.uid(), about.gid()) {
        std::os::unix::fs::fchown(file.as_file(), Some(about.uid()), Some(about.gid()))?;
    }
    let mode = Permissions::from_mode(about.mode() & 0o7777);
    file.as_file().set_permissions(mode)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_directory(path)
}

/// Removes the files that a killed process left under way in `directory`. Only for the process
/// that holds the directory: to anybody else such a file may be in use.
pub(super) fn sweep(directory: &Path) -> io::Result<()> {
    for entry in directory.read_dir()? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(UNDER_WAY) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// `secret` on the disk, in the directory of `path`, under a name of its own.
fn under_way(path: &Path, secret: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix(UNDER_WAY)
        .permissions(Permissions::from_mode(0o600))
        .tempfile_in(directory_of(path))?;
    file.write_all(secret)?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(directory_of(path))?.sync_all()
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests;
