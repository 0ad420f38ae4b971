//! A deployment inside another application: sessions without accounts, in one call.
//!
//! The application knows its own users and asks for sessions only, so nothing of the
//! configuration, the accounts or the listeners is needed.
//!
//! This room must never open a directory by other steps than the service does.

use super::error::OpenError;
use super::kept_time::{TimeKeeper, go_on};
use super::key_files::KeyFiles;
use super::parts::{Keys, keystore_on};
use crate::clock::{Clock, SystemClock};
use crate::deployment::data_dir::{DataDir, DataDirError, MasterKeySource};
use crate::entropy;
use crate::lacre::Lacre;
use crate::sessions::keyring::Keyring;
use crate::sessions::rules::Rules;
use futures_util::FutureExt as _;
use lacre_keystore::{
    Keystore, KeystoreError, MasterKey, MasterKeyRing, MemoryEngine, SledEngine, SledOptions,
};
use std::path::Path;
use std::sync::Arc;

impl Lacre {
    /// Opens the sessions kept in `directory`; makes it, and all keys, at the first start.
    ///
    /// The directory is this process's alone until the last clone of the handle is gone; its layout
    /// is that of a service's data directory. Files are read and written before this returns: call
    /// it before anything is served.
    pub fn open(directory: impl AsRef<Path>, rules: Rules) -> Result<Self, OpenError> {
        let data_dir = DataDir::open(directory.as_ref())?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        go_on(data_dir.path(), &*clock)?;
        let entropy = entropy::system();
        let master = MasterKeySource::File(data_dir.master_key());
        let keys = Keys::open(&data_dir, &master, clock.now(), &entropy)?;
        let storage = KeyFiles::of(&data_dir, &master);
        keys.keep(&data_dir, &entropy)?;
        let options = SledOptions {
            digest_key: keys.keyring.digest_key(),
            ..SledOptions::default()
        };
        let engine = SledEngine::open_with(data_dir.keystore(), &options)?;
        let keystore = at_once(keystore_on(engine, keys.master))?;
        let keeper = TimeKeeper::start(&data_dir, Arc::clone(&clock))
            .map_err(|why| DataDirError::unusable(data_dir.path(), why))?;
        Ok(Self::builder(keystore, keys.keyring, rules)
            .clock(clock)
            .keys_in(Box::new(storage))
            // Dropped in this order: the last mark is written while the directory is still held.
            .holding((keeper, data_dir))
            .build())
    }

    /// Sessions that end with the process: for tests and for trying out.
    pub fn in_memory(rules: Rules) -> Result<Self, OpenError> {
        let mut rng = (entropy::system())();
        let master = MasterKeyRing::new(MasterKey::generate(1, &mut rng));
        let keystore = at_once(keystore_on(MemoryEngine::default(), master))?;
        Ok(Self::builder(keystore, Keyring::generate(&mut rng)?, rules).build())
    }
}

/// The result of opening a local store, which never waits: so that an application can open its
/// sessions before it has a runtime.
fn at_once(
    opening: impl Future<Output = Result<Keystore, KeystoreError>>,
) -> Result<Keystore, KeystoreError> {
    let waits = || {
        Err(KeystoreError::unavailable(
            "the store doesn't answer at once",
        ))
    };
    opening.now_or_never().unwrap_or_else(waits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sessions::grant::{Grant, Subject};
    use crate::token::TokenKind;

    fn rules() -> Rules {
        Rules::new("https://shop.test", "shop")
    }

    fn log_in(user: &str) -> Grant {
        Grant::log_in(Subject {
            id: user.to_owned(),
            ..Subject::default()
        })
    }

    #[tokio::test]
    async fn an_embedded_session_outlives_its_process() {
        let directory = tempfile::tempdir().unwrap();
        let issued = {
            let lacre = Lacre::open(directory.path(), rules()).unwrap();
            lacre.issue(&log_in("u1")).await.unwrap()
        };
        let lacre = Lacre::open(directory.path(), rules()).unwrap();
        let token = issued.access.token.expose().as_bytes();
        let session = lacre.guard(token, TokenKind::Access).await.unwrap();
        assert_eq!(session.user_id(), "u1");
        assert!(session.is_fresh());
    }

    #[tokio::test]
    async fn time_goes_on_from_the_last_process_s() {
        let directory = tempfile::tempdir().unwrap();
        let mark = directory.path().join("clock");
        let read = || -> u64 {
            let text = std::fs::read_to_string(&mark).unwrap();
            text.trim_end().parse().unwrap()
        };
        let lacre = Lacre::open(directory.path(), rules()).unwrap();
        let issued = lacre.issue(&log_in("u1")).await.unwrap();
        drop(lacre);
        // Whatever the machine's clock shows, it is a quarter of an hour later.
        let later = read() + 901 + 60;
        std::fs::write(&mark, format!("{later}\n")).unwrap();
        let lacre = Lacre::open(directory.path(), rules()).unwrap();
        let token = issued.access.token.expose().as_bytes();
        let refused = lacre.guard(token, TokenKind::Access).await.unwrap_err();
        assert_eq!(refused.code(), "token_expired");
        assert!(lacre.now() >= later);
        drop(lacre);
        assert!((later..later + 60).contains(&read()));
        std::fs::write(&mark, format!("{}\n", later + 2 * 86_400)).unwrap();
        let refused = Lacre::open(directory.path(), rules()).unwrap_err();
        assert_eq!(refused.code(), "clock_far_behind");
        std::fs::remove_file(&mark).unwrap();
        let lacre = Lacre::open(directory.path(), rules()).unwrap();
        assert!(lacre.guard(token, TokenKind::Access).await.is_ok());
    }

    #[tokio::test]
    async fn the_directory_is_held_until_the_last_clone_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let first = Lacre::open(directory.path(), rules()).unwrap();
        let second = first.clone();
        drop(first);
        let refused = Lacre::open(directory.path(), rules()).unwrap_err();
        assert_eq!(refused.code(), "data_dir_held");
        drop(second);
        assert!(Lacre::open(directory.path(), rules()).is_ok());
    }

    #[tokio::test]
    async fn sessions_in_memory_work_and_are_each_deployments_own() {
        let (one, two) = (
            Lacre::in_memory(rules()).unwrap(),
            Lacre::in_memory(rules()).unwrap(),
        );
        let issued = one.issue(&log_in("u1")).await.unwrap();
        let token = issued.access.token.expose().as_bytes();
        assert!(one.guard(token, TokenKind::Access).await.is_ok());
        assert!(two.guard(token, TokenKind::Access).await.is_err());
        assert!(one.revoke(&issued.key).await.unwrap());
        assert!(one.guard(token, TokenKind::Access).await.is_err());
    }
}
