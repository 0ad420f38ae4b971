//! Where audit events go: with the other lines of the log, or as a stream of their own.
//!
//! A file is appended to, and is for the service's user alone. After SIGHUP it is opened anew before the next
//! event, so that whoever rotates logs may have moved it away; what was begun begins anew in the new one.
//!
//! This room must never join an event to the rest of another one.

use super::standard_error::{LeadsNowhere, check, is_left, is_null};
use rustix::fs::OFlags;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

/// Where audit events are written to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AuditStream {
    /// With the other lines of the log.
    #[default]
    StandardError,
    /// To standard output, on which nothing else is said then.
    StandardOutput,
    /// To the end of this file.
    File(PathBuf),
}

/// The bits of a mode that let the group or others write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

static STREAM: OnceLock<AuditStream> = OnceLock::new();

/// The file of a command, once it has written an event.
static OPEN: Mutex<Option<AuditFile>> = Mutex::new(None);

/// Whether SIGHUP has asked for the file to be opened anew.
static REOPEN: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// From now on audit events go there; the first call decides.
pub fn set_audit_stream(stream: AuditStream) {
    let _ = STREAM.set(stream);
}

/// Where audit events go.
pub(super) fn chosen() -> &'static AuditStream {
    STREAM.get_or_init(AuditStream::default)
}

/// Whether standard output is the stream of the audit, so that nothing else may be said there.
#[must_use]
pub fn audit_has_standard_output() -> bool {
    *chosen() == AuditStream::StandardOutput
}

/// Has the file of the audit opened anew before the next event. Whether there is one.
#[must_use]
pub fn reopen_audit() -> bool {
    let is_file = matches!(chosen(), AuditStream::File(_));
    REOPEN.store(is_file, SeqCst);
    is_file
}

/// Fails where an audit event that is written now would be lost. A file is opened, and made where there is
/// none.
pub fn audit_is_kept() -> Result<(), LeadsNowhere> {
    match chosen() {
        AuditStream::StandardError => check("standard error", io::stderr()),
        AuditStream::StandardOutput => check("standard output", io::stdout()),
        AuditStream::File(path) => {
            with_file(path, |_| Ok(())).map_err(|error| unusable(path, &error))
        }
    }
}

/// Whether audit events are discarded: they go to `/dev/null`, chosen or in the place of a stream that was
/// closed.
#[must_use]
pub fn is_discarded() -> bool {
    match chosen() {
        AuditStream::StandardError => is_null(io::stderr()),
        AuditStream::StandardOutput => is_null(io::stdout()),
        AuditStream::File(_) => false,
    }
}

/// Whether the other side of the stream of its own is gone.
pub(super) fn reader_is_gone() -> bool {
    audit_has_standard_output() && is_left(io::stdout())
}

/// Writes an event of a command to the stream of its own; `None` where there is none.
pub(super) fn write_now(line: &[u8]) -> Option<io::Result<()>> {
    match chosen() {
        AuditStream::StandardError => None,
        AuditStream::StandardOutput => {
            let mut out = io::stdout().lock();
            Some(out.write_all(line).and_then(|()| out.flush()))
        }
        AuditStream::File(path) => Some(with_file(path, |file| file.file.write_all(line))),
    }
}

fn with_file(path: &Path, act: impl FnOnce(&mut AuditFile) -> io::Result<()>) -> io::Result<()> {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let file = match &mut *open {
        Some(file) => file,
        none => none.insert(AuditFile::open(path)?),
    };
    act(file)
}

fn unusable(path: &Path, error: &io::Error) -> LeadsNowhere {
    LeadsNowhere::Unusable {
        path: path.to_owned(),
        why: error.to_string(),
    }
}

/// The file of the audit, open for its end.
pub(super) struct AuditFile {
    path: PathBuf,
    file: File,
    reopen: Arc<AtomicBool>,
}

impl AuditFile {
    /// Opens it, or makes it with mode 0600.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            file: open(path)?,
            reopen: Arc::clone(&REOPEN),
        })
    }

    /// Opens it anew where that was asked for. Whether it is another file now.
    pub(super) fn renew(&mut self) -> io::Result<bool> {
        // Before it is opened: who asks meanwhile asks for another time.
        if !self.reopen.swap(false, SeqCst) {
            return Ok(false);
        }
        match open(&self.path) {
            Ok(file) => {
                self.file = file;
                Ok(true)
            }
            Err(error) => {
                self.reopen.store(true, SeqCst);
                Err(error)
            }
        }
    }
}

impl Write for AuditFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn open(path: &Path) -> io::Result<File> {
    // A named pipe without a reader would hold whoever opens it.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let mut options = File::options();
    let options = options.read(true).append(true).create(true);
    let mut file = options.mode(0o600).custom_flags(flags).open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    if about.mode() & WRITABLE_BY_OTHERS != 0 {
        let why = "it can be written to by others, so that nobody could rely on it: run `chmod 600` on it";
        return Err(io::Error::new(ErrorKind::PermissionDenied, why));
    }
    // What a kill or a full disk has cut off stays a line of its own.
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_file_is_appended_to_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.log");
        AuditFile::open(&path).unwrap().write_all(b"a\n").unwrap();
        AuditFile::open(&path)
            .unwrap()
            .write_all(b"b\nhal")
            .unwrap();
        AuditFile::open(&path).unwrap().write_all(b"c\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"a\nb\nhal\nc\n");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_file_is_refused_and_holds_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
        for path in [
            &pipe,
            dir.path(),
            Path::new("/dev/null"),
            &dir.path().join("a/b"),
        ] {
            assert!(AuditFile::open(path).is_err(), "{}", path.display());
        }
    }

    #[test]
    fn a_file_that_others_may_write_is_no_audit_log() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.log");
        for (mode, due) in [(0o666, false), (0o620, false), (0o640, true), (0o600, true)] {
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(AuditFile::open(&path).is_ok(), due, "{mode:o}");
        }
    }

    #[test]
    fn a_file_that_was_moved_away_is_left_when_that_is_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("audit.log"), dir.path().join("audit.log.1"));
        let mut file = AuditFile::open(&path).unwrap();
        file.reopen = Arc::default();
        file.write_all(b"a\n").unwrap();
        std::fs::rename(&path, &moved).unwrap();
        assert!(!file.renew().unwrap());
        file.write_all(b"b\n").unwrap();
        file.reopen.store(true, SeqCst);
        assert!(file.renew().unwrap() && !file.renew().unwrap());
        file.write_all(b"c\n").unwrap();
        assert_eq!(std::fs::read(&moved).unwrap(), b"a\nb\n");
        assert_eq!(std::fs::read(&path).unwrap(), b"c\n");
        // Where that fails, it is tried again.
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        file.reopen.store(true, SeqCst);
        assert!(file.renew().is_err() && file.renew().is_err());
        std::fs::remove_dir(&path).unwrap();
        assert!(file.renew().unwrap());
    }
}
