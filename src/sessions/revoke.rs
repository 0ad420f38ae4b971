//! The life of a session after issue: listed, ended.
//!
//! Ending a session destroys its key. When a function here has returned, the removal is durable and
//! the session's tokens are noise, in the next request and after a crash.
//!
//! This room must never report an end that isn't durable.

use crate::lacre::Lacre;
use crate::token::Handle;
use lacre_keystore::{KeystoreError, Page, Record, RecordKey, Swap};

/// How many records are read at once.
const PAGE: usize = 256;

/// What may be shown of a session: no key, neither half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionInfo {
    /// The session's handle.
    pub handle: Handle,
    /// Where its record lies.
    pub key: RecordKey,
    /// The user whose session it is.
    pub user_id: String,
    /// When it began.
    pub created_at: u64,
    /// When it was used last, to the minute or so.
    pub last_seen_at: u64,
    /// When it ends unless it is refreshed.
    pub expires_at: u64,
    /// When it ends in any case.
    pub ends_at: u64,
    /// Its generation.
    pub generation: u64,
    /// The address that it was begun from.
    pub address: Option<String>,
    /// The `User-Agent` that it was begun by.
    pub user_agent: Option<String>,
    /// The name that its user gave it.
    pub label: Option<String>,
    /// The trusted client that asked for it.
    pub client_id: Option<String>,
}

/// Some sessions and where to go on.
#[derive(Debug, Clone, Default)]
pub struct SessionPage {
    /// Sessions, in the order of their records.
    pub sessions: Vec<SessionInfo>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<RecordKey>,
    /// Records that don't open, named and never hidden.
    pub damaged: Vec<KeystoreError>,
}

impl Lacre {
    /// The live sessions of a user, the newest first.
    pub fn sessions_of(&self, user_id: &str) -> Result<Vec<SessionInfo>, KeystoreError> {
        let now = self.parts().clock.now();
        let user = self.parts().keyring.handles().user_tag(user_id);
        let mut sessions = Vec::new();
        let mut after = None;
        loop {
            let page = self.keystore().list(user, after, PAGE)?;
            sessions.extend(
                page.entries
                    .into_iter()
                    .filter(|(_, record)| record.user_id == user_id && !record.is_expired(now))
                    .map(|(key, record)| self.info(key, record)),
            );
            match page.next {
                Some(next) => after = Some(next.session),
                None => break,
            }
        }
        sessions
            .sort_by(|one, two| (two.created_at, &two.handle).cmp(&(one.created_at, &one.handle)));
        Ok(sessions)
    }

    /// A page of all live sessions, for operators.
    pub fn all_sessions(
        &self,
        after: Option<RecordKey>,
        limit: usize,
    ) -> Result<SessionPage, KeystoreError> {
        let now = self.parts().clock.now();
        let page = self.keystore().list_all(after, limit)?;
        Ok(self.live_page(page, now))
    }

    /// A page of a user's live sessions in the order of their records, for operators.
    pub fn page_of(
        &self,
        user_id: &str,
        after: Option<RecordKey>,
        limit: usize,
    ) -> Result<SessionPage, KeystoreError> {
        let now = self.parts().clock.now();
        let user = self.parts().keyring.handles().user_tag(user_id);
        let after = after.map(|key| key.session);
        let page = self.keystore().list(user, after, limit)?;
        Ok(self.live_page(page, now))
    }

    /// What [`Lacre::end_all_of`] would end now, expired and damaged ones included.
    pub fn all_of(&self, user_id: &str) -> Result<Vec<Handle>, KeystoreError> {
        let handles = self.parts().keyring.handles();
        let user = handles.user_tag(user_id);
        let (mut keys, mut after) = (Vec::new(), None);
        loop {
            let page = self.keystore().list(user, after, PAGE)?;
            keys.extend(page.entries.into_iter().map(|(key, _)| key));
            keys.extend(page.damaged.iter().filter_map(KeystoreError::record));
            match page.next {
                Some(next) => after = Some(next.session),
                None => break,
            }
        }
        keys.sort_unstable();
        Ok(keys.iter().map(|key| handles.handle(key)).collect())
    }

    /// The handle of the record with this name.
    #[must_use]
    pub fn handle_of(&self, key: &RecordKey) -> Handle {
        self.parts().keyring.handles().handle(key)
    }

    /// The name of the record that a handle leads to; `None` for a handle of another form than
    /// ours.
    #[must_use]
    pub fn key_of(&self, handle: &Handle) -> Option<RecordKey> {
        self.parts().keyring.handles().record_key(handle)
    }

    /// The session that a handle names, if it is live.
    pub fn session(&self, handle: &Handle) -> Result<Option<SessionInfo>, KeystoreError> {
        Ok(self
            .live_record(handle)?
            .map(|(key, record)| self.info(key, record)))
    }

    /// Whether a handle names a session of this user, live or gone. Nobody but the deployment can
    /// tell whose a handle is.
    #[must_use]
    pub fn owns(&self, user_id: &str, handle: &Handle) -> Option<RecordKey> {
        let handles = self.parts().keyring.handles();
        handles
            .record_key(handle)
            .filter(|key| key.user == handles.user_tag(user_id))
    }

    /// Ends the session of this record; `false` where it was gone already.
    pub async fn end(&self, key: &RecordKey) -> Result<bool, KeystoreError> {
        self.keystore().remove(key).await
    }

    /// Ends the session of this handle; `false` where there is none.
    pub async fn end_handle(&self, handle: &Handle) -> Result<bool, KeystoreError> {
        match self.parts().keyring.handles().record_key(handle) {
            Some(key) => self.end(&key).await,
            None => Ok(false),
        }
    }

    /// Ends every session of a user, also one that doesn't open any more, and says which: all of
    /// them or none, whatever happens meanwhile.
    pub async fn end_all_of(&self, user_id: &str) -> Result<Vec<Handle>, KeystoreError> {
        let handles = self.parts().keyring.handles();
        let ended = self
            .keystore()
            .remove_user(handles.user_tag(user_id))
            .await?;
        Ok(ended.iter().map(|key| handles.handle(key)).collect())
    }

    /// Ends every session of a user but one, and says which, as [`Lacre::end_all_of`] does.
    pub async fn end_all_but(
        &self,
        user_id: &str,
        keep: &RecordKey,
    ) -> Result<Vec<Handle>, KeystoreError> {
        let handles = self.parts().keyring.handles();
        let ended = self
            .keystore()
            .remove_user_but(handles.user_tag(user_id), keep)
            .await?;
        Ok(ended.iter().map(|key| handles.handle(key)).collect())
    }

    /// Ends the access tokens of a user and leaves the sessions: the next refresh of each brings
    /// new ones, with the rights that the user has then.
    pub async fn end_access_of(&self, user_id: &str) -> Result<Vec<Handle>, KeystoreError> {
        let mut ended = Vec::new();
        for session in self.sessions_of(user_id)? {
            if self.end_access(&session.key).await? {
                ended.push(session.handle);
            }
        }
        Ok(ended)
    }

    /// Ends the access tokens of one session; `false` where it has ended as a whole.
    async fn end_access(&self, key: &RecordKey) -> Result<bool, KeystoreError> {
        // Each turn that is lost was won by another change of this session, of which there are few.
        while let Some(stored) = self.keystore().get(key)? {
            let record = Record {
                access_ended: true,
                ..stored.record.clone()
            };
            if self
                .keystore()
                .compare_and_swap(key, &stored, &record)
                .await?
                == Swap::Won
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Ends every session there is, and says how many.
    pub async fn end_all(&self) -> Result<u64, KeystoreError> {
        self.keystore().remove_all().await
    }

    fn live_page(&self, page: Page, now: u64) -> SessionPage {
        let live = page
            .entries
            .into_iter()
            .filter(|(_, record)| !record.is_expired(now));
        SessionPage {
            sessions: live.map(|(key, record)| self.info(key, record)).collect(),
            next: page.next,
            damaged: page.damaged,
        }
    }

    fn info(&self, key: RecordKey, record: Record) -> SessionInfo {
        SessionInfo {
            handle: self.parts().keyring.handles().handle(&key),
            key,
            user_id: record.user_id,
            created_at: record.created_at,
            last_seen_at: record.last_seen_at,
            expires_at: record.expires_at.min(record.ends_at),
            ends_at: record.ends_at,
            generation: record.generation,
            address: record.address,
            user_agent: record.user_agent,
            label: record.label,
            client_id: record.client_id,
        }
    }
}

#[cfg(test)]
mod tests;
