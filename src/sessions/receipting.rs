//! Receipts of ends, written from the notes that ends leave.
//!
//! An end waits for its note alone, which is durable with it. This room reads the notes behind the last one
//! that was written down, once they are durable, and appends a receipt of each to the log. Notes that have no
//! receipt yet are kept. How far it came is kept in the keystore as well, with the hash of the last receipt, so
//! that a file that was cut, changed or replaced by an older one is found.
//!
//! This room must never write a receipt of an end that may be undone, and never leave one out.

use super::end::Ended as End;
use super::records::Records;
use crate::clock::UnixSeconds;
use crate::receipts::{
    self, Ended, Entry, Event, Head, Line, Lines, Log, PublicKey, ReceiptsError, Start,
};
use crate::token::{Handle, base64url};
use lacre_keystore::{KeystoreError, NotePlace, SealedNote};
use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use std::collections::{HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// How many receipts are made durable at once.
const BATCH: usize = 512;
/// How many of the last receipts are remembered.
const RECENT: usize = 4096;
/// How long somebody who asks waits for receipts to be written.
const SOON: Duration = Duration::from_secs(2);
/// How often the notes are looked at.
const EVERY: Duration = Duration::from_millis(500);

/// Writes the receipts of one deployment.
pub(crate) struct Receipts {
    records: Records,
    path: PathBuf,
    /// The id of a log that begins here.
    new_chain: String,
    open: Mutex<Option<Open>>,
    length: AtomicU64,
    written: AtomicU64,
    head: std::sync::Mutex<Option<Head>>,
    failing: std::sync::Mutex<Option<ReceiptsError>>,
    recent: std::sync::Mutex<VecDeque<Receipt>>,
}

/// The open log, and where in the notes it stands.
struct Open {
    log: Log,
    after: Option<NotePlace>,
    /// Notes behind there that have their receipts already.
    done: HashSet<NotePlace>,
}

/// A receipt: where it stands, and what it is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) sid: String,
    pub(crate) cause: String,
    pub(crate) ended_at: UnixSeconds,
    pub(crate) seq: u64,
    pub(crate) hash: String,
}

/// Where a log stands.
pub(crate) struct Status {
    /// The last line; `None` before there is a file.
    pub(crate) head: Option<Head>,
    /// Why it can't be written now.
    pub(crate) failing: Option<ReceiptsError>,
    pub(crate) latest: Vec<Receipt>,
}

/// What an export is made of.
pub(crate) struct Export {
    pub(crate) lines: Lines,
    pub(crate) head: Line,
}

/// How far the receipts are, as the keystore keeps it.
#[derive(Serialize, Deserialize)]
struct Kept {
    head: Head,
    note: Option<String>,
}

impl Receipts {
    /// Receipts in this file, which is opened when it is first written.
    pub(crate) fn new(records: Records, path: PathBuf, rng: &mut impl CryptoRng) -> Arc<Self> {
        // Until it is known which have their receipts.
        records.keystore.keep_notes_from(0);
        Arc::new(Self {
            records,
            path,
            new_chain: receipts::new_chain(rng),
            open: Mutex::default(),
            length: AtomicU64::default(),
            written: AtomicU64::default(),
            head: std::sync::Mutex::default(),
            failing: std::sync::Mutex::default(),
            recent: std::sync::Mutex::default(),
        })
    }

    /// Writes a receipt of each end that is durable by now. It goes on to its end also where its caller goes.
    pub(crate) async fn write(self: &Arc<Self>) -> Result<(), ReceiptsError> {
        self.write_batches(usize::MAX).await.map(drop)
    }

    /// The same for so many batches at most, and whether that were all.
    async fn write_batches(self: &Arc<Self>, most: usize) -> Result<bool, ReceiptsError> {
        let own = Arc::clone(self);
        let written = tokio::spawn(async move {
            let mut open = own.open.lock().await;
            let written = own.write_some(&mut open, most).await;
            own.tell(written.as_ref().err());
            written
        });
        written.await.map_err(ReceiptsError::unavailable)?
    }

    /// The same, and waits for it no longer than this: whoever has ended something needn't wait for the receipts of
    /// many others.
    pub(crate) async fn write_soon(self: &Arc<Self>) -> Result<(), ReceiptsError> {
        let written = tokio::time::timeout(SOON, self.write()).await;
        written.unwrap_or_else(|_| Err(ReceiptsError::unavailable("many ends wait for theirs")))
    }

    /// Has the key that signs now sign the receipts from now on. Returns the id of the key of receipts that does,
    /// once a process that is killed leaves it so.
    pub(crate) async fn hand_over(self: &Arc<Self>) -> Result<String, ReceiptsError> {
        let own = Arc::clone(self);
        let handed_over = tokio::spawn(async move {
            let mut state = own.open.lock().await;
            let signs = own.hand_over_in(&mut state).await;
            if let Err(error) = &signs {
                own.tell(Some(error));
            }
            signs
        });
        handed_over.await.map_err(ReceiptsError::unavailable)?
    }

    async fn hand_over_in(&self, state: &mut Option<Open>) -> Result<String, ReceiptsError> {
        let any_notes = self.records.keystore.settle_notes().await?.is_some();
        let open = self.ready(state, any_notes).await?;
        let signs = open.log.kid().to_owned();
        *state = Some(open);
        Ok(signs)
    }

    /// Writes them from now on, for a task of its own. Where many end at once it rests after each batch for as long
    /// as that took: ends and requests go first.
    pub(crate) async fn keep_writing(self: Arc<Self>) {
        loop {
            let begun = Instant::now();
            // What fails is logged, and tried again.
            let is_done = self.write_batches(1).await.unwrap_or(true);
            let rest = if is_done { EVERY } else { begun.elapsed() };
            tokio::time::sleep(rest).await;
        }
    }

    async fn write_some(
        &self,
        state: &mut Option<Open>,
        most: usize,
    ) -> Result<bool, ReceiptsError> {
        let keystore = &self.records.keystore;
        let settled = keystore.settle_notes().await?;
        let mut open = self.ready(state, settled.is_some()).await?;
        let (mut batches, mut is_done) = (0, false);
        while let Some(settled) = settled
            && batches < most
        {
            batches += 1;
            let mut notes = keystore.left_to_write(open.after, BATCH).await?;
            notes.retain(|note| note.place <= settled);
            let Some(last) = notes.last().map(|note| note.place) else {
                is_done = true;
                break;
            };
            let new = notes.iter().filter(|note| !open.done.remove(&note.place));
            let events = new.map(|note| Event::End(self.receipt_of(note))).collect();
            open = self.blocking(open, events).await?;
            open.after = Some(last);
            self.keep(&open).await?;
            // Only now: what the file has behind the head that is kept can be written once more.
            keystore.keep_notes_from(last.number() + 1);
        }
        is_done |= settled.is_none();
        if is_done {
            open.done = HashSet::new();
        }
        *state = Some(open);
        Ok(is_done)
    }

    /// The open log, signed with the key of now. It is taken out: after an error it is opened anew.
    async fn ready(
        &self,
        state: &mut Option<Open>,
        any_notes: bool,
    ) -> Result<Open, ReceiptsError> {
        let open = match state.take().filter(|open| open.log.is_there()) {
            Some(open) => open,
            None => self.open(any_notes).await?,
        };
        let signers = self.records.keyring().signers();
        if open.log.is_signed_by(&signers.receipts()) {
            return Ok(open);
        }
        let open = self.blocking(open, Vec::new()).await?;
        self.keep(&open).await?;
        Ok(open)
    }

    /// Opens the log, and finds which notes it has already.
    async fn open(&self, any_notes: bool) -> Result<Open, ReceiptsError> {
        let kept = self.records.keystore.head().await?;
        let kept: Option<Kept> = match &kept {
            Some(bytes) => Some(serde_json::from_slice(bytes).map_err(ReceiptsError::unavailable)?),
            None => None,
        };
        let after = kept.as_ref().and_then(|kept| {
            let bytes = base64url::decode(kept.note.as_ref()?.as_bytes())?;
            NotePlace::from_bytes(&bytes)
        });
        let (records, path) = (self.records.clone(), self.path.clone());
        let chain = self.new_chain.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let mut done = HashSet::new();
            let start = match &kept {
                Some(kept) => Start::Head(&kept.head),
                None if any_notes => Start::Beginning,
                None => Start::End,
            };
            let each = |entry: &Entry| done.extend(place_of(&records, entry));
            let signers = records.keyring().signers();
            let keys = &signers.receipts();
            Log::open(&path, &start, keys, records.now(), || chain, each).map(|log| Open {
                log,
                after,
                done,
            })
        });
        let open = opened.await.map_err(ReceiptsError::unavailable)??;
        self.stands(&open.log);
        self.keep(&open).await?;
        let next = open.after.map_or(0, |place| place.number() + 1);
        self.records.keystore.keep_notes_from(next);
        Ok(open)
    }

    /// Appends these, with the key that signs now.
    async fn blocking(&self, mut open: Open, events: Vec<Event>) -> Result<Open, ReceiptsError> {
        let records = self.records.clone();
        let appended = tokio::task::spawn_blocking(move || {
            let (signers, now) = (records.keyring().signers(), records.now());
            let keys = signers.receipts();
            open.log.hand_over(&keys, now)?;
            let Some(signer) = keys.first().filter(|_| !events.is_empty()) else {
                return Ok((open, Vec::new()));
            };
            let ends: Vec<_> = events
                .iter()
                .map(|event| match event {
                    Event::End(end) => Some((end.sid.clone(), end.cause.clone(), end.ended_at)),
                    _ => None,
                })
                .collect();
            let written = open.log.append(events, now, signer)?.into_iter().zip(ends);
            let written = written.filter_map(|((seq, hash), end)| {
                let (sid, cause, ended_at) = end?;
                Some(Receipt {
                    sid,
                    cause,
                    ended_at,
                    seq,
                    hash,
                })
            });
            let written: Vec<_> = written.collect();
            Ok((open, written))
        });
        let appended: Result<_, ReceiptsError> =
            appended.await.map_err(ReceiptsError::unavailable)?;
        let (open, written) = appended?;
        self.stands(&open.log);
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.extend(written);
        let beyond = recent.len().saturating_sub(RECENT);
        recent.drain(..beyond);
        Ok(open)
    }

    fn stands(&self, log: &Log) {
        self.length.store(log.length(), Ordering::Release);
        self.written.store(log.head().seq, Ordering::Relaxed);
        let mut head = self.head.lock().unwrap_or_else(PoisonError::into_inner);
        *head = Some(log.head().clone());
    }

    async fn keep(&self, open: &Open) -> Result<(), ReceiptsError> {
        let kept = Kept {
            head: open.log.head().clone(),
            note: open.after.map(|place| base64url::encode(place.as_bytes())),
        };
        let kept = serde_json::to_vec(&kept).map_err(ReceiptsError::unavailable)?;
        Ok(self.records.keystore.keep_head(kept).await?)
    }

    fn receipt_of(&self, note: &SealedNote) -> Ended {
        // A note that doesn't open stands for an end all the same.
        let said = self.records.read(note).map(|said| (said.cause, said.by));
        let (cause, by) = said.unwrap_or_else(|| ("unknown".to_owned(), "unknown".to_owned()));
        Ended {
            sid: self
                .records
                .handle_of(&note.place.key())
                .as_str()
                .to_owned(),
            ended_at: note.place.at(),
            cause,
            by,
            record: base64url::encode(note.removed),
            note: note.place.number(),
        }
    }

    /// Says once that it fails, and once that it goes on.
    fn tell(&self, error: Option<&ReceiptsError>) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        match (error, &*failing) {
            (Some(error), before) if before.as_ref() != Some(error) => {
                log::error!(
                    code = error.code();
                    "no receipts of ends are written, the ends wait for them: {error}"
                );
            }
            (None, Some(_)) => log::warn!(code = "receipts_written"; "receipts are written again"),
            _ => {}
        }
        *failing = error.cloned();
    }

    /// Why none are written, where that is so.
    pub(crate) fn failing(&self) -> Option<ReceiptsError> {
        let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        failing.clone()
    }

    /// The number of the last line that is written.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// The receipt of the latest end of a session, if it is one of the last that were written.
    pub(crate) fn recent(&self, handle: &Handle) -> Option<Receipt> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let mut latest = recent.iter().rev();
        latest
            .find(|receipt| receipt.sid == handle.as_str())
            .cloned()
    }

    /// The receipts of a session.
    pub(crate) async fn find(
        self: &Arc<Self>,
        handle: &Handle,
    ) -> Result<Vec<Line>, ReceiptsError> {
        self.write_soon().await?;
        let sid = handle.as_str().to_owned();
        self.look(move |path, length| receipts::find(path, length, &sid))
            .await
    }

    /// The receipt of this end.
    pub(crate) async fn find_end(
        self: &Arc<Self>,
        end: &End,
    ) -> Result<Option<Line>, ReceiptsError> {
        self.write_soon().await?;
        let (sid, which) = (end.handle.as_str().to_owned(), (end.at, end.number));
        self.look(move |path, length| receipts::find_end(path, length, &sid, which))
            .await
    }

    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Path, u64) -> Result<T, ReceiptsError> + Send + 'static,
    ) -> Result<T, ReceiptsError> {
        let (path, length) = (self.path.clone(), self.length.load(Ordering::Acquire));
        let looked = tokio::task::spawn_blocking(move || look(&path, length));
        looked.await.map_err(ReceiptsError::unavailable)?
    }

    /// All lines that are written by now, and the head that closes them.
    pub(crate) async fn export(self: &Arc<Self>) -> Result<Export, ReceiptsError> {
        self.write().await?;
        let open = self.open.lock().await;
        let Some(open) = &*open else {
            return Err(ReceiptsError::unavailable("another write has failed"));
        };
        let signers = self.records.keyring().signers();
        let head = open.log.closing(self.records.now(), &signers.receipts());
        let head = head.ok_or_else(|| ReceiptsError::unavailable("the head can't be signed"))?;
        let lines = Lines::at(&self.path, 0, open.log.length())?;
        Ok(Export { lines, head })
    }

    /// Where the log stands, and whether it can be written; with the last receipts of ends that this process has
    /// written, the newest first.
    pub(crate) async fn status(self: &Arc<Self>, most: usize) -> Status {
        let failing = self.write_soon().await.err();
        let head = self.head.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        Status {
            head: head.clone(),
            failing,
            latest: recent.iter().rev().take(most).cloned().collect(),
        }
    }

    /// The public keys: the one that signs, then those that have signed and are still kept.
    pub(crate) fn keys(&self) -> Vec<PublicKey> {
        let signers = self.records.keyring().signers();
        signers.receipts().into_iter().map(PublicKey::of).collect()
    }
}

/// The note that a receipt was written from.
fn place_of(records: &Records, entry: &Entry) -> Option<NotePlace> {
    let Event::End(end) = &entry.event else {
        return None;
    };
    let handle = Handle::parse(&end.sid).ok()?;
    let key = records.handles().record_key(&handle)?;
    Some(NotePlace::new(end.ended_at, end.note, &key.to_bytes()))
}

impl From<KeystoreError> for ReceiptsError {
    fn from(error: KeystoreError) -> Self {
        Self::unavailable(error)
    }
}

#[cfg(test)]
mod tests;
