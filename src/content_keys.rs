//! The content keys of tokens in use, so that only the first request of a token pays for the
//! agreement on its key and for its inner signature.
//!
//! An entry is a [`KnownToken`] and the record that it was good with. It is used only while the
//! keystore has the record as it was or with the same private key, and it answers no question that
//! a request asks: MAC, decryption, claims, expiry, generation and the record are looked at each
//! time. Entries are bounded by the memory they take, hold secrets, and are wiped as they go. The
//! entry of a session goes before the end of the session is answered.
//!
//! This room must never keep a claim or a verdict.

use crate::handles::Handles;
use crate::token::{Handle, KnownToken, OWN_HANDLE, Segments, guess_handle};
use lacre_keystore::{Keystore, RecordKey, Stored};
use quick_cache::sync::Cache;
use quick_cache::{OptionsBuilder, Weighter};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes that an entry takes besides what is counted: its place in the table and its pointers.
const PLACE: usize = 128;
/// What an entry takes with an ordinary token, to size the table by.
const ORDINARY: usize = 1_600;

/// The handle's text, as lacre makes them.
type Name = [u8; OWN_HANDLE];

/// A token that was good, and the record that it was good with.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) token: Arc<KnownToken>,
    pub(crate) key: RecordKey,
    pub(crate) stored: Stored,
}

impl Entry {
    fn size(&self) -> usize {
        let record = &self.stored.record;
        let texts = [
            &record.label,
            &record.address,
            &record.user_agent,
            &record.client_id,
        ];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        PLACE
            + size_of::<Self>()
            + self.token.size()
            + self.stored.version.len()
            + texts
            + record.user_id.len()
    }
}

#[derive(Clone)]
struct BySize;

impl Weighter<Name, Arc<Entry>> for BySize {
    fn weight(&self, _: &Name, entry: &Arc<Entry>) -> u64 {
        entry.size() as u64
    }
}

/// The entries, at most one a session.
pub(crate) struct ContentKeys {
    entries: Cache<Name, Arc<Entry>, BySize>,
    /// Held while an entry is put in or the end of a session takes one out: between looking
    /// whether the session is still there and putting its entry in, the session can't end.
    turn: Mutex<()>,
}

impl ContentKeys {
    /// Keeps entries of at most so many bytes together.
    pub(crate) fn new(bytes: u64) -> Self {
        let options = OptionsBuilder::new()
            .estimated_items_capacity(usize::try_from(bytes).unwrap_or(usize::MAX) / ORDINARY)
            .weight_capacity(bytes)
            // Recently ended sessions must leave nothing behind, not even the names of their keys.
            .ghost_allocation(0.0)
            .build();
        let entries = match options {
            Ok(options) => Cache::with_options(
                options,
                BySize,
                quick_cache::DefaultHashBuilder::default(),
                quick_cache::sync::DefaultLifecycle::default(),
            ),
            Err(_) => Cache::with_weighter(1, 0, BySize),
        };
        Self {
            entries,
            turn: Mutex::new(()),
        }
    }

    /// The content keys of the sessions in `keystore`: when one of its records goes, whoever
    /// removes it, its entry goes first.
    ///
    /// Nothing is kept for a keystore that tells its removals to somebody else already.
    pub(crate) fn of(keystore: &Keystore, handles: &Handles, bytes: u64) -> Arc<Self> {
        let content_keys = Arc::new(Self::new(bytes));
        let (told, handles) = (Arc::clone(&content_keys), handles.clone());
        if keystore.tell_removals(move |key| told.forget(&handles.handle(key))) {
            content_keys
        } else {
            Arc::new(Self::new(0))
        }
    }

    /// The entry of the token that is presented, if it was presented before with this beginning.
    /// Whether its content is as it was, [`KnownToken::open`] finds out.
    ///
    /// Who only knows a handle learns nothing here: no work is begun for another token of a session
    /// that has an entry.
    pub(crate) fn find(&self, presented: &Segments<'_>) -> Option<Arc<Entry>> {
        let entry = self.entries.get(&guess_handle(presented.header())?)?;
        entry.token.begins(presented).then_some(entry)
    }

    /// Keeps an entry, if the session is still there when `still_there` is asked.
    pub(crate) fn keep(&self, handle: &Handle, entry: Entry, still_there: impl FnOnce() -> bool) {
        let Some(name) = name(handle) else { return };
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if still_there() {
            self.entries.insert(name, Arc::new(entry));
        }
    }

    /// Drops what is kept of a session.
    pub(crate) fn forget(&self, handle: &Handle) {
        let Some(name) = name(handle) else { return };
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.entries.remove(&name);
    }

    /// Drops everything.
    pub(crate) fn clear(&self) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.entries.clear();
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

fn name(handle: &Handle) -> Option<Name> {
    handle.as_str().as_bytes().try_into().ok()
}

impl fmt::Debug for ContentKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentKeys({} entries)", self.entries.len())
    }
}

#[cfg(test)]
mod tests;
