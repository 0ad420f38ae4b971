//! A whole deployment: keys, keystore and accounts, opened as the configuration says.

use super::data_dir::{DataDir, DataDirError, check_database};
use super::epoch::epoch;
use super::error::OpenError;
use super::kept_time::{TimeKeeper, go_on};
use super::key_files::KeyFiles;
use super::parts::{Keys, keystore_on};
use super::settled::{Parts, check_owner, master_keys, open_accounts, own_issuer, rules};
use crate::accounts::Accounts;
use crate::clock::Clock;
use crate::config::{Config, Engine};
use crate::entropy::Entropy;
use crate::federation::Federation;
use crate::lacre::Lacre;
use crate::service::{Home, LimitSettings, Limits, Service};
use lacre_keystore::{
    Epoch, Keystore, KeystoreError, MasterKeyRing, MemoryEngine, SledEngine, SledOptions,
};
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A deployment that this process holds.
pub struct Deployment {
    service: Service,
    clock: Arc<dyn Clock>,
    /// Dropped before the directory, so that the last mark is written while that is still held.
    keeper: Option<TimeKeeper>,
    data_dir: DataDir,
}

impl Deployment {
    /// Opens the deployment that `config` describes.
    pub async fn open(
        config: &Config,
        clock: Arc<dyn Clock>,
        entropy: Entropy,
    ) -> Result<Self, OpenError> {
        let data_dir = DataDir::open(&config.data_dir)?;
        go_on(data_dir.path(), &*clock)?;
        let url = config.accounts.url.expose();
        if let Some(file) = Accounts::sqlite_file(url) {
            check_database(&file)?;
        }
        let epoch = epoch(config, &entropy);
        let parts = (Arc::clone(&clock), entropy);
        let service = assemble(config, (&data_dir, url, epoch), parts).await?;
        // Where other nodes are at work, what is left may be theirs, and isn't left yet.
        let delivered = if service.lacre().keystore().lease().is_some() {
            service.deliver_rest().await?
        } else {
            service.deliver_all().await?
        };
        if delivered > 0 {
            log::warn!(delivered; "ended the sessions that changes of accounts had left before the start");
        }
        Ok(Self {
            service,
            clock,
            keeper: None,
            data_dir,
        })
    }

    /// Whether there is a deployment that `config` describes. Makes and changes nothing.
    pub async fn exists(config: &Config) -> Result<bool, OpenError> {
        if config.keystore.engine.is_shared() {
            return super::shared::exists(config).await;
        }
        Ok(DataDir::exists(&config.data_dir)?)
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

    /// Keeps the latest time on the disk from now on, so that the next start goes on from there: for the
    /// server. Commands go on from it, and leave it.
    pub fn keep_time(&mut self) -> Result<(), OpenError> {
        let keeper = TimeKeeper::start(&self.data_dir, Arc::clone(&self.clock))
            .map_err(|why| DataDirError::unusable(self.data_dir.path(), why))?;
        self.keeper = Some(keeper);
        Ok(())
    }

    /// Ends what is under way, durably, and gives the directory free.
    pub async fn close(self) {
        self.service.lacre().write_receipts().await;
        self.service.lacre().keystore().close().await;
        if let Some(home) = self.service.home() {
            // It holds the one connection that writes.
            drop(home.moving.lock().await.take());
        }
        self.service.accounts().close().await;
    }
}

impl fmt::Debug for Deployment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deployment")
            .field("data_dir", &self.data_dir)
            .finish_non_exhaustive()
    }
}

/// The service on the parts in this directory, with the accounts at this URL.
pub(super) async fn assemble(
    config: &Config,
    (data_dir, accounts_url, epoch): (&DataDir, &str, Epoch),
    parts: (Arc<dyn Clock>, Entropy),
) -> Result<Service, OpenError> {
    let Parts {
        keystore,
        keyring,
        storage,
        accounts,
        cluster,
        node,
        leeway,
    } = if config.keystore.engine.is_shared() {
        Box::pin(super::shared::parts(config, data_dir, accounts_url, &parts)).await?
    } else {
        Box::pin(own_parts(config, (data_dir, accounts_url, epoch), &parts)).await?
    };
    let (clock, entropy) = parts;
    let issuer = config.token.issuer.clone();
    let issuer = issuer.unwrap_or_else(|| own_issuer(&keyring));
    let handles = keyring.handles().clone();
    let lacre = Lacre::builder(keystore, keyring, rules(config, issuer, leeway))
        .clock(Arc::clone(&clock))
        .keys_in(storage)
        .entropy(entropy)
        .content_key_memory(config.token.content_key_memory)
        // Of this node's ends, where there are several.
        .receipts(data_dir.receipts())
        .build();
    let home = cluster.is_none().then(|| Home {
        directory: data_dir.path().to_owned(),
        accounts_url: Accounts::sqlite_file(accounts_url)
            .is_none()
            .then(|| Zeroizing::new(accounts_url.to_owned())),
        lease: config.keystore.lease,
        moving: tokio::sync::Mutex::default(),
    });
    let settings = LimitSettings {
        login_per_address: config.limits.login_per_address,
        login_per_account: config.limits.login_per_account,
        signup_per_address: config.limits.signup_per_address,
    };
    let limits = if cluster.is_some() {
        Limits::of_nodes(&settings, accounts.clone(), handles)
    } else {
        Limits::new(&settings)
    };
    if let Some(cluster) = cluster {
        Box::pin(super::shared::join(&cluster, &lacre, clock, leeway)).await?;
    }
    let issuers = config.issuers.clone();
    let federation = Federation::open(issuers, config.token.leeway.as_secs()).await?;
    Ok(Service::new(lacre, accounts, limits)
        .believing(federation)
        .lying_in(home)
        .named(node))
}

/// The parts of a deployment that has its directory to itself.
///
/// A keyring is the sign that accounts were made, so a new one is written after they were: a start that
/// is killed anywhere leaves a directory that the next start takes.
async fn own_parts(
    config: &Config,
    (data_dir, accounts_url, epoch): (&DataDir, &str, Epoch),
    (clock, entropy): &(Arc<dyn Clock>, Entropy),
) -> Result<Parts, OpenError> {
    let master = master_keys(config);
    let keys = Keys::open(data_dir, &master, clock.now(), entropy)?;
    let name = keys.keyring.handles().name();
    let owner = Accounts::owner(accounts_url, &name).await?;
    if !keys.new {
        check_owner(owner, config)?;
    }
    let opening = open_accounts(config, accounts_url, (clock, entropy), (owner, &name));
    let options = SledOptions {
        cache_capacity: config.keystore.cache_bytes,
        digest_key: keys.keyring.digest_key(),
        epoch,
    };
    let (keystore, accounts) = if keys.new {
        let accounts = opening.await?;
        keys.keep(data_dir, entropy)?;
        (
            open_keystore(config, data_dir, keys.master, options).await?,
            accounts,
        )
    } else {
        let keystore = open_keystore(config, data_dir, keys.master, options).await?;
        (keystore, opening.await?)
    };
    Ok(Parts {
        keystore,
        keyring: keys.keyring,
        storage: Box::new(KeyFiles::of(data_dir, &master)),
        accounts,
        cluster: None,
        node: None,
        leeway: config.token.leeway.as_secs(),
    })
}

async fn open_keystore(
    config: &Config,
    data_dir: &DataDir,
    master: MasterKeyRing,
    options: SledOptions,
) -> Result<Keystore, KeystoreError> {
    match config.keystore.engine {
        // Its records aren't in a directory.
        Engine::Postgres | Engine::Redis => {
            Err(KeystoreError::unavailable("its records are elsewhere"))
        }
        Engine::Memory => keystore_on(MemoryEngine::default(), master).await,
        Engine::Sled => {
            keystore_on(
                SledEngine::open_with(data_dir.keystore(), &options)?,
                master,
            )
            .await
        }
    }
}
