//! Whether standard error, or another stream, leads anywhere.
//!
//! A process that is started with standard error closed doesn't find it so: before `main`, Rust opens
//! `/dev/null` in its place, since otherwise the next file that is opened would get what is meant for standard
//! error. So a closed one can't be told from the `/dev/null` that an operator, a supervisor or a library for
//! starting programs has chosen. It is taken for a decision, and said elsewhere ([`is_null`]).
//!
//! This room must never write.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat, stat};
use std::fmt::{Display, Formatter};
use std::os::fd::AsFd;
use std::path::PathBuf;

const AT_ONCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// Why a line reaches nobody that is written to a stream of this name, or to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeadsNowhere {
    /// It isn't open for writing.
    Closed(&'static str),
    /// It is a pipe, a socket or a terminal whose other side is gone.
    ReaderGone(&'static str),
    /// The file of the audit can't be opened.
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
}

/// Whether lines reach somebody.
pub(super) type Kept = Result<(), LeadsNowhere>;

impl LeadsNowhere {
    /// The stable name.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Closed(_) | Self::ReaderGone(_) => "log_closed",
            Self::Unusable { .. } => "audit_file_unusable",
        }
    }
}

impl Display for LeadsNowhere {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed("standard error") => f.write_str(
                "standard error is not open for writing: the audit log would be lost; lead it to where it is \
                 kept, or decide against it with `2>/dev/null`",
            ),
            Self::Closed(stream) => write!(
                f,
                "{stream} is not open for writing: the audit log would be lost; lead it to where it is kept"
            ),
            Self::ReaderGone(stream) => write!(
                f,
                "whoever read {stream} is gone: the audit log would be lost; lead it to where it is kept"
            ),
            Self::Unusable { path, why } => write!(
                f,
                "the audit log can't be written to {}: {why}; it would be lost",
                path.display()
            ),
        }
    }
}

/// Fails where what is written to standard error now would be lost.
pub fn leads_somewhere() -> Result<(), LeadsNowhere> {
    check("standard error", std::io::stderr())
}

/// Whether the other side of standard error is gone.
pub(super) fn reader_is_gone() -> bool {
    is_left(std::io::stderr())
}

/// Fails where what is written to the stream of this name now would be lost.
pub(super) fn check(name: &'static str, file: impl AsFd) -> Kept {
    let mode = fcntl_getfl(&file).map(|flags| flags & OFlags::RWMODE);
    let can_write = mode == Ok(OFlags::RDWR) || mode == Ok(OFlags::WRONLY);
    if !can_write {
        Err(LeadsNowhere::Closed(name))
    } else if is_left(file) {
        Err(LeadsNowhere::ReaderGone(name))
    } else {
        Ok(())
    }
}

/// Whether it is `/dev/null`, which discards everything.
pub(super) fn is_null(file: impl AsFd) -> bool {
    match (fstat(file), stat("/dev/null")) {
        (Ok(file), Ok(null)) => {
            FileType::from_raw_mode(file.st_mode) == FileType::CharacterDevice
                && file.st_rdev == null.st_rdev
        }
        _ => false,
    }
}

/// Asks the system without writing. A file and a device have no other side.
pub(super) fn is_left(file: impl AsFd) -> bool {
    let mut asked = [PollFd::new(&file, PollFlags::empty())];
    let gone = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
    poll(&mut asked, Some(&AT_ONCE)).is_ok() && asked[0].revents().intersects(gone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::unix::net::UnixStream;

    const NAME: &str = "standard error";

    #[test]
    fn what_discards_everything_is_a_decision_and_known_for_it() {
        let open = |read, write| {
            let mut options = File::options();
            options.read(read).write(write).open("/dev/null").unwrap()
        };
        assert_eq!(check(NAME, open(false, true)), Ok(()));
        assert_eq!(check(NAME, open(true, true)), Ok(()));
        assert!(is_null(open(false, true)) && is_null(open(true, true)));
        assert!(!is_null(tempfile::tempfile().unwrap()));
        assert_eq!(
            check(NAME, open(true, false)),
            Err(LeadsNowhere::Closed(NAME))
        );
    }

    #[test]
    fn files_devices_and_pipes_with_a_reader_lead_somewhere() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(check(NAME, file), Ok(()));
        let full = File::options().read(true).write(true).open("/dev/full");
        assert_eq!(check(NAME, full.unwrap()), Ok(()), "it refuses by itself");
        let (reader, writer) = std::io::pipe().unwrap();
        assert_eq!(check(NAME, &writer), Ok(()));
        drop(reader);
        assert_eq!(check(NAME, &writer), Err(LeadsNowhere::ReaderGone(NAME)));
        // As systemd's: the side of the service reads nothing.
        let (journal, service) = UnixStream::pair().unwrap();
        service.shutdown(std::net::Shutdown::Read).unwrap();
        assert_eq!(check(NAME, &service), Ok(()));
        drop(journal);
        assert_eq!(check(NAME, &service), Err(LeadsNowhere::ReaderGone(NAME)));
    }
}
