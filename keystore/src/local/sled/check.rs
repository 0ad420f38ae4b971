//! Whether a store holds what its digest says, and how it is taken up at the opening.
//!
//! This room must never note a tally that wasn't computed from what is there, but for the change that is
//! about to be made.

use super::digest::{Entry, Tally};
use super::{DIGEST, Store};

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
