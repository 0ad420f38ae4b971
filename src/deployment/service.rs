//! A whole deployment: keys, keystore and accounts, opened as the configuration says.

use super::data_dir::{DataDir, DataDirError, MasterKeySource, check_database};
use super::epoch::epoch;
use super::error::OpenError;
use super::kept_time::{TimeKeeper, go_on};
use super::key_files::KeyFiles;
use super::parts::{Keys, keystore_on};
use crate::accounts::{Accounts, HashingSettings, Owner};
use crate::clock::Clock;
use crate::config::{Config, Engine};
use crate::entropy::Entropy;
use crate::federation::Federation;
use crate::lacre::Lacre;
use crate::service::{LimitSettings, Limits, Service};
use crate::sessions::keyring::Keyring;
use crate::sessions::rules::Rules;
use lacre_keystore::{
    Epoch, Keystore, KeystoreError, MasterKeyRing, MemoryEngine, SledEngine, SledOptions,
};
use rand::SeedableRng as _;
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
        let delivered = service.deliver_all().await?;
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

/// The service on the parts in this directory, with the accounts at this URL, and the keystore noted there.
///
/// A keyring is the sign that accounts were made, so a new one is written after they were: a start that
/// is killed anywhere leaves a directory that the next start takes.
pub(super) async fn assemble(
    config: &Config,
    (data_dir, accounts_url, epoch): (&DataDir, &str, Epoch),
    (clock, entropy): (Arc<dyn Clock>, Entropy),
) -> Result<Service, OpenError> {
    let master = master_keys(config);
    let keys = Keys::open(data_dir, &master, clock.now(), &entropy)?;
    let name = keys.keyring.handles().name();
    let owner = Accounts::owner(accounts_url, &name).await?;
    if !keys.new {
        check_owner(owner, config)?;
    }
    let issuer = config.token.issuer.clone();
    let issuer = issuer.unwrap_or_else(|| own_issuer(&keys.keyring));
    let open_accounts = async || {
        let random = rand::rngs::StdRng::from_rng(&mut entropy());
        let clock = Arc::clone(&clock);
        let accounts =
            Accounts::open(accounts_url, hashing(config), clock, Box::new(random)).await?;
        if owner != Owner::Ours {
            accounts.claim(&name).await?;
        }
        Ok::<_, OpenError>(accounts)
    };
    let options = SledOptions {
        cache_capacity: config.keystore.cache_bytes,
        digest_key: keys.keyring.digest_key(),
        epoch,
    };
    let (keystore, accounts) = if keys.new {
        let accounts = open_accounts().await?;
        keys.keep(data_dir, &entropy)?;
        (
            open_keystore(config, data_dir, keys.master, options).await?,
            accounts,
        )
    } else {
        let keystore = open_keystore(config, data_dir, keys.master, options).await?;
        (keystore, open_accounts().await?)
    };
    let lacre = Lacre::builder(keystore, keys.keyring, rules(config, issuer))
        .receipts(data_dir.receipts())
        .clock(clock)
        .keys_in(KeyFiles::of(data_dir, &master))
        .entropy(entropy)
        .content_key_memory(config.token.content_key_memory)
        .build();
    let limits = Limits::new(&LimitSettings {
        login_per_address: config.limits.login_per_address,
        login_per_account: config.limits.login_per_account,
        signup_per_address: config.limits.signup_per_address,
    });
    let issuers = config.issuers.clone();
    let federation = Federation::open(issuers, config.token.leeway.as_secs()).await?;
    Ok(Service::new(lacre, accounts, limits).believing(federation))
}

/// Where the configuration says that the master keys are.
pub(super) fn master_keys(config: &Config) -> MasterKeySource {
    match &config.master_key {
        Some(text) => MasterKeySource::Text(Zeroizing::new(text.expose().to_owned())),
        None => MasterKeySource::File(config.master_key_file.clone()),
    }
}

/// Refuses to go on with a deployment's keys where its accounts aren't. What is named is what the
/// configuration names, also where a copy of it is opened.
pub(super) fn check_owner(owner: Owner, config: &Config) -> Result<(), OpenError> {
    let accounts = match Accounts::sqlite_file(config.accounts.url.expose()) {
        Some(file) => file.display().to_string(),
        None => "the database of `accounts.url`".to_owned(),
    };
    let data_dir = config.data_dir.clone();
    match owner {
        Owner::Ours | Owner::Nobody => Ok(()),
        Owner::NoAccounts => Err(OpenError::AccountsMissing { accounts, data_dir }),
        Owner::Another => Err(OpenError::AccountsForeign { accounts, data_dir }),
    }
}

fn hashing(config: &Config) -> HashingSettings {
    HashingSettings {
        memory_kib: config.hashing.memory_kib,
        iterations: config.hashing.iterations,
        lanes: config.hashing.lanes,
        threads: config.hashing.threads,
        queue: config.hashing.queue,
        queue_per_address: config.hashing.queue_per_address,
    }
}

/// What a deployment calls itself where nobody has named it: the same wherever it is served, for as
/// long as its keyring is.
pub(super) fn own_issuer(keyring: &Keyring) -> String {
    format!("urn:lacre:{}", keyring.handles().name())
}

pub(super) fn rules(config: &Config, issuer: String) -> Rules {
    Rules {
        access_ttl: config.token.access_ttl.as_secs(),
        access_ttl_jitter: config.token.access_ttl_jitter,
        refresh_ttl: config.session.refresh_ttl.as_secs(),
        absolute_ttl: config.session.absolute_ttl.as_secs(),
        leeway: config.token.leeway.as_secs(),
        refresh_grace: config.refresh.grace.as_secs(),
        max_token_length: config.limits.token,
        max_per_user: config.session.max_per_user as usize,
        explain_for: config.session.explain_for.as_secs(),
        locations: config.token.locations.clone(),
        issuer,
        audience: config.token.audience.clone(),
    }
}

async fn open_keystore(
    config: &Config,
    data_dir: &DataDir,
    master: MasterKeyRing,
    options: SledOptions,
) -> Result<Keystore, KeystoreError> {
    match config.keystore.engine {
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
