//! Lines proven one after the other, as an auditor does it.
//!
//! Each line has the hash of the one before it, so that the signature of the last one, the head, is one of
//! all. The head's key has to be one of those that are trusted, or one that a trusted key has named its
//! successor. A key that only the file itself names proves nothing.
//!
//! This room must never say that something is proven whose end is missing.

use super::error::ReceiptsError;
use super::line::{Event, Line, PublicKey};
use crate::clock::UnixSeconds;
use crate::token::{VerifyingKey, base64url};
use std::collections::HashSet;

/// A file that is being proven.
#[derive(Debug)]
pub struct Chain {
    trusted: HashSet<String>,
    lines: u64,
    state: Option<State>,
    head: Option<UnixSeconds>,
    /// The hashes of all lines, where they are to be compared with others.
    hashes: Option<Vec<[u8; 32]>>,
    restored: Vec<u64>,
}

#[derive(Debug)]
struct State {
    chain: String,
    first: u64,
    /// The hash of the line before the first.
    before: Option<String>,
    seq: u64,
    hash: String,
    key: VerifyingKey,
    /// Whether a trusted key leads to it.
    trusted: bool,
    ends: u64,
}

/// A file that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The id of the log.
    pub chain: String,
    /// The number of its first line; more than 1 where earlier ones are in another file.
    pub first: u64,
    /// The number of its last line.
    pub last: u64,
    /// How many of them are ends of sessions.
    pub ends: u64,
    /// The hash of the last line.
    pub hash: String,
    /// The key that signed the head.
    pub kid: String,
    /// When the head was signed.
    pub closed_at: UnixSeconds,
    before: Option<String>,
    hashes: Option<Vec<[u8; 32]>>,
    restored: Vec<u64>,
}

/// Two files of one log that go apart because a deployment was restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Apart {
    /// The place of the file that begins behind a backup.
    pub restored: usize,
    /// The place of the other one.
    pub other: usize,
    /// The first receipt that both have, and not the same.
    pub seq: u64,
}

impl Chain {
    /// Nothing is proven yet; these keys are trusted.
    #[must_use]
    pub fn new(trusted: &[PublicKey]) -> Self {
        Self {
            trusted: trusted.iter().filter_map(PublicKey::id).collect(),
            lines: 0,
            state: None,
            head: None,
            hashes: None,
            restored: Vec::new(),
        }
    }

    /// The same, for a file that is to be compared with others: 32 bytes a line are kept.
    #[must_use]
    pub fn comparable(self) -> Self {
        let hashes = Some(Vec::new());
        Self { hashes, ..self }
    }

    /// Proves the next line, and returns what it says.
    pub fn push(&mut self, text: &str) -> Result<Line, ReceiptsError> {
        self.lines += 1;
        let number = self.lines;
        let broken = ReceiptsError::Broken { line: number };
        let malformed = || ReceiptsError::Malformed { line: number };
        if self.head.is_some() {
            return Err(broken);
        }
        let line = Line::parse(text).ok_or_else(malformed)?;
        let entry = &line.entry;
        let begins = match &entry.event {
            Event::Begin { jwk } => Some(jwk.key().ok_or_else(malformed)?),
            _ => None,
        };
        let Some(state) = &mut self.state else {
            let key = begins.ok_or(broken)?;
            let first = entry.seq;
            if first == 0 || (first == 1) != entry.prev.is_none() {
                return Err(malformed());
            }
            if !line.is_by(&key) {
                return Err(ReceiptsError::Signature { line: number });
            }
            if let Some(all) = &mut self.hashes {
                all.push(line.digest());
            }
            self.state = Some(State {
                chain: entry.chain.clone(),
                first,
                before: entry.prev.clone(),
                seq: first,
                hash: line.hash(),
                trusted: self.trusted.contains(key.id()),
                key,
                ends: 0,
            });
            return Ok(line);
        };
        let is_head = entry.event == Event::Head;
        let follows = entry.chain == state.chain
            && entry.seq == state.seq + u64::from(!is_head)
            && entry.prev.as_ref() == Some(&state.hash);
        if !follows || begins.is_some() {
            return Err(broken);
        }
        let named = match &entry.event {
            Event::Key { jwk } => Some(jwk.key().ok_or_else(malformed)?),
            _ => None,
        };
        // A key whose earlier one is gone signs its own beginning: nothing leads to it then.
        let own = named.as_ref().filter(|named| line.kid == named.id());
        if !line.is_by(own.unwrap_or(&state.key)) {
            return Err(ReceiptsError::Signature { line: number });
        }
        if let Some(named) = named {
            let led_to = line.kid == state.key.id() && state.trusted;
            state.trusted = led_to || self.trusted.contains(named.id());
            state.key = named;
        }
        if is_head {
            self.head = Some(entry.iat);
            return Ok(line);
        }
        state.seq = entry.seq;
        state.hash = line.hash();
        state.ends += u64::from(matches!(entry.event, Event::End(_)));
        if let Some(all) = &mut self.hashes {
            all.push(line.digest());
        }
        if matches!(entry.event, Event::Restored { .. }) {
            self.restored.push(entry.seq);
        }
        Ok(line)
    }

    /// What was proven, once the head was there.
    pub fn close(self) -> Result<Proven, ReceiptsError> {
        let state = self.state.ok_or(ReceiptsError::Empty)?;
        let closed_at = self.head.ok_or(ReceiptsError::Unclosed)?;
        let kid = state.key.id().to_owned();
        if !state.trusted {
            return Err(ReceiptsError::KeyUnknown { kid });
        }
        Ok(Proven {
            chain: state.chain,
            first: state.first,
            last: state.seq,
            ends: state.ends,
            hash: state.hash,
            kid,
            closed_at,
            before: state.before,
            hashes: self.hashes,
            restored: self.restored,
        })
    }
}

/// Checks that proven files agree: those of one log have the same lines wherever both have them, and one that
/// begins where the other ends goes on from it. Returns those that go apart where one of them says that it goes
/// on from a backup. Only files that are comparable are compared.
pub fn together(files: &[Proven]) -> Result<Vec<Apart>, ReceiptsError> {
    let mut apart = Vec::new();
    for (place, one) in files.iter().enumerate() {
        for (earlier, other) in files[..place].iter().enumerate() {
            let Some(seq) = one.differs_from(other) else {
                continue;
            };
            let (restored, other) = if one.is_restored_at(seq) {
                (place, earlier)
            } else if other.is_restored_at(seq) {
                (earlier, place)
            } else {
                return Err(ReceiptsError::Forked { seq });
            };
            apart.push(Apart {
                restored,
                other,
                seq,
            });
        }
    }
    Ok(apart)
}

impl Proven {
    /// The hash of the line with this number, where it is here.
    #[must_use]
    pub fn hash_of(&self, seq: u64) -> Option<String> {
        self.digest_of(seq).map(base64url::encode)
    }

    fn digest_of(&self, seq: u64) -> Option<&[u8; 32]> {
        let place = usize::try_from(seq.checked_sub(self.first)?).ok()?;
        self.hashes.as_ref()?.get(place)
    }

    /// The first line that both have, and not the same, where they are of one log.
    fn differs_from(&self, other: &Self) -> Option<u64> {
        if self.chain != other.chain {
            return None;
        }
        for (later, earlier) in [(self, other), (other, self)] {
            let before = later.first - 1;
            if let (Some(hash), said) = (earlier.hash_of(before), &later.before)
                && said.as_ref() != Some(&hash)
            {
                return Some(before);
            }
        }
        let both = self.first.max(other.first)..=self.last.min(other.last);
        both.into_iter()
            .find(|seq| self.digest_of(*seq) != other.digest_of(*seq))
    }

    /// Whether it begins with this line because a deployment was restored.
    fn is_restored_at(&self, seq: u64) -> bool {
        self.first == seq && self.restored.first() == Some(&(seq + 1))
    }
}
