//! The command's end of the admin socket.
//!
//! A server that is stopped or hangs takes a connection, and says nothing. The person who waits is
//! told so soon, and the wait has an end.
//!
//! This room must never send a request to a server of another user.

use super::answer::{Answer, Step};
use super::error::AdminError;
use super::frame::{self, FrameError, HELLO};
use super::listening::{self, Listening, Told, Wait};
use super::reply::Reply;
use super::request::Request;
use super::short_path::ShortPath;
use super::timeouts;
use crate::deployment::data_dir::{DataDir, DataDirError, check_directory};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use thiserror::Error;

/// Asks the server that works in a data directory.
#[derive(Debug)]
pub struct AdminClient {
    data_dir: PathBuf,
    ready: Option<UnixStream>,
    told: Told,
}

impl AdminClient {
    /// Finds the server's socket; `None` where nobody listens. `told` hears of each wait that a
    /// person would wonder about.
    pub fn find(data_dir: &Path, told: Told) -> Result<Option<Self>, ClientError> {
        match connect(data_dir, told) {
            Ok(stream) => Ok(Some(Self {
                data_dir: data_dir.to_owned(),
                ready: Some(stream),
                told,
            })),
            Err(ClientError::Broken(why))
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

    /// Asks, hands each step on that comes before the answer, and returns the answer. Blocks.
    ///
    /// What `each` refuses ends the listening, with its error; what was asked goes on.
    pub fn ask<E: From<ClientError>>(
        &mut self,
        request: &Request,
        mut each: impl FnMut(Step) -> Result<(), E>,
    ) -> Result<Answer, E> {
        let stream = match self.ready.take() {
            Some(stream) => stream,
            None => connect(&self.data_dir, self.told)?,
        };
        let mut answer = Listening::to(&stream, self.told);
        send(&stream, &mut answer, request)?;
        let (mut stepped, mut said) = (Instant::now(), false);
        loop {
            match receive(&mut answer)? {
                Reply::Step(step) => {
                    each(step)?;
                    stepped = Instant::now();
                }
                Reply::Working if stepped.elapsed() >= timeouts::STEP => {
                    return Err(ClientError::Silent(timeouts::STEP).into());
                }
                Reply::Working => {
                    if !std::mem::replace(&mut said, true) {
                        (self.told)(Wait::Working);
                    }
                }
                Reply::Answer(answer) => return Ok(answer.map_err(ClientError::Refused)?),
            }
        }
    }
}

/// Sends the request, and reads the server's hello.
fn send(
    mut stream: &UnixStream,
    answer: &mut Listening<'_>,
    request: &Request,
) -> Result<(), ClientError> {
    stream.set_write_timeout(Some(timeouts::SILENCE))?;
    let frame = frame::encode(request, frame::MAX_REQUEST)?;
    // A server that refuses doesn't read on; why, it says all the same.
    let sent = stream
        .write_all(&HELLO)
        .and_then(|()| stream.write_all(&frame));
    let mut hello = [0; HELLO.len()];
    if let Err(error) = answer.read_exact(&mut hello) {
        sent?;
        return Err(match error.kind() {
            ErrorKind::UnexpectedEof => ClientError::Hangup,
            _ => error.into(),
        });
    }
    if hello == HELLO {
        Ok(())
    } else {
        Err(ClientError::Unreadable)
    }
}

fn receive(answer: &mut Listening<'_>) -> Result<Reply, ClientError> {
    let content = frame::read_blocking(answer, frame::MAX_REPLY)?.ok_or(ClientError::Hangup)?;
    serde_json::from_slice(&content).map_err(|_| ClientError::Unreadable)
}

fn connect(data_dir: &Path, told: Told) -> Result<UnixStream, ClientError> {
    // Where others can write, anybody can listen.
    check_directory(data_dir)?;
    let path = ShortPath::of(&DataDir::admin_socket(data_dir))?;
    let stream = listening::connect(path.as_path(), told)?;
    let server = rustix::net::sockopt::socket_peercred(&stream)
        .map_err(io::Error::from)?
        .uid
        .as_raw();
    let own = rustix::process::geteuid().as_raw();
    let owner = std::fs::metadata(data_dir)?.uid();
    if is_trusted(server, own, owner) {
        Ok(stream)
    } else {
        Err(ClientError::Stranger { uid: server })
    }
}

/// Root asks the server of the user whose directory it is.
fn is_trusted(server: u32, own: u32, owner: u32) -> bool {
    server == own || server == 0 || (own == 0 && server == owner)
}

/// Why there is no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The server says no.
    #[error("{0}")]
    Refused(#[from] AdminError),
    /// Who listens there is neither root nor this user.
    #[error("the admin socket belongs to another user ({uid}): nothing was sent")]
    Stranger {
        /// The user who listens.
        uid: u32,
    },
    /// Others can write where the socket is, and nothing was sent.
    #[error("{0}")]
    Directory(#[from] DataDirError),
    /// Nothing came for so long: the process is stopped, or its disk hangs.
    #[error(
        "no answer from the running server in {} seconds, it may be stopped or hang: what was asked \
         may be done when it goes on",
        .0.as_secs()
    )]
    Silent(Duration),
    /// The connection broke.
    #[error("no answer from the running server ({0}): what was asked may have been done or not")]
    Broken(io::Error),
    /// The server closed the connection.
    #[error("the running server hung up: what was asked may have been done or not")]
    Hangup,
    /// The answer isn't one that this program knows.
    #[error("the running server's answer is unknown: use the lacre that it was started from")]
    Unreadable,
}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Self::Silent(timeouts::SILENCE),
            _ => Self::Broken(error),
        }
    }
}

impl From<FrameError> for ClientError {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Io(error) => error.into(),
            FrameError::Cut => Self::Hangup,
            FrameError::TooLong => Self::Unreadable,
        }
    }
}

impl ClientError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Refused(error) => &error.code,
            Self::Directory(error) => error.code(),
            Self::Stranger { .. } => "admin_socket_foreign",
            Self::Silent(_) | Self::Broken(_) | Self::Hangup => "admin_no_answer",
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
    fn a_socket_that_anybody_planted_is_not_asked() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = DataDir::admin_socket(dir.path());
        let planted = std::os::unix::net::UnixListener::bind(path).unwrap();
        planted.set_nonblocking(true).unwrap();
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o777)).unwrap();
        let error = AdminClient::find(dir.path(), |_| {}).unwrap_err();
        assert_eq!(error.code(), "data_dir_exposed", "{error}");
        let nobody = planted.accept().unwrap_err();
        assert_eq!(nobody.kind(), ErrorKind::WouldBlock, "nobody connected");
    }

    #[test]
    fn nobody_listens_in_an_empty_directory() {
        let dir = tempfile::tempdir().unwrap();
        assert!(AdminClient::find(dir.path(), |_| {}).unwrap().is_none());
        let gone = std::os::unix::net::UnixListener::bind(DataDir::admin_socket(dir.path()));
        drop(gone.unwrap());
        assert!(
            AdminClient::find(dir.path(), |_| {}).unwrap().is_none(),
            "a dead socket"
        );
    }
}
