//! One listener: an address, or a socket file.
//!
//! A socket file is readable and writable for user and group (0660): who may connect beyond that, the
//! directory decides. What a killed server left is replaced; a file that is no socket, another user's
//! socket, and one that somebody listens on stay, and so does the target of a link.
//!
//! This room must never remove a file that it can't tell from another's.

use super::ServerError;
use crate::config::Listen;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use std::fmt;
use std::fs::{Metadata, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// How many connections may wait to be accepted on each listener.
const BACKLOG: i32 = 1024;
const MODE: u32 = 0o660;

/// A listener that is taken but not yet served.
#[derive(Debug)]
pub enum Listener {
    /// At an IP address.
    Tcp(TcpListener),
    /// The same, by TLS.
    Tls(TcpListener, Box<rustls::ServerConfig>),
    /// At a socket file, which goes when the service stops, unless systemd made it.
    Unix(UnixListener, Option<SocketFile>),
}

/// Where somebody can connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reached {
    /// By this address.
    Tcp(SocketAddr),
    /// The same, by TLS.
    Tls(SocketAddr),
    /// By this socket file.
    Unix(PathBuf),
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "http://{address}"),
            Self::Tls(address) => write!(f, "https://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Listener {
    /// Listens there. Fails for [`Listen::Systemd`], which is [`adopted`](Self::adopt).
    pub fn bind(listen: &Listen) -> Result<Self, ServerError> {
        let bound = match listen {
            Listen::Tcp(address) => bind_tcp(*address).map(Self::Tcp),
            Listen::Unix(path) => {
                bind_unix(path).map(|(listener, file)| Self::Unix(listener, Some(file)))
            }
            Listen::Systemd => Err(io::Error::other("systemd handed no socket over")),
        };
        bound.map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => ServerError::AddressInUse(listen.clone()),
            _ => ServerError::Bind {
                address: listen.clone(),
                source,
            },
        })
    }

    /// Takes a socket over that already listens. Fails where it is none.
    pub fn adopt(socket: OwnedFd) -> Result<Self, ServerError> {
        let listens = sockopt::socket_acceptconn(&socket) == Ok(true)
            && sockopt::socket_type(&socket) == Ok(SocketType::STREAM);
        match sockopt::socket_domain(&socket) {
            Ok(AddressFamily::INET | AddressFamily::INET6) if listens => {
                let listener = TcpListener::from(socket);
                listener.set_nonblocking(true)?;
                Ok(Self::Tcp(listener))
            }
            Ok(AddressFamily::UNIX) if listens => {
                let listener = UnixListener::from(socket);
                listener.set_nonblocking(true)?;
                Ok(Self::Unix(listener, None))
            }
            _ => Err(ServerError::NoListener),
        }
    }

    /// The same by TLS. Fails for a socket file: whoever connects to one is a proxy, which ends TLS.
    pub fn over_tls(self, config: rustls::ServerConfig) -> Result<Self, ServerError> {
        match self {
            Self::Tcp(listener) => Ok(Self::Tls(listener, Box::new(config))),
            Self::Tls(..) | Self::Unix(..) => Err(ServerError::NoTls),
        }
    }

    /// Where it can be reached, its port known.
    pub fn reached(&self) -> io::Result<Reached> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Reached::Tcp),
            Self::Tls(listener, _) => listener.local_addr().map(Reached::Tls),
            Self::Unix(_, Some(file)) => Ok(Reached::Unix(file.path.clone())),
            Self::Unix(listener, None) => {
                let address = listener.local_addr()?;
                Ok(Reached::Unix(address.as_pathname().map_or_else(
                    || PathBuf::from("(a socket without a name)"),
                    Path::to_owned,
                )))
            }
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    // A second call only lengthens the queue that std has set up.
    rustix::net::listen(&listener, BACKLOG)?;
    Ok(listener)
}

/// A socket file of ours, which is removed with this value, unless another has taken its place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if std::fs::symlink_metadata(&self.path)
            .is_ok_and(|found| identity(&found) == self.identity)
        {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

fn bind_unix(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match rustix::net::bind(&socket, &address) {
        Err(Errno::ADDRINUSE) => {
            remove_stale(path, &address)?;
            rustix::net::bind(&socket, &address)?;
        }
        bound => bound?,
    }
    // Through the file that is there now, not through its name, which could be another's by then.
    let open = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let bound = rustix::fs::open(path, open, Mode::empty())?;
    let bound_path = format!("/proc/self/fd/{}", bound.as_raw_fd());
    let file = SocketFile {
        path: path.to_owned(),
        identity: identity(&check_own_socket(&bound_path)?),
    };
    std::fs::set_permissions(&bound_path, Permissions::from_mode(MODE))?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok((socket.into(), file))
}

/// The socket at this path of ours; a link in `/proc` leads to the file itself.
fn check_own_socket(path: &str) -> io::Result<Metadata> {
    let found = std::fs::metadata(path)?;
    own_socket(&found)?;
    Ok(found)
}

fn own_socket(found: &Metadata) -> io::Result<()> {
    if !found.file_type().is_socket() {
        return Err(io::Error::other("there is another file of this name"));
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("the socket there belongs to another user"));
    }
    Ok(())
}

/// Removes a socket of ours that nobody listens on.
fn remove_stale(path: &Path, address: &SocketAddrUnix) -> io::Result<()> {
    let found = std::fs::symlink_metadata(path)?;
    own_socket(&found)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let asking = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&asking, address) {
        Err(Errno::CONNREFUSED) => {}
        // Somebody listens, perhaps with a full queue.
        Ok(()) | Err(Errno::AGAIN | Errno::INPROGRESS) => {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        Err(error) => return Err(error.into()),
    }
    // Another server that starts may have replaced it meanwhile.
    if identity(&std::fs::symlink_metadata(path)?) == identity(&found) {
        std::fs::remove_file(path)
    } else {
        Err(io::ErrorKind::AddrInUse.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    fn bind(path: &Path) -> Result<Listener, ServerError> {
        Listener::bind(&Listen::Unix(path.to_owned()))
    }

    #[test]
    fn a_socket_file_is_for_user_and_group_and_goes_with_its_listener() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lacre.sock");
        let listener = bind(&path).unwrap();
        let mode = std::fs::symlink_metadata(&path).unwrap().mode();
        assert_eq!(mode & 0o7777, 0o660);
        assert_eq!(listener.reached().unwrap(), Reached::Unix(path.clone()));
        UnixStream::connect(&path).unwrap();
        drop(listener);
        assert!(!path.exists());
    }

    #[test]
    fn a_dead_socket_is_replaced_and_a_living_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lacre.sock");
        drop(UnixListener::bind(&path).unwrap());
        let first = bind(&path).unwrap();
        assert_eq!(bind(&path).unwrap_err().code(), "address_in_use");
        UnixStream::connect(&path).unwrap();
        // Another has taken its place: that one stays.
        std::fs::remove_file(&path).unwrap();
        let second = bind(&path).unwrap();
        drop(first);
        UnixStream::connect(&path).unwrap();
        drop(second);
    }

    #[test]
    fn another_file_and_the_target_of_a_link_stay() {
        let dir = tempfile::tempdir().unwrap();
        let (path, target) = (dir.path().join("lacre.sock"), dir.path().join("precious"));
        std::fs::write(&target, "precious").unwrap();
        std::fs::copy(&target, &path).unwrap();
        let error = bind(&path).unwrap_err();
        assert_eq!(error.code(), "address_unusable");
        assert!(error.to_string().contains("another file"), "{error}");
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        assert_eq!(bind(&path).unwrap_err().code(), "address_unusable");
        // A link to a dead socket is a link all the same.
        let dead = dir.path().join("dead.sock");
        drop(UnixListener::bind(&dead).unwrap());
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&dead, &path).unwrap();
        assert_eq!(bind(&path).unwrap_err().code(), "address_unusable");
        assert!(dead.exists() && path.is_symlink());
        assert_eq!(std::fs::read(&target).unwrap(), b"precious");
    }

    #[test]
    fn what_is_handed_over_has_to_listen() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        let adopted = Listener::adopt(tcp.into()).unwrap();
        assert_eq!(adopted.reached().unwrap(), Reached::Tcp(address));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("systemd.sock");
        let adopted = Listener::adopt(UnixListener::bind(&path).unwrap().into()).unwrap();
        assert_eq!(adopted.reached().unwrap(), Reached::Unix(path.clone()));
        drop(adopted);
        assert!(path.exists(), "it is systemd's");
        let (one, _other) = UnixStream::pair().unwrap();
        for none in [
            one.into(),
            std::net::UdpSocket::bind("127.0.0.1:0").unwrap().into(),
            OwnedFd::from(std::fs::File::open("/dev/null").unwrap()),
        ] {
            assert_eq!(Listener::adopt(none).unwrap_err().code(), "socket_unusable");
        }
    }
}
