//! Whether standard error leads anywhere.
//!
//! A process that is started with standard error closed doesn't find it so: before `main`, Rust opens
//! `/dev/null` in its place, since otherwise the next file that is opened would get what is meant for standard
//! error. So a closed one can't be told from the `/dev/null` that an operator, a supervisor or a library for
//! starting programs has chosen. It is taken for a decision, and said elsewhere ([`is_discarded`]).
//!
//! This room must never write.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat, stat};
use std::fmt::{Display, Formatter};
use std::os::fd::AsFd;

const AT_ONCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// Why a line that is written to standard error reaches nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeadsNowhere {
    /// It isn't open for writing.
    Closed,
    /// It is a pipe, a socket or a terminal whose other side is gone.
    ReaderGone,
}

impl Display for LeadsNowhere {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Closed => {
                "standard error is not open for writing: the audit log would be lost; lead it to where it is \
                 kept, or decide against it with `2>/dev/null`"
            }
            Self::ReaderGone => {
                "whoever read standard error is gone: the audit log would be lost; lead it to where it \
                 is kept"
            }
        })
    }
}

/// Fails where what is written to standard error now would be lost.
pub fn leads_somewhere() -> Result<(), LeadsNowhere> {
    check(std::io::stderr())
}

/// Whether what is written to standard error is discarded: it is `/dev/null`, chosen or in the place of one
/// that was closed.
#[must_use]
pub fn is_discarded() -> bool {
    is_null(std::io::stderr())
}

/// Whether the other side of standard error is gone.
pub(super) fn reader_is_gone() -> bool {
    is_left(std::io::stderr())
}

fn check(file: impl AsFd) -> Result<(), LeadsNowhere> {
    let mode = fcntl_getfl(&file).map(|flags| flags & OFlags::RWMODE);
    let can_write = mode == Ok(OFlags::RDWR) || mode == Ok(OFlags::WRONLY);
    if !can_write {
        Err(LeadsNowhere::Closed)
    } else if is_left(file) {
        Err(LeadsNowhere::ReaderGone)
    } else {
        Ok(())
    }
}

fn is_null(file: impl AsFd) -> bool {
    match (fstat(file), stat("/dev/null")) {
        (Ok(file), Ok(null)) => {
            FileType::from_raw_mode(file.st_mode) == FileType::CharacterDevice
                && file.st_rdev == null.st_rdev
        }
        _ => false,
    }
}

/// Asks the system without writing. A file and a device have no other side.
fn is_left(file: impl AsFd) -> bool {
    let mut asked = [PollFd::new(&file, PollFlags::empty())];
    let gone = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
    poll(&mut asked, Some(&AT_ONCE)).is_ok() && asked[0].revents().intersects(gone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::unix::net::UnixStream;

    #[test]
    fn what_discards_everything_is_a_decision_and_known_for_it() {
        let open = |read, write| {
            let mut options = File::options();
            options.read(read).write(write).open("/dev/null").unwrap()
        };
        assert_eq!(check(open(false, true)), Ok(()));
        assert_eq!(check(open(true, true)), Ok(()));
        assert!(is_null(open(false, true)) && is_null(open(true, true)));
        assert!(!is_null(tempfile::tempfile().unwrap()));
        assert_eq!(check(open(true, false)), Err(LeadsNowhere::Closed));
    }

    #[test]
    fn files_devices_and_pipes_with_a_reader_lead_somewhere() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(check(file), Ok(()));
        let full = File::options().read(true).write(true).open("/dev/full");
        assert_eq!(check(full.unwrap()), Ok(()), "it refuses by itself");
        let (reader, writer) = std::io::pipe().unwrap();
        assert_eq!(check(&writer), Ok(()));
        drop(reader);
        assert_eq!(check(&writer), Err(LeadsNowhere::ReaderGone));
        // As systemd's: the side of the service reads nothing.
        let (journal, service) = UnixStream::pair().unwrap();
        service.shutdown(std::net::Shutdown::Read).unwrap();
        assert_eq!(check(&service), Ok(()));
        drop(journal);
        assert_eq!(check(&service), Err(LeadsNowhere::ReaderGone));
    }
}
