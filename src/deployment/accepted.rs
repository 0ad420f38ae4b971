//! A keystore that is refused, gone on with because an operator says so.
//!
//! This room must never let a session live that an operator hasn't answered for.

use super::data_dir::DataDir;
use super::epoch::epoch;
use super::error::OpenError;
use super::parts::Keys;
use super::service::Deployment;
use super::settled::master_keys;
use crate::clock::Clock;
use crate::config::{Config, Engine};
use crate::entropy::Entropy;
use crate::service::Caller;
use crate::sessions::end::End;
use crate::telemetry::audit::{Actor, Cause};
use crate::token::Handle;
use lacre_keystore::{KeystoreError, Sessions, SledEngine, SledOptions};
use rand::Rng as _;
use std::sync::Arc;

/// The most sessions that are named.
const MAX_NAMED: usize = 100_000;

/// What is to become of the sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepting {
    /// It is only told what would end.
    DryRun,
    /// All end.
    EndAll,
    /// None ends: the operator knows that none has ended since.
    KeepSessions,
}

/// A keystore that was refused.
#[derive(Debug)]
pub struct AcceptedKeystore {
    /// Why.
    pub refusal: KeystoreError,
    /// How many records it has, or had.
    pub records: u64,
    /// Their handles, of the first 100 000.
    pub named: Vec<Handle>,
}

/// Goes on with the keystore of the deployment that `config` describes, which no start takes; `None` where a
/// start takes it, and then nothing was changed.
///
/// Fails where a server runs ([`DataDirError::Held`](super::data_dir::DataDirError::Held)), where the keys
/// don't open, and where the keystore can't be read at all.
pub async fn accept(
    config: &Config,
    wanted: Accepting,
    (clock, entropy): (Arc<dyn Clock>, Entropy),
) -> Result<Option<AcceptedKeystore>, OpenError> {
    if config.keystore.engine == Engine::Redis {
        let emptied = super::shared::begin_anew(config, wanted == Accepting::DryRun, &entropy);
        if !emptied.await? {
            return Ok(None);
        }
        if wanted != Accepting::DryRun {
            taken(config, wanted, (clock, entropy)).await?;
        }
        return Ok(Some(AcceptedKeystore {
            refusal: KeystoreError::StoreEmptied,
            records: 0,
            named: Vec::new(),
        }));
    }
    if config.keystore.engine != Engine::Sled {
        return Ok(None);
    }
    let absent = || OpenError::Absent {
        path: config.data_dir.clone(),
    };
    if !DataDir::exists(&config.data_dir)? {
        return Err(absent());
    }
    let data_dir = DataDir::open(&config.data_dir)?;
    let keys = Keys::look(data_dir.path(), &master_keys(config))?.ok_or_else(absent)?;
    let options = SledOptions {
        cache_capacity: config.keystore.cache_bytes,
        digest_key: keys.keyring.digest_key(),
        epoch: epoch(config, &entropy),
    };
    let sessions = match wanted {
        Accepting::DryRun => Sessions::Look,
        Accepting::KeepSessions => Sessions::Keep,
        Accepting::EndAll => {
            let explains = config.session.explain_for.as_secs() > 0;
            let mut nonce = [0; 12];
            (entropy)().fill_bytes(&mut nonce);
            let end = End::new(Cause::RevokedByAdmin, Actor::Operator, None);
            let ring = Arc::new(keys.master);
            Sessions::End(end.note_under(&ring, (clock.now(), explains), nonce))
        }
    };
    let accepted = SledEngine::accept(data_dir.keystore(), &options, &sessions)?;
    // Opening takes the directory anew.
    drop(data_dir);
    let Some(accepted) = accepted else {
        return Ok(None);
    };
    if wanted != Accepting::DryRun {
        taken(config, wanted, (clock, entropy)).await?;
    }
    let handles = keys.keyring.handles();
    let named = accepted.records.iter().take(MAX_NAMED);
    Ok(Some(AcceptedKeystore {
        refusal: accepted.refusal,
        records: accepted.records.len() as u64,
        named: named.map(|key| handles.handle(key)).collect(),
    }))
}

/// The first opening after it.
async fn taken(
    config: &Config,
    wanted: Accepting,
    (clock, entropy): (Arc<dyn Clock>, Entropy),
) -> Result<(), OpenError> {
    let deployment = Deployment::open(config, clock, entropy).await?;
    let action = match wanted {
        Accepting::KeepSessions => "keystore_kept",
        _ => "keystore_accepted",
    };
    deployment.service().acted(&Caller::operator(), action);
    deployment.close().await;
    Ok(())
}
