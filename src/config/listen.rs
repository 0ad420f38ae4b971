//! Where a listener listens: an address, a socket file, or what systemd hands over.
//!
//! This room must never take a path for a socket that the system would cut off.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The longest path of a socket file, in bytes: the system's own limit, less the byte at its end.
const MAX_PATH: usize = 107;

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// An IP address and a port; port 0 lets the system pick one.
    Tcp(SocketAddr),
    /// A socket file, for a proxy on the same machine.
    Unix(PathBuf),
    /// The socket that systemd hands over.
    Systemd,
}

impl Listen {
    /// The default of `listen`.
    pub const PUBLIC: Self = loopback(8080);
    /// The default of `management_listen`.
    pub const MANAGEMENT: Self = loopback(9090);

    /// The IP address; `None` where it is none.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) | Self::Systemd => None,
        }
    }
}

const fn loopback(port: u16) -> Listen {
    Listen::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
}

/// The text says no place to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPlace;

impl FromStr for Listen {
    type Err = NoPlace;

    /// `localhost` is taken without asking a resolver, which could answer anything.
    fn from_str(text: &str) -> Result<Self, NoPlace> {
        if text == "systemd" {
            return Ok(Self::Systemd);
        }
        if let Some(path) = text.strip_prefix("unix:") {
            let is_file = Path::new(path).file_name().is_some() && !path.ends_with('/');
            let fits = is_file && path.len() <= MAX_PATH && !path.contains('\0');
            return fits.then(|| Self::Unix(path.into())).ok_or(NoPlace);
        }
        let Some(port) = text.strip_prefix("localhost:") else {
            return text.parse().map(Self::Tcp).map_err(|_| NoPlace);
        };
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NoPlace);
        }
        let port = port.parse().map_err(|_| NoPlace)?;
        Ok(Self::Tcp((Ipv4Addr::LOCALHOST, port).into()))
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Systemd => f.write_str("systemd"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_is_read_as_it_is_shown() {
        for text in [
            "127.0.0.1:8080",
            "[::1]:0",
            "unix:/run/lacre/lacre.sock",
            "unix:lacre.sock",
            "systemd",
        ] {
            let listen: Listen = text.parse().unwrap();
            assert_eq!(listen.to_string(), text);
        }
        assert_eq!("localhost:8080".parse(), Ok(Listen::PUBLIC));
    }

    #[test]
    fn what_is_no_place_is_refused() {
        let long = format!("unix:/{}", "a".repeat(MAX_PATH));
        for text in [
            "",
            "8080",
            ":8080",
            "localhost",
            "localhost:+80",
            "unix:",
            "unix:/",
            "unix:/run/",
            "unix:/run/..",
            "unix:a\0b",
            "Unix:/run/lacre.sock",
            "systemd:",
            &long,
        ] {
            assert_eq!(text.parse::<Listen>(), Err(NoPlace), "{text}");
        }
    }
}
