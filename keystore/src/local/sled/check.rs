//! Whether a store holds what its digest says, and how it is taken up at the opening.
//!
//! This room must never note a tally that wasn't computed from what is there, but for the change that is
//! about to be made.

use super::digest::{Entry, Tally};
use super::{DIGEST, Store};
use crate::key::KeyBytes;
use crate::store::Checked;
use std::ops::Bound;

impl Store {
    /// The tally of all records that are there.
    pub(super) fn tally(&self) -> sled::Result<Tally> {
        let key = self.digest().key().clone();
        let mut tally = Tally::default();
        for record in &self.records {
            let (name, sealed) = record?;
            tally.add(&key, &name, &sealed);
        }
        Ok(tally)
    }

    /// One step of a check beside changes: whether the records are those that the digest is of.
    pub(super) fn check(&self, begin: bool, limit: usize) -> sled::Result<Checked> {
        let (key, walk) = {
            let mut digest = self.digest();
            let walk = digest.walk().take().filter(|_| !begin);
            (digest.key().clone(), walk)
        };
        let mut walk = walk.unwrap_or_default();
        let from = walk.last.map_or(Bound::Unbounded, Bound::Excluded);
        let mut looked_at = 0;
        for record in self.records.range((from, Bound::Unbounded)).take(limit) {
            let (name, sealed) = record?;
            walk.tally.add(&key, &name, &sealed);
            walk.last = KeyBytes::try_from(name.as_ref()).ok();
            looked_at += 1;
        }
        walk.seen += looked_at as u64;
        let mut digest = self.digest();
        if looked_at == limit {
            let seen = walk.seen;
            *digest.walk() = Some(walk);
            return Ok(Checked::Going(seen));
        }
        Ok(Checked::Done {
            expected: digest.tally().records,
            found: walk.tally.records,
            agrees: walk.tally == digest.tally(),
        })
    }

    /// The last entry of the digest; `None` in a store that has none yet, and so no durable change either.
    pub(super) fn last_entry(&self, durable: u64) -> sled::Result<Option<Entry>> {
        let Some(entry) = self.state.get(DIGEST)? else {
            let missing = || sled::Error::Unsupported("its digest is missing".to_owned());
            return if durable == 0 {
                Ok(None)
            } else {
                Err(missing())
            };
        };
        let entry = self.digest().read(&entry);
        let damaged = || sled::Error::Unsupported("its digest doesn't open".to_owned());
        entry.map(Some).ok_or_else(damaged)
    }

    /// Goes on from what was found, whatever it should have been. The changes up to `durable` are.
    pub(super) fn take_up_as_found(&self, found: Tally, durable: u64) {
        let mut digest = self.digest();
        let number = digest.number().max(durable);
        digest.take_up(number, found);
    }

    /// Goes on from what was found, where the last entry may be of a change that a crash has cut off, or
    /// there is none yet; says whether that had to be noted. The changes up to `durable` are.
    pub(super) fn settle(&self, found: Tally, durable: u64) -> sled::Result<bool> {
        {
            let mut digest = self.digest();
            let number = digest.number();
            if number == durable && digest.tally() == found {
                return Ok(false);
            }
            if number == 0 {
                log::info!(
                    "a digest of the {} records is kept from now on",
                    found.records
                );
            }
            digest.take_up(number, found);
        }
        self.note_tally(found)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::super::SledEngine;
    use crate::local::engine::{Change, Engine as _};
    use crate::store::Checked;

    fn change(place: u8, expected: Option<u8>, new: Option<u8>) -> Change {
        Change {
            key: [place; 32],
            expected: expected.map(|byte| vec![byte; 40]),
            new: new.map(|byte| vec![byte; 40]),
        }
    }

    fn check_all(engine: &SledEngine, mut between: impl FnMut()) -> (u64, u64, bool) {
        let mut begin = true;
        loop {
            match engine.check(begin, 7).unwrap() {
                Checked::Going(_) => between(),
                Checked::Done {
                    expected,
                    found,
                    agrees,
                } => return (expected, found, agrees),
                Checked::Unkept => panic!("it keeps one"),
            }
            begin = false;
        }
    }

    #[test]
    fn a_check_finds_what_is_missing_and_what_is_older_in_an_open_store() {
        let home = tempfile::tempdir().unwrap();
        let engine = SledEngine::open(home.path()).unwrap();
        for place in 0..100 {
            assert_eq!(engine.apply(&[change(place, None, Some(1))]), Ok(true));
        }
        assert_eq!(engine.apply(&[change(9, Some(1), Some(2))]), Ok(true));
        assert_eq!(check_all(&engine, || ()), (100, 100, true));
        // Past the digest, as a lost piece of the log would do it.
        let past = |place: u8, value: Option<u8>| {
            engine
                .ask(|store| match value {
                    Some(byte) => store.records.insert([place; 32], vec![byte; 40]),
                    None => store.records.remove([place; 32]),
                })
                .unwrap();
        };
        past(50, None);
        assert_eq!(check_all(&engine, || ()), (100, 99, false));
        past(50, Some(1));
        past(9, Some(1));
        assert_eq!(check_all(&engine, || ()), (100, 100, false));
        past(9, Some(2));
        assert_eq!(check_all(&engine, || ()), (100, 100, true));
    }

    #[test]
    fn changes_before_and_behind_a_check_do_not_disturb_it() {
        let home = tempfile::tempdir().unwrap();
        let engine = SledEngine::open(home.path()).unwrap();
        for place in (0..200).step_by(2) {
            assert_eq!(engine.apply(&[change(place, None, Some(1))]), Ok(true));
        }
        let mut step = 0;
        let changed = check_all(&engine, || {
            // One that is long behind, one that is far before, and a new one of each.
            let (behind, before) = (step * 2, 198 - step * 2);
            assert_eq!(engine.apply(&[change(behind, Some(1), Some(3))]), Ok(true));
            assert_eq!(engine.apply(&[change(before, Some(1), None)]), Ok(true));
            let both = [
                change(behind + 1, None, Some(5)),
                change(before + 1, None, Some(6)),
            ];
            assert_eq!(engine.apply(&both), Ok(true));
            step += 1;
        });
        assert!(step > 10, "{step}");
        assert_eq!(
            changed,
            (100 + u64::from(step), 100 + u64::from(step), true)
        );
        assert_eq!(check_all(&engine, || ()), changed);
    }
}
