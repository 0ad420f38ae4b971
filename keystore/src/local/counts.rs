//! How many records each user has, so that whoever begins a session needn't walk over them.
//!
//! A count is taken by a walk, once, and follows every change from then on. A walk and the keeping of what it counts
//! happen under one lock of the user's, and so do a change and what it does to the count: no walk runs beside a
//! change of the same user's records.
//!
//! This room must never keep a count where it isn't known whether a change was made.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::KeystoreError;
use crate::key::{KeyBytes, RecordKey, UserTag};
use crate::local::engine::Change;

/// The locks that all users share.
const SHARES: usize = 256;

/// How many users one lock has counts of; with one more it begins anew. Some 3 MiB together.
const MOST: usize = 256;

/// The counts of a store.
pub(super) struct Counts(Box<[Mutex<Share>]>);

type Share = HashMap<UserTag, usize>;

impl Counts {
    pub(super) fn new() -> Self {
        Self((0..SHARES).map(|_| Mutex::default()).collect())
    }

    /// How many records the user has, counted no further than `most`; `walk` counts them, as far.
    pub(super) fn up_to(
        &self,
        most: usize,
        user: &UserTag,
        walk: impl FnOnce() -> Result<usize, KeystoreError>,
    ) -> Result<usize, KeystoreError> {
        let mut share = self.share(user);
        if let Some(count) = share.get(user) {
            return Ok(most.min(*count));
        }
        let count = walk()?;
        // A walk that came as far as it may doesn't say how many there are.
        if count < most {
            if share.len() >= MOST {
                share.clear();
            }
            share.insert(*user, count);
        }
        Ok(count)
    }

    /// Has the changes made, all or none, and counts them where they were.
    pub(super) fn during(
        &self,
        changes: &[Change],
        work: impl FnOnce() -> Result<bool, KeystoreError>,
    ) -> Result<bool, KeystoreError> {
        let Some(user) = changes.first().map(|change| user(&change.key)) else {
            return work();
        };
        if changes.iter().any(|change| self::user(&change.key) != user) {
            let made = work();
            self.forget();
            return made;
        }
        let mut share = self.share(&user);
        // Out of its place until the change is known to be made or not, whatever comes.
        let before = share.remove(&user);
        let made = work()?;
        if let Some(before) = before {
            let after = if made { after(before, changes) } else { before };
            share.insert(user, after);
        }
        Ok(made)
    }

    /// Knows nothing any more.
    pub(super) fn forget(&self) {
        for share in &self.0 {
            lock(share).clear();
        }
    }

    fn share(&self, user: &UserTag) -> MutexGuard<'_, Share> {
        // A tag is as good as random.
        lock(&self.0[usize::from(user.as_bytes()[0]) % SHARES])
    }
}

fn lock(share: &Mutex<Share>) -> MutexGuard<'_, Share> {
    share.lock().unwrap_or_else(PoisonError::into_inner)
}

fn user(key: &KeyBytes) -> UserTag {
    RecordKey::from_bytes(key).user
}

fn after(before: usize, changes: &[Change]) -> usize {
    let (mut come, mut gone) = (0, 0);
    for change in changes {
        match (&change.expected, &change.new) {
            (None, Some(_)) => come += 1,
            (Some(_), None) => gone += 1,
            _ => {}
        }
    }
    (before + come).saturating_sub(gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: UserTag = UserTag::from_bytes([7; 16]);

    fn change(user: u8, session: u8, before: bool, after: bool) -> Change {
        let mut key = [user; 32];
        key[31] = session;
        Change {
            key,
            expected: before.then(|| vec![1]),
            new: after.then(|| vec![2]),
        }
    }

    fn known(counts: &Counts) -> Option<usize> {
        let away = || Err(KeystoreError::unavailable("asked"));
        counts.up_to(100, &USER, away).ok()
    }

    #[test]
    fn a_count_follows_every_change_and_is_walked_for_once() {
        let counts = Counts::new();
        assert_eq!(known(&counts), None);
        assert_eq!(counts.up_to(9, &USER, || Ok(2)), Ok(2));
        assert_eq!(known(&counts), Some(2));
        assert_eq!(
            counts.up_to(1, &USER, || Ok(9)),
            Ok(1),
            "no further than asked"
        );
        for (changes, made, count) in [
            (vec![change(7, 1, false, true)], true, 3),
            (vec![change(7, 1, false, true)], false, 3),
            (vec![change(7, 1, true, true)], true, 3),
            (
                vec![change(7, 2, false, true), change(7, 3, true, false)],
                true,
                3,
            ),
            (
                vec![change(7, 4, true, false), change(7, 5, true, false)],
                true,
                1,
            ),
            (vec![change(8, 1, false, true)], true, 1),
        ] {
            assert_eq!(counts.during(&changes, || Ok(made)), Ok(made));
            assert_eq!(known(&counts), Some(count), "{count}");
        }
    }

    #[test]
    fn what_is_not_known_is_walked_for() {
        let counts = Counts::new();
        assert_eq!(counts.up_to(3, &USER, || Ok(3)), Ok(3));
        assert_eq!(known(&counts), None, "there may be more");
        let two = [change(7, 1, false, true), change(9, 1, false, true)];
        let failed = || Err(KeystoreError::unavailable("the disk is full"));
        for forgotten in [
            &|| drop(counts.during(&[change(7, 1, false, true)], failed)),
            &|| drop(counts.during(&two, || Ok(true))),
            &|| counts.forget(),
        ] as [&dyn Fn(); 3]
        {
            counts.up_to(9, &USER, || Ok(2)).unwrap();
            assert_eq!(known(&counts), Some(2));
            forgotten();
            assert_eq!(known(&counts), None);
        }
    }

    #[test]
    fn many_users_take_no_more_than_their_room() {
        let counts = Counts::new();
        for number in 0..100_000_u32 {
            let mut tag = [0; 16];
            tag[..4].copy_from_slice(&number.to_le_bytes());
            counts
                .up_to(9, &UserTag::from_bytes(tag), || Ok(1))
                .unwrap();
        }
        let kept: usize = counts.0.iter().map(|share| lock(share).len()).sum();
        assert!((1..=SHARES * MOST).contains(&kept), "{kept}");
    }
}
