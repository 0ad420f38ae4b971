//! What is wrong with a configuration, all of it at once.
//!
//! Each problem names the key, where its value stands, and what was expected. This room must
//! never repeat the value of a secret, and never pass on a control character.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::listen::Listen;
use super::setting::Source;

/// One problem of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // the fields are what the messages say
pub enum ConfigError {
    /// No key has this name.
    #[error("{}: unknown key {}{}", .source_of_value, quoted(.key), did_you_mean(.suggestion.as_deref()))]
    UnknownKey {
        key: String,
        source_of_value: Source,
        suggestion: Option<String>,
    },
    /// The value is not what the key takes. `value` is absent for a secret.
    #[error("{}: {key}{} is no good: expected {expected}", .source_of_value, of_value(.value.as_deref()))]
    BadValue {
        key: String,
        source_of_value: Source,
        value: Option<String>,
        expected: String,
    },
    /// One source sets a key twice: as itself and by its file, or by a repeated flag.
    #[error("{}: {key} is set twice: give {key} or {file_key}, once", .source_of_value)]
    SetTwice {
        key: String,
        file_key: String,
        source_of_value: Source,
    },
    /// A file that was asked for can't be read.
    #[error("can't read {}: {why}", quoted(&.path.to_string_lossy()))]
    FileUnreadable { path: PathBuf, why: String },
    /// The file is no TOML.
    #[error("{}, line {line}: {}", quoted(&.path.to_string_lossy()), one_line(.why))]
    FileInvalid {
        path: PathBuf,
        line: usize,
        why: String,
    },
    /// A key without a default isn't set.
    #[error("{key} is not set: expected {expected}")]
    Missing { key: String, expected: String },
    /// Two listeners would take one address.
    #[error(
        "{key} = `{listen}` and {other_key} = `{other}` are the same address: give one of them another"
    )]
    SameAddress {
        key: &'static str,
        listen: Listen,
        other_key: &'static str,
        other: Listen,
    },
    /// The gateway could be reached by browsers, and nobody has said that this is meant.
    #[error(
        "gateway.listen = `{address}` is no loopback address: give it one or a socket file, or say with gateway.public = true that no browser reaches it"
    )]
    GatewayPublic { address: SocketAddr },
    /// A service that can't be told from another, or whose rules contradict each other.
    #[error("service.{service}: {why}")]
    ServiceUnusable { service: String, why: String },
    /// Access tokens would outlive every session.
    #[error(
        "token.access_ttl = `{access}` is longer than session.absolute_ttl = `{absolute}`: a token can't live longer than its session"
    )]
    Lifetimes { access: String, absolute: String },
    /// A path can't be what its key says, as the file system is now.
    #[error("{key} = {} can't be used: {why}", quoted(&.path.to_string_lossy()))]
    PathUnusable {
        key: &'static str,
        path: PathBuf,
        why: &'static str,
    },
    /// TLS without all that it takes, or where there can be none.
    #[error("tls: {why}")]
    Tls { why: &'static str },
    /// An engine of the keystore without what goes with it.
    #[error("keystore: {why}")]
    Keystore { why: &'static str },
    /// An issuer whose tokens could not be verified, or not told from another's.
    #[error("{entry}: {why}")]
    IssuerUnusable { entry: String, why: String },
    /// `LACRE_LOG` would not do what it says.
    #[error("environment LACRE_LOG: {} is no log filter: expected levels (`off`, `error`, `warn`, `info`, `debug`, `trace`) by target, such as `warn,lacre::audit=info`", quoted(.value))]
    BadLogFilter { value: String },
    /// `--dev` opens sign-up to everyone, so nobody else may reach it.
    #[error("{key} = `{address}`: --dev takes loopback addresses only, such as `127.0.0.1:8080`")]
    DevNotLoopback {
        key: &'static str,
        address: SocketAddr,
    },
}

impl ConfigError {
    /// The stable name of this problem.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownKey { .. } => "config_unknown_key",
            Self::BadValue { .. } => "config_bad_value",
            Self::SetTwice { .. } => "config_set_twice",
            Self::FileUnreadable { .. } => "config_file_unreadable",
            Self::FileInvalid { .. } => "config_file_invalid",
            Self::Missing { .. } => "config_missing",
            Self::SameAddress { .. } => "config_same_address",
            Self::GatewayPublic { .. } => "config_gateway_public",
            Self::ServiceUnusable { .. } => "config_service_unusable",
            Self::Lifetimes { .. } => "config_lifetimes",
            // As the start itself would say it.
            Self::PathUnusable {
                key: "data_dir", ..
            } => "data_dir_unwritable",
            Self::PathUnusable { .. } => "config_path_unusable",
            Self::Tls { .. } => "config_tls_incomplete",
            Self::Keystore { .. } => "config_keystore_unusable",
            Self::IssuerUnusable { .. } => "config_issuer_unusable",
            Self::BadLogFilter { .. } => "config_bad_log_filter",
            Self::DevNotLoopback { .. } => "config_dev_not_loopback",
        }
    }
}

/// All problems of a configuration, one at least. Prints one a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    pub(super) fn new(errors: Vec<ConfigError>) -> Self {
        Self(errors)
    }

    /// The problems, in the order of file, environment, flags, then of the keys.
    pub fn iter(&self) -> std::slice::Iter<'_, ConfigError> {
        self.0.iter()
    }
}

impl<'e> IntoIterator for &'e ConfigErrors {
    type Item = &'e ConfigError;
    type IntoIter = std::slice::Iter<'e, ConfigError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            let line_end = if i == 0 { "" } else { "\n" };
            write!(f, "{line_end}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Foreign text on one line and of a bearable length, so that it can't pose as something else.
fn quoted(text: &str) -> String {
    let cut: String = text.chars().take(80).collect();
    let dots = if cut.len() < text.len() { "…" } else { "" };
    format!(
        "`{}{dots}`",
        cut.escape_debug()
            .to_string()
            .replace("\\\"", "\"")
            .replace("\\'", "'")
    )
}

fn of_value(value: Option<&str>) -> String {
    value.map_or_else(String::new, |value| format!(" = {}", quoted(value)))
}

fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |name| format!(", did you mean `{name}`?"))
}
