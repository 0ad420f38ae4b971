//! When a session was used last, without a write on each request.
//!
//! The guard only leaves a note where the record is a minute behind, and never waits: a note that
//! finds no room is dropped, and the next request leaves another. One task takes the notes and
//! writes them, some in one durable write, and then rests: with a hundred thousand sessions in use
//! it would else be busy all the time, and each write has the guard read a record again.
//!
//! This room must never bring a session back: each time is written by compare-and-swap over the
//! record that was just read, and one that loses is given up.

use super::records::Records;
use crate::clock::UnixSeconds;
use futures_util::future::join_all;
use lacre_keystore::{KeystoreError, Record, RecordKey};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// How far the record may be behind, in seconds.
const BEHIND: u64 = 60;
/// The maximum of notes that wait.
const MAX_WAITING: usize = 1024;
/// How many are written at once.
const BATCH: usize = 16;
/// How long to rest then: 256 a second, enough to keep 15 000 sessions in use to the minute.
const REST: Duration = Duration::from_micros(62_500);

/// Where the guard leaves its notes.
#[derive(Clone)]
pub(crate) struct Notes(Sender<Note>);

/// A session in use, and from where, if that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Note {
    key: RecordKey,
    address: Option<IpAddr>,
}

/// Writes what the guard has noted.
pub(crate) struct LastSeen {
    records: Arc<Records>,
    notes: Mutex<Option<Receiver<Note>>>,
}

impl Notes {
    /// Notes that a session is in use, where its record is behind: `last_seen_at` is what that says.
    /// Returns whether it was; then whoever knows the address may note that as well.
    #[inline]
    pub(super) fn note_use(&self, key: &RecordKey, last_seen_at: u64, now: UnixSeconds) -> bool {
        let behind = now >= last_seen_at.saturating_add(BEHIND);
        if behind {
            self.leave(*key, None);
        }
        behind
    }

    /// Notes from where a session is used.
    pub(crate) fn note_address(&self, key: &RecordKey, address: IpAddr) {
        self.leave(*key, Some(address));
    }

    fn leave(&self, key: RecordKey, address: Option<IpAddr>) {
        let _ = self.0.try_send(Note { key, address }); // full: the next request leaves another
    }
}

impl LastSeen {
    /// A writer over these records, and where notes for it are left.
    pub(crate) fn new(records: Records) -> (Self, Notes) {
        let (notes, reader) = channel(MAX_WAITING);
        let writer = Self {
            records: Arc::new(records),
            notes: Mutex::new(Some(reader)),
        };
        (writer, Notes(notes))
    }

    /// Writes notes until the last [`Notes`] and this are dropped, which it doesn't keep alive. Ends
    /// at once where another call has taken the notes.
    pub(crate) fn keep(&self) -> impl Future<Output = ()> + Send + use<> {
        let (reader, records) = (self.reader(), Arc::downgrade(&self.records));
        async move {
            let Some(mut reader) = reader else { return };
            let mut notes = Vec::with_capacity(BATCH);
            while reader.recv_many(&mut notes, BATCH).await > 0 {
                let Some(records) = records.upgrade() else {
                    return;
                };
                let writes = of_each_session(&mut notes);
                let writes = writes.map(|note| write(&records, note));
                for error in join_all(writes).await.into_iter().filter_map(Result::err) {
                    log::warn!(code = error.code(); "a session's last use wasn't written: {error}");
                }
                // The deployment isn't kept open during the rest.
                drop(records);
                tokio::time::sleep(REST).await;
            }
        }
    }

    fn reader(&self) -> Option<Receiver<Note>> {
        let mut reader = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        reader.take()
    }
}

/// One note of each session: of several the one with an address.
fn of_each_session(notes: &mut Vec<Note>) -> impl Iterator<Item = Note> {
    notes.sort_unstable_by(|one, two| two.cmp(one));
    notes.dedup_by_key(|note| note.key);
    notes.drain(..)
}

/// Writes that the session is in use now, unless it has changed or ended meanwhile.
async fn write(records: &Records, Note { key, address }: Note) -> Result<(), KeystoreError> {
    let Some(stored) = records.keystore.get(&key).await? else {
        return Ok(());
    };
    let now = records.now();
    let address = address.map(|address| address.to_string());
    let before = &stored.record;
    let known = before
        .last_seen_address
        .as_ref()
        .or(before.address.as_ref());
    let elsewhere = address.is_some() && address.as_ref() != known;
    let behind = now >= before.last_seen_at.saturating_add(BEHIND);
    if !(behind || elsewhere) || before.is_expired(now) {
        return Ok(());
    }
    let record = Record {
        last_seen_at: now,
        last_seen_address: address.or_else(|| before.last_seen_address.clone()),
        ..stored.record.clone()
    };
    // The winner of a conflict has used or ended the session.
    let _ = records.swap(&key, &stored, &record).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lacre::testing::{Fixture, NOW};
    use crate::sessions::grant::Issued;
    use crate::token::TokenKind;

    async fn call(fixture: &Fixture, issued: &Issued) {
        let token = issued.access.token.expose().as_bytes();
        fixture.lacre.guard(token, TokenKind::Access).await.unwrap();
    }

    async fn last_seen(fixture: &Fixture, issued: &Issued) -> Option<u64> {
        let session = fixture.lacre.session(&issued.handle).await.unwrap();
        session.map(|session| session.last_seen_at)
    }

    /// The notes that wait now.
    fn waiting(reader: &mut Receiver<Note>) -> Vec<RecordKey> {
        let notes = std::iter::from_fn(|| reader.try_recv().ok());
        notes.map(|note| note.key).collect()
    }

    #[tokio::test]
    async fn a_session_in_use_is_seen_to_the_minute() {
        let fixture = Fixture::new();
        let keeper = tokio::spawn(fixture.lacre.keep_last_seen());
        let issued = fixture.log_in("u1").await;
        for minute in 1..=3 {
            fixture.clock.advance(60);
            call(&fixture, &issued).await;
            while last_seen(&fixture, &issued).await != Some(NOW + minute * 60) {
                tokio::task::yield_now().await;
            }
        }
        call(&fixture, &issued).await;
        drop(fixture);
        keeper.await.unwrap();
    }

    #[tokio::test]
    async fn within_the_minute_nothing_is_noted() {
        let fixture = Fixture::new();
        let mut reader = fixture.lacre.last_seen().reader().unwrap();
        let issued = fixture.log_in("u1").await;
        fixture.clock.advance(59);
        call(&fixture, &issued).await;
        assert_eq!(waiting(&mut reader), []);
        fixture.clock.advance(1);
        call(&fixture, &issued).await;
        assert_eq!(waiting(&mut reader), [issued.key]);
    }

    #[tokio::test]
    async fn a_refused_token_is_not_noted() {
        let fixture = Fixture::new();
        let mut reader = fixture.lacre.last_seen().reader().unwrap();
        let issued = fixture.log_in("u1").await;
        fixture.clock.advance(60);
        let token = issued.access.token.expose().as_bytes();
        assert!(
            fixture
                .lacre
                .guard(token, TokenKind::Refresh)
                .await
                .is_err()
        );
        fixture.clock.advance(900);
        assert!(fixture.lacre.guard(token, TokenKind::Access).await.is_err());
        assert_eq!(waiting(&mut reader), []);
    }

    #[tokio::test]
    async fn an_ended_session_stays_ended() {
        let fixture = Fixture::new();
        let issued = fixture.log_in("u1").await;
        fixture.clock.advance(60);
        call(&fixture, &issued).await;
        fixture.lacre.revoke(&issued.key).await.unwrap();
        write(fixture.lacre.records(), note(&issued, None))
            .await
            .unwrap();
        assert_eq!(last_seen(&fixture, &issued).await, None);
        assert_eq!(fixture.lacre.keystore().stats().await.unwrap().records, 0);
    }

    #[tokio::test]
    async fn a_use_changes_nothing_else_of_the_record() {
        let fixture = Fixture::new();
        let issued = fixture.log_in("u1").await;
        let record = async |fixture: &Fixture| {
            let stored = fixture.lacre.keystore().get(&issued.key).await.unwrap();
            stored.unwrap().record
        };
        let before = record(&fixture).await;
        fixture.clock.advance(100);
        write(fixture.lacre.records(), note(&issued, None))
            .await
            .unwrap();
        let expected = Record {
            last_seen_at: NOW + 100,
            ..before
        };
        assert_eq!(record(&fixture).await, expected);
    }

    #[tokio::test]
    async fn notes_beyond_the_room_are_dropped_and_nobody_waits() {
        let fixture = Fixture::new();
        let issued = fixture.log_in("u1").await;
        let (writer, notes) = LastSeen::new(fixture.lacre.records().clone());
        let mut reader = writer.reader().unwrap();
        for _ in 0..MAX_WAITING + 10 {
            notes.note_use(&issued.key, NOW, NOW + 60);
        }
        assert_eq!(waiting(&mut reader).len(), MAX_WAITING);
        drop(reader);
        notes.note_use(&issued.key, NOW, NOW + 60);
    }

    fn note(issued: &Issued, address: Option<IpAddr>) -> Note {
        let key = issued.key;
        Note { key, address }
    }

    #[tokio::test]
    async fn the_address_of_the_last_use_is_kept() {
        let fixture = Fixture::new();
        let issued = fixture.log_in("u1").await;
        let seen = async |from: Option<&str>| {
            let from = from.map(|address| address.parse().unwrap());
            write(fixture.lacre.records(), note(&issued, from))
                .await
                .unwrap();
            let session = fixture
                .lacre
                .session(&issued.handle)
                .await
                .unwrap()
                .unwrap();
            (session.last_seen_at, session.last_seen_address)
        };
        let at = |address: &str| Some(address.to_owned());
        assert_eq!(seen(Some("192.0.2.1")).await, (NOW, at("192.0.2.1")));
        fixture.clock.advance(59);
        assert_eq!(
            seen(Some("192.0.2.1")).await,
            (NOW, at("192.0.2.1")),
            "no write"
        );
        // Used elsewhere is said at once; that nobody knows from where takes nothing back.
        assert_eq!(
            seen(Some("2001:db8::1")).await,
            (NOW + 59, at("2001:db8::1"))
        );
        fixture.clock.advance(60);
        assert_eq!(seen(None).await, (NOW + 119, at("2001:db8::1")));
    }

    #[test]
    fn of_several_notes_the_one_with_an_address_is_written() {
        let key = |number| RecordKey::from_bytes(&[number; 32]);
        let address = Some([192, 0, 2, 1].into());
        let note = |number, address| Note {
            key: key(number),
            address,
        };
        let mut notes = vec![
            note(2, None),
            note(1, None),
            note(1, address),
            note(1, None),
        ];
        let written: Vec<_> = of_each_session(&mut notes).collect();
        assert_eq!(written, [note(2, None), note(1, address)]);
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
