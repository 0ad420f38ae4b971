//! What follows from the configuration, whatever the engine is: the parts of a service, where its keys are, its rules.
//!
//! This room must never open a keystore.

use super::data_dir::MasterKeySource;
use super::error::OpenError;
use crate::accounts::{Accounts, HashingSettings, Owner};
use crate::clock::Clock;
use crate::config::Config;
use crate::entropy::Entropy;
use crate::sessions::keyring::Keyring;
use crate::sessions::rotation::KeyStorage;
use crate::sessions::rules::Rules;
use lacre_keystore::{Cluster, Keystore};
use rand::SeedableRng as _;
use std::sync::Arc;
use zeroize::Zeroizing;

/// What a service is made of.
pub(super) struct Parts {
    pub(super) keystore: Keystore,
    pub(super) keyring: Keyring,
    pub(super) storage: Box<dyn KeyStorage>,
    pub(super) accounts: Accounts,
    /// The nodes, where there may be several.
    pub(super) cluster: Option<Cluster>,
    /// The name of this one then.
    pub(super) node: Option<String>,
    /// By how many seconds the times in tokens may be off.
    pub(super) leeway: u64,
}

/// The accounts at this URL, which are this deployment's from now on.
pub(super) async fn open_accounts(
    config: &Config,
    url: &str,
    (clock, entropy): (&Arc<dyn Clock>, &Entropy),
    (owner, name): (Owner, &str),
) -> Result<Accounts, OpenError> {
    let random = rand::rngs::StdRng::from_rng(&mut entropy());
    let clock = Arc::clone(clock);
    let accounts = Accounts::open(url, hashing(config), clock, Box::new(random)).await?;
    if owner != Owner::Ours {
        accounts.claim(name).await?;
    }
    Ok(accounts)
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

pub(super) fn rules(config: &Config, issuer: String, leeway: u64) -> Rules {
    Rules {
        access_ttl: config.token.access_ttl.as_secs(),
        access_ttl_jitter: config.token.access_ttl_jitter,
        refresh_ttl: config.session.refresh_ttl.as_secs(),
        absolute_ttl: config.session.absolute_ttl.as_secs(),
        leeway,
        refresh_grace: config.refresh.grace.as_secs(),
        max_token_length: config.limits.token,
        max_per_user: config.session.max_per_user as usize,
        explain_for: config.session.explain_for.as_secs(),
        locations: config.token.locations.clone(),
        issuer,
        audience: config.token.audience.clone(),
    }
}
