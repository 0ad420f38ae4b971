//! Ends of sessions of which something is left, and what was left.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use zeroize::Zeroizing;

use super::removal::removal;
use super::{Keystore, Stored, Swap};
use crate::error::KeystoreError;
use crate::key::{KeyBytes, RecordKey, UserTag};
use crate::note::{Left, Note, NotePlace, SealedNote};
use crate::record::Record;
use crate::seal::codec;
use crate::seal::master_key::{MasterKeyRing, Purpose};
use crate::store::Write;

/// What the sealed content of a note is, so that no other sealed bytes can stand in for it.
const CONTEXT: &[u8] = b"lacre note v1";

/// The most notes of one page.
const MAX_PAGE: usize = 4096;

/// The keystore, leaving a note of each record that goes.
#[must_use = "nothing is removed yet"]
pub struct Noting<'k> {
    keystore: &'k Keystore,
    note: Option<Note>,
}

impl Keystore {
    /// Seals what is to be left of a session that ends at this time (Unix seconds).
    pub fn note(&self, at: u64, content: &[u8]) -> Result<Note, KeystoreError> {
        let nonce = self.nonce()?;
        let ring = self.ring();
        let sealed = seal_note(&ring, nonce, content)?;
        Ok(Note::new(at, sealed).sealed_by(ring))
    }

    /// As [`note`](Self::note); where a record opens from which `of` makes a content, that is left of it
    /// instead. It is called on the thread that writes, and must be quick.
    pub fn note_of_each(
        &self,
        at: u64,
        content: &[u8],
        of: impl Fn(&Record) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Result<Note, KeystoreError> {
        // Not the keystore: who writes must not be the last to let go of it.
        let (ring, base, made) = (self.ring(), self.nonce()?, AtomicU32::new(0));
        let of = move |key: &KeyBytes, removed: &[u8]| {
            let record = codec::open(&ring, &RecordKey::from_bytes(key), removed).ok()?;
            let content = of(&record)?;
            // 2^32 records are more than a store has: no nonce comes twice.
            let count = made.fetch_add(1, Ordering::Relaxed);
            let mut nonce = base;
            let low = u32::from_be_bytes([base[8], base[9], base[10], base[11]]);
            nonce[8..].copy_from_slice(&low.wrapping_add(count).to_be_bytes());
            seal_note(&ring, nonce, &content).ok()
        };
        Ok(self.note(at, content)?.of_each(Arc::new(of)))
    }

    /// The same keystore, for removals that leave this note of each record that goes, in the change
    /// that removes it: a crash leaves both or neither. Without a note they are the plain ones.
    pub fn noting(&self, note: Option<Note>) -> Noting<'_> {
        Noting {
            keystore: self,
            note,
        }
    }

    /// What was left behind this place, the oldest first, at most `limit` (1 to 4096); nothing where
    /// there is no more.
    pub async fn left(
        &self,
        after: Option<NotePlace>,
        limit: usize,
    ) -> Result<Vec<Left>, KeystoreError> {
        let limit = limit.clamp(1, MAX_PAGE);
        let ring = self.ring();
        let notes = self.inner.store.notes(after, limit).await?;
        let opened = notes.into_iter().map(|note| Left {
            place: note.place,
            removed: note.removed,
            content: open_note(&ring, &note.sealed)
                .map(|content| content.to_vec())
                .map_err(|error| error.code()),
        });
        Ok(opened.collect())
    }

    /// As [`left`](Self::left), unopened: for whoever looks for the notes of some records among many.
    pub async fn left_sealed(
        &self,
        after: Option<NotePlace>,
        limit: usize,
    ) -> Result<Vec<SealedNote>, KeystoreError> {
        self.inner
            .store
            .notes(after, limit.clamp(1, MAX_PAGE))
            .await
    }

    /// As [`left_sealed`](Self::left_sealed), those alone that this process is to write down elsewhere.
    pub async fn left_to_write(
        &self,
        after: Option<NotePlace>,
        limit: usize,
    ) -> Result<Vec<SealedNote>, KeystoreError> {
        self.inner
            .store
            .own_notes(after, limit.clamp(1, MAX_PAGE))
            .await
    }

    /// What a note says.
    pub fn open_note(&self, note: &SealedNote) -> Result<Vec<u8>, KeystoreError> {
        Ok(open_note(&self.ring(), &note.sealed)?.to_vec())
    }

    /// The place of the last note, once it is durable, and with it the end that it is of; so are all those
    /// before it. `None` where there is no note.
    pub async fn settle_notes(&self) -> Result<Option<NotePlace>, KeystoreError> {
        self.inner.store.settle_notes().await
    }

    /// Keeps the notes from this number on ([`NotePlace::number`]), whatever is to be forgotten, until it
    /// is told another number.
    pub fn keep_notes_from(&self, number: u64) {
        self.inner.store.keep_notes_from(number);
    }

    /// Keeps how far the notes are written down elsewhere, as bytes of whoever writes them. After a crash
    /// earlier ones may be back.
    pub async fn keep_head(&self, head: Vec<u8>) -> Result<(), KeystoreError> {
        self.inner.store.keep_head(head).await
    }

    /// What was kept last by [`keep_head`](Self::keep_head).
    pub async fn head(&self) -> Result<Option<Vec<u8>>, KeystoreError> {
        self.inner.store.head().await
    }

    /// Takes the notes away whose time is before this one (Unix seconds), and returns how many. Other
    /// changes get their turn between its steps.
    pub async fn forget(&self, before: u64) -> Result<u64, KeystoreError> {
        let mut count = 0;
        loop {
            match self.inner.store.forget_notes(before).await? {
                0 => return Ok(count),
                some => count += some,
            }
        }
    }
}

impl Note {
    /// A note that is sealed with this ring, for whoever has no keystore yet. No nonce may come twice.
    pub fn sealed_under(
        ring: &Arc<MasterKeyRing>,
        at: u64,
        content: &[u8],
        nonce: [u8; 12],
    ) -> Result<Self, KeystoreError> {
        let sealed = seal_note(ring, nonce, content)?;
        Ok(Self::new(at, sealed).sealed_by(Arc::clone(ring)))
    }
}

/// The sealed content of a note.
pub(super) fn seal_note(
    ring: &MasterKeyRing,
    nonce: [u8; 12],
    content: &[u8],
) -> Result<Vec<u8>, KeystoreError> {
    let sealed = ring.seal(Purpose::Bytes, CONTEXT, nonce, content.len(), |room| {
        room.copy_from_slice(content);
        Some(())
    });
    sealed.ok_or(KeystoreError::SealingFailed)
}

/// The content of a sealed note.
pub(super) fn open_note(
    ring: &MasterKeyRing,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
    ring.open_bytes(CONTEXT, sealed)
}

impl Noting<'_> {
    /// As [`Keystore::remove`].
    pub async fn remove(self, key: &RecordKey) -> Result<bool, KeystoreError> {
        let store = &self.keystore.inner.store;
        match self.note {
            Some(note) => store.remove_noting(*key, note).await,
            None => store.remove(*key).await,
        }
    }

    /// As [`Keystore::remove_if`].
    pub async fn remove_if(self, key: &RecordKey, seen: &Stored) -> Result<bool, KeystoreError> {
        self.apply(vec![removal(key, seen)]).await
    }

    /// As [`Keystore::remove_user`], or [`Keystore::remove_user_but`] where one is kept.
    pub async fn remove_user(
        self,
        user: UserTag,
        keep: Option<&RecordKey>,
    ) -> Result<Vec<RecordKey>, KeystoreError> {
        let (store, keep) = (&self.keystore.inner.store, keep.copied());
        match self.note {
            Some(note) => store.remove_user_noting(user, keep, note).await,
            None => store.remove_user(user, keep).await,
        }
    }

    /// As [`Keystore::remove_all`]. Of records that are removed by the opening after a crash the note is left
    /// that was made for no record.
    pub async fn remove_all(self) -> Result<u64, KeystoreError> {
        let store = &self.keystore.inner.store;
        match self.note {
            Some(note) => store.remove_all_noting(note).await,
            None => store.remove_all().await,
        }
    }

    /// As [`Keystore::put_new_and_remove`].
    pub async fn put_new_and_remove(
        self,
        key: &RecordKey,
        record: &Record,
        others: &[(RecordKey, Stored)],
    ) -> Result<Swap, KeystoreError> {
        let ring = self.keystore.ring();
        let writes = self
            .keystore
            .putting_and_removing(&ring, key, record, others)?;
        let made = self.apply(writes).await?;
        Ok(if made { Swap::Won } else { Swap::Lost })
    }

    /// As [`Keystore::remove_beside`].
    pub async fn remove_beside(
        self,
        kept: &RecordKey,
        seen: &Stored,
        others: &[(RecordKey, Stored)],
    ) -> Result<Swap, KeystoreError> {
        let (keystore, ring) = (self.keystore, self.keystore.ring());
        let writes = keystore.removing_beside(&ring, kept, seen, others)?;
        let made = self.apply(writes).await?;
        Ok(if made { Swap::Won } else { Swap::Lost })
    }

    /// As [`Keystore::compare_and_swap`], where the record that was there ends so.
    pub async fn replace(
        self,
        key: &RecordKey,
        seen: &Stored,
        record: &Record,
    ) -> Result<Swap, KeystoreError> {
        let ring = self.keystore.ring();
        let write = Write {
            key: *key,
            expected: Some(seen.version.sealed.clone()),
            new: Some(self.keystore.seal(&ring, key, record)?),
            ends_tokens: true,
        };
        let made = self.apply(vec![write]).await?;
        Ok(if made { Swap::Won } else { Swap::Lost })
    }

    pub(super) async fn apply(self, writes: Vec<Write>) -> Result<bool, KeystoreError> {
        let store = &self.keystore.inner.store;
        match self.note {
            Some(note) => store.apply_noting(writes, note).await,
            None => store.apply(writes).await,
        }
    }
}
