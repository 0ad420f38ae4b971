//! Kinds that name places: listeners, files, streams, networks.

use std::path::PathBuf;

#[cfg(test)]
use proptest::prelude::*;

use super::{Bad, Kind, good};
use crate::config::listen::{Listen, NoPlace};
use crate::config::written::Written;
use crate::network::{Network, NotANetwork, Proxy};
use crate::telemetry::AuditStream;

/// Where a listener listens.
pub(in crate::config) struct Place;

impl Kind for Place {
    type Value = Listen;

    fn read(&self, written: &Written) -> Result<Listen, Bad> {
        let text = good(written.text())?;
        text.parse().map_err(|NoPlace| Bad)
    }

    fn shown(&self, value: &Listen) -> String {
        value.to_string()
    }

    fn takes(&self) -> String {
        "an IP address and a port, such as `127.0.0.1:8080`, a socket file of at most 107 bytes, such as \
         `unix:/run/lacre/lacre.sock`, or `systemd`"
            .to_owned()
    }

    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String> {
        let tcp = any::<std::net::SocketAddr>().prop_map(|address| match address {
            std::net::SocketAddr::V4(_) => address.to_string(),
            std::net::SocketAddr::V6(v6) => {
                std::net::SocketAddr::from((*v6.ip(), v6.port())).to_string()
            }
        });
        prop_oneof![tcp, "unix:[a-z/]{0,40}[a-z]", Just("systemd".to_owned())].boxed()
    }
}

/// Where audit events go.
pub(in crate::config) struct Stream;

impl Kind for Stream {
    type Value = AuditStream;

    fn read(&self, written: &Written) -> Result<AuditStream, Bad> {
        match good(written.text())? {
            "stderr" => Ok(AuditStream::StandardError),
            "stdout" => Ok(AuditStream::StandardOutput),
            text => {
                let path = good(text.strip_prefix("file:"))?;
                let is_path = !path.is_empty() && !path.contains('\0');
                good(is_path.then(|| AuditStream::File(path.into())))
            }
        }
    }

    fn shown(&self, value: &AuditStream) -> String {
        match value {
            AuditStream::StandardError => "stderr".to_owned(),
            AuditStream::StandardOutput => "stdout".to_owned(),
            AuditStream::File(path) => format!("file:{}", path.display()),
        }
    }

    fn takes(&self) -> String {
        "`stderr`, `stdout` or a file such as `file:/var/log/lacre/audit.log`".to_owned()
    }

    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String> {
        prop_oneof![
            Just("stderr".to_owned()),
            Just("stdout".to_owned()),
            "file:[a-zA-Z0-9/._-]{1,40}",
        ]
        .boxed()
    }
}

/// A path of the file system, relative to the working directory.
pub(in crate::config) struct FilePath;

impl Kind for FilePath {
    type Value = PathBuf;

    fn read(&self, written: &Written) -> Result<PathBuf, Bad> {
        let text = good(written.text())?;
        good((!text.is_empty() && !text.contains('\0')).then(|| PathBuf::from(text)))
    }

    fn shown(&self, value: &PathBuf) -> String {
        value.to_string_lossy().into_owned()
    }

    fn takes(&self) -> String {
        "a path".to_owned()
    }

    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String> {
        "[a-zA-Z0-9/._%-]{1,40}".boxed()
    }
}

/// Addresses and networks, perhaps none.
pub(in crate::config) struct Networks;

impl Kind for Networks {
    type Value = Vec<Proxy>;

    fn read(&self, written: &Written) -> Result<Vec<Proxy>, Bad> {
        let words = good(written.items())?;
        let networks: Result<_, NotANetwork> = words.iter().map(|word| word.parse()).collect();
        networks.map_err(|NotANetwork| Bad)
    }

    fn shown(&self, value: &Vec<Proxy>) -> String {
        let words: Vec<_> = value.iter().map(Proxy::to_string).collect();
        format!("{words:?}")
    }

    fn takes(&self) -> String {
        "a list of addresses and networks such as `10.0.0.0/8`, and `unix` for whoever connects to a socket file".to_owned()
    }

    fn is_list(&self) -> bool {
        true
    }

    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String> {
        let address = any::<std::net::IpAddr>().prop_map(|ip| ip.to_canonical().to_string());
        let word = prop_oneof![4 => address, 1 => Just("unix".to_owned())];
        prop::collection::vec(word, 0..4)
            .prop_map(|words| words.join(","))
            .boxed()
    }
}

/// Addresses and networks alone, perhaps none.
pub(in crate::config) struct Ranges;

impl Kind for Ranges {
    type Value = Vec<Network>;

    fn read(&self, written: &Written) -> Result<Vec<Network>, Bad> {
        let words = good(written.items())?;
        let ranges: Result<_, NotANetwork> = words.iter().map(|word| word.parse()).collect();
        ranges.map_err(|NotANetwork| Bad)
    }

    fn shown(&self, value: &Vec<Network>) -> String {
        let words: Vec<_> = value.iter().map(Network::to_string).collect();
        format!("{words:?}")
    }

    fn takes(&self) -> String {
        "a list of addresses and networks such as `10.0.0.0/8`".to_owned()
    }

    fn is_list(&self) -> bool {
        true
    }

    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String> {
        any::<std::net::IpAddr>()
            .prop_map(|address| address.to_canonical().to_string())
            .boxed()
    }
}
