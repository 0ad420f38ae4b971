//! What is left of a session that ended: whose it was, why it ended and by whom.
//!
//! It is written in the change that removes the record, so that an end is never there without it, and
//! it is forgotten some weeks later. It is for operators who are asked why somebody is logged out.
//!
//! This room must never keep a key, a claim besides the user, or anything else of a record.

use super::records::Records;
use crate::clock::UnixSeconds;
use crate::telemetry::audit::{Actor, Cause, Event, MaskedHandle, Origin, UserId};
use crate::token::Handle;
#[cfg(feature = "server")]
use lacre_keystore::MasterKeyRing;
use lacre_keystore::{KeystoreError, Note, NotePlace, Record, RecordKey, SealedNote};
use serde::{Deserialize, Serialize};
#[cfg(feature = "server")]
use std::sync::Arc;

/// How many notes are read at once.
const PAGE: usize = 1024;

/// Why a session ends, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) cause: Cause,
    pub(crate) by: Actor,
    /// Whose session it is, where that is known.
    pub(crate) user: Option<String>,
}

/// An end that was noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    /// The session's handle.
    pub(crate) handle: Handle,
    /// When it ended.
    pub(crate) at: UnixSeconds,
    /// The number of its note.
    pub(crate) number: u64,
    /// Whose it was, where that was known.
    pub(crate) user: Option<String>,
    /// The cause, as the audit log has it.
    pub(crate) cause: String,
    /// Who caused it, as the audit log has it.
    pub(crate) by: String,
    /// The id of a client or an administrator, the name of an issuer.
    pub(crate) who: Option<String>,
}

/// The content of a note.
#[derive(Serialize, Deserialize)]
struct Content<'a> {
    user: Option<&'a str>,
    cause: &'a str,
    by: &'a str,
    who: Option<&'a str>,
}

impl End {
    pub(crate) fn new(cause: Cause, by: Actor, user: Option<&str>) -> Self {
        let user = user.map(str::to_owned);
        Self { cause, by, user }
    }

    /// Writes the audit event of this end of a session of this user, which is durable. It is counted by that as well.
    pub(crate) fn tell(&self, user: &str, session: &Handle, from: &Origin) {
        let ended = Event::SessionEnded {
            user: UserId::new(user),
            session: MaskedHandle::of(session.as_str()),
            cause: self.cause,
            by: &self.by,
        };
        ended.record(from);
    }

    /// The note of the end of sessions in a store that isn't open.
    #[cfg(feature = "server")]
    pub(crate) fn note_under(
        &self,
        ring: &Arc<MasterKeyRing>,
        (at, explains): (UnixSeconds, bool),
        nonce: [u8; 12],
    ) -> Option<Note> {
        Records::made(Note::sealed_under(
            ring,
            at,
            &self.content(explains)?,
            nonce,
        ))
    }

    /// What a note says of it; whose it was only where ends are to be explained.
    fn content(&self, explains: bool) -> Option<Vec<u8>> {
        let content = Content {
            user: self.user.as_deref().filter(|_| explains),
            cause: self.cause.name(),
            by: self.by.name(),
            who: self.by.id(),
        };
        serde_json::to_vec(&content).ok()
    }
}

impl Records {
    /// The note of an end, now. An end must not fail for want of its note, which is logged instead;
    /// `None` also where nothing is kept.
    pub(super) fn note(&self, end: Option<&End>) -> Option<Note> {
        let end = end.filter(|_| self.notes())?;
        let content = end.content(self.explains())?;
        Self::made(self.keystore.note(self.now(), &content))
    }

    /// The note of an end of many sessions, which says of each record that opens whose it was.
    pub(super) fn note_of_each(&self, end: Option<&End>) -> Option<Note> {
        let end = end.filter(|_| self.notes())?;
        let (of, explains) = (end.clone(), self.explains());
        let of = move |record: &Record| {
            End::new(of.cause, of.by.clone(), Some(&record.user_id)).content(explains)
        };
        Self::made(
            self.keystore
                .note_of_each(self.now(), &end.content(explains)?, of),
        )
    }

    fn made(note: Result<Note, KeystoreError>) -> Option<Note> {
        note.inspect_err(|error| log::warn!(code = error.code(); "an end leaves no note: {error}"))
            .ok()
    }

    /// The latest end of the session with this key, if it is still noted. It reads all notes, and opens
    /// those of the session alone.
    pub(crate) async fn ended(&self, key: &RecordKey) -> Result<Option<Ended>, KeystoreError> {
        let mut found = None;
        if !self.explains() {
            return Ok(found);
        }
        self.each_note(|left| {
            if left.place.key() == *key {
                found = self.read(&left).or(found.take());
            }
        })
        .await?;
        Ok(found)
    }

    /// The handles that begin so, of sessions whose ends are noted: at most `max`, each once.
    pub(crate) async fn ended_beginning_with(
        &self,
        beginning: &str,
        max: usize,
    ) -> Result<Vec<Handle>, KeystoreError> {
        let mut found: Vec<Handle> = Vec::new();
        if !self.explains() {
            return Ok(found);
        }
        self.each_note(|left| {
            let handle = self.handle_of(&left.place.key());
            let wanted = handle.as_str().starts_with(beginning);
            if wanted && found.len() < max && !found.contains(&handle) {
                found.push(handle);
            }
        })
        .await?;
        Ok(found)
    }

    async fn each_note(&self, mut each: impl FnMut(SealedNote)) -> Result<(), KeystoreError> {
        let mut after: Option<NotePlace> = None;
        loop {
            let page = self.keystore.left_sealed(after, PAGE).await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = Some(last.place);
            page.into_iter().for_each(&mut each);
        }
    }

    /// What a note says; `None` where it doesn't open.
    pub(super) fn read(&self, left: &SealedNote) -> Option<Ended> {
        let content = self.keystore.open_note(left).ok()?;
        let content: Content<'_> = serde_json::from_slice(&content).ok()?;
        Some(Ended {
            handle: self.handle_of(&left.place.key()),
            at: left.place.at(),
            number: left.place.number(),
            user: content.user.map(str::to_owned),
            cause: content.cause.to_owned(),
            by: content.by.to_owned(),
            who: content.who.map(str::to_owned),
        })
    }
}
