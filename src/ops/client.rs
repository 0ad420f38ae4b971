//! The command's end of the admin socket.
//!
//! This room must never send a request to a server of another user.

use super::socket::ShortPath;
use super::{AdminError, Answer, Request, Which};
use crate::deployment::data_dir::DataDir;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;
use zeroize::Zeroizing;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long the end of all sessions is waited for: a large keystore takes a while.
const LONG_PATIENCE: Duration = Duration::from_mins(15);
/// Room for every message that holds a secret, so that no grown buffer leaves a copy behind.
const USUAL_LINE: usize = 16 * 1024;

/// Asks the server that works in a data directory.
#[derive(Debug)]
pub struct Asker {
    data_dir: PathBuf,
    ready: Option<UnixStream>,
}

impl Asker {
    /// Finds the server's socket; `None` where nobody listens.
    pub fn find(data_dir: &Path) -> Result<Option<Self>, AskError> {
        match connect(data_dir) {
            Ok(stream) => Ok(Some(Self {
                data_dir: data_dir.to_owned(),
                ready: Some(stream),
            })),
            Err(AskError::Broken(why))
                if matches!(
                    why.kind(),
                    ErrorKind::NotFound | ErrorKind::ConnectionRefused
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Asks, and waits for the answer. Blocks.
    pub fn ask(&mut self, request: &Request) -> Result<Answer, AskError> {
        let stream = match self.ready.take() {
            Some(stream) => stream,
            None => connect(&self.data_dir)?,
        };
        let mut line = Zeroizing::new(Vec::with_capacity(USUAL_LINE));
        serde_json::to_writer(&mut *line, request).map_err(io::Error::from)?;
        line.push(b'\n');
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_read_timeout(Some(patience(request)))?;
        // A server that refuses doesn't read on; why, it says all the same.
        let sent = (&stream).write_all(&line);
        line.clear();
        let mut reader = BufReader::with_capacity(USUAL_LINE, &stream);
        let read = reader.read_until(b'\n', &mut line);
        if line.last() != Some(&b'\n') {
            sent?;
            read?;
            return Err(AskError::Hangup);
        }
        let answer: Result<Answer, AdminError> =
            serde_json::from_slice(&line).map_err(|_| AskError::Unreadable)?;
        Ok(answer?)
    }
}

fn patience(request: &Request) -> Duration {
    match request {
        Request::SessionsRevoke {
            which: Which::All, ..
        } => LONG_PATIENCE,
        _ => PATIENCE,
    }
}

fn connect(data_dir: &Path) -> Result<UnixStream, AskError> {
    let path = ShortPath::of(&DataDir::admin_socket(data_dir))?;
    let stream = UnixStream::connect(path.as_path())?;
    let server = rustix::net::sockopt::socket_peercred(&stream)
        .map_err(io::Error::from)?
        .uid
        .as_raw();
    let own = rustix::process::geteuid().as_raw();
    let owner = std::fs::metadata(data_dir)?.uid();
    if is_trusted(server, own, owner) {
        Ok(stream)
    } else {
        Err(AskError::Stranger { uid: server })
    }
}

/// Root asks the server of the user whose directory it is.
fn is_trusted(server: u32, own: u32, owner: u32) -> bool {
    server == own || server == 0 || (own == 0 && server == owner)
}

/// Why there is no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AskError {
    /// The server says no.
    #[error("{0}")]
    Refused(#[from] AdminError),
    /// Who listens there is neither root nor this user.
    #[error("the admin socket belongs to another user ({uid}): nothing was sent")]
    Stranger {
        /// The user who listens.
        uid: u32,
    },
    /// The connection broke or took too long.
    #[error("no answer from the running server ({0}): what was asked may have been done or not")]
    Broken(#[from] io::Error),
    /// The server closed the connection.
    #[error("the running server hung up: what was asked may have been done or not")]
    Hangup,
    /// The answer isn't one that this program knows.
    #[error("the running server's answer is unknown: use the lacre that it was started from")]
    Unreadable,
}

impl AskError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Refused(error) => &error.code,
            Self::Stranger { .. } => "admin_socket_foreign",
            Self::Broken(_) | Self::Hangup => "admin_no_answer",
            Self::Unreadable => "admin_answer_unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_go_to_root_to_oneself_and_from_root_to_the_owner() {
        assert!(is_trusted(1000, 1000, 1000));
        assert!(is_trusted(0, 1000, 1000));
        assert!(is_trusted(1000, 0, 1000));
        assert!(!is_trusted(1001, 1000, 1000));
        assert!(!is_trusted(1001, 0, 1000));
        assert!(
            !is_trusted(1001, 1000, 1001),
            "its directory doesn't make it trusted"
        );
    }

    #[test]
    fn nobody_listens_in_an_empty_directory() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Asker::find(dir.path()).unwrap().is_none());
        let gone = std::os::unix::net::UnixListener::bind(DataDir::admin_socket(dir.path()));
        drop(gone.unwrap());
        assert!(Asker::find(dir.path()).unwrap().is_none(), "a dead socket");
    }
}
