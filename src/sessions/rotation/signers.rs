//! A signing key takes the place of another, and goes when nothing is good any more that it signed.
//!
//! This room must never drop a key while a token of it may be good.

use super::error::RotationError;
use super::{Rotation, STEP};
use crate::clock::UnixSeconds;
use crate::sessions::keyring::{Masters, PUBLISHED_BEFORE, Signers};
use std::collections::BTreeMap;

/// By how many seconds a token may have been made after the time at which its key was replaced.
pub(super) const MARGIN: u64 = 60;

/// A signing key took the place of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSigner {
    /// The key that signs now.
    pub id: String,
    /// The keys that are still accepted.
    pub accepted: Vec<String>,
    /// Until when at the latest; nothing where none is.
    pub until: Option<UnixSeconds>,
    /// When the key of forwarded JWTs that goes with it begins to sign.
    pub forwards_at: UnixSeconds,
}

impl Rotation {
    /// A new key signs from now on. What earlier ones signed is accepted until it has expired, or, where
    /// they are dropped, no more: then everybody has to log in again.
    pub(crate) async fn rotate_signer(
        &self,
        drop_earlier: bool,
    ) -> Result<NewSigner, RotationError> {
        let changing = self.changing.lock().await;
        let (keyring, now) = (self.records.keyring(), self.records.now());
        let new = Signers::fresh(now, &mut (self.entropy)())?;
        let until = now.saturating_add(self.longest_life());
        if self.storage.shared().is_some() {
            let seen = keyring.version();
            let announced = keyring.signers().announcing(&new, until)?;
            let masters = Masters::clone(&keyring.masters());
            self.put(seen, announced, masters).await?;
        }
        let seen = keyring.version();
        let signers = if drop_earlier {
            let receipts = self.has_receipts();
            keyring.signers().alone(&new, receipts)?
        } else {
            keyring.signers().replaced_by(&new, until)?
        };
        let masters = Masters::clone(&keyring.masters());
        self.put(seen, signers, masters).await?;
        let new = self.new_signer(now);
        drop(changing);
        self.let_dropped_go().await;
        Ok(new)
    }

    /// Fails where [`rotate_signer`](Self::rotate_signer) would, since there are as many keys as there may be.
    pub(crate) fn has_room_for_signer(&self) -> Result<(), RotationError> {
        Ok(self.records.keyring().signers().has_room()?)
    }

    fn new_signer(&self, now: UnixSeconds) -> NewSigner {
        let signers = self.records.keyring().signers();
        let mut ids = signers.iter().map(|signer| signer.id().to_owned());
        let until = signers
            .iter()
            .filter_map(|signer| signer.times.accepted_until);
        NewSigner {
            id: ids.next().unwrap_or_default(),
            forwards_at: if signers.iter().count() > 1 {
                now.saturating_add(PUBLISHED_BEFORE)
            } else {
                now
            },
            accepted: ids.collect(),
            until: until.max(),
        }
    }

    /// No token is good for longer.
    fn longest_life(&self) -> u64 {
        let rules = &self.rules;
        let life = rules.access_ttl.max(rules.refresh_ttl);
        life.saturating_add(rules.leeway).saturating_add(MARGIN)
    }

    /// Drops the signing keys of which nothing is good any more, and says which. A session that began under
    /// rules that let it last longer than those of now is waited for.
    pub(crate) async fn drop_signers(&self) -> Result<Vec<String>, RotationError> {
        let dropped = self.drop_expired().await;
        self.let_dropped_go().await;
        dropped
    }

    async fn drop_expired(&self) -> Result<Vec<String>, RotationError> {
        let now = self.records.now();
        let keyring = self.records.keyring();
        let is_over = |until: Option<UnixSeconds>| until.is_some_and(|until| until <= now);
        let due = |signers: &Signers| {
            let mut earlier = signers.iter().skip(1);
            earlier.any(|signer| is_over(signer.times.accepted_until))
        };
        if !due(&keyring.signers()) {
            return Ok(Vec::new());
        }
        let lasting = self.lasting(now).await?;
        let _changing = self.changing.lock().await;
        let seen = keyring.version();
        let before = keyring.signers();
        let keep_since = self.has_receipts().then_some(now);
        let signers = before.accepted_until(keep_since, |signer| {
            let until = signer.times.accepted_until;
            if !is_over(until) {
                return until;
            }
            let made_by = signer.times.retired_at.unwrap_or(u64::MAX);
            let made_by = made_by.saturating_add(MARGIN);
            // The last session whose tokens it may have signed.
            let last = lasting.range(..=made_by).map(|(_, ends)| *ends).max();
            last.map(|ends| ends.saturating_add(self.rules.leeway))
        })?;
        let ids = |signers: &Signers| -> Vec<String> {
            signers
                .iter()
                .map(|signer| signer.id().to_owned())
                .collect()
        };
        let kept = ids(&signers);
        let masters = Masters::clone(&keyring.masters());
        self.put(seen, signers, masters).await?;
        let mut dropped = ids(&before);
        dropped.retain(|id| !kept.contains(id));
        Ok(dropped)
    }

    /// When the last of the live sessions ends whose tokens were made at each time.
    async fn lasting(
        &self,
        now: UnixSeconds,
    ) -> Result<BTreeMap<UnixSeconds, UnixSeconds>, RotationError> {
        let (mut lasting, mut after) = (BTreeMap::<u64, u64>::new(), None);
        loop {
            let page = self.records.keystore().list_all(after, STEP).await?;
            let live = page.entries.iter().map(|(_, record)| record);
            for record in live.filter(|record| !record.is_expired(now)) {
                let ends = lasting.entry(record.rotated_at).or_default();
                *ends = (*ends).max(record.expires_at.min(record.ends_at));
            }
            after = page.next;
            if after.is_none() {
                return Ok(lasting);
            }
            tokio::task::yield_now().await;
        }
    }
}
