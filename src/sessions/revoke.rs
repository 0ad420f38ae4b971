//! Sessions ended at somebody's request.
//!
//! Revoking a session destroys its key. When a function here has returned, the removal is durable
//! and the session's tokens open no more, in the next request and after a crash.
//!
//! This room must never report an end that isn't durable.

use super::end::End;
use super::grant::{IssueError, through};
use super::list::{Listing, Picked, SessionInfo};
use super::profile::{ProfileChange, told};
use super::records::Records;
use crate::token::Handle;
use futures_util::future::join_all;
use lacre_keystore::{KeystoreError, Record, RecordKey, Stored, Swap};
use std::sync::Arc;

/// How many sessions of a user are changed as one.
const AT_ONCE: usize = 1024;

/// How often it is tried to change the sessions of a user while others change some of them.
const ATTEMPTS: usize = 64;

/// Ends sessions.
pub(crate) struct Revoker {
    pub(super) records: Records,
    listing: Arc<Listing>,
}

impl Revoker {
    pub(crate) fn new(records: Records, listing: Arc<Listing>) -> Self {
        Self { records, listing }
    }

    /// Ends the session of this record; `false` where it was gone already.
    pub(crate) async fn session(
        &self,
        key: &RecordKey,
        end: Option<&End>,
    ) -> Result<bool, KeystoreError> {
        let note = self.records.note(end);
        self.records.keystore.noting(note).remove(key).await
    }

    /// Ends the session of this record if it is as it was read; `false` where it has changed since, or was gone already.
    pub(crate) async fn as_seen(
        &self,
        key: &RecordKey,
        seen: &Stored,
        end: &End,
    ) -> Result<bool, KeystoreError> {
        let note = self.records.note(Some(end));
        self.records
            .keystore
            .noting(note)
            .remove_if(key, seen)
            .await
    }

    /// Ends the session of this handle; `false` where there is none.
    pub(crate) async fn handle(&self, handle: &Handle) -> Result<bool, KeystoreError> {
        match self.records.handles().record_key(handle) {
            Some(key) => self.session(&key, None).await,
            None => Ok(false),
        }
    }

    /// Ends every session of a user but `keep`, also one that doesn't open any more, and returns
    /// which: all of them or none, whatever happens meanwhile.
    pub(crate) async fn user(
        &self,
        user_id: &str,
        keep: Option<&RecordKey>,
        end: Option<&End>,
    ) -> Result<Vec<Handle>, KeystoreError> {
        let (keystore, handles) = (&self.records.keystore, self.records.handles());
        let user = handles.user_tag(user_id);
        let noting = keystore.noting(self.records.note(end));
        let ended = noting.remove_user(user, keep).await?;
        Ok(ended.iter().map(|key| handles.handle(key)).collect())
    }

    /// Ends every session that is picked, whoever's it is, and reports those of each page to `ended`,
    /// with their users, once their ends are durable. Returns how many there were.
    ///
    /// It looks at every record there is. A session that begins meanwhile may stay.
    pub(crate) async fn picked(
        &self,
        picked: &Picked,
        end: Option<&End>,
        mut ended: impl FnMut(Vec<(String, Handle)>),
    ) -> Result<usize, KeystoreError> {
        let (mut count, mut after) = (0, None);
        loop {
            let (own, next) = self.listing.page_of_picked(picked, after).await?;
            let removals = own.iter().map(|(key, user)| {
                let end = end.map(|end| End::new(end.cause, end.by.clone(), Some(user)));
                async move { self.session(key, end.as_ref()).await }
            });
            let removed = join_all(removals).await;
            let mut of_page = Vec::with_capacity(own.len());
            for ((key, user), removed) in own.into_iter().zip(removed) {
                if removed? {
                    of_page.push((user, self.records.handle_of(&key)));
                }
            }
            count += of_page.len();
            ended(of_page);
            if next.is_none() {
                // What another process is ending isn't listed any more.
                self.records.keystore.settled().await?;
                return Ok(count);
            }
            after = next;
        }
    }

    /// Ends the sessions of a user that were begun by tokens of an outside issuer, and returns which.
    pub(crate) async fn begun_through(
        &self,
        user_id: &str,
        issuer: &str,
        end: Option<&End>,
    ) -> Result<Vec<Handle>, KeystoreError> {
        let asked_by = through(issuer);
        let mut ended = Vec::new();
        for session in self.listing.sessions_of(user_id).await? {
            let begun_so = session.client_id.as_deref() == Some(&asked_by);
            if begun_so && self.session(&session.key, end).await? {
                ended.push(session.handle);
            }
        }
        self.records.keystore.settled().await?;
        Ok(ended)
    }

    /// Ends the access tokens of a user and leaves the sessions: the next refresh of each brings
    /// new ones, with the rights that the user has then.
    pub(crate) async fn access_of(&self, user_id: &str) -> Result<Vec<Handle>, KeystoreError> {
        let ended = self.changed(user_id, |record| {
            Ok::<_, KeystoreError>(Some(Record {
                access_ended: true,
                ..record.clone()
            }))
        });
        ended.await
    }

    /// Has the sessions of a client's user say what the client says now, and ends their access tokens as
    /// [`access_of`](Self::access_of) does.
    pub(crate) async fn tell(
        &self,
        user_id: &str,
        change: &ProfileChange,
    ) -> Result<Vec<Handle>, IssueError> {
        self.changed(user_id, |record| told(record, change)).await
    }

    /// Changes the records of a user, as they are read then, and says which sessions they are of: all of
    /// them or none, whatever happens meanwhile, of up to [`AT_ONCE`] sessions, and of more in parts so large.
    async fn changed<E: From<KeystoreError>>(
        &self,
        user_id: &str,
        change: impl Fn(&Record) -> Result<Option<Record>, E>,
    ) -> Result<Vec<Handle>, E> {
        let mut sessions = self.listing.sessions_of(user_id).await?;
        sessions.sort_by_key(|session| session.key);
        let mut changed = Vec::with_capacity(sessions.len());
        for part in sessions.chunks(AT_ONCE) {
            changed.extend(self.changed_at_once(part, &change).await?);
        }
        self.records.keystore.settled().await?;
        Ok(changed)
    }

    async fn changed_at_once<E: From<KeystoreError>>(
        &self,
        sessions: &[SessionInfo],
        change: impl Fn(&Record) -> Result<Option<Record>, E>,
    ) -> Result<Vec<Handle>, E> {
        let keystore = &self.records.keystore;
        // Each conflict is the success of another change of one of these sessions.
        for _ in 0..ATTEMPTS {
            let mut swaps = Vec::with_capacity(sessions.len());
            let mut handles = Vec::with_capacity(sessions.len());
            for session in sessions {
                if let Some(stored) = keystore.get(&session.key).await?
                    && let Some(record) = change(&stored.record)?
                {
                    swaps.push((session.key, stored, record));
                    handles.push(session.handle.clone());
                }
            }
            if swaps.is_empty() || keystore.compare_and_swap_all(&swaps).await? == Swap::Won {
                return Ok(handles);
            }
        }
        Err(KeystoreError::StoreContended.into())
    }

    /// Ends every session there is, and returns how many.
    pub(crate) async fn all(&self, end: Option<&End>) -> Result<u64, KeystoreError> {
        let note = self.records.note_of_each(end);
        self.records.keystore.noting(note).remove_all().await
    }
}

#[cfg(test)]
mod tests;
