//! A restore into the databases of several nodes, which have to be empty.
//!
//! Of a backup of nodes nobody can say which sessions have ended since: other nodes may have worked. So keys and accounts
//! come back, and no session does; all are named. The database says that something is being brought here until all
//! is there, so that no node starts meanwhile, or makes another deployment.
//!
//! This room must never bring a session back, and never change a database that somebody uses.

use super::Work;
use super::error::RestoreError;
use super::place::Place;
use super::told::Restored;
use crate::accounts::{Accounts, Owner};
use crate::deployment::data_dir::{DataDir, write_mark};
use crate::deployment::error::OpenError;
use crate::deployment::settled::master_keys;
use crate::deployment::shared::{Records, opened};
use crate::token::base64url;
use lacre_keystore::{Moved, PostgresMove, look};
use rand::Rng as _;

/// How far the databases are.
#[derive(PartialEq, Eq)]
enum Stage {
    Empty,
    /// This restore was cut off, and is gone on with.
    Begun,
    /// It was cut off when all was there.
    Done,
}

impl Work<'_> {
    /// Keys and accounts into empty databases.
    pub(super) async fn everything_shared(
        &self,
        place: &Place<'_>,
    ) -> Result<Restored, RestoreError> {
        self.check_directory(place)?;
        let deployment = &self.backup.about.deployment;
        let about = format!("restore of {deployment}");
        let lease = self.config.keystore.lease;
        let store = PostgresMove::open(self.config.shared_url(), lease).await?;
        if store.nodes_at_work().await? > 0 {
            place.give_up()?;
            return Err(RestoreError::BesideNodes);
        }
        let url = self.config.accounts.url.expose();
        let owner = Accounts::owner(url, deployment).await?;
        let stage = match store.moved().await? {
            Some(Moved::Coming { about: earlier, .. }) if earlier == about => Stage::Begun,
            Some(Moved::Came { .. }) if owner == Owner::Ours && place.is_unfinished() => {
                Stage::Done
            }
            None if owner == Owner::NoAccounts => Stage::Empty,
            _ => return not_empty(place),
        };
        if stage != Stage::Done {
            self.check_records(place).await?;
        }
        let mut restored = Restored::of(&self.backup.about);
        restored.sessions = self.not_kept(place)?;
        if stage != Stage::Done {
            let mut id = [0; 16];
            (self.entropy)().fill_bytes(&mut id);
            let Some(id) = store.begin(&base64url::encode(id), &about).await? else {
                return not_empty(place);
            };
            place.begin()?;
            place.put_master_keys(&self.backup.keys)?;
            restored.accounts = Some(self.take_accounts(owner).await?);
            let latest = self.backup.about.made_at.max(self.clock.now());
            write_mark(&DataDir::clock(&self.config.data_dir), latest)?;
            let sealed = self.backup.keyring.as_ref();
            store
                .furnish(sealed.ok_or(RestoreError::SessionsOnly)?)
                .await?;
            let elsewhere = Records::of(self.config).to_make(&id);
            store.ready(&id, elsewhere.as_deref()).await?;
        }
        place.end()?;
        Ok(restored)
    }

    /// The sessions alone. The database that has the keys has the sessions, too, and knows which have ended: it stays as
    /// it is.
    pub(super) async fn sessions_shared(&self) -> Result<Restored, RestoreError> {
        let store = PostgresMove::open(self.config.shared_url(), self.config.keystore.lease);
        let common = store.await?.common().await?;
        let common = common.ok_or(RestoreError::OtherDeployment)?;
        let (_, keyring) = opened(&common, &master_keys(self.config))?;
        if keyring.handles().name() != self.backup.about.deployment {
            return Err(RestoreError::OtherDeployment);
        }
        if self.wanted.keep_sessions {
            return Err(RestoreError::StillThere);
        }
        let mut restored = Restored::of(&self.backup.about);
        restored.living = true;
        Ok(restored)
    }

    /// Fails where servers of Redis that are to have the sessions have something, or wouldn't keep it.
    async fn check_records(&self, place: &Place<'_>) -> Result<(), RestoreError> {
        let looked = look(self.config.shared_url()).await?;
        let free = Records::of(self.config).examine(&looked).await;
        if let Err(error) = free {
            place.give_up()?;
            return Err(error.into());
        }
        Ok(())
    }

    fn check_directory(&self, place: &Place<'_>) -> Result<(), RestoreError> {
        let directory = place.data_dir();
        if directory.keyring().exists() || directory.keystore().exists() {
            return Err(OpenError::EngineChanged {
                path: directory.path().to_owned(),
                engine: self.config.keystore.engine.name(),
            }
            .into());
        }
        let masters = master_keys(self.config);
        let theirs = masters.read()?;
        if theirs.is_some_and(|theirs| !self.backup.keys.is_within(&theirs)) {
            return Err(RestoreError::MasterKeyOther {
                path: masters.place().into(),
            });
        }
        Ok(())
    }
}

fn not_empty(place: &Place<'_>) -> Result<Restored, RestoreError> {
    place.give_up()?;
    Err(RestoreError::DatabaseNotEmpty)
}
