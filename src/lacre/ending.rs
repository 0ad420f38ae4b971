//! Sessions end, and what is known of ends.
//!
//! This room must never do a part's work, nor hand a part out.

use super::Lacre;
use crate::sessions::end::{End, Ended};
use crate::sessions::grant::IssueError;
use crate::sessions::list::Picked;
use crate::sessions::profile::ProfileChange;
#[cfg(feature = "server")]
use crate::sessions::receipting::Receipts;
use crate::token::Handle;
use lacre_keystore::{KeystoreError, RecordKey};
use std::sync::Arc;

/// Sessions end. When a function here has returned, the end is durable.
impl Lacre {
    /// Ends the session of this record; `false` where it was gone already.
    pub async fn revoke(&self, key: &RecordKey) -> Result<bool, KeystoreError> {
        self.0.revoker.session(key, None).await
    }

    /// Ends the session of this handle; `false` where there is none.
    pub async fn revoke_handle(&self, handle: &Handle) -> Result<bool, KeystoreError> {
        self.0.revoker.handle(handle).await
    }

    /// Ends every session of a user, also one that doesn't open any more, and returns which: all of
    /// them or none, whatever happens meanwhile.
    pub async fn revoke_user(&self, user_id: &str) -> Result<Vec<Handle>, KeystoreError> {
        self.0.revoker.user(user_id, None, None).await
    }

    /// Ends every session of a user but one, and returns which, as
    /// [`revoke_user`](Self::revoke_user) does.
    pub async fn revoke_user_but(
        &self,
        user_id: &str,
        keep: &RecordKey,
    ) -> Result<Vec<Handle>, KeystoreError> {
        self.0.revoker.user(user_id, Some(keep), None).await
    }

    /// Ends every session that a client asked for ([`Occasion::OnBehalf`]), and reports those of each
    /// step to `ended`. Returns how many there were. It looks at every record there is.
    ///
    /// [`Occasion::OnBehalf`]: crate::Occasion::OnBehalf
    pub async fn revoke_client(
        &self,
        client_id: &str,
        ended: impl FnMut(Vec<(String, Handle)>),
    ) -> Result<usize, KeystoreError> {
        let picked = Picked::AskedBy(client_id.to_owned());
        self.0.revoker.picked(&picked, None, ended).await
    }

    /// Ends every session that is picked out of all records, as
    /// [`revoke_client`](Self::revoke_client) does.
    pub(crate) async fn revoke_picked(
        &self,
        picked: &Picked,
        end: &End,
        ended: impl FnMut(Vec<(String, Handle)>),
    ) -> Result<usize, KeystoreError> {
        self.0.revoker.picked(picked, Some(end), ended).await
    }

    /// What [`revoke_picked`](Self::revoke_picked) would end now: each page of it goes to `each`.
    pub(crate) async fn all_picked(
        &self,
        picked: &Picked,
        each: impl FnMut(Vec<Handle>),
    ) -> Result<(), KeystoreError> {
        self.0.listing.all_picked(picked, each).await
    }

    /// Ends the sessions of a user that were begun by tokens of an outside issuer
    /// ([`Occasion::Outside`]), and returns which.
    ///
    /// [`Occasion::Outside`]: crate::Occasion::Outside
    pub async fn revoke_begun_through(
        &self,
        user_id: &str,
        issuer: &str,
    ) -> Result<Vec<Handle>, KeystoreError> {
        self.0.revoker.begun_through(user_id, issuer, None).await
    }

    /// Ends the access tokens of a user and leaves the sessions: the next refresh of each brings
    /// new ones, with the rights that the user has then.
    pub async fn revoke_access_of(&self, user_id: &str) -> Result<Vec<Handle>, KeystoreError> {
        self.0.revoker.access_of(user_id).await
    }

    /// Returns when what has been read so far is known to every process that uses the store: to be waited for before
    /// an answer that a session had ended already.
    pub(crate) async fn settled(&self) -> Result<(), KeystoreError> {
        self.0.records.keystore().settled().await
    }

    /// Has the sessions of a client's user ([`Occasion::OwnUser`]) say what the client says now, and ends
    /// their access tokens. Returns the sessions that were changed.
    ///
    /// [`Occasion::OwnUser`]: crate::Occasion::OwnUser
    pub(crate) async fn tell(
        &self,
        user_id: &str,
        change: &ProfileChange,
    ) -> Result<Vec<Handle>, IssueError> {
        self.0.revoker.tell(user_id, change).await
    }

    /// Ends every session there is, and returns how many.
    pub async fn revoke_all(&self) -> Result<u64, KeystoreError> {
        self.0.revoker.all(None).await
    }
}

/// Sessions end, and why stays known for a while ([`Rules::explain_for`](crate::Rules::explain_for)).
impl Lacre {
    /// As [`revoke`](Self::revoke).
    pub(crate) async fn end(&self, key: &RecordKey, end: &End) -> Result<bool, KeystoreError> {
        self.0.revoker.session(key, Some(end)).await
    }

    /// As [`revoke_user`](Self::revoke_user), or [`revoke_user_but`](Self::revoke_user_but) where one is
    /// kept.
    pub(crate) async fn end_user(
        &self,
        user_id: &str,
        keep: Option<&RecordKey>,
        end: &End,
    ) -> Result<Vec<Handle>, KeystoreError> {
        self.0.revoker.user(user_id, keep, Some(end)).await
    }

    /// As [`revoke_begun_through`](Self::revoke_begun_through).
    pub(crate) async fn end_begun_through(
        &self,
        user_id: &str,
        issuer: &str,
        end: &End,
    ) -> Result<Vec<Handle>, KeystoreError> {
        self.0
            .revoker
            .begun_through(user_id, issuer, Some(end))
            .await
    }

    /// As [`revoke_all`](Self::revoke_all).
    pub(crate) async fn end_all(&self, end: &End) -> Result<u64, KeystoreError> {
        self.0.revoker.all(Some(end)).await
    }

    /// Why the session with this key ended, and by whom, if that is still known.
    pub(crate) async fn ended(&self, key: &RecordKey) -> Result<Option<Ended>, KeystoreError> {
        self.0.records.ended(key).await
    }

    /// The handles that begin so, of sessions of which that is known: at most `max`.
    pub(crate) async fn ended_beginning_with(
        &self,
        beginning: &str,
        max: usize,
    ) -> Result<Vec<Handle>, KeystoreError> {
        self.0.records.ended_beginning_with(beginning, max).await
    }
}

/// Receipts of ends.
#[cfg(feature = "server")]
impl Lacre {
    /// The receipts, where they are kept.
    pub(crate) fn receipts(&self) -> Option<&Arc<Receipts>> {
        self.0.receipts.as_ref()
    }

    /// Writes the receipts of all ends that are durable by now.
    pub(crate) async fn write_receipts(&self) {
        if let Some(receipts) = self.receipts() {
            // What fails is logged, and tried again.
            let _ = receipts.write().await;
        }
    }

    /// Writes receipts from now on, half a second or so after each end, for a task of its own. It must be
    /// stopped before the keystore is closed.
    pub async fn keep_receipts(self) {
        if let Some(receipts) = &self.0.receipts {
            Arc::clone(receipts).keep_writing().await;
        }
    }

    /// The number of the last receipt that is written, and the code of the error that keeps others from being
    /// written; `None` where none are kept.
    #[must_use]
    pub fn receipts_written(&self) -> Option<(u64, Option<&'static str>)> {
        let receipts = self.receipts()?;
        Some((
            receipts.written(),
            receipts.failing().map(|error| error.code()),
        ))
    }
}
