//! The deployment's own keys change.
//!
//! This room must never record a change that isn't durable.

use super::{Caller, Service};
use crate::sessions::rotation::{NewSigner, Rewrapped, RotationError};

impl Service {
    /// A new key signs tokens from now on. Earlier ones are accepted until what they signed has expired,
    /// or are dropped at once, which logs everybody out.
    pub(crate) async fn rotate_signing_key(
        &self,
        caller: &Caller,
        drop_earlier: bool,
    ) -> Result<NewSigner, RotationError> {
        let signer = self.lacre.rotation().rotate_signer(drop_earlier).await?;
        caller.acted("signing_key_rotated", None);
        log::info!(key = signer.id.as_str(); "a new key signs tokens");
        if drop_earlier {
            caller.acted("signing_keys_dropped", None);
        }
        Ok(signer)
    }

    /// A new master key seals from now on. What has been sealed is sealed anew by what is returned, with
    /// [`Begun::finish`].
    pub(crate) async fn rotate_master_key(
        &self,
        caller: &Caller,
        keep: bool,
    ) -> Result<Begun<'_>, RotationError> {
        let begun = self.lacre.rotation().begin_master(keep).await?;
        if begun.made {
            caller.acted("master_key_rotated", None);
            log::info!(key = begun.id; "a new master key seals");
        }
        Ok(Begun {
            service: self,
            caller: caller.clone(),
            turn: begun,
        })
    }

    /// Goes on with a rotation of the master key that was begun and not ended, or that an operator began by
    /// adding a key. For a task of its own beside the requests: it looks at all records.
    pub async fn go_on_rotating(&self) {
        match self.lacre.rotation().go_on().await {
            Ok(Some(done)) => said(&Caller::lacre(), &done),
            Ok(None) | Err(RotationError::UnderWay) => {}
            Err(error) => log::error!(
                code = error.code();
                "not everything is sealed under the newest master key: {error}"
            ),
        }
    }

    /// Says to the other nodes, where there are any, which master keys this one has now.
    pub async fn announce_keys(&self) {
        if let Err(error) = self.lacre.rotation().announce().await {
            log::error!(
                code = error.code();
                "the other nodes don't hear which master keys this one has: {error}"
            );
        }
    }

    /// Drops the signing keys of which nothing is good any more.
    pub async fn drop_signing_keys(&self) {
        match self.lacre.rotation().drop_signers().await {
            Ok(dropped) if dropped.is_empty() => {}
            Ok(dropped) => {
                Caller::lacre().acted("signing_keys_dropped", None);
                log::info!(keys = dropped.join(" ").as_str(); "signing keys are dropped: what they signed has expired");
            }
            Err(error) => log::error!(
                code = error.code();
                "earlier signing keys are not dropped: {error}"
            ),
        }
    }
}

/// A master key that seals, while others have sealed before.
pub(crate) struct Begun<'s> {
    service: &'s Service,
    caller: Caller,
    turn: crate::sessions::rotation::Begun<'s>,
}

impl Begun<'_> {
    /// Seals everything anew, and removes the earlier keys that are to go.
    pub(crate) async fn finish(
        self,
        progress: impl Fn(u64, u64),
    ) -> Result<Rewrapped, RotationError> {
        let rotation = self.service.lacre.rotation();
        let done = rotation.finish_master(self.turn, progress).await?;
        said(&self.caller, &done);
        Ok(done)
    }
}

fn said(caller: &Caller, done: &Rewrapped) {
    let (key, rewrapped) = (done.id, done.rewrapped);
    log::info!(key, rewrapped; "everything is sealed under the newest master key");
    if !done.removed.is_empty() {
        caller.acted("master_key_removed", None);
    }
    if !done.unneeded.is_empty() {
        let keys = words(&done.unneeded);
        log::warn!(
            keys = keys.as_str();
            "nothing needs these earlier master keys any more: take their lines away where they lie"
        );
    }
}

fn words(ids: &[u32]) -> String {
    let ids: Vec<String> = ids.iter().map(u32::to_string).collect();
    ids.join(" ")
}
