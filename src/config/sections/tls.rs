//! `[tls]`: the certificate of the public listener, where no proxy stands before it.

use crate::config::key::{DefaultValue, Key, Row, key};
use crate::config::kind::{FilePath, Seconds, seconds};
use crate::config::reader::{Noted, Reader};
use std::path::PathBuf;
use std::time::Duration;

/// TLS of the public listener.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TlsConfig {
    /// The certificates, the service's own first; set together with `key_file`, or not at all.
    pub cert_file: Option<PathBuf>,
    /// The private key of the first certificate.
    pub key_file: Option<PathBuf>,
    /// How long a handshake may take.
    pub handshake_timeout: Duration,
}

impl TlsConfig {
    /// The default of `handshake_timeout`.
    pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

    /// Both files, where TLS is wanted.
    #[must_use]
    pub fn files(&self) -> Option<(&PathBuf, &PathBuf)> {
        self.cert_file.as_ref().zip(self.key_file.as_ref())
    }
}

static CERT_FILE: Key<FilePath> = key(
    "tls.cert_file",
    FilePath,
    DefaultValue::Described("none: `listen` speaks HTTP, for a proxy that ends TLS"),
    "The certificate of `listen` in PEM, and behind it those that lead to the authority. With it and `tls.key_file`, \
     `listen` speaks HTTPS, by TLS 1.3 and 1.2; see [operating.md](operating.md#tls-without-a-proxy). Read at the start and at SIGHUP.",
);

static KEY_FILE: Key<FilePath> = key(
    "tls.key_file",
    FilePath,
    DefaultValue::Described("none"),
    "The private key of the certificate in PEM, without a passphrase. Others may not read the file, and the group may not write it.",
);

static HANDSHAKE_TIMEOUT: Key<Seconds> = key(
    "tls.handshake_timeout",
    seconds(1, 60),
    DefaultValue::Value(|| TlsConfig::HANDSHAKE_TIMEOUT),
    "How long the handshake of a connection may take, against slow clients.",
);

pub(super) static KEYS: &[&dyn Row] = &[&CERT_FILE, &KEY_FILE, &HANDSHAKE_TIMEOUT];

impl TlsConfig {
    pub(in crate::config) fn read(reader: &mut Reader) -> Result<Self, Noted> {
        let cert_file = reader.optional(&CERT_FILE);
        let key_file = reader.optional(&KEY_FILE);
        let handshake_timeout = reader.value(&HANDSHAKE_TIMEOUT);
        Ok(Self {
            cert_file: cert_file?,
            key_file: key_file?,
            handshake_timeout: handshake_timeout?,
        })
    }
}
