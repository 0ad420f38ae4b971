//! What is read of this process's environment besides the keys.
//!
//! No other file may read the environment.

use std::ffi::OsString;
use std::path::PathBuf;

/// The file that `LACRE_CONFIG` names.
#[allow(clippy::disallowed_methods)] // this room is the reader of the environment
pub(super) fn config_file() -> Option<PathBuf> {
    std::env::var_os("LACRE_CONFIG").map(PathBuf::from)
}

/// The file of a credential that systemd has handed to this process, where there is one of this name.
#[allow(clippy::disallowed_methods)] // this room is the reader of the environment
pub(super) fn credential(name: &str) -> Option<PathBuf> {
    let directory = std::env::var_os("CREDENTIALS_DIRECTORY")?;
    Some(PathBuf::from(directory).join(name)).filter(|path| path.exists())
}

/// What `LACRE_LOG` asks to be logged, such as `debug` or `lacre=debug,actix_web=warn`.
///
/// Not a key: the logger has to run before the configuration is read. [`Config`](super::Config)
/// refuses one that is no filter.
#[must_use]
#[allow(clippy::disallowed_methods)] // this room is the reader of the environment
pub fn log_filter() -> Option<String> {
    std::env::var("LACRE_LOG")
        .ok()
        .filter(|text| !text.is_empty())
}

/// The names of the variables of this process's environment that are ours, for a child that is not
/// to have them.
#[must_use]
pub fn variables_set() -> Vec<OsString> {
    std::env::vars_os()
        .map(|(name, _)| name)
        .filter(|name| name.as_encoded_bytes().starts_with(b"LACRE_"))
        .collect()
}

/// Whether cargo started this process (`cargo run`): it tells what it runs where the package lies.
#[must_use]
#[allow(clippy::disallowed_methods)] // this room is the reader of the environment
pub fn started_by_cargo() -> bool {
    std::env::var_os("CARGO_MANIFEST_DIR").is_some()
}
