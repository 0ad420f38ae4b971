//! The content keys of tokens in use, so that only the first request of a token pays for the
//! agreement on its key and for its inner signature.
//!
//! An entry is a [`KnownToken`] and the record that it was good with. It is used only while the
//! keystore has the record as it was or with the same private key, and it answers no question that
//! a request asks: MAC, decryption, claims, expiry, generation and the record are looked at each
//! time. Entries are bounded by the memory they take, hold secrets, and are wiped as they go. The
//! entry of a session goes before the end of the session is answered.
//!
//! This room must never keep a claim or a result.

use crate::token::{KnownToken, Segments};
use lacre_keystore::{Keystore, RecordKey, Stored};
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes that an entry takes besides what is counted: its places in both tables and its pointers.
const PLACE: usize = 224;
/// What an entry takes with an ordinary token, to size the table by.
const ORDINARY: usize = 1_700;

/// What an entry is found by: how the encrypted key of its token begins, 144 bits of what a key
/// wrap gives. Without the token nobody can ask for its entry, and with the handle of a session alone one
/// finds as much as with a handle that was never given out: nothing (threat: handle-probing).
type Name = [u8; 24];

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
            &record.profile,
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

/// Says which entries left their place: for another's, or for a newer one under the same name.
#[derive(Clone)]
struct Leaving;

impl Lifecycle<Name, Arc<Entry>> for Leaving {
    type RequestState = Vec<(Name, Arc<Entry>)>;

    fn on_evict(&self, left: &mut Self::RequestState, name: Name, entry: Arc<Entry>) {
        left.push((name, entry));
    }
}

/// The entries, at most one a session.
pub(crate) struct ContentKeys {
    entries: Cache<Name, Arc<Entry>, BySize, DefaultHashBuilder, Leaving>,
    /// Under which name the entry of a session is kept, for each entry there is.
    ///
    /// Held while an entry is put in or the end of a session takes one out: between looking
    /// whether the session is still there and putting its entry in, the session can't end.
    names: Mutex<HashMap<RecordKey, Name>>,
}

impl ContentKeys {
    /// Keeps entries of at most so many bytes together.
    pub(crate) fn new(bytes: u64) -> Self {
        let options = OptionsBuilder::new()
            .estimated_items_capacity(usize::try_from(bytes).unwrap_or(usize::MAX) / ORDINARY)
            .weight_capacity(bytes)
            // Nothing is looked up of what has left its place.
            .ghost_allocation(0.0)
            .build();
        let hasher = DefaultHashBuilder::default();
        let entries = match options {
            Ok(options) => Cache::with_options(options, BySize, hasher, Leaving),
            Err(_) => Cache::with(1, 0, BySize, hasher, Leaving),
        };
        Self {
            entries,
            names: Mutex::default(),
        }
    }

    /// The content keys of the sessions in `keystore`: when one of its records goes, whoever
    /// removes it, its entry goes first.
    ///
    /// Nothing is kept for a keystore that tells its removals to somebody else already.
    pub(crate) fn of(keystore: &Keystore, bytes: u64) -> Arc<Self> {
        let content_keys = Arc::new(Self::new(bytes));
        let told = Arc::clone(&content_keys);
        if keystore.watch_removals(move |key| told.forget(key)) {
            content_keys
        } else {
            Arc::new(Self::new(0))
        }
    }

    /// The entry of the token that is presented, if it was presented before with this beginning.
    /// Whether its content is as it was, [`KnownToken::open`] finds out.
    pub(crate) fn find(&self, presented: &Segments<'_>) -> Option<Arc<Entry>> {
        let entry = self.entries.get(&name(presented.encrypted_key())?)?;
        entry.token.begins(presented).then_some(entry)
    }

    /// Keeps an entry, if the session is still there when `still_there` is asked.
    pub(crate) fn keep(&self, entry: Entry, still_there: impl FnOnce() -> bool) {
        let Some(name) = name(entry.token.encrypted_key()) else {
            return;
        };
        let mut names = self.names();
        if !still_there() {
            return;
        }
        let before = names.insert(entry.key, name);
        if let Some(before) = before.filter(|before| *before != name) {
            self.entries.remove(&before);
        }
        let mut left = Vec::new();
        self.entries
            .insert_with_lifecycle(name, Arc::new(entry), &mut left);
        for (name, entry) in left {
            if !self.entries.contains_key(&name) {
                names.remove(&entry.key);
            }
        }
    }

    /// Drops what is kept of a session.
    pub(crate) fn forget(&self, key: &RecordKey) {
        let mut names = self.names();
        if let Some(name) = names.remove(key) {
            self.entries.remove(&name);
        }
    }

    /// Drops everything.
    pub(crate) fn clear(&self) {
        let mut names = self.names();
        names.clear();
        self.entries.clear();
    }

    /// A thread that panicked while it held the lock left a name without its entry at worst, which
    /// finds nothing.
    fn names(&self) -> MutexGuard<'_, HashMap<RecordKey, Name>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many keys are kept.
    pub(crate) fn kept(&self) -> usize {
        self.entries.len()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        let names = self.names();
        assert_eq!(names.len(), self.entries.len(), "one name for each entry");
        names.len()
    }
}

fn name(encrypted_key: &[u8]) -> Option<Name> {
    encrypted_key.first_chunk().copied()
}

impl fmt::Debug for ContentKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentKeys({} entries)", self.entries.len())
    }
}

#[cfg(test)]
mod tests;
