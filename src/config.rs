//! Configuration: flags over environment over file, resolved once.
//!
//! One static table (`table.rs`) drives the file, the environment, the flags, the listing of
//! `lacre config show` and the page `docs/configuration.md`. A value that gets through is typed
//! and inside its limits; the rest of the program never looks at text again.
//!
//! This room must never hand out a value that it didn't check, never stop at the first problem
//! when it can name them all, and never show a secret. It is the only reader of the environment.

mod error;
mod key;
mod kind;
mod network;
mod quantity;
mod reference;
mod secret;
mod source;
mod table;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::sessions::rules::Location;
use key::Key;
use kind::{Fallback, Kind};
use table::KEYS;

pub use error::{ConfigError, ConfigErrors};
pub use key::{Setting, Source};
pub use network::Network;
pub use reference::reference;
pub use secret::SecretText;
/// Everything that an operator may choose, checked and typed.
///
/// Made by [`Config::load`] or [`Config::resolve`] only, and never changed afterwards.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// `lacre serve --dev`: both listeners are on loopback addresses.
    pub dev: bool,
    /// Where the service answers; port 0 lets the system pick one.
    pub listen: SocketAddr,
    /// Where `/livez`, `/readyz` and `/metrics` answer.
    pub management_listen: SocketAddr,
    /// The directory that holds keystore, accounts, keys and the admin socket.
    pub data_dir: PathBuf,
    /// The file with the master keys; outside of `data_dir` where an operator wants so.
    pub master_key_file: PathBuf,
    /// Whether strangers may make an account.
    pub signup: Signup,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// `keystore.*`
    pub keystore: KeystoreConfig,
    /// `accounts.*`
    pub accounts: AccountsConfig,
    /// `token.*`
    pub token: TokenConfig,
    /// `session.*`
    pub session: SessionConfig,
    /// `refresh.*`
    pub refresh: RefreshConfig,
    /// `errors.*`
    pub errors: ErrorsConfig,
    /// `limits.*`
    pub limits: LimitsConfig,
    /// `hashing.*`
    pub hashing: HashingConfig,
    /// `server.*`
    pub server: ServerConfig,
    settings: Vec<Setting>,
}

/// Whether `POST /signup` makes accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signup {
    /// Refused with `signup_closed`.
    Closed,
    /// Open to everyone who reaches the service.
    Open,
}

/// How session records are kept.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KeystoreConfig {
    /// The engine under the store trait.
    pub engine: Engine,
    /// Bytes of memory that the engine may use to cache records.
    pub cache_bytes: u64,
}

/// An engine of the keystore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// On disk, in `DATA_DIR/keystore`.
    Sled,
    /// In memory: every session ends with the process.
    Memory,
}

/// How accounts are kept.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AccountsConfig {
    /// A `sqlite:` or `postgres://` URL. It may hold a password.
    pub url: SecretText,
}

/// What is written into tokens, and how long they live.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TokenConfig {
    /// `iss` (RFC 7519 §4.1.1), if it was set: see [`Config::issuer`].
    pub issuer: Option<String>,
    /// `aud` (RFC 7519 §4.1.3).
    pub audience: String,
    /// Life of an access token, in whole seconds.
    pub access_ttl: Duration,
    /// By up to how many percent of that an access token lives shorter.
    pub access_ttl_jitter: u32,
    /// How far `exp` and `nbf` may be off, in whole seconds.
    pub leeway: Duration,
    /// Where a request may carry its token.
    pub locations: Vec<Location>,
}

/// How long sessions live, in whole seconds, and how many a user may have.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionConfig {
    /// A session that isn't refreshed for so long ends.
    pub refresh_ttl: Duration,
    /// A session ends so long after log-in, however often it is refreshed.
    pub absolute_ttl: Duration,
    /// With one more than this, the oldest ends.
    pub max_per_user: u32,
}

/// What happens when a refresh token comes twice.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RefreshConfig {
    /// How long the earlier refresh token is still answered: a lost answer is no theft.
    pub grace: Duration,
}

/// What errors look like.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ErrorsConfig {
    /// The form of an error answer.
    pub style: ErrorStyle,
}

/// A form of an error answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorStyle {
    /// RFC 9457 and RFC 6750 §3.
    Rfc,
}

/// Sizes above which a request is refused, in bytes, and how often things may be tried.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LimitsConfig {
    /// The body of a request.
    pub body: usize,
    /// One token, before anything of it is parsed.
    pub token: usize,
    /// All header lines of a request together.
    pub header: usize,
    /// Log-ins that fail, from one address; `None` for no limit.
    pub login_per_address: Option<Rate>,
    /// Log-ins that fail, to one account from one address.
    pub login_per_account: Option<Rate>,
    /// Sign-ups from one address.
    pub signup_per_address: Option<Rate>,
}

/// How often something may happen: `count` times at once, and then once whenever the period's share
/// has passed, so that it is never more than `count` in a period besides those at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How often; never 0.
    pub count: u32,
    /// In how long; a second at least.
    pub period: Duration,
}

/// The pool that hashes passwords.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HashingConfig {
    /// Passwords hashed at the same time.
    pub threads: usize,
    /// Passwords that may wait; one more is answered 503.
    pub queue: usize,
}

/// The HTTP server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Worker threads.
    pub workers: usize,
    /// How long a stopping server waits for requests under way.
    pub drain: Duration,
}

/// What a configuration is resolved from.
#[derive(Debug)]
pub struct Sources<E> {
    /// The TOML file; it has to exist.
    pub file: Option<PathBuf>,
    /// The environment, as `std::env::vars_os` gives it. Only `LACRE_…` is looked at.
    pub env: E,
    /// Flags of the command line as (key, text), such as `("token.access_ttl", "5m")`.
    pub flags: Vec<(String, String)>,
    /// `lacre serve --dev`.
    pub dev: bool,
}

impl Config {
    /// Resolves the configuration of this process.
    ///
    /// The file is `file` (`--config`), else `LACRE_CONFIG`, else `lacre.toml` in the working
    /// directory if there is one.
    pub fn load(
        file: Option<PathBuf>,
        flags: Vec<(String, String)>,
        dev: bool,
    ) -> Result<Self, ConfigErrors> {
        #[allow(clippy::disallowed_methods)] // this room is the reader of the environment
        let named = file.or_else(|| std::env::var_os("LACRE_CONFIG").map(PathBuf::from));
        // One that can't be looked at is not passed over: reading it says what is wrong.
        let there = |path: &PathBuf| path.try_exists().unwrap_or(true);
        let usual = || Some(PathBuf::from("lacre.toml")).filter(there);
        Self::resolve(Sources {
            file: named.or_else(usual),
            env: std::env::vars_os(),
            flags,
            dev,
        })
    }

    /// Resolves a configuration from nothing but `sources` and the files that they name.
    ///
    /// Every problem is reported, not only the first.
    pub fn resolve<E>(sources: Sources<E>) -> Result<Self, ConfigErrors>
    where
        E: Iterator<Item = (OsString, OsString)>,
    {
        let mut errors = Vec::new();
        let dev = sources.dev;
        let mut chosen = source::gather(sources, &mut errors);
        let mut config = Self::unset(dev);
        // Defaults that build on other values come last.
        let (late, early): (Vec<&Key>, Vec<&Key>) = KEYS
            .iter()
            .partition(|key| matches!(key.default, Fallback::From(..)));
        for key in early.into_iter().chain(late) {
            let given = chosen.remove(key.name);
            match key.settle(&mut config, given, dev) {
                Ok(setting) => config.settings.push(setting),
                Err(error) => errors.push(error),
            }
        }
        config
            .settings
            .sort_by_key(|setting| KEYS.iter().position(|key| key.name == setting.key));
        config.check_dev(&mut errors);
        if errors.is_empty() {
            Ok(config)
        } else {
            Err(ConfigErrors::new(errors))
        }
    }

    /// Every key with its value (secrets masked) and where the value came from, in the order of
    /// `docs/configuration.md`.
    #[must_use]
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// `iss` of the tokens: `token.issuer`, else `http://` and the address that was bound.
    #[must_use]
    pub fn issuer(&self, bound: SocketAddr) -> String {
        self.token
            .issuer
            .clone()
            .unwrap_or_else(|| format!("http://{bound}"))
    }

    fn check_dev(&self, errors: &mut Vec<ConfigError>) {
        if !self.dev {
            return;
        }
        for (key, address) in [
            ("listen", self.listen),
            ("management_listen", self.management_listen),
        ] {
            if !address.ip().is_loopback() {
                errors.push(ConfigError::DevNotLoopback { key, address });
            }
        }
    }

    /// The frame that the table of keys fills in: a test sees to it that no value below survives.
    fn unset(dev: bool) -> Self {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        Self {
            dev,
            listen: nowhere,
            management_listen: nowhere,
            data_dir: PathBuf::new(),
            master_key_file: PathBuf::new(),
            signup: Signup::Closed,
            trusted_proxies: Vec::new(),
            keystore: KeystoreConfig {
                engine: Engine::Memory,
                cache_bytes: 0,
            },
            accounts: AccountsConfig {
                url: SecretText::new(String::new()),
            },
            token: TokenConfig {
                issuer: None,
                audience: String::new(),
                access_ttl: Duration::ZERO,
                access_ttl_jitter: u32::MAX,
                leeway: Duration::MAX,
                locations: Vec::new(),
            },
            session: SessionConfig {
                refresh_ttl: Duration::ZERO,
                absolute_ttl: Duration::ZERO,
                max_per_user: 0,
            },
            refresh: RefreshConfig {
                grace: Duration::MAX,
            },
            errors: ErrorsConfig {
                style: ErrorStyle::Rfc,
            },
            limits: LimitsConfig {
                body: 0,
                token: 0,
                header: 0,
                login_per_address: None,
                login_per_account: None,
                signup_per_address: None,
            },
            hashing: HashingConfig {
                threads: 0,
                queue: 0,
            },
            server: ServerConfig {
                workers: 0,
                drain: Duration::MAX,
            },
            settings: Vec::new(),
        }
    }
}

/// What `LACRE_LOG` asks to be logged, such as `debug` or `lacre=debug,actix_web=warn`.
///
/// Not a key of the table: the logger has to run before the configuration is read.
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

/// The default of `accounts.url`. `%` and `?` have a meaning in the URL that they lack in a path.
fn accounts_in(data_dir: &Path) -> String {
    let path = data_dir.join("accounts.sqlite");
    let path = path.to_string_lossy();
    format!("sqlite:{}", path.replace('%', "%25").replace('?', "%3F"))
}

#[cfg(test)]
mod tests;
