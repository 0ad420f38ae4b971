//! The content: chunks of 64 KiB, each sealed under its number and whether it is the last one (STREAM).
//!
//! This room must never use a number twice.

use super::error::ArchiveError;
use super::header::{FileKey, cipher};
use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use rand::CryptoRng;
use std::fmt;
use std::io::{ErrorKind, Read};
use zeroize::Zeroizing;

/// The plaintext of a chunk.
const CHUNK: usize = 64 << 10;
const TAG: usize = 16;
const NONCE: usize = 16;
const INFO: &[u8] = b"payload";

/// Which chunk it is.
struct Counter(u64);

impl Counter {
    /// Eleven bytes of the number, and one that says whether it is the last.
    fn nonce(&mut self, last: bool) -> Nonce {
        let mut nonce = [0; 12];
        nonce[3..11].copy_from_slice(&self.0.to_be_bytes());
        nonce[11] = u8::from(last);
        self.0 += 1;
        Nonce::assume_unique_for_key(nonce)
    }
}

/// Seals content as it comes.
pub struct Sealer {
    cipher: LessSafeKey,
    counter: Counter,
    plain: Zeroizing<Vec<u8>>,
    sealed: Vec<u8>,
}

impl Sealer {
    /// Begins the content of a file with this key, behind its header.
    pub fn new(key: &FileKey, rng: &mut (impl CryptoRng + ?Sized)) -> Result<Self, ArchiveError> {
        let mut nonce = vec![0; NONCE];
        rng.fill_bytes(&mut nonce);
        let cipher = key
            .derive(&nonce, INFO)
            .and_then(|key| cipher(&key))
            .ok_or(ArchiveError::Sealing)?;
        Ok(Self {
            cipher,
            counter: Counter(0),
            plain: Zeroizing::new(Vec::with_capacity(CHUNK + TAG)),
            sealed: nonce,
        })
    }

    /// Takes more content.
    pub fn write(&mut self, mut content: &[u8]) -> Result<(), ArchiveError> {
        while !content.is_empty() {
            // A full chunk stays until more comes: it might be the last one.
            if self.plain.len() == CHUNK {
                self.seal(false)?;
            }
            let (now, rest) = content.split_at(content.len().min(CHUNK - self.plain.len()));
            self.plain.extend_from_slice(now);
            content = rest;
        }
        Ok(())
    }

    /// What is sealed so far and wasn't taken yet.
    #[must_use]
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.sealed)
    }

    /// How many bytes [`take`](Self::take) would give.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.sealed.len()
    }

    /// Seals the last chunk, and gives what wasn't taken yet.
    pub fn finish(mut self) -> Result<Vec<u8>, ArchiveError> {
        self.seal(true)?;
        Ok(self.take())
    }

    fn seal(&mut self, last: bool) -> Result<(), ArchiveError> {
        let nonce = self.counter.nonce(last);
        let tag = self
            .cipher
            .seal_in_place_separate_tag(nonce, Aad::empty(), &mut self.plain)
            .map_err(|_| ArchiveError::Sealing)?;
        self.sealed.extend_from_slice(&self.plain);
        self.sealed.extend_from_slice(tag.as_ref());
        self.plain.clear();
        Ok(())
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer")
    }
}

/// Opens content as it is read.
pub(super) struct Opener<R> {
    from: R,
    cipher: LessSafeKey,
    counter: Counter,
    /// The sealed bytes of the next chunk, of which the first was read ahead.
    sealed: Vec<u8>,
    first: bool,
    done: bool,
}

impl<R: Read> Opener<R> {
    pub(super) fn new(key: &FileKey, mut from: R) -> Result<Self, ArchiveError> {
        let mut nonce = [0; NONCE];
        fill(&mut from, &mut nonce)
            .map_err(ArchiveError::Unreadable)
            .and_then(|read| {
                if read == NONCE {
                    Ok(())
                } else {
                    Err(ArchiveError::Damaged)
                }
            })?;
        let cipher = key
            .derive(&nonce, INFO)
            .and_then(|key| cipher(&key))
            .ok_or(ArchiveError::Damaged)?;
        Ok(Self {
            from,
            cipher,
            counter: Counter(0),
            sealed: Vec::new(),
            first: true,
            done: false,
        })
    }

    /// Appends the next chunk; `false` when there was none any more.
    pub(super) fn next(&mut self, into: &mut Zeroizing<Vec<u8>>) -> Result<bool, ArchiveError> {
        if self.done {
            return Ok(false);
        }
        // One byte more than a chunk: it tells whether this one is the last.
        let have = self.sealed.len();
        self.sealed.resize(CHUNK + TAG + 1, 0);
        let read =
            fill(&mut self.from, &mut self.sealed[have..]).map_err(ArchiveError::Unreadable)?;
        self.sealed.truncate(have + read);
        let last = self.sealed.len() <= CHUNK + TAG;
        let ahead = if last { None } else { self.sealed.pop() };
        let opened = self
            .cipher
            .open_in_place(self.counter.nonce(last), Aad::empty(), &mut self.sealed)
            .map_err(|_| ArchiveError::Damaged)?;
        // Only a file without any content may end with an empty chunk: else one could be appended.
        if opened.is_empty() && !self.first {
            return Err(ArchiveError::Damaged);
        }
        into.extend_from_slice(opened);
        self.sealed.clear();
        self.sealed.extend(ahead);
        (self.first, self.done) = (false, last);
        Ok(true)
    }

    pub(super) fn inner(&self) -> &R {
        &self.from
    }
}

/// Reads until `into` is full or there is no more.
fn fill(from: &mut impl Read, into: &mut [u8]) -> std::io::Result<usize> {
    let mut read = 0;
    while read < into.len() {
        match from.read(&mut into[read..]) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}
