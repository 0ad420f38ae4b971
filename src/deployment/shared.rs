//! A deployment of several nodes: the keyring lies in one database, the records there or on Redis, and each node has the
//! master keys.
//!
//! The first node makes the deployment while it has the store alone, so that two that start at the same moment are of
//! one. A node is refused that can't be one of them: another master key, other issuer or audience, a clock that is off, a
//! program that is too old, a server that doesn't keep what it answers. What becomes so later takes the node's lease
//! away, so that it answers nothing by what it keeps.
//!
//! This room must never make a keyring where the store has one, nor a master key.

mod about;
mod emptied;
mod records;

use super::data_dir::{
    COMING, DataDir, DataDirError, LEFT, MasterKeySource, UNFINISHED, read_move,
    read_or_create_secret,
};
use super::error::OpenError;
use super::key_files::{KeyFiles, ring};
use super::settled::{Parts, check_owner, master_keys, open_accounts, own_issuer};
use crate::accounts::Accounts;
use crate::clock::{self, Clock};
use crate::config::Config;
use crate::entropy::Entropy;
use crate::lacre::{Lacre, WeakLacre};
use crate::sessions::keyring::{Keyring, KeyringError};
use crate::sessions::rotation::{Answer, KeyStorage, SharedKeys, StorageError, StorageErrorKind};
use crate::token::base64url;
use about::About;
pub(super) use emptied::begin_anew;
use lacre_keystore::{
    Cluster, Common, KeystoreError, LookedAt, MasterKey, MasterKeyRing, Member, Moved,
    PostgresOptions, PostgresStore, look,
};
use rand::Rng as _;
pub(super) use records::{Records, name_on_redis, on_redis};
use std::sync::Arc;
use std::time::Duration;

/// By how many seconds the times in tokens may be off, at least: the clocks of nodes differ by some.
const LEEWAY: u64 = 2;

/// After how long nothing is on its way any more that was sealed before: the database ends a statement before.
const AT_REST_AFTER: Duration = Duration::from_secs(6);

/// Opens the parts of this node.
pub(super) async fn parts(
    config: &Config,
    data_dir: &DataDir,
    accounts_url: &str,
    (clock, entropy): &(Arc<dyn Clock>, Entropy),
) -> Result<Parts, OpenError> {
    check_directory(data_dir, config)?;
    let records = Records::of(config);
    let leeway = config.token.leeway.as_secs().max(LEEWAY);
    let url = config.shared_url();
    let looked = look(url).await?;
    check(&looked, config, (clock.now(), leeway))?;
    if looked.common.is_none() {
        // Before anything is made in the database.
        records.examine(&looked).await?;
    }
    for advice in config.stores_without_tls() {
        log::warn!(code = "store_without_tls"; "{advice}");
    }
    let writer = name(data_dir, entropy)?;
    let options = PostgresOptions {
        connections: config.keystore.connections,
        lease: config.keystore.lease,
        node: i64::from_be_bytes(drawn(entropy)),
        writer: records.writes_notes_here().then(|| writer.clone()),
    };
    let store = PostgresStore::open(url, options, Arc::new(clock::running)).await?;
    let cluster = store.cluster();
    // Until all is there.
    let alone = cluster.alone().await?;
    // A move may have begun meanwhile.
    let looked = look(url).await?;
    check_moved(&looked)?;
    records.check(&looked)?;
    let master = master_keys(config);
    let common = cluster.common().await?;
    let new = common.is_none();
    let (ring, keyring) = if let Some(common) = common {
        opened(&common, &master)?
    } else {
        let ring = ring(&master.open(&mut entropy())?)?;
        let keyring = Keyring::generate(&mut entropy())?.begun_at(clock.now(), &ring)?;
        (ring, keyring)
    };
    let issuer = config.token.issuer.clone();
    let about = About::new(
        issuer.unwrap_or_else(|| own_issuer(&keyring)),
        config.token.audience.clone(),
        &ring,
    );
    for peer in cluster.peers().await? {
        about.check_beside(&peer)?;
    }
    let name = keyring.handles().name();
    let owner = Accounts::owner(accounts_url, &name).await?;
    if !new {
        check_owner(owner, config)?;
    }
    let accounts = open_accounts(config, accounts_url, (clock, entropy), (owner, &name)).await?;
    accounts.leave_where(Arc::new(store.outdated()));
    let sealed = keyring.seal(&ring, &mut entropy())?;
    let said = about.text(&ring);
    let keystore = records
        .open((store, &cluster), (ring, writer.clone()), (config, entropy))
        .await?;
    // A keyring is the sign that accounts were made, and the store of the records.
    let keyring = if new {
        let version = cluster.put_common(0, sealed).await?;
        keyring
            .at_version(version.ok_or_else(|| KeystoreError::unavailable("it isn't ours alone"))?)
    } else {
        keyring
    };
    cluster.introduce(said).await?;
    drop(alone);
    keystore.verify_opens().await?;
    let files = KeyFiles::of(data_dir, &master);
    Ok(Parts {
        keystore,
        keyring,
        storage: Box::new(SharedKeyring {
            cluster: cluster.clone(),
            files,
            about,
        }),
        accounts,
        cluster: Some(cluster),
        node: Some(writer),
        leeway,
    })
}

/// Has this node go by what the others do, and by their time, from now on.
pub(super) async fn join(
    cluster: &Cluster,
    lacre: &Lacre,
    clock: Arc<dyn Clock>,
    leeway: u64,
) -> Result<(), OpenError> {
    let watch = Watch {
        lacre: lacre.downgrade(),
        clock,
        leeway,
        records: cluster.elsewhere().await?,
    };
    Ok(cluster.join(Arc::new(watch)).await?)
}

/// Whether the store of `config` has a deployment.
pub(super) async fn exists(config: &Config) -> Result<bool, OpenError> {
    Ok(look(config.shared_url()).await?.common.is_some())
}

/// What a server doesn't keep: the code, and what to do.
pub(super) type Weak = (&'static str, &'static str);

/// What the server of the store doesn't keep, and the keyring of the deployment that this node could be of. For a look:
/// nothing is made.
pub(super) async fn examine(
    config: &Config,
    now: u64,
) -> Result<(Vec<Weak>, Option<Keyring>), OpenError> {
    let looked = look(config.shared_url()).await?;
    let leeway = config.token.leeway.as_secs().max(LEEWAY);
    check(&looked, config, (now, leeway))?;
    let master = master_keys(config);
    let weak = looked.weaknesses.iter();
    let mut weak: Vec<_> = weak
        .map(|weakness| ("store_no_standby", weakness.advice()))
        .collect();
    weak.extend(Records::of(config).examine(&looked).await?);
    let opened = looked.common.map(|common| opened(&common, &master));
    let keyring = opened.transpose()?.map(|(_, keyring)| keyring);
    Ok((weak, keyring))
}

/// The name of this node, which its directory has from its first start on: its receipts lie there as well.
fn name(data_dir: &DataDir, entropy: &Entropy) -> Result<String, DataDirError> {
    let path = data_dir.node();
    let made = || format!("{}\n", base64url::encode(drawn::<16>(entropy))).into_bytes();
    let text = read_or_create_secret(&path, || made().into())?;
    let name = text.strip_suffix(b"\n").filter(|name| {
        let bytes = base64url::decode(name);
        bytes.is_some_and(|bytes| bytes.len() == 16)
    });
    let name = name.and_then(|name| str::from_utf8(name).ok());
    let damaged =
        || DataDirError::unusable(&path, std::io::Error::other("it has no name of a node"));
    name.map(str::to_owned).ok_or_else(damaged)
}

fn drawn<const N: usize>(entropy: &Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    entropy().fill_bytes(&mut bytes);
    bytes
}

/// A directory in which a node of its own worked isn't taken: its sessions would be left behind without a word.
fn check_directory(data_dir: &DataDir, config: &Config) -> Result<(), OpenError> {
    let path = data_dir.path();
    if path.join(UNFINISHED).exists() {
        return Err(OpenError::RestoreUnfinished {
            path: path.to_owned(),
        });
    }
    if read_move(path, COMING)?.is_some() {
        return Err(OpenError::MoveUnfinished {
            place: path.display().to_string(),
        });
    }
    // What the sessions have left is left behind with a word.
    let left = read_move(path, LEFT)?.is_some_and(|mark| {
        let shared = ["postgres", "redis"];
        shared.iter().any(|engine| mark.about.starts_with(engine))
    });
    if !left && (data_dir.keyring().exists() || data_dir.keystore().exists()) {
        return Err(OpenError::EngineChanged {
            path: path.to_owned(),
            engine: config.keystore.engine.name(),
        });
    }
    Ok(())
}

fn check_moved(looked: &LookedAt) -> Result<(), OpenError> {
    match &looked.moved {
        Some(Moved::Left { about, .. }) => Err(OpenError::Moved { to: about.clone() }),
        Some(Moved::Coming { .. }) => Err(OpenError::MoveUnfinished {
            place: "the database that the nodes share".to_owned(),
        }),
        Some(Moved::Came { .. }) | None => Ok(()),
    }
}

fn check(looked: &LookedAt, config: &Config, (now, leeway): (u64, u64)) -> Result<(), OpenError> {
    check_moved(looked)?;
    Records::of(config).check(looked)?;
    let weak = looked.weaknesses.iter();
    if let Some(weakness) = weak.clone().find(|weakness| weakness.forbids_serving()) {
        return Err(OpenError::StoreWeak(weakness.advice()));
    }
    off(now, looked.unix_us, leeway).map_err(OpenError::ClockOff)
}

/// Fails where a clock that says `now` is further from the database's than the leeway. Both are known to the second.
fn off(now: u64, unix_us: u64, leeway: u64) -> Result<(), String> {
    let theirs = unix_us / 1_000_000;
    if now.abs_diff(theirs) <= leeway + 1 {
        return Ok(());
    }
    let (by, how) = (
        now.abs_diff(theirs),
        if now > theirs { "ahead of" } else { "behind" },
    );
    Err(format!(
        "this node's clock is {by} seconds {how} the database's, and nodes may differ by {leeway} (token.leeway): \
         set both by NTP"
    ))
}

/// The keys that all go by, with this node's master keys.
pub(super) fn opened(
    common: &Common,
    master: &MasterKeySource,
) -> Result<(MasterKeyRing, Keyring), OpenError> {
    let missing = || OpenError::MasterKeyOfOthersMissing {
        path: master.place().into(),
    };
    let foreign = |why: KeyringError| OpenError::StoreForeign {
        path: master.place().into(),
        why,
    };
    let file = master.read()?.ok_or_else(missing)?;
    let sealed_by = MasterKeyRing::sealed_by(&common.sealed).ok_or(KeyringError::Damaged)?;
    let unknown = || {
        foreign(KeyringError::NotOurs(KeystoreError::SealedUnknownKey {
            key_id: sealed_by,
        }))
    };
    let ring = ring(&file)?.sealing_with(sealed_by).ok_or_else(unknown)?;
    let keyring = Keyring::open(&common.sealed, &ring).map_err(foreign)?;
    Ok((ring, keyring.at_version(common.version)))
}

/// The keyring in the store, and this node's files of master keys.
struct SharedKeyring {
    cluster: Cluster,
    files: KeyFiles,
    about: About,
}

impl KeyStorage for SharedKeyring {
    fn write_keyring(&self, _sealed: &[u8]) -> Result<(), StorageError> {
        Err(StorageError {
            kind: StorageErrorKind::Other,
            code: "store_unavailable",
            message: "the keyring lies in the store, and is put there".to_owned(),
        })
    }

    fn read_master_keys(&self) -> Result<MasterKeyRing, StorageError> {
        self.files.read_master_keys()
    }

    fn can_change_master_keys(&self) -> Result<(), StorageError> {
        Err(StorageError {
            kind: StorageErrorKind::ReadOnly,
            code: "master_key_read_only",
            message: format!(
                "every node has the master keys in a place of its own, here {}, and each needs the new one before it \
                 seals. On every node",
                self.files.master_keys_lie()
            ),
        })
    }

    fn add_master_key(&self, _key: &MasterKey) -> Result<(), StorageError> {
        self.can_change_master_keys()
    }

    fn remove_master_keys(&self, _ids: &[u32]) -> Result<(), StorageError> {
        self.can_change_master_keys()
    }

    fn master_keys_lie(&self) -> String {
        self.files.master_keys_lie()
    }

    fn shared(&self) -> Option<&dyn SharedKeys> {
        Some(self)
    }

    fn free_space(&self) -> Option<u64> {
        None
    }
}

impl SharedKeys for SharedKeyring {
    fn put(&self, seen: u64, sealed: Vec<u8>) -> Answer<'_, Option<u64>> {
        Box::pin(async move {
            let put = self.cluster.put_common(seen, sealed).await;
            put.map_err(|error| unkept(&error))
        })
    }

    fn announce(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            let text = self.about.text(&self.files.read_master_keys()?);
            let said = self.cluster.introduce(text).await;
            said.map_err(|error| unkept(&error))
        })
    }

    fn all_have<'a>(&'a self, key: &'a MasterKey) -> Answer<'a, ()> {
        Box::pin(async move {
            let peers = self.cluster.peers().await;
            let peers = peers.map_err(|error| unkept(&error))?;
            let lacking = peers.iter().find_map(|peer| About::lacks(peer, key));
            lacking.map_or(Ok(()), |node| {
                let id = key.id();
                Err(StorageError {
                    kind: StorageErrorKind::Other,
                    code: "master_key_missing_elsewhere",
                    message: format!(
                        "the node on {node} doesn't say that it has master key {id}, or has another one under this \
                         id: put the same line there as well. Each node reads its master keys anew once a minute"
                    ),
                })
            })
        })
    }

    fn at_rest_after(&self) -> Duration {
        AT_REST_AFTER
    }
}

fn unkept(error: &KeystoreError) -> StorageError {
    StorageError {
        kind: StorageErrorKind::Other,
        code: error.code(),
        message: error.to_string(),
    }
}

/// What this node does with what polls bring.
struct Watch {
    /// Not the handle itself, which would keep the store open that asks this.
    lacre: WeakLacre,
    clock: Arc<dyn Clock>,
    leeway: u64,
    /// Where this node has the records, when they aren't in the database.
    records: Option<String>,
}

impl Member for Watch {
    fn hear_time(&self, unix_us: u64) -> Result<(), String> {
        off(self.clock.now(), unix_us, self.leeway)
    }

    fn hear_elsewhere(&self, elsewhere: Option<&str>) -> Result<(), String> {
        if records::is_same(self.records.as_deref(), elsewhere) {
            return Ok(());
        }
        Err(
            "the sessions were moved to another store: set keystore.engine and keystore.url to it"
                .to_owned(),
        )
    }

    fn take_up(&self, common: &Common) -> Result<(), String> {
        let Some(lacre) = self.lacre.upgrade() else {
            return Ok(());
        };
        let rotation = lacre.rotation();
        rotation.take_up(&common.sealed, common.version).map_err(|error| {
            format!(
                "the keyring that the other nodes have put into the store can't be used by this one, whose master keys \
                 are in {}: {error}",
                rotation.master_keys_lie()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::off;

    #[test]
    fn a_clock_may_differ_by_the_leeway_and_the_second_that_both_are_cut_to() {
        let at = |second: u64| second * 1_000_000 + 999_999;
        for (now, theirs) in [(100, 100), (103, 100), (97, 100)] {
            assert_eq!(off(now, at(theirs), 2), Ok(()), "{now} {theirs}");
        }
        let ahead = off(104, at(100), 2).unwrap_err();
        assert!(
            ahead.contains("4 seconds ahead of the database's"),
            "{ahead}"
        );
        assert!(
            off(96, at(100), 2)
                .unwrap_err()
                .contains("4 seconds behind")
        );
    }
}
