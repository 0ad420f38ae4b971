//! Opening a deployment: the parts on disk, in the order that loses nothing.
//!
//! The directory is taken first. Then the keys: where a keyring exists, the master key must open
//! it, and where sessions exist, there must be a keyring. Only when all of that fits is the
//! keystore opened and the accounts' database brought up to date. Last, the sessions end that a
//! change of an account had to end when the process before this one died.
//!
//! This room must never make a new key where an old one is missing.

pub mod data_dir;
mod embedded;
mod inspected;

pub use inspected::Inspected;

use crate::accounts::{Accounts, AccountsError, HashingSettings};
use crate::clock::Clock;
use crate::config::{Config, Engine};
use crate::deployment::data_dir::{
    DataDir, DataDirError, MasterKeyFile, read_secret, write_secret,
};
use crate::entropy::Entropy;
use crate::lacre::Lacre;
use crate::service::{Service, ServiceError};
use crate::sessions::keyring::{Keyring, KeyringError};
use crate::sessions::rules::Rules;
use lacre_keystore::{
    Keystore, KeystoreError, LocalStore, MasterKey, MasterKeyRing, MemoryEngine, SledEngine,
    SledOptions,
};
use rand::SeedableRng as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

/// A deployment that this process holds.
#[derive(Debug)]
pub struct Deployment {
    service: Service,
    data_dir: DataDir,
}

impl Deployment {
    /// Opens the deployment that `config` describes; `issuer` goes into its tokens.
    pub async fn open(
        config: &Config,
        issuer: String,
        clock: Arc<dyn Clock>,
        entropy: Entropy,
    ) -> Result<Self, OpenError> {
        let data_dir = DataDir::open(&config.data_dir)?;
        let url = config.accounts.url.expose();
        let service = assemble(config, &data_dir, url, issuer, (clock, entropy)).await?;
        let delivered = service.deliver_all().await?;
        if delivered > 0 {
            log::warn!(delivered; "ended the sessions that changes of accounts had left before the start");
        }
        Ok(Self { service, data_dir })
    }

    /// Accounts and sessions.
    #[must_use]
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// The directory.
    #[must_use]
    pub fn data_dir(&self) -> &DataDir {
        &self.data_dir
    }

    /// Ends what is under way, durably, and gives the directory free.
    pub async fn close(self) {
        self.service.lacre().keystore().close().await;
        self.service.accounts().close().await;
    }
}

/// The service on the parts in this directory, with the accounts at this URL.
async fn assemble(
    config: &Config,
    data_dir: &DataDir,
    accounts_url: &str,
    issuer: String,
    (clock, entropy): (Arc<dyn Clock>, Entropy),
) -> Result<Service, OpenError> {
    let (master, keyring) = open_keys(data_dir, &config.master_key_file, &entropy)?;
    let keystore = open_keystore(config, data_dir, master).await?;
    let accounts = Accounts::open(
        accounts_url,
        HashingSettings {
            memory_kib: config.hashing.memory_kib,
            iterations: config.hashing.iterations,
            lanes: config.hashing.lanes,
            threads: config.hashing.threads,
            queue: config.hashing.queue,
        },
        Arc::clone(&clock),
        Box::new(rand::rngs::StdRng::from_rng(&mut entropy())),
    )
    .await?;
    let lacre = Lacre::builder(keystore, keyring, rules(config, issuer))
        .clock(clock)
        .entropy(entropy)
        .content_key_memory(config.token.content_key_memory)
        .build();
    Ok(Service::new(lacre, accounts))
}

fn rules(config: &Config, issuer: String) -> Rules {
    Rules {
        access_ttl: config.token.access_ttl.as_secs(),
        access_ttl_jitter: config.token.access_ttl_jitter,
        refresh_ttl: config.session.refresh_ttl.as_secs(),
        absolute_ttl: config.session.absolute_ttl.as_secs(),
        leeway: config.token.leeway.as_secs(),
        refresh_grace: config.refresh.grace.as_secs(),
        max_token_length: config.limits.token,
        max_per_user: config.session.max_per_user as usize,
        locations: config.token.locations.clone(),
        issuer,
        audience: config.token.audience.clone(),
    }
}

/// Reads the master keys and the keyring; makes both where the directory is new.
fn open_keys(
    data_dir: &DataDir,
    master_key_file: &Path,
    entropy: &Entropy,
) -> Result<(MasterKeyRing, Keyring), OpenError> {
    let sealed = read_secret(&data_dir.keyring())?;
    if sealed.is_some() && !master_key_file.exists() {
        return Err(OpenError::MasterKeyMissing {
            path: master_key_file.to_owned(),
        });
    }
    if sealed.is_none() && data_dir.keystore().exists() {
        return Err(KeyringError::Missing.into());
    }
    let master = ring(&MasterKeyFile::open(master_key_file, &mut entropy())?)?;
    if let Some(sealed) = sealed {
        let keyring = Keyring::open(&sealed, &master)?;
        return Ok((master, keyring));
    }
    let keyring = Keyring::generate(&mut entropy())?;
    write_secret(&data_dir.keyring(), &keyring.seal(&master, &mut entropy())?)?;
    Ok((master, keyring))
}

/// The key with the highest id seals, the others only open.
fn ring(file: &MasterKeyFile) -> Result<MasterKeyRing, OpenError> {
    let mut keys = file
        .keys()
        .rev()
        .map(|(id, key)| MasterKey::from_bytes(id, *key));
    let current = keys.next().ok_or(KeyringError::Missing)?;
    keys.try_fold(MasterKeyRing::new(current), MasterKeyRing::with_older)
        .map_err(OpenError::Keystore)
}

async fn open_keystore(
    config: &Config,
    data_dir: &DataDir,
    master: MasterKeyRing,
) -> Result<Keystore, KeystoreError> {
    match config.keystore.engine {
        Engine::Memory => keystore_on(MemoryEngine::default(), master).await,
        Engine::Sled => {
            let options = SledOptions {
                cache_capacity: config.keystore.cache_bytes,
            };
            keystore_on(SledEngine::open_with(data_dir.keystore(), options)?, master).await
        }
    }
}

/// A keystore whose records the master keys open.
async fn keystore_on(
    engine: impl lacre_keystore::Engine,
    master: MasterKeyRing,
) -> Result<Keystore, KeystoreError> {
    let keystore = Keystore::open(LocalStore::open(engine)?, master, rand::rngs::SysRng)?;
    keystore.verify_opens().await?;
    Ok(keystore)
}

/// Why a deployment doesn't open. Nothing of it was changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The directory, or a file of keys in it.
    #[error("{0}")]
    DataDir(#[from] DataDirError),
    /// The master key's file is missing, and there is a keyring that only it opens.
    #[error("{}: the master key is missing, and without it no session opens; put the file back", path.display())]
    MasterKeyMissing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// There is no deployment to look at.
    #[error("there is no deployment in {}", path.display())]
    Absent {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The accounts aren't in a file, so that they can't be copied.
    #[error(
        "accounts in PostgreSQL can't be looked at without changing them: start the server, and ask it"
    )]
    NotCopied,
    /// The keyring.
    #[error("{0}")]
    Keyring(#[from] KeyringError),
    /// The keystore.
    #[error("{0}")]
    Keystore(#[from] KeystoreError),
    /// The accounts' database.
    #[error("{0}")]
    Accounts(#[from] AccountsError),
    /// Sessions that a change of an account had to end before the start don't end.
    #[error("sessions are left to end from before the start: {0}")]
    Outbox(#[from] ServiceError),
}

impl OpenError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::DataDir(error) => error.code(),
            Self::MasterKeyMissing { .. } => "master_key_missing",
            Self::Absent { .. } => "deployment_missing",
            Self::NotCopied => "deployment_not_copied",
            Self::Keyring(error) => error.code(),
            Self::Keystore(error) => error.code(),
            Self::Accounts(error) => error.code(),
            Self::Outbox(error) => error.code(),
        }
    }
}

#[cfg(test)]
mod tests;
