//! Sessions are looked at.
//!
//! This room must never do a part's work, nor hand a part out.

use super::Lacre;
use crate::sessions::guard::LiveSession;
use crate::sessions::list::{Of, Picked, Scanned, SessionInfo, SessionPage, Used};
use crate::sessions::newest::{Newest, Place};
use crate::token::Handle;
use lacre_keystore::{KeystoreError, RecordKey};

/// Sessions are listed.
impl Lacre {
    /// The live sessions of a user, the newest first.
    pub async fn sessions_of(&self, user_id: &str) -> Result<Vec<SessionInfo>, KeystoreError> {
        self.0.listing.sessions_of(user_id).await
    }

    /// A page of all live sessions, for operators.
    pub async fn all_sessions(
        &self,
        after: Option<RecordKey>,
        limit: usize,
    ) -> Result<SessionPage, KeystoreError> {
        self.0.listing.all_sessions(after, limit).await
    }

    /// A page of a user's live sessions in the order of their records, for operators.
    pub async fn page_of(
        &self,
        user_id: &str,
        after: Option<RecordKey>,
        limit: usize,
    ) -> Result<SessionPage, KeystoreError> {
        self.0.listing.page_of(user_id, after, limit).await
    }

    /// One step of a scan of all records, or a user's, that tells `newest` of each live session that was
    /// used so.
    pub(crate) async fn scan(
        &self,
        of: Of<'_>,
        last_use: &Used,
        after: Option<RecordKey>,
        newest: &mut Newest,
    ) -> Result<Scanned, KeystoreError> {
        self.0.listing.scan(of, last_use, after, newest).await
    }

    /// The session at a place of a scan, if it is live and still the one that began then.
    pub(crate) async fn session_at(
        &self,
        place: &Place,
    ) -> Result<Option<SessionInfo>, KeystoreError> {
        self.0.listing.at(place).await
    }

    /// What [`revoke_user`](Self::revoke_user) would end now, expired and damaged ones included.
    pub async fn all_of(&self, user_id: &str) -> Result<Vec<Handle>, KeystoreError> {
        self.0.listing.all_of(user_id).await
    }

    /// The handles that begin so, of records that are there, those that don't open included: at most
    /// `max`. It looks at the key of every record there is.
    pub async fn handles_beginning_with(
        &self,
        beginning: &str,
        max: usize,
    ) -> Result<Vec<Handle>, KeystoreError> {
        self.0.listing.beginning_with(beginning, max).await
    }

    /// What [`revoke_client`](Self::revoke_client) would end now.
    pub async fn all_of_client(&self, client_id: &str) -> Result<Vec<Handle>, KeystoreError> {
        let mut all = Vec::new();
        let picked = Picked::AskedBy(client_id.to_owned());
        self.0
            .listing
            .all_picked(&picked, |page| all.extend(page))
            .await?;
        Ok(all)
    }

    /// The session of a record, and whether it has expired; `None` where there is no record.
    pub(crate) async fn recorded(
        &self,
        key: &RecordKey,
    ) -> Result<Option<(SessionInfo, bool)>, KeystoreError> {
        self.0.listing.recorded(key).await
    }

    /// The session that a handle names, if it is live.
    pub async fn session(&self, handle: &Handle) -> Result<Option<SessionInfo>, KeystoreError> {
        self.0.listing.session(handle).await
    }

    /// The record key of a handle, if the handle is of this user's session, live or gone. Nobody but
    /// the deployment can tell whose a handle is.
    #[must_use]
    pub fn owns(&self, user_id: &str, handle: &Handle) -> Option<RecordKey> {
        self.0.listing.owns(user_id, handle)
    }

    /// Whether this is the session that a client of the user's called so.
    #[must_use]
    pub(crate) fn is_called(&self, session: &LiveSession, user_session: &str) -> bool {
        let handles = self.0.records.keyring().handles();
        handles.named_session(session.user_id(), user_session) == session.key
    }

    /// The handle of the record with this key.
    #[must_use]
    pub fn handle_of(&self, key: &RecordKey) -> Handle {
        self.0.records.handle_of(key)
    }

    /// The key of the record that a handle leads to; `None` for a handle of another form than ours.
    #[must_use]
    pub fn key_of(&self, handle: &Handle) -> Option<RecordKey> {
        self.0.records.keyring().handles().record_key(handle)
    }
}
