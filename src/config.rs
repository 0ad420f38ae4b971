//! Configuration: flags over environment over file, resolved once.
//!
//! Each section has a file below `sections/`: its struct, and its keys with their kinds, defaults
//! and documentation. Those keys drive the file, the environment, the flags, the listing of
//! `lacre config show` and the page `docs/configuration.md`. A value that gets through is typed and
//! inside its limits; the rest of the program never looks at text again.
//!
//! This room must never hand out a value that it didn't check, never stop at the first problem
//! when it can name them all, and never show a secret. It is the only reader of the environment.

mod checks;
mod environment;
mod error;
mod identity_headers;
mod key;
mod kind;
mod listen;
mod origins;
mod quantity;
mod reader;
mod reference;
mod schema;
mod secret;
mod sections;
mod setting;
mod sources;
mod written;

use std::ffi::OsString;
use std::path::PathBuf;

use reader::{Noted, Reader};
use sections::{SCHEMA, Top, read_issuers, read_services};

use crate::federation::Issuer;
pub use crate::network::Proxy;
pub use crate::web_origin::WebOrigin;
pub use environment::{log_filter, started_by_cargo, variables_set};
pub use error::{ConfigError, ConfigErrors};
pub use identity_headers::{Identity, IdentityHeader};
pub use listen::Listen;
pub use quantity::duration;
pub use reference::reference;
pub use secret::SecretText;
pub use sections::{
    AccountsConfig, ConsoleConfig, CorsConfig, Dialect, DialectConfig, DialectMembers,
    DialectTexts, Engine, GatewayConfig, HashingConfig, KeystoreConfig, LimitsConfig, LogConfig,
    RefreshConfig, ServerConfig, ServiceConfig, SessionConfig, Signup, TlsConfig, TokenConfig,
};
pub use setting::{Setting, Source};
pub use sources::Sources;

/// Everything that an operator may choose, checked and typed.
///
/// Made by [`Config::load`] or [`Config::resolve`] only, and never changed afterwards.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// `lacre serve --dev`: both listeners are on loopback addresses.
    pub dev: bool,
    /// Where the service answers.
    pub listen: Listen,
    /// Where `/livez`, `/readyz` and `/metrics` answer.
    pub management_listen: Listen,
    /// The directory that holds keystore, accounts, keys and the admin socket.
    pub data_dir: PathBuf,
    /// The file with the master keys; outside of `data_dir` where an operator wants so.
    pub master_key_file: PathBuf,
    /// The master keys themselves, where the environment gives them.
    pub master_key: Option<SecretText>,
    /// Whether strangers may make an account.
    pub signup: Signup,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Proxy>,
    /// Whose paths, members, statuses and texts the public listener speaks.
    pub dialect: DialectConfig,
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
    /// `cors.*`
    pub cors: CorsConfig,
    /// `console.*`
    pub console: ConsoleConfig,
    /// `gateway.*`
    pub gateway: GatewayConfig,
    /// `[service.NAME]`: no two of one name or one audience.
    pub services: Vec<ServiceConfig>,
    /// `[[issuer]]`: no two of one name or one issuer.
    pub issuers: Vec<Issuer>,
    /// `limits.*`
    pub limits: LimitsConfig,
    /// `hashing.*`
    pub hashing: HashingConfig,
    /// `server.*`
    pub server: ServerConfig,
    /// `tls.*`
    pub tls: TlsConfig,
    /// `log.*`
    pub log: LogConfig,
    settings: Vec<Setting>,
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
        let named = file.or_else(environment::config_file);
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
        let Sources {
            file,
            env,
            flags,
            dev,
        } = sources;
        let mut log_filter = None;
        let env = env.inspect(|(name, value)| {
            if name == "LACRE_LOG" {
                log_filter = Some(value.to_string_lossy().into_owned());
            }
        });
        let sources = Sources {
            file,
            env,
            flags,
            dev,
        };
        let values = sources::gather(SCHEMA, sources, &mut errors);
        let mut reader = Reader::new(values, errors, dev);
        let config = Self::read(&mut reader, dev, log_filter.as_deref());
        let (settings, errors) = reader.finish();
        match config {
            Ok(config) if errors.is_empty() => Ok(Self { settings, ..config }),
            _ => Err(ConfigErrors::new(errors)),
        }
    }

    /// Reads all sections before it fails, and checks what was read together.
    fn read(reader: &mut Reader, dev: bool, log_filter: Option<&str>) -> Result<Self, Noted> {
        let top = Top::read(reader);
        let keystore = KeystoreConfig::read(reader);
        let data_dir = top.as_ref().ok().map(|top| top.data_dir.as_path());
        let accounts = AccountsConfig::read(reader, data_dir);
        let token = TokenConfig::read(reader);
        let session = SessionConfig::read(reader);
        let refresh = RefreshConfig::read(reader);
        let cors = CorsConfig::read(reader);
        let console = ConsoleConfig::read(reader);
        let gateway = GatewayConfig::read(reader);
        let services = read_services(reader);
        let issuers = read_issuers(reader);
        let limits = LimitsConfig::read(reader);
        let hashing = HashingConfig::read(reader);
        let server = ServerConfig::read(reader);
        let tls = TlsConfig::read(reader);
        let log = LogConfig::read(reader);
        let dialect_members = DialectMembers::read(reader);
        let dialect_texts = DialectTexts::read(reader);
        if let Ok(top) = &top {
            reader.note_all(checks::top(top, dev));
        }
        if let (Ok(top), Ok(keystore)) = (&top, &keystore) {
            reader.note_all(checks::epoch_file(keystore, &top.data_dir));
        }
        if let (Ok(token), Ok(session)) = (&token, &session) {
            reader.note_all(checks::lifetimes(token, session));
        }
        if let (Ok(token), Ok(issuers)) = (&token, &issuers) {
            reader.note_all(checks::issuers(issuers, token.issuer.as_deref()));
        }
        if let (Ok(keystore), Ok(accounts)) = (&keystore, &accounts) {
            reader.note_all(checks::keystore(keystore, accounts));
        }
        if let (Ok(top), Ok(gateway)) = (&top, &gateway) {
            reader.note_all(checks::gateway(gateway, top, dev));
        }
        if let (Ok(token), Ok(services)) = (&token, &services) {
            reader.note_all(checks::services(services, &token.audience));
        }
        if let (Ok(top), Ok(tls)) = (&top, &tls) {
            reader.note_all(checks::tls(tls, &top.listen));
        }
        if let Ok(log) = &log {
            reader.note_all(checks::audit_file(&log.audit));
        }
        reader.note_all(checks::log_filter(log_filter));
        let top = top?;
        Ok(Self {
            dev,
            listen: top.listen,
            management_listen: top.management_listen,
            data_dir: top.data_dir,
            master_key_file: top.master_key_file,
            master_key: top.master_key,
            signup: top.signup,
            trusted_proxies: top.trusted_proxies,
            dialect: DialectConfig {
                dialect: top.dialect,
                members: dialect_members?,
                texts: dialect_texts?,
            },
            keystore: keystore?,
            accounts: accounts?,
            token: token?,
            session: session?,
            refresh: refresh?,
            cors: cors?,
            console: console?,
            gateway: gateway?,
            services: services?,
            issuers: issuers?,
            limits: limits?,
            hashing: hashing?,
            server: server?,
            tls: tls?,
            log: log?,
            settings: Vec::new(),
        })
    }

    /// The database that nodes share: that of their session records, or with records on Redis that of the accounts.
    #[must_use]
    pub fn shared_url(&self) -> &str {
        let own = self.keystore.url.as_ref();
        let own = own.filter(|_| self.keystore.engine != Engine::Redis);
        own.unwrap_or(&self.accounts.url).expose()
    }

    /// Where the records are with the engine `redis`, and who asks for them.
    #[must_use]
    pub fn redis_url(&self) -> Option<SecretText> {
        let url = self.keystore.url.as_ref();
        let url = url.filter(|_| self.keystore.engine == Engine::Redis)?;
        Some(self.keystore.signed_in(url))
    }

    /// What nodes share that they reach without TLS: who is between reads and changes it. Each says what to do.
    #[must_use]
    pub fn stores_without_tls(&self) -> Vec<&'static str> {
        let mut found = Vec::new();
        let shared = self.keystore.engine.is_shared();
        if shared && lacre_keystore::says_tls(self.shared_url()) == Some(false) {
            found.push(match self.keystore.engine {
                Engine::Redis => DATABASE_WITHOUT_TLS,
                _ => STORE_WITHOUT_TLS,
            });
        }
        let redis = self.redis_url();
        let checked = redis.and_then(|url| lacre_keystore::redis_says_tls(url.expose()));
        if checked == Some(false) {
            found.push(REDIS_WITHOUT_TLS);
        }
        found
    }

    /// Every key with its value (secrets masked) and where the value came from, in the order of
    /// `docs/configuration.md`.
    #[must_use]
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }
}

const STORE_WITHOUT_TLS: &str = "keystore.url leads to another machine without a checked TLS certificate: who is between \
    the two reads and changes what is stored. Add sslmode=verify-full to it, and sslrootcert=FILE where the authority is your \
    own";

const DATABASE_WITHOUT_TLS: &str = "accounts.url leads to another machine without a checked TLS certificate, and nodes \
    share their keys there: who is between the two reads and changes what is stored. Add sslmode=verify-full to it, and \
    sslrootcert=FILE where the authority is your own";

const REDIS_WITHOUT_TLS: &str = "keystore.url leads to another machine without TLS: who is between the two reads and changes \
    what is stored. Write rediss:// or rediss+cluster://, with ?sslrootcert=FILE where the authority is your own";

#[cfg(test)]
mod tests;
