//! A deployment from a backup: all of it or nothing.
//!
//! The whole file is read once before anything is touched. A session that ended after the backup was taken
//! must not come back (threat: restored-session), so what is in the directory decides:
//!
//! - The deployment of the backup is there, and its keys and its keystore open: they stay as they are, since
//!   they know of every end and every refresh. Only the accounts are taken from the backup, in one
//!   transaction, together with what that change ends.
//! - It isn't there: keys and accounts come back, and no session does, unless the backup was taken at rest
//!   and the operator says that the deployment hasn't run since.
//!
//! Sessions alone are imported into a keystore that is missing, by the same rule.
//!
//! The databases of several nodes have to be empty (`restored/shared.rs`).
//!
//! This room must never replace what it hasn't been told to, and never remove what it replaces.

mod error;
mod given;
mod place;
mod reading;
mod shared;
mod told;

pub use error::RestoreError;
pub use given::Given;
pub use told::{GoneOn, Restored, RestoredSessions, Wanted};

use self::place::{Found, Place};
use self::reading::{Backup, content_of, session};
use super::data_dir::{DataDir, write_mark, write_secret};
use super::error::OpenError;
use super::service::Deployment;
use super::settled::master_keys;
use crate::accounts::{Accounts, CopiedRow, Owner, Replaced, TakenIn};
use crate::archive::{Entry, Holds};
use crate::clock::Clock;
use crate::config::{Config, Engine};
use crate::entropy::Entropy;
use crate::receipts::{Event, Log, ReceiptsError, new_chain};
use crate::service::{Caller, revoke_every_session};
use crate::sessions::keyring::Keyring;
use futures_util::future::join_all;
use lacre_keystore::PutOutcome;
use rand::SeedableRng as _;
use std::sync::Arc;

/// How many records are put at once.
const AT_ONCE: usize = 512;

/// Restores from the file that `given` names. `progress` hears how many bytes of how many were read.
pub async fn restore(
    config: &Config,
    given: &Given,
    wanted: Wanted,
    (clock, entropy): (Arc<dyn Clock>, Entropy),
    mut progress: impl FnMut(u64, u64),
) -> Result<Restored, RestoreError> {
    let shared = config.keystore.engine.is_shared();
    let backup = Backup::read(given, &master_keys(config), &mut progress)?;
    if wanted.holds == Holds::Everything && backup.about.holds == Holds::Sessions {
        return Err(RestoreError::SessionsOnly);
    }
    if wanted.keep_sessions && !backup.about.at_rest {
        return Err(RestoreError::NotAtRest);
    }
    let all = wanted.holds == Holds::Everything || !shared;
    if wanted.keep_sessions && all && config.keystore.engine != Engine::Sled {
        return Err(RestoreError::NotKept);
    }
    let work = Work {
        config,
        wanted,
        backup,
        clock,
        entropy,
    };
    // What it is about isn't in the directory.
    if shared && wanted.holds == Holds::Sessions {
        let restored = work.sessions_shared().await?;
        return work.finish(restored).await;
    }
    let place = Place::take(config, wanted.holds)?;
    let restored = match wanted.holds {
        Holds::Everything if shared => work.everything_shared(&place).await?,
        Holds::Everything => work.everything(&place).await?,
        Holds::Sessions => work.sessions(&place).await?,
    };
    // Opening takes the directory anew.
    drop(place);
    work.finish(restored).await
}

struct Work<'a> {
    config: &'a Config,
    wanted: Wanted,
    backup: Backup,
    clock: Arc<dyn Clock>,
    entropy: Entropy,
}

impl Work<'_> {
    /// Keys, accounts and sessions.
    async fn everything(&self, place: &Place<'_>) -> Result<Restored, RestoreError> {
        let url = self.config.accounts.url.expose();
        let owner = Accounts::owner(url, &self.backup.about.deployment).await?;
        let unfinished = place.is_unfinished();
        let found = place
            .found(&self.backup.about.deployment, &self.entropy)
            .await;
        let empty = found == Found::Nothing && owner == Owner::NoAccounts;
        if !empty && !self.wanted.replace && !unfinished {
            place.give_up()?;
            return Err(RestoreError::NotEmpty {
                path: self.config.data_dir.clone(),
            });
        }
        let mut restored = Restored::of(&self.backup.about);
        if found == Found::Living && !unfinished {
            if self.wanted.keep_sessions {
                return Err(RestoreError::StillThere);
            }
            restored.living = true;
            if matches!(owner, Owner::NoAccounts | Owner::Another) {
                // Who was disabled meanwhile, and whose password was changed, nobody knows any more. Before
                // the accounts are there: a process that is killed in between leaves a deployment that doesn't
                // start, and another restore that knows the same.
                restored.ended_all = Some(self.end_all(place).await?);
            }
            restored.accounts = Some(self.take_accounts(owner).await?);
            return Ok(restored);
        }
        // Whatever would be refused is refused before anything is moved.
        place.can_put_master_keys(&self.backup.keys)?;
        // From here on a start is refused until all is there.
        place.begin()?;
        restored.aside = place.set_aside(&self.backup.keys, self.clock.now())?;
        place.put_master_keys(&self.backup.keys)?;
        restored.sessions = if self.wanted.keep_sessions {
            self.put_sessions(place).await?
        } else {
            self.not_kept(place)?
        };
        restored.accounts = Some(self.take_accounts(owner).await?);
        self.go_on_with_receipts(place, &mut restored)?;
        let latest = self.backup.about.made_at.max(self.clock.now());
        write_mark(&DataDir::clock(&self.config.data_dir), latest)?;
        let sealed = self.backup.keyring.as_ref();
        let sealed = sealed.ok_or(RestoreError::SessionsOnly)?;
        write_secret(&place.data_dir().keyring(), sealed)?;
        place.end()?;
        Ok(restored)
    }

    /// Ends every session of the keystore that is there, and says how many there were.
    async fn end_all(&self, place: &Place<'_>) -> Result<u64, RestoreError> {
        let parts = (Arc::clone(&self.clock), Arc::clone(&self.entropy));
        let lacre = place.lacre(parts)?;
        let ended = revoke_every_session(&lacre, &Caller::operator()).await;
        lacre.keystore().close().await;
        Ok(ended?)
    }

    /// The sessions alone: into the keystore of the deployment that is there.
    async fn sessions(&self, place: &Place<'_>) -> Result<Restored, RestoreError> {
        if !place.has_keys_of(&self.backup.about.deployment) {
            return Err(RestoreError::OtherDeployment);
        }
        let mut restored = Restored::of(&self.backup.about);
        restored.living = place.data_dir().keystore().exists();
        if self.wanted.keep_sessions {
            if restored.living {
                return Err(RestoreError::StillThere);
            }
            restored.sessions = self.put_sessions(place).await?;
        } else if !restored.living {
            restored.sessions = self.not_kept(place)?;
        }
        if !restored.living {
            self.go_on_with_receipts(place, &mut restored)?;
        }
        Ok(restored)
    }

    /// Opens what is there now, which ends what the outbox says, and looks which sessions are live.
    async fn finish(self, mut restored: Restored) -> Result<Restored, RestoreError> {
        let parts = (Arc::clone(&self.clock), Arc::clone(&self.entropy));
        let deployment = Deployment::open(self.config, parts.0, parts.1).await?;
        let looked = self.look(&deployment, &mut restored).await;
        deployment.close().await;
        looked.map(|()| restored)
    }

    async fn look(
        &self,
        deployment: &Deployment,
        restored: &mut Restored,
    ) -> Result<(), RestoreError> {
        let (service, caller) = (deployment.service(), Caller::operator());
        let action = match self.wanted.holds {
            Holds::Everything => "backup_restored",
            Holds::Sessions => "sessions_imported",
        };
        service.acted(&caller, action);
        if !restored.living {
            return Ok(());
        }
        let lacre = service.lacre();
        for entry in content_of(&self.backup)? {
            let Some((key, _)) = session(&entry?)? else {
                continue;
            };
            restored.sessions.in_backup += 1;
            match lacre.keystore().get(&key).await {
                Ok(Some(_)) => restored.sessions.live += 1,
                Ok(None) => restored.sessions.has_ended(lacre.handle_of(&key)),
                // It doesn't open, and so it hasn't ended.
                Err(error) if error.record().is_some() => restored.sessions.live += 1,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn take_accounts(&self, owner: Owner) -> Result<Replaced, RestoreError> {
        let into = TakenIn {
            deployment: &self.backup.about.deployment,
            ours: owner == Owner::Ours,
            now: self.clock.now(),
        };
        let mut content = content_of(&self.backup)?;
        let rows = || {
            for entry in content.by_ref() {
                match entry? {
                    Entry::Row { table, values } => {
                        return Ok::<_, RestoreError>(Some(CopiedRow { table, values }));
                    }
                    // Rows come before sessions, of which there may be many.
                    Entry::Session { .. } => break,
                    _ => {}
                }
            }
            Ok(None)
        };
        let url = self.config.accounts.url.expose();
        let mut random = rand::rngs::StdRng::from_rng(&mut (self.entropy)());
        Accounts::take_copy(url, into, &mut random, rows).await
    }

    /// Builds a keystore of the backup's sessions, and puts it in its place.
    async fn put_sessions(&self, place: &Place<'_>) -> Result<RestoredSessions, RestoreError> {
        let digest_key = self.keyring(place)?.digest_key();
        let keystore = place.build_keystore(self.backup.ring()?, digest_key.clone())?;
        let mut sessions = RestoredSessions::default();
        let mut content = content_of(&self.backup)?;
        loop {
            let mut page = Vec::with_capacity(AT_ONCE);
            while page.len() < AT_ONCE
                && let Some(entry) = content.next()
            {
                page.extend(session(&entry?)?);
            }
            if page.is_empty() {
                break;
            }
            let puts = page
                .iter()
                .map(|(key, sealed)| keystore.import(key, sealed));
            for put in join_all(puts).await {
                sessions.in_backup += 1;
                sessions.kept += u64::from(put? == PutOutcome::Stored);
            }
        }
        keystore.close().await;
        drop(keystore);
        place.put_built_keystore(digest_key, &self.entropy)?;
        Ok(sessions)
    }

    /// Has the log of ends say that the deployment was restored: in the file that is here, unless it is another
    /// deployment's or older than the backup; otherwise in a new one, behind the last line of which the backup
    /// knows.
    fn go_on_with_receipts(
        &self,
        place: &Place<'_>,
        restored: &mut Restored,
    ) -> Result<(), RestoreError> {
        let (keyring, path) = (self.keyring(place)?, place.data_dir().receipts());
        let (signers, now) = (keyring.signers(), self.clock.now());
        let said = Event::Restored {
            taken_at: self.backup.about.made_at,
            ended: restored.sessions.ended,
        };
        let go_on = || {
            let chain = || new_chain(&mut (self.entropy)());
            let head = self.backup.receipts.as_ref();
            Log::go_on_restored(&path, head, &said, &signers.receipts(), now, chain)
        };
        let (seq, new_file) = match go_on() {
            Err(ReceiptsError::Unavailable { reason }) => {
                return Err(ReceiptsError::Unavailable { reason }.into());
            }
            Err(error) => {
                log::warn!(
                    code = error.code();
                    "{}: moved aside, since the log of this deployment can't go on in it: {error}", path.display()
                );
                let aside = restored.aside.take();
                restored.aside = Some(place.set_receipts_aside(aside, now)?);
                go_on()?
            }
            Ok(gone_on) => gone_on,
        };
        restored.receipts = Some(GoneOn { seq, new_file });
        Ok(())
    }

    /// The keyring of the backup; that of the place, where it has none.
    fn keyring(&self, place: &Place<'_>) -> Result<Keyring, RestoreError> {
        match &self.backup.keyring {
            Some(sealed) => {
                Ok(Keyring::open(sealed, &self.backup.ring()?).map_err(OpenError::from)?)
            }
            None => place.keyring(),
        }
    }

    /// All sessions of the backup, none of which comes back.
    fn not_kept(&self, place: &Place<'_>) -> Result<RestoredSessions, RestoreError> {
        let keyring = self.keyring(place)?;
        let mut sessions = RestoredSessions::default();
        for entry in content_of(&self.backup)? {
            if let Some((key, _)) = session(&entry?)? {
                sessions.in_backup += 1;
                sessions.has_ended(keyring.handles().handle(&key));
            }
        }
        Ok(sessions)
    }
}
