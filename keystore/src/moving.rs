//! Sealed records brought from one store into another.
//!
//! Records are compared and copied as the sealed bytes that they are. Two stores are walked side by side in the order
//! of their keys, so that a copy that was cut off is gone on with by doing it once more: only what differs is written.
//!
//! This room must never open a record, and never change the store that it reads from.

use crate::error::KeystoreError;
use crate::key::RecordKey;
use crate::store::{Answer, Sealed};

/// How many records are read and written at once.
const PAGE: usize = 512;

/// Where records are read.
pub trait Origin: Send + Sync {
    /// Records in the order of their keys from behind this one, at most `limit`; none at the end.
    fn page(&self, after: Option<RecordKey>, limit: usize) -> Answer<'_, Vec<(RecordKey, Sealed)>>;
}

/// Where they are brought.
pub trait Destination: Send + Sync {
    /// What is there, as of [`Origin::page`].
    fn page(&self, after: Option<RecordKey>, limit: usize)
    -> Answer<'_, Vec<(RecordKey, Vec<u8>)>>;

    /// Makes these changes, durably. Nobody else writes there.
    fn change(&self, changes: Vec<Change>) -> Answer<'_, ()>;
}

/// What becomes of one record of a [`Destination`].
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    /// The record's key.
    pub key: RecordKey,
    /// What is there.
    pub before: Option<Vec<u8>>,
    /// What is to be there.
    pub now: Option<Sealed>,
}

/// What one walk did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// How many records there are at the origin.
    pub records: u64,
    /// How many were written, since they were missing or other ones.
    pub written: u64,
    /// How many were removed, since the origin has them no more.
    pub removed: u64,
}

impl Round {
    /// How many records differed.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.written + self.removed
    }
}

/// One side, read page by page.
struct Side<T> {
    page: std::iter::Peekable<std::vec::IntoIter<(RecordKey, T)>>,
    after: Option<RecordKey>,
    over: bool,
}

impl<T> Side<T> {
    fn new() -> Self {
        Self {
            page: Vec::new().into_iter().peekable(),
            after: None,
            over: false,
        }
    }

    fn is_empty(&mut self) -> bool {
        self.page.peek().is_none() && !self.over
    }

    fn take_in(&mut self, page: Vec<(RecordKey, T)>) {
        self.over = page.is_empty();
        self.after = page.last().map(|(key, _)| *key).or(self.after);
        self.page = page.into_iter().peekable();
    }

    fn key(&mut self) -> Option<RecordKey> {
        self.page.peek().map(|(key, _)| *key)
    }
}

/// Has `to` hold what `from` holds at the time at which each page of it is read. `hear` is told how many records are
/// done, and ends the walk by an error.
pub async fn bring(
    from: &dyn Origin,
    to: &dyn Destination,
    mut hear: impl FnMut(u64) -> Result<(), KeystoreError> + Send,
) -> Result<Round, KeystoreError> {
    let (mut theirs, mut ours) = (Side::new(), Side::new());
    let (mut round, mut changes) = (Round::default(), Vec::new());
    loop {
        if theirs.is_empty() {
            theirs.take_in(from.page(theirs.after, PAGE).await?);
            hear(round.records)?;
        }
        if ours.is_empty() {
            ours.take_in(to.page(ours.after, PAGE).await?);
        }
        let (there, here) = (theirs.key(), ours.key());
        let ((Some(_), _) | (_, Some(_))) = (there, here) else {
            break;
        };
        // The end of a side comes behind every key.
        let is_first = |one: Option<RecordKey>, other: Option<RecordKey>| match (one, other) {
            (Some(one), Some(other)) => one.to_bytes() <= other.to_bytes(),
            (one, _) => one.is_some(),
        };
        let brought = is_first(there, here).then(|| theirs.page.next()).flatten();
        let found = is_first(here, there).then(|| ours.page.next()).flatten();
        let before = found.as_ref().map(|(_, bytes)| bytes);
        round.records += u64::from(brought.is_some());
        let change = match (&brought, before) {
            (Some((_, now)), Some(before)) if now.bytes == *before => None,
            (Some((key, _)), _) => {
                round.written += 1;
                Some(*key)
            }
            (None, _) => {
                round.removed += 1;
                found.as_ref().map(|(key, _)| *key)
            }
        };
        if let Some(key) = change {
            changes.push(Change {
                key,
                before: found.map(|(_, bytes)| bytes),
                now: brought.map(|(_, now)| now),
            });
        }
        if changes.len() >= PAGE {
            to.change(std::mem::take(&mut changes)).await?;
        }
    }
    if !changes.is_empty() {
        to.change(changes).await?;
    }
    Ok(round)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::future::ready;
    use std::sync::Mutex;

    type Map = BTreeMap<[u8; 32], Vec<u8>>;

    struct Held(Mutex<Map>);

    impl Held {
        fn of(entries: &[(u16, u8)]) -> Self {
            Self(Mutex::new(map(entries)))
        }

        fn read(&self, after: Option<RecordKey>, limit: usize) -> Vec<(RecordKey, Vec<u8>)> {
            let map = self.0.lock().unwrap();
            let behind = map
                .iter()
                .filter(|(key, _)| after.is_none_or(|after| **key > after.to_bytes()));
            let named = behind.map(|(key, bytes)| (RecordKey::from_bytes(key), bytes.clone()));
            named.take(limit).collect()
        }
    }

    fn map(entries: &[(u16, u8)]) -> Map {
        let entry = |(key, value): &(u16, u8)| {
            let mut bytes = [0; 32];
            bytes[..2].copy_from_slice(&key.to_be_bytes());
            (bytes, vec![*value])
        };
        entries.iter().map(entry).collect()
    }

    impl Origin for Held {
        fn page(
            &self,
            after: Option<RecordKey>,
            limit: usize,
        ) -> Answer<'_, Vec<(RecordKey, Sealed)>> {
            let sealed = |bytes| Sealed {
                bytes,
                expires_at: 9,
            };
            let page = self.read(after, limit).into_iter();
            let page = page.map(|(key, bytes)| (key, sealed(bytes))).collect();
            Box::pin(ready(Ok(page)))
        }
    }

    impl Destination for Held {
        fn page(
            &self,
            after: Option<RecordKey>,
            limit: usize,
        ) -> Answer<'_, Vec<(RecordKey, Vec<u8>)>> {
            Box::pin(ready(Ok(self.read(after, limit))))
        }

        fn change(&self, changes: Vec<Change>) -> Answer<'_, ()> {
            let mut map = self.0.lock().unwrap();
            for Change { key, before, now } in changes {
                let key = key.to_bytes();
                assert_eq!(map.get(&key), before.as_ref());
                match now {
                    Some(now) => map.insert(key, now.bytes),
                    None => map.remove(&key),
                };
            }
            Box::pin(ready(Ok(())))
        }
    }

    async fn brought(from: &[(u16, u8)], to: &[(u16, u8)]) -> Round {
        let (from, to) = (Held::of(from), Held::of(to));
        let round = bring(&from, &to, |_| Ok(())).await.unwrap();
        assert_eq!(*from.0.lock().unwrap(), *to.0.lock().unwrap());
        assert_eq!(round.records, from.0.lock().unwrap().len() as u64);
        round
    }

    #[tokio::test]
    async fn the_destination_becomes_what_the_origin_is_whatever_it_was() {
        let full = [(1, 1), (2, 2), (3, 3), (900, 4)];
        for (from, to, written, removed) in [
            (&full[..], &[][..], 4, 0),
            (&full, &full, 0, 0),
            (&[], &full, 0, 4),
            (&[(2, 2), (3, 9), (7, 7)], &full, 2, 2),
            (&full, &[(0, 0), (2, 7), (901, 1)], 4, 2),
        ] {
            let round = brought(from, to).await;
            assert_eq!((round.written, round.removed), (written, removed));
        }
    }

    #[tokio::test]
    async fn many_pages_of_both_meet() {
        let every =
            |step: u16| -> Vec<_> { (0..4000).step_by(step.into()).map(|n| (n, 1)).collect() };
        for (from, to) in [(1, 2), (2, 1), (3, 7), (1, 4001)] {
            brought(&every(from), &every(to)).await;
        }
        let (long, short) = (every(1), [(3999, 1)]);
        assert_eq!(brought(&short, &long).await.removed, 3999);
        assert_eq!(brought(&long, &short).await.written, 3999);
    }

    #[tokio::test]
    async fn who_hears_of_it_ends_it() {
        let (from, to) = (Held::of(&[(1, 1)]), Held::of(&[]));
        let ended = bring(&from, &to, |_| Err(KeystoreError::StoreContended)).await;
        assert_eq!(ended, Err(KeystoreError::StoreContended));
        assert!(to.0.lock().unwrap().is_empty());
    }
}
