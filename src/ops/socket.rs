//! The admin socket: how a command reaches the server that holds the data directory.
//!
//! `DATA_DIR/admin.sock` takes one [`Request`](super::Request) as a line of JSON, answers with one
//! line, and closes. Who may connect is decided twice: by the file's mode (0600) and by the peer's
//! user, which has to be the server's own or root.
//!
//! This room must never listen before the socket is private, and never read without an end in
//! bytes and in time.

use super::{AdminError, Answer, Kind, Request, perform};
use crate::deployment::data_dir::DataDir;
use crate::service::{Caller, Service};
use rustix::fs::{Mode, OFlags, fchmod};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::fs::Permissions;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use zeroize::Zeroizing;

/// The longest request, its line feed included.
const LONGEST_REQUEST: usize = 1 << 20;
/// Room for every request that holds a password, so that no grown buffer leaves a copy behind.
const USUAL_REQUEST: usize = 16 * 1024;
/// How long a request may take to arrive, and an answer to be taken.
const PATIENCE: Duration = Duration::from_secs(10);
/// Requests served at once; more wait in line.
const CONNECTIONS: usize = 8;
/// Connections that may wait in line.
const BACKLOG: i32 = 64;
/// How long requests under way may take when the server stops.
const DRAIN: Duration = Duration::from_secs(30);

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
        if tokio::time::timeout(DRAIN, &mut self.serving)
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
        Ok(Some(request)) => perform(&service, &Caller::operator(), request).await,
        Ok(None) => return,
        Err(error) => Err(error),
    };
    if write_answer(&mut stream, &answer).await.is_none() {
        log::warn!("an admin request was done, and its answer was not taken");
    }
}

async fn read_request(stream: &mut UnixStream) -> Result<Option<Request>, AdminError> {
    check_peer(stream)?;
    let line = tokio::time::timeout(PATIENCE, read_line(stream)).await;
    let Some(line) = line.map_err(|_| refused("admin_request_slow", "no request came"))?? else {
        return Ok(None);
    };
    serde_json::from_slice(&line).map(Some).map_err(|_| {
        // The words of the parser could repeat a password.
        refused(
            "admin_request_unknown",
            "the running server doesn't know this request: use the lacre that it was started from",
        )
    })
}

fn check_peer(stream: &UnixStream) -> Result<(), AdminError> {
    let own = rustix::process::geteuid().as_raw();
    match stream.peer_cred() {
        Ok(peer) if may_ask(peer.uid(), own) => Ok(()),
        peer => {
            let uid = peer.ok().map(|peer| peer.uid());
            log::warn!(uid:?; "the admin socket refused another user");
            Err(refused(
                "admin_peer_refused",
                "the running server takes requests of its own user and of root only",
            ))
        }
    }
}

fn may_ask(peer: u32, own: u32) -> bool {
    peer == own || peer == 0
}

fn refused(code: &'static str, message: &str) -> AdminError {
    AdminError::new(Kind::Unavailable, code, message)
}

/// One line without its line feed; nothing where the peer left without a word.
async fn read_line(stream: &mut UnixStream) -> Result<Option<Zeroizing<Vec<u8>>>, AdminError> {
    let mut line = Zeroizing::new(Vec::with_capacity(USUAL_REQUEST));
    loop {
        let seen = line.len();
        let read = stream.read_buf(&mut *line).await;
        if let Some(end) = line[seen..].iter().position(|&byte| byte == b'\n') {
            line.truncate(seen + end);
            return Ok(Some(line));
        }
        match read {
            Ok(0) | Err(_) if line.is_empty() => return Ok(None),
            Ok(0) | Err(_) => return Err(refused("admin_request_cut", "the request has no end")),
            Ok(_) if line.len() >= LONGEST_REQUEST => {
                return Err(refused("admin_request_long", "the request is too long"));
            }
            Ok(_) => {}
        }
    }
}

async fn write_answer(stream: &mut UnixStream, answer: &Result<Answer, AdminError>) -> Option<()> {
    let mut line = Zeroizing::new(Vec::with_capacity(USUAL_REQUEST));
    serde_json::to_writer(&mut *line, answer).ok()?;
    line.push(b'\n');
    let written = tokio::time::timeout(PATIENCE, stream.write_all(&line));
    written.await.ok()?.ok()
}

#[cfg(test)]
mod tests;
