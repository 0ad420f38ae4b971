//! When a session was used last, without a write on each request.
//!
//! The guard only leaves a note where the record is a minute behind, and never waits: a note that
//! finds no room is dropped, and the next request leaves another. One task takes the notes and
//! writes them, some in one durable write, and then rests: with a hundred thousand sessions in use
//! it would else be busy all the time, and each write has the guard read a record again.
//!
//! This room must never bring a session back: each time is written by compare-and-swap over the
//! record that was just read, and one that loses is given up.

use crate::clock::UnixSeconds;
use crate::lacre::{Lacre, Parts};
use futures_util::future::join_all;
use lacre_keystore::{KeystoreError, Record, RecordKey};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// How far the record may be behind, in seconds.
const BEHIND: u64 = 60;
/// How many notes may wait.
const WAITING: usize = 1024;
/// How many are written at once.
const BATCH: usize = 16;
/// How long to rest then: 256 a second, enough to keep 15 000 sessions in use to the minute.
const REST: Duration = Duration::from_micros(62_500);

/// The notes of the guard.
pub(crate) struct Seen {
    notes: Sender<RecordKey>,
    reader: Mutex<Option<Receiver<RecordKey>>>,
}

impl Default for Seen {
    fn default() -> Self {
        let (notes, reader) = channel(WAITING);
        Self {
            notes,
            reader: Mutex::new(Some(reader)),
        }
    }
}

impl Seen {
    fn reader(&self) -> Option<Receiver<RecordKey>> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        reader.take()
    }
}

impl Lacre {
    /// Notes that a session is in use. `last_seen_at` is what its record says.
    #[inline]
    pub(crate) fn note_use(&self, key: &RecordKey, last_seen_at: u64, now: UnixSeconds) {
        if now >= last_seen_at.saturating_add(BEHIND) {
            let _ = self.parts().seen.notes.try_send(*key); // full: the next request leaves another
        }
    }

    /// Keeps [`SessionInfo::last_seen_at`](super::revoke::SessionInfo) up to date, to the minute or so, for
    /// a task of its own on a runtime with timers. Of more than 15 000 sessions in use at once, each
    /// is as far behind as 256 a second make it: 100 000 take six minutes.
    ///
    /// Without it the time stays that of the log-in or the last refresh. It ends when the last
    /// clone of the handle is dropped, and doesn't keep the deployment open. A second one, beside
    /// or after the first, ends at once.
    pub fn keep_last_seen(&self) -> impl Future<Output = ()> + Send + use<> {
        let (reader, parts) = (self.parts().seen.reader(), self.weak());
        async move {
            let Some(mut reader) = reader else { return };
            let mut keys = Vec::with_capacity(BATCH);
            while reader.recv_many(&mut keys, BATCH).await > 0 {
                let Some(parts) = parts.upgrade() else { return };
                keys.sort_unstable();
                keys.dedup();
                let writes = keys.drain(..).map(|key| write(&parts, key));
                for error in join_all(writes).await.into_iter().filter_map(Result::err) {
                    log::warn!(code = error.code(); "a session's last use wasn't written: {error}");
                }
                // Nobody's deployment is held open for a rest.
                drop(parts);
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// Writes that the session is in use now, unless it has changed or ended meanwhile.
async fn write(parts: &Parts, key: RecordKey) -> Result<(), KeystoreError> {
    let Some(stored) = parts.keystore.get(&key)? else {
        return Ok(());
    };
    let now = parts.clock.now();
    if now < stored.record.last_seen_at.saturating_add(BEHIND) || stored.record.is_expired(now) {
        return Ok(());
    }
    let record = Record {
        last_seen_at: now,
        ..stored.record.clone()
    };
    // Who won the swap has used or ended the session.
    let _ = parts
        .keystore
        .compare_and_swap(&key, &stored, &record)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lacre::testing::{Fixture, NOW};
    use crate::sessions::issue::Issued;
    use crate::token::TokenKind;

    fn call(fixture: &Fixture, issued: &Issued) {
        let token = issued.access.token.expose().as_bytes();
        fixture.lacre.guard(token, TokenKind::Access).unwrap();
    }

    fn last_seen(fixture: &Fixture, issued: &Issued) -> Option<u64> {
        let session = fixture.lacre.session(&issued.handle).unwrap();
        session.map(|session| session.last_seen_at)
    }

    /// The notes that wait now.
    fn waiting(reader: &mut Receiver<RecordKey>) -> Vec<RecordKey> {
        std::iter::from_fn(|| reader.try_recv().ok()).collect()
    }

    #[tokio::test]
    async fn a_session_in_use_is_seen_to_the_minute() {
        let fixture = Fixture::new();
        let keeper = tokio::spawn(fixture.lacre.keep_last_seen());
        let issued = fixture.log_in("u1").await;
        for minute in 1..=3 {
            fixture.clock.advance(60);
            call(&fixture, &issued);
            while last_seen(&fixture, &issued) != Some(NOW + minute * 60) {
                tokio::task::yield_now().await;
            }
        }
        call(&fixture, &issued);
        drop(fixture);
        keeper.await.unwrap();
    }

    #[tokio::test]
    async fn within_the_minute_nothing_is_noted() {
        let fixture = Fixture::new();
        let mut reader = fixture.lacre.parts().seen.reader().unwrap();
        let issued = fixture.log_in("u1").await;
        fixture.clock.advance(59);
        call(&fixture, &issued);
        assert_eq!(waiting(&mut reader), []);
        fixture.clock.advance(1);
        call(&fixture, &issued);
        assert_eq!(waiting(&mut reader), [issued.key]);
    }

    #[tokio::test]
    async fn a_refused_token_is_not_noted() {
        let fixture = Fixture::new();
        let mut reader = fixture.lacre.parts().seen.reader().unwrap();
        let issued = fixture.log_in("u1").await;
        fixture.clock.advance(60);
        let token = issued.access.token.expose().as_bytes();
        assert!(fixture.lacre.guard(token, TokenKind::Refresh).is_err());
        fixture.clock.advance(900);
        assert!(fixture.lacre.guard(token, TokenKind::Access).is_err());
        assert_eq!(waiting(&mut reader), []);
    }

    #[tokio::test]
    async fn an_ended_session_stays_ended() {
        let fixture = Fixture::new();
        let issued = fixture.log_in("u1").await;
        fixture.clock.advance(60);
        call(&fixture, &issued);
        fixture.lacre.end(&issued.key).await.unwrap();
        write(fixture.lacre.parts(), issued.key).await.unwrap();
        assert_eq!(last_seen(&fixture, &issued), None);
        assert_eq!(fixture.lacre.keystore().stats().unwrap().records, 0);
    }

    #[tokio::test]
    async fn a_use_changes_nothing_else_of_the_record() {
        let fixture = Fixture::new();
        let issued = fixture.log_in("u1").await;
        let record = |fixture: &Fixture| {
            let stored = fixture.lacre.keystore().get(&issued.key).unwrap();
            stored.unwrap().record
        };
        let before = record(&fixture);
        fixture.clock.advance(100);
        write(fixture.lacre.parts(), issued.key).await.unwrap();
        let expected = Record {
            last_seen_at: NOW + 100,
            ..before
        };
        assert_eq!(record(&fixture), expected);
    }

    #[tokio::test]
    async fn notes_beyond_the_room_are_dropped_and_nobody_waits() {
        let fixture = Fixture::new();
        let mut reader = fixture.lacre.parts().seen.reader().unwrap();
        let issued = fixture.log_in("u1").await;
        fixture.clock.advance(60);
        for _ in 0..WAITING + 10 {
            fixture
                .lacre
                .note_use(&issued.key, NOW, fixture.lacre.now());
        }
        assert_eq!(waiting(&mut reader).len(), WAITING);
        drop(reader);
        call(&fixture, &issued);
    }

    #[tokio::test]
    async fn a_second_keeper_ends_at_once() {
        let fixture = Fixture::new();
        let first = fixture.lacre.keep_last_seen();
        fixture.lacre.keep_last_seen().await;
        drop(first);
        fixture.lacre.keep_last_seen().await;
    }
}
