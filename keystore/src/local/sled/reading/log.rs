//! sled's log: a file of segments, each with a head, in which messages follow each other.
//!
//! A segment has a place in the order of all that was written (its LSN) beside its place in the file, which is used
//! again and again. What lies where is read here as sled 0.34.7 reads it at an opening, to the same end: where the two
//! differ, the page tables do, and that is compared.
//!
//! | bytes of a segment's head | hold |
//! |---|---|
//! | 4 | CRC-32 of what follows, inverted |
//! | 8 | its LSN, all bits but the first inverted, little-endian |
//! | 8 | the LSN up to which everything was on the disk when it was begun, likewise |
//!
//! | bytes of a message | hold |
//! |---|---|
//! | 4 | CRC-32 of the body and the rest of the head, inverted |
//! | 1 | the kind |
//! | 1 to 9 each | the length of the body; the segment's LSN, in segments; the page |
//! | | the body |
//!
//! This room must never go on where it isn't sure that sled would.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

use super::bytes::Bytes;

pub(super) const SEGMENT: i64 = 512 * 1024;
const SEGMENT_HEAD: i64 = 20;

/// The room that a message's head may take; a segment ends where it has no more than that.
pub(super) const MESSAGE_HEAD: i64 = 32;

/// How many bytes sled reads to find a head.
const LOOKED_AT: usize = 128;

/// What a message is about. Kinds that a keystore's log doesn't have aren't among them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Nothing: what was to be written wasn't.
    Canceled,
    /// The segment ends here.
    Cap,
    Free,
    Counter,
    Meta,
    Node,
    Link,
}

pub(super) struct Message<'a> {
    pub(super) kind: Kind,
    pub(super) page: u64,
    pub(super) body: &'a [u8],
    /// Of head and body.
    pub(super) length: usize,
}

/// What lies at a place where a message may.
pub(super) enum Found<'a> {
    Message(Message<'a>),
    /// Nothing that was written to its end here.
    Damaged,
}

/// The message at the beginning of these bytes, of which there may be no more than `room`; `None` where the file ends
/// before it, and where it is of a kind that isn't known here.
pub(super) fn message(bytes: &[u8], room: usize, segment: u64) -> Option<Found<'_>> {
    let mut head = [0; LOOKED_AT];
    let length = bytes.len().min(LOOKED_AT);
    head[..length].copy_from_slice(&bytes[..length]);
    let mut read = Bytes(&head);
    let crc = u32::from_le_bytes(read.array()?);
    let kind = read.byte()?;
    let (length, number, page) = (read.number()?, read.number()?, read.number()?);
    let head_length = LOOKED_AT - read.0.len();
    let length = usize::try_from(length).ok();
    let Some(length) = length.filter(|it| {
        room.checked_sub(head_length)
            .is_some_and(|most| *it <= most)
    }) else {
        return Some(Found::Damaged);
    };
    if !(1..=11).contains(&kind) {
        return Some(Found::Damaged);
    }
    let (head, body) = bytes.split_at_checked(head_length)?;
    let body = body.get(..length)?;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(body);
    hasher.update(&head[4..]);
    if !hasher.finalize() != crc || number != segment {
        return Some(Found::Damaged);
    }
    let kind = match kind {
        1 => Kind::Canceled,
        2 => Kind::Cap,
        4 => Kind::Free,
        5 => Kind::Counter,
        6 => Kind::Meta,
        8 => Kind::Node,
        10 => Kind::Link,
        // Batches, and what lies in files of its own.
        _ => return None,
    };
    Some(Found::Message(Message {
        kind,
        page,
        length: head_length + length,
        body,
    }))
}

/// The number of the segment in which this LSN lies.
pub(super) fn number_of(lsn: i64) -> Option<u64> {
    u64::try_from(lsn / SEGMENT).ok()
}

struct Head {
    lsn: i64,
    stable: i64,
}

fn head(file: &File, at: u64) -> Option<Head> {
    let mut bytes = [0; 20];
    file.read_exact_at(&mut bytes, at).ok()?;
    let mut read = Bytes(&bytes);
    let crc = u32::from_le_bytes(read.array()?);
    let [lsn, stable] = [read.lsn()?, read.lsn()?].map(|lsn| lsn ^ i64::MAX);
    (crc32fast::hash(&bytes[4..]) == !crc).then_some(Head { lsn, stable })
}

/// A message of the log that changes a page, where it lies, and how long it is.
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) page: u64,
    pub(super) lsn: i64,
    pub(super) at: u64,
    pub(super) length: u64,
}

/// The segments of a log by their LSNs, from some LSN on, and up to where their messages are read.
pub(super) struct Log<'f> {
    file: &'f File,
    segments: BTreeMap<i64, u64>,
    pub(super) end: i64,
}

impl<'f> Log<'f> {
    /// Of the segments from the one on in which this LSN lies.
    pub(super) fn from(file: &'f File, lsn: i64) -> Option<Self> {
        let first = lsn / SEGMENT * SEGMENT;
        let (segments, stable) = heads(file, first)?;
        let end = end_of_tail(file, &segments, stable)?;
        Some(Self {
            file,
            segments,
            end,
        })
    }

    /// Reads all messages from there to the end.
    pub(super) fn walk(self) -> Walk<'f> {
        Walk {
            file: self.file,
            segments: self.segments,
            segment: None,
            end: Some(self.end),
            at: None,
            is_tail: false,
        }
    }
}

/// The segments whose LSN isn't before `first`, and the LSN up to which all is on the disk.
fn heads(file: &File, first: i64) -> Option<(BTreeMap<i64, u64>, i64)> {
    let (mut segments, mut stable) = (BTreeMap::new(), first);
    let length = file.metadata().ok()?.len();
    let step = usize::try_from(SEGMENT).ok()?;
    for at in (0..length).step_by(step) {
        let Some(head) = head(file, at).filter(|head| head.lsn >= first) else {
            continue;
        };
        stable = stable.max(head.stable);
        // Two of one LSN: sled doesn't open such a log.
        if segments.insert(head.lsn, at).is_some() {
            return None;
        }
    }
    Some((segments, stable))
}

/// The last byte of the messages that follow each other without a gap.
fn end_of_tail(file: &File, segments: &BTreeMap<i64, u64>, stable: i64) -> Option<i64> {
    let lowest = (stable / SEGMENT * SEGMENT).max(0);
    let (mut expected, mut missing) = (lowest, None);
    let mut tail = BTreeMap::new();
    for (&lsn, &at) in segments.range(lowest..) {
        if lsn != expected {
            missing = Some(expected);
            break;
        }
        tail.insert(lsn, at);
        expected += SEGMENT;
    }
    let mut walk = Walk {
        file,
        segments: tail,
        segment: None,
        end: missing,
        at: None,
        is_tail: true,
    };
    while walk.step()?.is_some() {}
    Some(walk.at.unwrap_or(0) - 1)
}

/// The messages of some segments, in the order of their LSNs.
pub(super) struct Walk<'f> {
    file: &'f File,
    segments: BTreeMap<i64, u64>,
    segment: Option<(u64, Vec<u8>)>,
    end: Option<i64>,
    at: Option<i64>,
    /// Whether what is damaged is a gap. Elsewhere a segment may be overwritten in its second half before its
    /// head is.
    is_tail: bool,
}

impl Walk<'_> {
    /// Where the next message would be, once there is none any more.
    pub(super) fn at(&self) -> Option<i64> {
        self.at
    }

    /// Whether the last segment that was read has room for more, and where it is.
    pub(super) fn segment(&self) -> Option<u64> {
        self.segment.as_ref().map(|(at, _)| *at)
    }

    /// Whether segments are left that sled would overwrite with zeros.
    pub(super) fn is_cut(&self) -> bool {
        !self.segments.is_empty()
    }

    /// The next message, if there is one; `None` where it can't be told.
    #[allow(clippy::option_option)] // that there is none differs from not knowing it
    pub(super) fn step(&mut self) -> Option<Option<Entry>> {
        loop {
            if !self.at.is_some_and(has_room) {
                self.segment = None;
            }
            if self.segment.is_none() && !self.begin_segment()? {
                return Some(None);
            }
            let (lsn, (base, bytes)) = (self.at?, self.segment.as_ref()?);
            if self.end.is_some_and(|end| lsn > end) {
                return Some(None);
            }
            let within = lsn % SEGMENT;
            let bytes = bytes.get(usize::try_from(within).ok()?..)?;
            let room = usize::try_from(SEGMENT - within).ok()?;
            match message(bytes, room, number_of(lsn)?)? {
                Found::Message(Message {
                    kind: Kind::Cap, ..
                }) => self.segment = None,
                Found::Message(message) => {
                    self.at = Some(lsn + i64::try_from(message.length).ok()?);
                    if message.kind != Kind::Canceled {
                        return Some(Some(Entry {
                            kind: message.kind,
                            page: message.page,
                            lsn,
                            at: base + u64::try_from(within).ok()?,
                            length: message.length as u64,
                        }));
                    }
                }
                Found::Damaged if self.is_tail => return Some(None),
                Found::Damaged => self.segment = None,
            }
        }
    }

    /// Reads the next segment; says whether there is one.
    fn begin_segment(&mut self) -> Option<bool> {
        let Some((&lsn, &base)) = self.segments.first_key_value() else {
            return Some(false);
        };
        if self.end.is_some_and(|end| lsn > end) {
            return Some(false);
        }
        if lsn % SEGMENT != 0 || self.at.is_some_and(|at| lsn + SEGMENT < at) {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(SEGMENT).ok()?];
        let mut length = 0;
        loop {
            match self
                .file
                .read_at(&mut bytes[length..], base + length as u64)
            {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        bytes.truncate(length);
        self.segments.remove(&lsn);
        self.at = Some(lsn + SEGMENT_HEAD);
        self.segment = Some((base, bytes));
        Some(true)
    }
}

/// Whether a message may begin here.
fn has_room(lsn: i64) -> bool {
    (SEGMENT_HEAD..=SEGMENT - MESSAGE_HEAD).contains(&(lsn % SEGMENT))
}
