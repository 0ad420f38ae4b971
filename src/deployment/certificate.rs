//! The certificate and the private key of the public listener (RFC 8446), from two files in PEM.
//!
//! Both are read together and have to fit. Read anew, they take the place of the ones before only if they
//! are good; connections that are open keep theirs.
//!
//! This room must never take a key that others may read, and never put what is bad in the place of what is
//! good.

use crate::clock::UnixSeconds;
use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::x509::X509;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{Error, InconsistentKeys, ServerConfig};
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use thiserror::Error;
use zeroize::Zeroizing;

/// More than any chain or key takes.
const MAX_SIZE: u64 = 1 << 20;
/// The bits of a mode that let others read, or the group write.
const EXPOSED: u32 = 0o037;

/// Why certificate and key can't be used.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// A file can't be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The key may be read by others, or changed by the group.
    #[error("{} may be used by others (mode {mode:04o}): run `chmod 600 {}`, and take a new key if others could read it", path.display(), path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// There is no certificate in the file, or one that can't be read.
    #[error("{}: no certificate in PEM (`-----BEGIN CERTIFICATE-----`)", .0.display())]
    NoCertificate(PathBuf),
    /// There is no private key in the file, or one of a kind that isn't supported.
    #[error("{}: no private key in PEM that can be used: RSA of 2048 bits at least, ECDSA or Ed25519, without a passphrase", .0.display())]
    NoKey(PathBuf),
    /// The certificate has expired.
    #[error("the certificate in {} has expired: put a new one there", .0.display())]
    Expired(PathBuf),
    /// The certificate isn't valid yet.
    #[error("the certificate in {} isn't valid yet: wait, or set the clock of this machine or of the authority's", .0.display())]
    Early(PathBuf),
    /// The key isn't that of the first certificate.
    #[error("the key in {} is not that of the first certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
}

impl CertificateError {
    /// The stable name.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "tls_file_unreadable",
            Self::Exposed { .. } => "tls_key_exposed",
            Self::NoCertificate(_) => "tls_certificate_unusable",
            Self::NoKey(_) => "tls_key_unusable",
            Self::Expired(_) => "tls_certificate_expired",
            Self::Early(_) => "tls_certificate_early",
            Self::Mismatch { .. } => "tls_key_mismatch",
        }
    }
}

/// What the public listener shows of itself.
pub struct Certificate {
    chain_file: PathBuf,
    key_file: PathBuf,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificate")
            .field(&self.chain_file)
            .finish()
    }
}

impl Certificate {
    /// Reads both files. The first certificate is the service's own, those behind it lead to the authority.
    pub fn read(certificate: &Path, key: &Path) -> Result<Arc<Self>, CertificateError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let current = read(certificate, key, &provider)?;
        Ok(Arc::new(Self {
            chain_file: certificate.to_owned(),
            key_file: key.to_owned(),
            provider,
            current: RwLock::new(Arc::new(current)),
        }))
    }

    /// Reads both files anew. Where that fails, what was read before stays; so does a certificate that is valid
    /// `now`, where the new one isn't.
    pub fn reload(&self, now: UnixSeconds) -> Result<(), CertificateError> {
        let new = read(&self.chain_file, &self.key_file, &self.provider)?;
        if self.check(now).is_ok() {
            self.check_valid(&new, now)?;
        }
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
        Ok(())
    }

    /// How connections are accepted: TLS 1.3 and 1.2, without early data, which could be sent twice.
    pub fn server_config(self: &Arc<Self>) -> Result<ServerConfig, Error> {
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.provider));
        let builder = builder.with_protocol_versions(&[&TLS13, &TLS12])?;
        let resolver = Arc::new(Resolver(Arc::clone(self)));
        Ok(builder.with_no_client_auth().with_cert_resolver(resolver))
    }

    /// When the certificate expires; `None` where that can't be read.
    #[must_use]
    pub fn expires_at(&self) -> Option<UnixSeconds> {
        seconds(own(&self.current())?.not_after())
    }

    /// Fails where clients refuse the certificate `now`, since it has expired or isn't valid yet.
    pub fn check(&self, now: UnixSeconds) -> Result<(), CertificateError> {
        self.check_valid(&self.current(), now)
    }

    fn check_valid(&self, key: &CertifiedKey, now: UnixSeconds) -> Result<(), CertificateError> {
        let certificate = own(key);
        let times = certificate.map(|own| (seconds(own.not_before()), seconds(own.not_after())));
        match times {
            Some((_, Some(until))) if until <= now => {
                Err(CertificateError::Expired(self.chain_file.clone()))
            }
            Some((Some(since), _)) if since > now => {
                Err(CertificateError::Early(self.chain_file.clone()))
            }
            _ => Ok(()),
        }
    }

    fn current(&self) -> Arc<CertifiedKey> {
        let current = self.current.read();
        Arc::clone(&current.unwrap_or_else(PoisonError::into_inner))
    }
}

/// The service's own certificate.
fn own(key: &CertifiedKey) -> Option<X509> {
    X509::from_der(key.cert.first()?).ok()
}

/// A time of a certificate; `None` for what lies before 1970 or can't be read.
fn seconds(time: &Asn1TimeRef) -> Option<UnixSeconds> {
    let begin = Asn1Time::from_unix(0).ok()?;
    let since = begin.diff(time).ok()?;
    u64::try_from(i64::from(since.days) * 86_400 + i64::from(since.secs)).ok()
}

/// Gives each connection what was read last.
#[derive(Debug)]
struct Resolver(Arc<Certificate>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.current())
    }
}

fn read(
    certificate: &Path,
    key: &Path,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, CertificateError> {
    let (chain, _) = read_file(certificate)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&chain).collect();
    let chain = chain.unwrap_or_default();
    let parses = chain.iter().all(|one| X509::from_der(one).is_ok());
    if chain.is_empty() || !parses {
        return Err(CertificateError::NoCertificate(certificate.to_owned()));
    }
    let (text, mode) = read_file(key)?;
    if mode & EXPOSED != 0 {
        let path = key.to_owned();
        return Err(CertificateError::Exposed { path, mode });
    }
    let no_key = || CertificateError::NoKey(key.to_owned());
    let private = PrivateKeyDer::from_pem_slice(&text).map_err(|_| no_key())?;
    CertifiedKey::from_der(chain, private, provider).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => CertificateError::Mismatch {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        },
        _ => no_key(),
    })
}

/// What is in the file, and its mode.
fn read_file(path: &Path) -> Result<(Zeroizing<Vec<u8>>, u32), CertificateError> {
    let unreadable = |source| CertificateError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    // Of the open file, not of the path: nobody can change it in between.
    let about = file.metadata().map_err(unreadable)?;
    if !about.is_file() || about.len() > MAX_SIZE {
        return Err(unreadable(io::Error::other("it is no file of that kind")));
    }
    let room = usize::try_from(about.len()).unwrap_or_default() + 1;
    let mut text = Zeroizing::new(Vec::with_capacity(room));
    file.take(MAX_SIZE)
        .read_to_end(&mut text)
        .map_err(unreadable)?;
    Ok((text, about.mode() & 0o7777))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    /// A certificate by itself and its key, as `openssl` makes them.
    fn made(folder: &Path, name: &str, kind: &[&str], days: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) = (
            folder.join(format!("{name}.crt")),
            folder.join(format!("{name}.key")),
        );
        let output = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-nodes",
                "-subj",
                "/CN=localhost",
                "-days",
                days,
            ])
            .args(kind)
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        (certificate, key)
    }

    const EC: [&str; 4] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

    #[test]
    fn keys_of_each_kind_are_read_and_their_end_is_known() {
        let dir = tempfile::tempdir().unwrap();
        for (name, kind) in [
            ("ec", &EC[..]),
            ("rsa", &["-newkey", "rsa:2048"]),
            ("ed", &["-newkey", "ed25519"]),
        ] {
            let (certificate, key) = made(dir.path(), name, kind, "30");
            let read = Certificate::read(&certificate, &key).unwrap();
            // Made a moment ago, in this century.
            let expires_at = read.expires_at().unwrap();
            assert!(
                expires_at > 1_700_000_000 && expires_at < 4_200_000_000,
                "{expires_at}"
            );
            assert!(read.server_config().is_ok());
            assert!(!format!("{read:?}").contains(".key"));
        }
    }

    #[test]
    fn what_can_not_be_used_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let (certificate, key) = made(dir.path(), "one", &EC, "30");
        let (_, other_key) = made(dir.path(), "other", &EC, "30");
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            path
        };
        let begin = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let code = |certificate: &Path, key: &Path| {
            Certificate::read(certificate, key).unwrap_err().code()
        };
        let missing = dir.path().join("missing");
        assert_eq!(code(&missing, &key), "tls_file_unreadable");
        assert_eq!(code(&certificate, &missing), "tls_file_unreadable");
        assert_eq!(code(dir.path(), &key), "tls_file_unreadable");
        for text in ["", "no PEM", begin] {
            assert_eq!(
                code(&file("bad.crt", text), &key),
                "tls_certificate_unusable",
                "{text}"
            );
        }
        assert_eq!(code(&key, &key), "tls_certificate_unusable");
        assert_eq!(
            code(&certificate, &file("bad.key", "no PEM")),
            "tls_key_unusable"
        );
        assert_eq!(code(&certificate, &certificate), "tls_key_exposed");
        assert_eq!(code(&certificate, &other_key), "tls_key_mismatch");
        for (mode, due) in [(0o644, false), (0o620, false), (0o640, true), (0o400, true)] {
            std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(
                Certificate::read(&certificate, &key).is_ok(),
                due,
                "{mode:o}"
            );
        }
    }

    #[test]
    fn what_is_bad_never_takes_the_place_of_what_is_good() {
        let dir = tempfile::tempdir().unwrap();
        let (certificate, key) = made(dir.path(), "one", &EC, "30");
        let read = Certificate::read(&certificate, &key).unwrap();
        let first = read.expires_at();
        let (_, other_key) = made(dir.path(), "other", &EC, "60");
        std::fs::copy(&other_key, &key).unwrap();
        let now = first.unwrap() - 1;
        assert_eq!(read.reload(now).unwrap_err().code(), "tls_key_mismatch");
        assert_eq!(read.expires_at(), first);
        std::fs::copy(dir.path().join("other.crt"), &certificate).unwrap();
        read.reload(now).unwrap();
        assert!(read.expires_at() > first);
    }

    #[test]
    fn what_no_client_takes_now_never_takes_the_place_of_what_is_good() {
        let dir = tempfile::tempdir().unwrap();
        let (certificate, key) = made(dir.path(), "one", &EC, "30");
        let read = Certificate::read(&certificate, &key).unwrap();
        let first = read.expires_at().unwrap();
        assert!(read.check(first - 1).is_ok());
        assert_eq!(
            read.check(first).unwrap_err().code(),
            "tls_certificate_expired"
        );
        assert_eq!(read.check(0).unwrap_err().code(), "tls_certificate_early");
        // One that expires in a day, seen two days later.
        let (short, short_key) = made(dir.path(), "short", &EC, "1");
        std::fs::copy(short, &certificate).unwrap();
        std::fs::copy(short_key, &key).unwrap();
        let refused = read.reload(first - 28 * 86_400).unwrap_err();
        assert_eq!(refused.code(), "tls_certificate_expired");
        assert_eq!(read.expires_at(), Some(first));
        // Where the one in use is no better, what was put there is taken.
        read.reload(first).unwrap();
        assert!(read.expires_at() < Some(first));
    }
}
