//! Everything that exists only so that the time of a refusal doesn't tell its reason
//! (threat: handle-probing).
//!
//! | piece | what it evens out | measured without it (`make bench-oracle`) |
//! |---|---|---|
//! | a decoy is opened on a miss | the work of ECDH, unwrap and MAC, some 60 µs | a miss is refused 60 µs sooner |
//! | [`lasting`] | where record and decoy lie in memory | 50 to 100 ns, of either sign |
//! | one branch in [`Candidate::verify`] | the processor's guess at which reason applies | 5 to 15 ns |
//! | [`NOWHERE`] | the read of a handle that isn't of our form | one read of the store, 1 µs |
//!
//! `docs/decisions/0018-even-lookups.md` has the measurements. A token that was good before is found
//! by its own encrypted key (`content_keys`), which nobody has who doesn't have the token; so that
//! way needs none of this.
//!
//! This room must never wait for longer than it was told to, nor for a clock that stands still.

use super::records::Records;
use crate::clock::UnixSeconds;
use crate::token::{Handle, TokenError};
use lacre_keystore::{KeystoreError, RecordKey, SessionId, Stored, UserTag};
use std::time::{Duration, Instant};

/// A key that no record has, since tags are made by a keyed hash: what is read for a handle of
/// another form than ours.
pub(super) const NOWHERE: RecordKey =
    RecordKey::new(UserTag::from_bytes([0; 16]), SessionId::from_bytes([0; 16]));

/// How long a lookup lasts at least: two or three times what it takes where the store has the record
/// in memory, and a twentieth of the opening that follows.
const LOOKUP: Duration = Duration::from_micros(4);

/// The clock is read at most so often, with no pause between that would show in what is left over.
const MAX_LOOKS: usize = 1_000;

/// The record that a token is opened with, before anybody may know whether it is its session's: a
/// token of no session is opened with a decoy, by the same steps, and only then refused.
pub(crate) struct Candidate {
    key: RecordKey,
    stored: Stored,
    is_live: bool,
}

/// Looks up the record that a token is to be opened with: that of its session, or a decoy.
pub(super) async fn locate(
    records: &Records,
    handle: &Handle,
    now: UnixSeconds,
) -> Result<Candidate, KeystoreError> {
    let own = records.handles().record_key(handle);
    let key = own.unwrap_or(NOWHERE);
    let lookup = lasting(LOOKUP, records.keystore.get_or_decoy(&key)).await?;
    let expired = lookup.stored.record.is_expired(now);
    #[allow(clippy::needless_bitwise_bool)] // a lazy one is a branch, as in `verify`
    let is_live = own.is_some() & lookup.is_there & !expired;
    Ok(Candidate {
        is_live,
        key,
        stored: lookup.stored,
    })
}

impl Candidate {
    /// The private scalar to open the token with.
    pub(super) fn scalar(&self) -> &[u8; 32] {
        self.stored.record.private_scalar.expose()
    }

    /// Returns what the token was opened to and the record of its session, if the token could be
    /// opened and the session has neither ended nor expired.
    ///
    /// Both are asked by one branch, and the reason is picked from a table: a branch that only the
    /// reason depends on would show in the time.
    pub(super) fn verify<T>(
        self,
        opened: Result<T, TokenError>,
    ) -> Result<(RecordKey, Stored, T), TokenError> {
        let unknown = TokenError::UnknownSession;
        let fault = opened.as_ref().err().copied().unwrap_or(unknown);
        let reason = [unknown, fault][usize::from(self.is_live)];
        match opened {
            Ok(opened) if self.is_live => Ok((self.key, self.stored, opened)),
            _ => Err(reason),
        }
    }
}

/// Does the work, and comes back when it has lasted at least this long: some microseconds, since the
/// processor is busy with the waiting.
async fn lasting<T>(minimum: Duration, work: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let done = work.await;
    wait(|| begun.elapsed() >= minimum);
    done
}

fn wait(over: impl Fn() -> bool) {
    for _ in 0..MAX_LOOKS {
        if over() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[tokio::test]
    async fn short_work_lasts_as_long_as_it_must_and_long_work_no_longer() {
        let minimum = Duration::from_micros(5);
        let begun = Instant::now();
        assert_eq!(lasting(minimum, async { 7 }).await, 7);
        assert!(begun.elapsed() >= minimum);

        let looks = Cell::new(0);
        wait(|| {
            looks.set(looks.get() + 1);
            true
        });
        assert_eq!(looks.get(), 1, "what is over isn't waited for");
    }

    #[test]
    fn a_clock_that_stands_still_holds_nobody_up() {
        let looks = Cell::new(0);
        wait(|| {
            looks.set(looks.get() + 1);
            false
        });
        assert_eq!(looks.get(), MAX_LOOKS);
    }
}
