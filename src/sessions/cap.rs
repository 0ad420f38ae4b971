//! The cap: a user who begins one session too many loses the oldest.
//!
//! Who is at the cap already gets the new session and loses the oldest in one change, so that a
//! crash leaves no session too many and none too few. Of several log-ins at once that each saw room,
//! each looks again after its own put, so the last of them sees all; what it ends, it ends in one
//! change that demands that its own session is still there. So together they end no more than
//! they must, whichever processes they are at.
//!
//! This room must never end a session while no more than the allowed number are live, and never the
//! one that has just begun.

use super::end::End;
use super::records::Records;
use crate::token::Handle;
use lacre_keystore::{KeystoreError, PutOutcome, Record, RecordKey, Stored, Swap, UserTag};
use tokio::sync::{Mutex, MutexGuard};

const PAGE: usize = 256;

/// How often those that are one too many are looked for anew, where others change or end some of them.
const ATTEMPTS: usize = 32;

/// Locks that the users share; two users with the same one wait for each other and no more.
const LOCKS: usize = 64;

/// The maximum of sessions that a user has at once.
pub(super) struct Cap {
    records: Records,
    max: usize,
    /// Held by who ends sessions, so that log-ins of one user at this process needn't try again for each other
    /// (`docs/decisions/0024-cap-locks.md`).
    locks: [Mutex<()>; LOCKS],
}

impl Cap {
    /// At most `max` sessions, and at least one.
    pub(super) fn new(records: Records, max: usize) -> Self {
        Self {
            records,
            max: max.max(1),
            locks: std::array::from_fn(|_| Mutex::new(())),
        }
    }

    /// Stores a new session under a name that has none, durably, and ends those that it evicts
    /// in the same change. `None`, and nothing done, where the name is taken or what was to end has
    /// changed meanwhile.
    pub(super) async fn begin(
        &self,
        new: &RecordKey,
        record: &Record,
        end: &End,
    ) -> Result<Option<Vec<Handle>>, KeystoreError> {
        // Nearly always there is room, and which of the sessions are live needn't be known.
        if self.records.keystore.count(new.user, self.max).await? < self.max {
            let put = self.records.keystore.put_new(new, record).await?;
            return Ok((put == PutOutcome::Stored).then(Vec::new));
        }
        let _lock = self.lock(&new.user).await;
        let Some(oldest) = self
            .as_stored(&self.beyond_cap(new, record, 1).await?)
            .await?
        else {
            return Ok(None);
        };
        let begun = self
            .records
            .keystore
            .noting(self.records.note(Some(end)))
            .put_new_and_remove(new, record, &oldest);
        let begun = begun.await? == Swap::Won;
        Ok(begun.then(|| self.handles(&oldest)))
    }

    /// Ends what is beyond the cap now that `new` is stored, durably, and says which sessions.
    pub(super) async fn make_room(
        &self,
        new: &RecordKey,
        record: &Record,
        end: &End,
    ) -> Result<Vec<Handle>, KeystoreError> {
        let one_more = self.max.saturating_add(1);
        let few = self.records.keystore.count(new.user, one_more).await? <= self.max;
        if few || self.beyond_cap(new, record, 0).await?.is_empty() {
            return Ok(Vec::new());
        }
        let _lock = self.lock(&new.user).await;
        let keystore = &self.records.keystore;
        for _ in 0..ATTEMPTS {
            let Some(own) = keystore.get(new).await? else {
                // Another log-in has ended it already.
                return Ok(Vec::new());
            };
            let beyond = self.beyond_cap(new, record, 0).await?;
            if beyond.is_empty() {
                return Ok(Vec::new());
            }
            let Some(beyond) = self.as_stored(&beyond).await? else {
                continue;
            };
            let noting = keystore.noting(self.records.note(Some(end)));
            if noting.remove_beside(new, &own, &beyond).await? == Swap::Won {
                return Ok(self.handles(&beyond));
            }
        }
        Err(KeystoreError::StoreContended)
    }

    fn handles(&self, sessions: &[(RecordKey, Stored)]) -> Vec<Handle> {
        let keys = sessions.iter().map(|(key, _)| key);
        keys.map(|key| self.records.handle_of(key)).collect()
    }

    /// The oldest live sessions of the user, as many as there are too many with `more` to come, and
    /// when each began; never `new`, which counts unless another log-in has ended it already.
    async fn beyond_cap(
        &self,
        new: &RecordKey,
        record: &Record,
        more: usize,
    ) -> Result<Vec<(u64, RecordKey)>, KeystoreError> {
        let now = self.records.now();
        let mut live = Vec::new();
        let mut after = None;
        loop {
            let page = self.records.keystore.list(new.user, after, PAGE).await?;
            let own = page
                .entries
                .into_iter()
                .filter(|(_, other)| other.user_id == record.user_id && !other.is_expired(now));
            live.extend(own.map(|(key, other)| (other.created_at, key)));
            match page.next {
                Some(next) => after = Some(next.session),
                None => break,
            }
        }
        let beyond = (live.len() + more).saturating_sub(self.max);
        live.sort_unstable();
        let oldest = live.into_iter().filter(|(_, key)| key != new);
        Ok(oldest.take(beyond).collect())
    }

    /// Sessions as they are stored; `None` where one has gone or begun anew since it was listed.
    async fn as_stored(
        &self,
        listed: &[(u64, RecordKey)],
    ) -> Result<Option<Vec<(RecordKey, Stored)>>, KeystoreError> {
        let mut stored = Vec::with_capacity(listed.len());
        for (began, key) in listed {
            match self.records.keystore.get(key).await? {
                Some(found) if found.record.created_at == *began => stored.push((*key, found)),
                _ => return Ok(None),
            }
        }
        Ok(Some(stored))
    }

    async fn lock(&self, user: &UserTag) -> MutexGuard<'_, ()> {
        let place = usize::from(user.as_bytes()[0]) % LOCKS;
        self.locks[place].lock().await
    }
}

#[cfg(test)]
mod tests;
