//! The keys of an issuer, read from where the operator says that they are.
//!
//! An address is asked by HTTPS, directly, without following a redirect, for three seconds and 64 KiB
//! at most. Which addresses its name has is judged where the connection is made, so that a name that
//! changes its address meanwhile gains nothing (threat: outside-address).
//!
//! This room must never send anything of a token anywhere.

use super::addresses::may_be_asked;
use super::error::KeysError;
use super::issuer::{Issuer, KeySource};
use super::keys::KeySet;
use crate::network::Network;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use std::error::Error as _;
use std::fs::File;
use std::io::Read as _;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long the whole of a fetch may take.
const TIMEOUT: Duration = Duration::from_secs(3);
/// The largest set of keys.
const MAX_BYTES: usize = 64 << 10;

/// What reads the keys of one issuer.
pub(super) struct Source {
    issuer: Arc<Issuer>,
    /// Where the keys are at an address.
    remote: Option<(Url, Client)>,
}

impl Source {
    pub(super) fn new(issuer: Arc<Issuer>) -> Result<Self, KeysError> {
        let remote = match &issuer.keys {
            KeySource::Url { url, inside } => Some((parsed(url, inside)?, client(inside)?)),
            KeySource::SetFile(_) | KeySource::PemFile(_) => None,
        };
        Ok(Self { issuer, remote })
    }

    /// The issuer's name in the configuration.
    pub(super) fn name(&self) -> &str {
        &self.issuer.name
    }

    /// Whether the keys have names, so that a token must say which one it is signed with.
    pub(super) fn names_keys(&self) -> bool {
        !matches!(self.issuer.keys, KeySource::PemFile(_))
    }

    /// Reads the keys as they are now.
    pub(super) async fn read(&self) -> Result<KeySet, KeysError> {
        let algorithms = &self.issuer.algorithms;
        match (&self.issuer.keys, &self.remote) {
            (KeySource::PemFile(path), _) => KeySet::from_pem(&file(path)?, algorithms),
            (KeySource::SetFile(path), _) => KeySet::from_jwks(&file(path)?, algorithms),
            (KeySource::Url { .. }, Some((url, client))) => {
                let body = tokio::time::timeout(TIMEOUT, fetch(client, url.clone()));
                let body = body.await.map_err(|_| KeysError::Timeout)??;
                KeySet::from_jwks(&body, algorithms)
            }
            (KeySource::Url { .. }, None) => Err(KeysError::AddressRefused),
        }
    }
}

impl KeySource {
    /// Checks what can be checked without asking anybody: whether an address is one that may be
    /// asked.
    pub fn check(&self) -> Result<(), KeysError> {
        match self {
            Self::Url { url, inside } => parsed(url, inside).map(drop),
            Self::SetFile(_) | Self::PemFile(_) => Ok(()),
        }
    }
}

/// The address, if it may be asked: of https, or of http on a loopback address that is named; without
/// a password, which would be in the log of whoever answers.
fn parsed(url: &str, inside: &[Network]) -> Result<Url, KeysError> {
    let url = Url::parse(url).map_err(|_| KeysError::AddressRefused)?;
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    // The resolver is not asked about an address that the URL itself has.
    let address: Option<IpAddr> = bare.parse().ok();
    let scheme_fits = match url.scheme() {
        "https" => true,
        "http" => address.is_some_and(|address| address.to_canonical().is_loopback()),
        _ => false,
    };
    let address_fits = address.is_none_or(|address| may_be_asked(address, inside));
    let bare = url.username().is_empty() && url.password().is_none();
    if scheme_fits && address_fits && bare && !host.is_empty() {
        Ok(url)
    } else {
        Err(KeysError::AddressRefused)
    }
}

fn client(inside: &[Network]) -> Result<Client, KeysError> {
    let resolver = Resolver {
        inside: inside.into(),
    };
    let client = Client::builder()
        // A proxy would resolve the name itself, out of our sight.
        .no_proxy()
        .redirect(Policy::none())
        .dns_resolver(Arc::new(resolver))
        .timeout(TIMEOUT)
        // Nothing is kept between two fetches, which are minutes apart.
        .pool_max_idle_per_host(0)
        .user_agent(concat!("lacre/", env!("CARGO_PKG_VERSION")));
    client.build().map_err(|error| {
        log::error!("no client for HTTPS can be made: {error}");
        KeysError::Unreachable
    })
}

async fn fetch(client: &Client, url: Url) -> Result<Vec<u8>, KeysError> {
    let mut answer = client.get(url).send().await.map_err(failure)?;
    if answer.status() != reqwest::StatusCode::OK {
        return Err(KeysError::Status(answer.status().as_u16()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failure)? {
        if body.len() + chunk.len() > MAX_BYTES {
            return Err(KeysError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[allow(clippy::needless_pass_by_value)] // as `map_err` wants it
fn failure(error: reqwest::Error) -> KeysError {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if inner.is::<InsideTheNetwork>() {
            return KeysError::AddressRefused;
        }
        cause = inner.source();
    }
    if error.is_timeout() {
        return KeysError::Timeout;
    }
    log::debug!("a set of keys was not fetched: {error:?}");
    KeysError::Unreachable
}

fn file(path: &Path) -> Result<Vec<u8>, KeysError> {
    let read = || {
        let file = File::open(path)?;
        // Not a pipe or a device, which may never end.
        if !file.metadata()?.is_file() {
            return Err(std::io::Error::from(std::io::ErrorKind::InvalidInput));
        }
        let mut bytes = Vec::new();
        file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|error| {
        log::debug!("{}: {error}", path.display());
        KeysError::FileUnreadable
    })?;
    if bytes.len() > MAX_BYTES {
        return Err(KeysError::TooLarge);
    }
    Ok(bytes)
}

/// Gives a name's addresses to the connection that is being made; none, where one of them lies
/// inside the network.
struct Resolver {
    inside: Arc<[Network]>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let inside = Arc::clone(&self.inside);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.collect();
            if !found
                .iter()
                .all(|address| may_be_asked(address.ip(), &inside))
            {
                return Err(InsideTheNetwork.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// A name has an address inside the network.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to an address inside the network")]
struct InsideTheNetwork;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, inside: &[&str]) -> Result<(), KeysError> {
        let inside = inside.iter().map(|text| text.parse().unwrap()).collect();
        let url = url.to_owned();
        KeySource::Url { url, inside }.check()
    }

    #[test]
    fn an_address_is_of_https_or_of_a_named_loopback_address() {
        for good in [
            "https://issuer.example/.well-known/jwks.json",
            "https://issuer.example:8443/keys?v=1",
            "https://8.8.8.8/keys",
            "https://[2606:4700::1111]/keys",
        ] {
            assert_eq!(check(good, &[]), Ok(()), "{good}");
        }
        assert_eq!(check("http://127.0.0.1:1/k", &["127.0.0.1"]), Ok(()));
        assert_eq!(check("http://[::1]:1/k", &["::1"]), Ok(()));
        assert_eq!(check("https://10.0.0.1/k", &["10.0.0.0/8"]), Ok(()));
    }

    #[test]
    fn everything_else_is_refused_before_it_is_asked() {
        for bad in [
            "",
            "issuer.example",
            "http://issuer.example/keys",
            "http://8.8.8.8/keys",
            "http://127.0.0.1/keys",
            "http://localhost/keys",
            "https://127.0.0.1/keys",
            "https://127.1/keys",
            "https://0x7f000001/keys",
            "https://2130706433/keys",
            "https://0177.0.0.1/keys",
            "https://[::1]/keys",
            "https://[::ffff:127.0.0.1]/keys",
            "https://[64:ff9b::7f00:1]/keys",
            "https://169.254.169.254/latest/meta-data",
            "https://user:secret@issuer.example/keys",
            "https://user@issuer.example/keys",
            "file:///etc/passwd",
            "ftp://issuer.example/keys",
            "data:application/json,{}",
            "unix:/run/keys",
        ] {
            assert_eq!(check(bad, &[]), Err(KeysError::AddressRefused), "{bad}");
        }
        // Named or not, http goes no farther than this machine.
        for bad in ["http://10.0.0.1/k", "http://8.8.8.8/k"] {
            let all = ["0.0.0.0/0"];
            assert_eq!(check(bad, &all), Err(KeysError::AddressRefused), "{bad}");
        }
    }

    /// `localhost` is a name that every resolver leads inside: the connection is what refuses it.
    #[tokio::test]
    async fn a_name_that_leads_inside_the_network_is_refused_where_the_connection_is_made() {
        let source = |inside: &[&str]| {
            let inside: Vec<Network> = inside.iter().map(|text| text.parse().unwrap()).collect();
            let url = "https://localhost:1/keys".to_owned();
            Source::new(Arc::new(Issuer {
                keys: KeySource::Url { url, inside },
                ..super::super::tests::issuer()
            }))
            .unwrap()
        };
        let refused = source(&[]).read().await.unwrap_err();
        assert_eq!(refused, KeysError::AddressRefused);
        // Named, it is asked; nobody is there.
        let named = source(&["127.0.0.0/8", "::1"]).read().await.unwrap_err();
        assert_eq!(named, KeysError::Unreachable);
    }

    #[test]
    fn only_a_file_is_read_and_none_that_is_too_long() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        assert_eq!(file(&path), Err(KeysError::FileUnreadable));
        assert_eq!(file(dir.path()), Err(KeysError::FileUnreadable));
        assert_eq!(file(Path::new("/dev/zero")), Err(KeysError::FileUnreadable));
        std::fs::write(&path, vec![b' '; MAX_BYTES]).unwrap();
        assert_eq!(file(&path).unwrap().len(), MAX_BYTES);
        std::fs::write(&path, vec![b' '; MAX_BYTES + 1]).unwrap();
        assert_eq!(file(&path), Err(KeysError::TooLarge));
    }
}
