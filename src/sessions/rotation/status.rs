//! Which keys are in use, since when, and what needs them.
//!
//! This room must never change anything.

use super::error::RotationError;
use super::{Rotation, ids};
use crate::clock::UnixSeconds;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

/// What is known of the keys, and of what needs them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysNow {
    /// Where the master keys lie.
    pub master_keys_lie: String,
    /// The one that seals, then the others.
    pub masters: Vec<MasterNow>,
    /// The one that signs, then the others.
    pub signers: Vec<SignerNow>,
    /// How many records and notes are done of how many, where they are being sealed anew.
    pub rewrapping: Option<(u64, u64)>,
}

/// A master key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterNow {
    /// Its id.
    pub id: u32,
    /// Since when it seals, where that is known.
    pub since: Option<UnixSeconds>,
    /// How many records are sealed under it.
    pub records: u64,
    /// How many notes of ends are.
    pub notes: u64,
    /// Whether it goes when nothing needs it.
    pub retiring: bool,
}

/// A signing key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignerNow {
    /// Its id.
    pub id: String,
    /// Since when it signs, where that is known.
    pub since: Option<UnixSeconds>,
    /// Until when it is accepted; nothing of the one that signs.
    pub until: Option<UnixSeconds>,
    /// Whether its key of forwarded JWTs signs now.
    pub forwards: bool,
}

impl Rotation {
    /// What is known of the keys. It looks at every record, and opens none.
    pub(crate) async fn now(&self, progress: impl Fn(u64)) -> Result<KeysNow, RotationError> {
        let (records, notes) = self.under(progress).await?;
        let (keyring, now) = (self.records.keyring(), self.records.now());
        let (masters, signers) = (keyring.masters(), keyring.signers());
        let of = |counts: &BTreeMap<u32, u64>, id| counts.get(&id).copied().unwrap_or(0);
        let ring = self.records.keystore().master_keys();
        let master = |(place, id)| MasterNow {
            id,
            since: masters.since(id),
            records: of(&records, id),
            notes: of(&notes, id),
            retiring: place > 0 && masters.is_retiring(id),
        };
        let forwarder = signers.forwarder(now);
        let under_way = self.rewrapping.try_lock().is_err();
        Ok(KeysNow {
            master_keys_lie: self.storage.master_keys_lie(),
            masters: ids(&ring).enumerate().map(master).collect(),
            signers: signers
                .iter()
                .map(|signer| SignerNow {
                    id: signer.id().to_owned(),
                    since: signer.times.since,
                    until: signer.times.accepted_until,
                    forwards: signer.forwards(forwarder),
                })
                .collect(),
            rewrapping: under_way.then(|| (self.done.load(Relaxed), self.total.load(Relaxed))),
        })
    }
}
