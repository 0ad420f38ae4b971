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
use crate::token::VerifyingKey;
use std::collections::HashSet;

/// A file that is being proven.
#[derive(Debug)]
pub struct Chain {
    trusted: HashSet<String>,
    lines: u64,
    state: Option<State>,
    head: Option<UnixSeconds>,
    hashes: Vec<String>,
}

#[derive(Debug)]
struct State {
    chain: String,
    first: u64,
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
    hashes: Vec<String>,
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
            hashes: Vec::new(),
        }
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
            self.hashes.push(line.hash());
            self.state = Some(State {
                chain: entry.chain.clone(),
                first,
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
        self.hashes.push(line.hash());
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
            hashes: self.hashes,
        })
    }
}

/// Checks that proven files agree: those of one log have the same lines wherever both have them, and one that
/// begins where the other ends goes on from it.
pub fn together(files: &[Proven]) -> Result<(), ReceiptsError> {
    for (place, one) in files.iter().enumerate() {
        for other in &files[..place] {
            if one.chain != other.chain {
                continue;
            }
            for seq in one.first.max(other.first)..=one.last.min(other.last) {
                if one.hash_of(seq) != other.hash_of(seq) {
                    return Err(ReceiptsError::Forked { seq });
                }
            }
        }
    }
    Ok(())
}

impl Proven {
    fn hash_of(&self, seq: u64) -> Option<&String> {
        let place = usize::try_from(seq.checked_sub(self.first)?).ok()?;
        self.hashes.get(place)
    }
}
