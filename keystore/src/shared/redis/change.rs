//! What changes records, and what each change has to wait for.
//!
//! A change and what tells of it are one function. Who finds that what it wanted to end has ended already, or has
//! lost a swap, goes by a change that may not have been answered yet: the function writes the feed all the same, and
//! what it has written is confirmed after that other change, and waits as long.
//!
//! What takes records away is written down in the journal before the servers are asked to make it. An end that names a
//! version of a record may turn out not to fit, and a server may refuse one that comes too late: then it is taken back
//! there.
//!
//! This room must never let a change that ends something be answered without the wait, nor ask a server for an end that
//! isn't written down.

use std::time::Duration;

use futures_util::future::try_join_all;
use redis::{Cmd, Value};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::bucket::Bucket;
use super::functions::call;
use super::parts::Inner;
use super::read::{end as limit, named};
use super::wire::{accepted, big_endian, bytes, changes_held, items, number, says_late, strange};
use super::writer::Job;
use crate::error::KeystoreError;
use crate::key::{KeyRange, RecordKey, UserTag};
use crate::note::Note;
use crate::shared::journal::{End, PATIENCE, Ticket};
use crate::store::Write;

/// For how long the removal of all may go on: the journal reckons with an hour.
const ALL_WITHIN: Duration = Duration::from_mins(50);

/// How many records one step of the removal of all takes.
const STEP: usize = 500;

/// How often an end is written down again because a record was put meanwhile.
const ATTEMPTS: usize = 16;

/// For how long a server may make a change after it was asked for.
pub(super) const DEADLINE: Duration = Duration::from_secs(1);

/// What was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    /// How long the answer has to wait, where it says that something has ended.
    pub(super) wait: Option<Duration>,
    /// It was written down in the journal before it was made, and has been made: whoever connects to other servers makes
    /// it there once more before it lets anybody in.
    pub(super) written: bool,
}

impl Made {
    fn written(self, written: bool) -> Self {
        Self { written, ..self }
    }
}

/// What a bucket says that takes no changes now.
const HELD: u64 = 3;

const NO_WAIT: Made = Made {
    wait: None,
    written: false,
};

/// The wait for a lease of so many microseconds, and one per cent: clocks differ in rate.
fn wait(lease_us: u64) -> Made {
    let lease = Duration::from_micros(lease_us);
    Made {
        wait: Some(lease + lease / 100),
        written: false,
    }
}

/// What a bucket says to a change: a number, the lease in microseconds, and what belongs to it.
struct Said {
    what: u64,
    lease_us: u64,
    rest: Vec<Value>,
}

impl Said {
    fn of(said: Value) -> Result<Self, KeystoreError> {
        let mut said = items(said).into_iter();
        let mut next = || said.next().and_then(number).ok_or_else(strange);
        let (what, lease_us) = (next()?, next()?);
        let rest = said.collect();
        Ok(Self {
            what,
            lease_us,
            rest,
        })
    }

    /// Fails where the change wasn't made because changes are held.
    fn taken(self) -> Result<Self, KeystoreError> {
        if self.what == HELD {
            return Err(changes_held());
        }
        Ok(self)
    }

    /// The number that the one of the journal has to be greater than, where it was too small.
    fn overtaken(&self) -> Result<Option<u64>, KeystoreError> {
        if self.what != 2 {
            return Ok(None);
        }
        let above = self.rest.first().cloned().and_then(big_endian);
        above.map(Some).ok_or_else(strange)
    }
}

/// Writes an end down, and makes it in its bucket: again with a greater number where a record was put after it was written
/// down. `ask` is given what a change begins with.
async fn end(
    inner: &Inner,
    (what, bucket): (&str, Bucket),
    ends: &[End],
    ask: impl Fn(&mut Cmd),
) -> Result<(u64, Ticket, Said), KeystoreError> {
    let (mut above, until) = (0, Instant::now() + PATIENCE);
    for _ in 0..ATTEMPTS {
        // Nothing is written down that nobody can be asked for.
        inner.map()?;
        // Before it is written down: what is made later than that by more than the deadline isn't made.
        let begun = inner.lease.now();
        let ticket = inner.journal.write(ends.to_vec(), above, until).await?;
        let (number_of_it, mut asked) = change(inner, what, bucket, begun)?;
        asked.arg(&ticket.number.to_be_bytes()[..]);
        ask(&mut asked);
        let answer = answered(inner, bucket, asked).await?;
        if says_late(&answer) {
            // It isn't made, and would be if ends were made once more.
            inner.journal.take_back(ticket.clone());
        }
        let said = Said::of(accepted(answer)?)?;
        if said.what == HELD {
            // The same.
            inner.journal.take_back(ticket);
            return Err(changes_held());
        }
        let Some(overtaken_by) = said.overtaken()? else {
            return Ok((number_of_it, ticket, said));
        };
        above = overtaken_by;
    }
    Err(KeystoreError::StoreContended)
}

pub(super) async fn apply(
    inner: &Inner,
    writes: Vec<Write>,
    note: Option<Note>,
) -> Result<(bool, Made), KeystoreError> {
    let Some(first) = writes.first() else {
        return Ok((true, NO_WAIT));
    };
    let user = first.key.user;
    if writes.iter().any(|write| write.key.user != user) {
        return Err(KeystoreError::unavailable("writes of more than one user"));
    }
    // Of a session that goes on under another key the note is left as well.
    let is_end = |write: &&Write| {
        write.expected.is_some() && (write.new.is_none() || (note.is_some() && write.ends_tokens))
    };
    let ends = writes.iter().filter(is_end);
    let ends: Vec<_> = ends
        .map(|write| End::Record(write.key.to_bytes()))
        .collect();
    let ask = |asked: &mut Cmd| {
        for write in &writes {
            let expected = write
                .expected
                .as_ref()
                .map(|bytes| [b"=", &bytes[..]].concat());
            let new = write.new.as_ref();
            let new = new.map(|new| [b"=", &new.expires_at.to_be_bytes()[..], &new.bytes].concat());
            asked
                .arg(&write.key.to_bytes()[..])
                .arg(expected.unwrap_or_default())
                .arg(new.unwrap_or_default())
                .arg(if is_end(&write) {
                    2
                } else {
                    u8::from(write.ends_tokens)
                });
        }
    };
    let bucket = Bucket::of_user(user);
    let (number_of_it, said) = if ends.is_empty() {
        let (number_of_it, mut asked) = change(inner, "apply", bucket, inner.lease.now())?;
        asked.arg("");
        ask(&mut asked);
        let said = Said::of(made(inner, bucket, asked).await?)?;
        (number_of_it, said.taken()?)
    } else {
        let (number_of_it, ticket, said) = end(inner, ("apply", bucket), &ends, ask).await?;
        if said.what == 0 {
            inner.journal.take_back(ticket);
        }
        (number_of_it, said)
    };
    let fits = said.what == 1;
    if fits {
        let changed: Vec<_> = writes.iter().map(|write| write.key).collect();
        let removed = |write: &&Write| write.expected.is_some() && write.new.is_none();
        let gone = writes.iter().filter(removed);
        let gone: Vec<_> = gone.map(|write| write.key).collect();
        inner.made(number_of_it, &changed, &gone);
        let left = writes.iter().filter(is_end);
        let left = left.filter_map(|write| Some((write.key, write.expected.clone()?)));
        noted(inner, note.as_ref(), left.collect()).await?;
    }
    let waits = writes.iter().any(|write| write.ends_tokens);
    let made = if waits {
        wait(said.lease_us).written(fits && !ends.is_empty())
    } else {
        NO_WAIT
    };
    Ok((fits, made))
}

/// Leaves the notes of records that have gone.
async fn noted(
    inner: &Inner,
    note: Option<&Note>,
    gone: Vec<(RecordKey, Vec<u8>)>,
) -> Result<(), KeystoreError> {
    match note {
        Some(note) => inner.journal.leave(note, &gone).await,
        None => Ok(()),
    }
}

pub(super) async fn remove(
    inner: &Inner,
    key: RecordKey,
    note: Option<Note>,
) -> Result<(bool, Made), KeystoreError> {
    let (bytes_of_key, place) = (key.to_bytes(), ("remove", Bucket::of_user(key.user)));
    let ends = [End::Record(bytes_of_key)];
    let (number_of_it, _, said) = end(inner, place, &ends, |asked| {
        asked.arg(&bytes_of_key[..]);
    })
    .await?;
    if said.what == 1 {
        inner.made(number_of_it, &[key], &[key]);
        let sealed = said.rest.into_iter().next().and_then(bytes);
        let sealed = sealed.ok_or_else(strange)?;
        noted(inner, note.as_ref(), vec![(key, sealed)]).await?;
    }
    Ok((said.what == 1, wait(said.lease_us).written(true)))
}

/// What a removal of a range has taken away.
struct Removed {
    /// How many were looked at, and the last of them.
    seen: usize,
    last: Vec<u8>,
    /// With what was sealed, where that was wanted.
    gone: Vec<(RecordKey, Vec<u8>)>,
    made: Made,
}

impl Removed {
    fn of(said: Said) -> Result<Self, KeystoreError> {
        let mut rest = said.rest.into_iter();
        let seen = rest.next().and_then(number).ok_or_else(strange)?;
        let last = rest.next().and_then(bytes).ok_or_else(strange)?;
        let mut gone = Vec::new();
        while let Some(name) = rest.next() {
            let sealed = rest.next().and_then(bytes).ok_or_else(strange)?;
            gone.push((named(name)?, sealed));
        }
        Ok(Self {
            seen: usize::try_from(seen).map_err(|_| strange())?,
            last,
            gone,
            made: wait(said.lease_us).written(true),
        })
    }

    /// Tells of what has gone, and leaves its notes.
    async fn told(
        self,
        inner: &Inner,
        number_of_it: u64,
        note: Option<&Note>,
    ) -> Result<Vec<RecordKey>, KeystoreError> {
        let keys: Vec<_> = self.gone.iter().map(|(key, _)| *key).collect();
        inner.made(number_of_it, &keys, &keys);
        noted(inner, note, self.gone).await?;
        Ok(keys)
    }
}

pub(super) async fn remove_user(
    inner: &Inner,
    user: UserTag,
    keep: Option<RecordKey>,
    note: Option<Note>,
) -> Result<(Vec<RecordKey>, Made), KeystoreError> {
    let range = KeyRange::of_user(user);
    let keep = keep.map(|key| key.to_bytes());
    let (place, ends) = (
        ("remove_range", Bucket::of_user(user)),
        [End::User(user, keep)],
    );
    let (number_of_it, _, said) = end(inner, place, &ends, |asked| {
        asked
            .arg(limit(b'[', &range.first()))
            .arg(limit(b'[', &range.last()))
            .arg(-1)
            .arg(keep.map(|keep| keep.to_vec()).unwrap_or_default())
            .arg(u8::from(note.is_some()))
            .arg(0);
    })
    .await?;
    let removed = Removed::of(said)?;
    let made = removed.made;
    Ok((
        removed.told(inner, number_of_it, note.as_ref()).await?,
        made,
    ))
}

/// Removes everything, bucket after bucket. That it has begun is noted first: an opening goes on with it.
pub(super) async fn remove_all(
    inner: &Inner,
    note: Option<Note>,
) -> Result<(u64, Made), KeystoreError> {
    let who = format!("{}:{}", inner.node, inner.next_change());
    inner.map()?;
    let written_at = inner.lease.now();
    let until = Instant::now() + PATIENCE;
    let ticket = inner.journal.write(vec![End::All], 0, until).await?;
    if !note_emptying(inner, &who, true).await? {
        inner.journal.take_back(ticket);
        return Err(changes_held());
    }
    let (mut count, mut latest) = (0, NO_WAIT);
    for bucket in Bucket::all() {
        let mut from = limit(b'[', &KeyRange::ALL.first());
        loop {
            let begun = inner.lease.now();
            if begun.saturating_sub(written_at)
                > u64::try_from(ALL_WITHIN.as_nanos()).unwrap_or(u64::MAX)
            {
                return Err(KeystoreError::unavailable("there are too many sessions"));
            }
            let (number_of_it, mut asked) = change(inner, "remove_range", bucket, begun)?;
            asked
                .arg(&ticket.number.to_be_bytes()[..])
                .arg(&from)
                .arg(limit(b'[', &KeyRange::ALL.last()))
                .arg(STEP)
                .arg("")
                .arg(u8::from(note.is_some()))
                // What was put after it had begun.
                .arg(1);
            let said = Said::of(made(inner, bucket, asked).await?)?;
            let removed = Removed::of(said.taken()?)?;
            latest = Made {
                wait: latest.wait.max(removed.made.wait),
                ..removed.made
            };
            let (seen, next) = (removed.seen, [b"(", &removed.last[..]].concat());
            count += removed
                .told(inner, number_of_it, note.as_ref())
                .await?
                .len() as u64;
            if seen < STEP {
                break;
            }
            from = next;
        }
    }
    note_emptying(inner, &who, false).await?;
    Ok((count, latest))
}

/// Whether it is noted: not while changes are held.
async fn note_emptying(inner: &Inner, who: &str, begun: bool) -> Result<bool, KeystoreError> {
    let mut asked = call("emptying", Bucket::FIRST);
    asked.arg(who).arg(u8::from(begun));
    let said = made(inner, Bucket::FIRST, asked).await?;
    Ok(number(said) != Some(HELD))
}

/// A change of this process's own at every server, confirmed after whatever was found changed, and the wait for it.
pub(super) async fn barrier(inner: &Inner) -> Result<((), Made), KeystoreError> {
    let map = inner.map()?;
    let firsts = map.shards.iter().filter_map(|shard| shard.buckets.first());
    let barriers = firsts.map(|bucket| async {
        let (_, asked) = change(inner, "barrier", *bucket, inner.lease.now())?;
        let said = items(made(inner, *bucket, asked).await?);
        said.into_iter().next().and_then(number).ok_or_else(strange)
    });
    let leases = try_join_all(barriers).await?;
    let longest = leases.into_iter().max().ok_or_else(strange)?;
    Ok(((), wait(longest)))
}

/// Whether it is this process's turn.
pub(super) async fn take_turn(
    inner: &Inner,
    chore: &'static str,
    every: Duration,
) -> Result<bool, KeystoreError> {
    let mut asked = call("turn", Bucket::FIRST);
    let every = u64::try_from(every.as_micros()).unwrap_or(u64::MAX);
    asked.arg(chore).arg(every);
    let taken = made(inner, Bucket::FIRST, asked).await?;
    Ok(number(taken) == Some(1))
}

/// What a change begins with that was begun at this time: whose it is, which, and until when it may be made, by the
/// server's clock.
fn change(
    inner: &Inner,
    what: &str,
    bucket: Bucket,
    begun: u64,
) -> Result<(u64, Cmd), KeystoreError> {
    let map = inner.map()?;
    let ahead = map
        .of(bucket)?
        .ahead_us
        .load(std::sync::atomic::Ordering::SeqCst);
    let now = i64::try_from(begun / 1_000).unwrap_or(i64::MAX);
    let deadline = i64::try_from(DEADLINE.as_micros()).unwrap_or(i64::MAX);
    let until = now.saturating_add(ahead).saturating_add(deadline);
    let number_of_it = inner.next_change();
    let mut asked = call(what, bucket);
    asked.arg(inner.node).arg(number_of_it).arg(until);
    Ok((number_of_it, asked))
}

/// Has the server's writer make a change that isn't refused.
async fn made(inner: &Inner, bucket: Bucket, asked: Cmd) -> Result<Value, KeystoreError> {
    accepted(answered(inner, bucket, asked).await?)
}

/// Has the server's writer make a change. The answer may be the server's refusal.
async fn answered(inner: &Inner, bucket: Bucket, asked: Cmd) -> Result<Value, KeystoreError> {
    let (answer, said) = oneshot::channel();
    let map = inner.map()?;
    let gone = || KeystoreError::unavailable("another server has taken over");
    let job = Job { asked, answer };
    map.of(bucket)?.jobs.send(job).map_err(|_| gone())?;
    said.await.map_err(|_| gone())?
}
