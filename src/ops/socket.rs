//! The admin socket: how a command reaches the server that holds the data directory.
//!
//! `DATA_DIR/admin.sock` takes one [`Request`](super::Request) as a frame ([`super::frame`]),
//! answers with one frame or several, and closes. Who may connect is decided twice: by the file's
//! mode (0600) and by the peer's user, which has to be the server's own or root.
//!
//! This room must never listen before the socket is private, and never read without an end in
//! bytes and in time.

use super::error::{AdminError, Kind};
use super::frame::{self, FrameError, HELLO};
use super::perform::begin;
use super::reply::Reply;
use super::request::Request;
use super::short_path::ShortPath;
use super::timeouts;
use crate::deployment::data_dir::DataDir;
use crate::service::{Caller, Service};
use rustix::fs::{Mode, fchmod};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

/// Requests served at once; more wait in the queue.
const CONNECTIONS: usize = 8;
/// Connections that may wait in the queue.
const BACKLOG: i32 = 64;

const UNKNOWN: &str =
    "the running server doesn't know this request: use the lacre that it was started from";

/// The server's end. Dropping it closes the socket at once.
#[derive(Debug)]
pub struct AdminSocket {
    path: PathBuf,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl AdminSocket {
    /// Listens in this directory. What a killed server has left there is replaced: who holds the
    /// directory knows that nobody listens.
    ///
    /// Needs a tokio runtime with time and I/O.
    pub fn open(data_dir: &DataDir, service: Service) -> Result<Self, SocketError> {
        let path = DataDir::admin_socket(data_dir.path());
        let refused = |source| SocketError {
            path: path.clone(),
            source,
        };
        let listener = listen(&path).map_err(refused)?;
        let (stop, stopped) = watch::channel(false);
        Ok(Self {
            serving: tokio::spawn(serve(listener, service, stopped)),
            path,
            stop,
        })
    }

    /// Takes no more requests, and returns when those under way are answered.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        if tokio::time::timeout(timeouts::DRAIN, &mut self.serving)
            .await
            .is_err()
        {
            log::warn!("an admin request was cut off: it took too long");
        }
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        self.serving.abort();
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Why there is no admin socket.
#[derive(Debug, Error)]
#[error("{}: no admin socket: {source}", path.display())]
pub struct SocketError {
    path: PathBuf,
    source: io::Error,
}

impl SocketError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "admin_socket_failed"
    }
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    remove_stale(path)?;
    let short = ShortPath::of(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // On Linux the file gets the socket's own mode, so it is never anything but private. Elsewhere
    // this may fail, and then the mode is right before anybody can connect, which takes `listen`.
    let _ = fchmod(&socket, Mode::RUSR | Mode::WUSR);
    rustix::net::bind(&socket, &SocketAddrUnix::new(short.as_path())?)?;
    if std::fs::symlink_metadata(path)?.permissions().mode() & 0o777 != 0o600 {
        std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    }
    rustix::net::listen(&socket, BACKLOG)?;
    UnixListener::from_std(socket.into())
}

/// Removes what a killed server left; never a file that is no socket.
fn remove_stale(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path),
        Ok(_) => Err(io::Error::other("there is another file of this name")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

async fn serve(listener: UnixListener, service: Service, mut stopped: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut under_way = JoinSet::new();
    loop {
        let accepted = async {
            let seat = Arc::clone(&room).acquire_owned().await;
            (seat, listener.accept().await)
        };
        let (seat, accepted) = tokio::select! {
            accepted = accepted => accepted,
            _ = stopped.changed() => break,
        };
        while under_way.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => {
                let (service, stopped) = (service.clone(), stopped.clone());
                under_way.spawn(async move {
                    let _seat = seat;
                    converse(stream, service, stopped).await;
                });
            }
            // Out of file descriptors, most likely: others have to end first.
            Err(error) => {
                log::warn!("the admin socket accepts nobody: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    while under_way.join_next().await.is_some() {}
}

/// One request, one answer. Whoever hasn't asked yet when the server stops isn't waited for.
async fn converse(mut stream: UnixStream, service: Service, mut stopped: watch::Receiver<bool>) {
    let request = tokio::select! {
        request = read_request(&mut stream) => request,
        _ = stopped.changed() => return,
    };
    let answer = match request {
        Ok(request) => {
            let mut running = begin(&service, Caller::operator(), request);
            write_hello(&mut stream).await;
            loop {
                let reply = match tokio::time::timeout(timeouts::WORKING, running.step()).await {
                    Ok(Some(step)) => Reply::Step(step),
                    Ok(None) => break,
                    // A command that hears nothing takes this process for a stopped one.
                    Err(_) => Reply::Working,
                };
                if write(&mut stream, &reply).await.is_none() {
                    break;
                }
            }
            // Also where nobody listens any more the work goes on to its end.
            running.answer().await.map_err(AdminError::from)
        }
        Err(Refused::Gone) => return,
        Err(Refused::OtherVersion(hello)) => return write_other_version(&mut stream, &hello).await,
        Err(Refused::Error(error)) => {
            write_hello(&mut stream).await;
            Err(error)
        }
    };
    if write(&mut stream, &Reply::Answer(answer)).await.is_none() {
        log::warn!("an admin request was done, and its answer was not taken");
    }
}

/// Why there is no request.
enum Refused {
    /// The peer left without a word.
    Gone,
    /// The peer is of another version, and said this.
    OtherVersion([u8; HELLO.len()]),
    /// The peer is told.
    Error(AdminError),
}

async fn read_request(stream: &mut UnixStream) -> Result<Request, Refused> {
    let reading = async {
        let mut hello = [0; HELLO.len()];
        if stream.read(&mut hello[..1]).await.unwrap_or(0) == 0 {
            return Err(Refused::Gone);
        }
        let rest = stream.read_exact(&mut hello[1..]).await;
        check_peer(stream).map_err(Refused::Error)?;
        if rest.is_err() || hello != HELLO {
            return Err(Refused::OtherVersion(hello));
        }
        match frame::read(stream, frame::MAX_REQUEST).await {
            Ok(Some(content)) => Ok(content),
            Ok(None) | Err(FrameError::Cut | FrameError::Io(_)) => {
                Err(refused("admin_request_cut", "the request has no end"))
            }
            Err(FrameError::TooLong) => {
                Err(refused("admin_request_long", "the request is too long"))
            }
        }
    };
    let read = tokio::time::timeout(timeouts::PEER, reading).await;
    let content = read.map_err(|_| refused("admin_request_slow", "no request came"))??;
    serde_json::from_slice(&content).map_err(|_| {
        // The words of the parser could repeat a password.
        refused("admin_request_unknown", UNKNOWN)
    })
}

/// Programs from before the frames read one line of JSON.
async fn write_other_version(stream: &mut UnixStream, hello: &[u8]) {
    let mut answer = Vec::new();
    if hello.starts_with(b"lacre/") {
        answer.extend_from_slice(&HELLO);
    } else {
        let error = AdminError::new(Kind::Unavailable, "admin_request_unknown", UNKNOWN);
        let line: Result<(), AdminError> = Err(error);
        if serde_json::to_writer(&mut answer, &line).is_err() {
            return;
        }
        answer.push(b'\n');
    }
    let _ = tokio::time::timeout(timeouts::PEER, stream.write_all(&answer)).await;
}

fn check_peer(stream: &UnixStream) -> Result<(), AdminError> {
    let own = rustix::process::geteuid().as_raw();
    match stream.peer_cred() {
        Ok(peer) if may_ask(peer.uid(), own) => Ok(()),
        peer => {
            let uid = peer.ok().map(|peer| peer.uid());
            log::warn!(uid:?; "the admin socket refused another user");
            Err(AdminError::new(
                Kind::Unavailable,
                "admin_peer_refused",
                "the running server takes requests of its own user and of root only",
            ))
        }
    }
}

fn may_ask(peer: u32, own: u32) -> bool {
    peer == own || peer == 0
}

fn refused(code: &'static str, message: &str) -> Refused {
    Refused::Error(AdminError::new(Kind::Unavailable, code, message))
}

/// Where nobody takes it, nobody takes the answer either, and that is said then.
async fn write_hello(stream: &mut UnixStream) {
    let _ = tokio::time::timeout(timeouts::PEER, stream.write_all(&HELLO)).await;
}

/// Writes a frame; `None` where nobody takes it.
async fn write(stream: &mut UnixStream, reply: &Reply) -> Option<()> {
    let frame = match frame::encode(reply, frame::MAX_REPLY) {
        Ok(frame) => frame,
        Err(error) => {
            log::error!("an admin answer could not be sent: {error}");
            let error = AdminError::new(
                Kind::Failed,
                "admin_answer_long",
                "it was done, and the answer is too long for the admin socket",
            );
            frame::encode(&Reply::Answer(Err(error)), frame::MAX_REPLY).ok()?
        }
    };
    let written = tokio::time::timeout(timeouts::PEER, stream.write_all(&frame));
    written.await.ok()?.ok()
}

#[cfg(test)]
mod tests;
