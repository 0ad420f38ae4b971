//! The file that grows: lines are appended, made durable, and never touched again.
//!
//! Whoever writes knows the last line of which it is known that it is durable, the head. What stands behind it may
//! be written once more: so lines that a crash has left there are kept as far as they are good, and the rest is
//! cut off.
//!
//! This room must never write behind a line that it doesn't know, and never say that a line is written that may
//! be lost.

use super::error::ReceiptsError;
use super::line::{Entry, Event, Line, MAX_LINE, PublicKey, digest_of, signed};
use crate::clock::UnixSeconds;
use crate::token::{SigningKey, base64url};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The last line that is known to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// The log.
    pub(crate) chain: String,
    /// Its number.
    pub(crate) seq: u64,
    /// Its hash.
    pub(crate) hash: String,
    /// Where it begins in the file.
    pub(crate) offset: u64,
    /// The key that signs what comes behind it.
    pub(crate) key: PublicKey,
}

/// From where a file is looked through when it is opened.
pub(crate) enum Start<'h> {
    /// From the line that was known to be the last.
    Head(&'h Head),
    /// From the beginning.
    Beginning,
    /// The last line alone.
    End,
}

/// A file of receipts, for one process at a time.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    file: File,
    length: u64,
    head: Head,
    kid: String,
}

impl Log {
    /// Opens the file, made where there is none, and tells `each` of the lines behind the start. What a
    /// crash left there that isn't good goes. The keys are this deployment's, the one that signs first.
    pub(crate) fn open(
        path: &Path,
        start: &Start<'_>,
        keys: &[&SigningKey],
        now: UnixSeconds,
        new_chain: impl FnOnce() -> String,
        mut each: impl FnMut(&Entry),
    ) -> Result<Self, ReceiptsError> {
        let file = open_file(
            path,
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600),
        )?;
        let there = file.metadata()?.len();
        let length = whole_lines(&file, there)?;
        let known = match start {
            Start::Head(head) => Some(*head),
            _ => None,
        };
        // The first line, cut off by a crash, is all that may be there of a file that was begun behind that line.
        if length == 0 && (known.is_none() || there <= MAX_LINE as u64) {
            return Self::begin(path, file, known, keys, (now, new_chain));
        }
        // A file that was begun behind that line, before the keystore had taken note of it.
        let begun = match known {
            Some(head) => goes_on_from(&file, length, head)?,
            None => false,
        };
        let from = match start {
            Start::Head(head) if !begun => head.offset,
            Start::Head(_) | Start::Beginning => 0,
            Start::End => last_line(&file, length)?,
        };
        let lines = Lines::of(&file, from, length)?;
        let sought = known.filter(|_| !begun);
        let found = look_through(lines, from, sought, known.is_some(), keys, &mut each)?;
        let Some(found) = found else {
            let seq = known.map_or(0, |head| head.seq);
            return Err(ReceiptsError::RolledBack { seq });
        };
        let kid = found.head.key.id().unwrap_or_default();
        if !keys.iter().any(|key| key.id() == kid) {
            return Err(ReceiptsError::Foreign { kid });
        }
        if found.end < there {
            let bytes = there - found.end;
            log::warn!(
                code = "receipts_cut_off", bytes;
                "{}: what a crash left at the end is cut off, and is written anew", path.display()
            );
            file.set_len(found.end)?;
        }
        // What was found may not be durable yet.
        file.sync_all()?;
        Ok(Self {
            path: path.to_owned(),
            file,
            length: found.end,
            head: found.head,
            kid,
        })
    }

    /// Goes on after a restore, and says so: in the file that is there, where it has all lines up to this one and
    /// was written with these keys, or, where there is none, in a new one behind this line. Returns the number of
    /// the line that says it, and whether the file is new.
    pub(crate) fn go_on_restored(
        path: &Path,
        head: Option<&Head>,
        said: &Event,
        keys: &[&SigningKey],
        now: UnixSeconds,
        new_chain: impl FnOnce() -> String,
    ) -> Result<(u64, bool), ReceiptsError> {
        let is_new = path.metadata().map_or(0, |about| about.len()) == 0;
        let start = match head {
            Some(head) if is_new => Start::Head(head),
            _ => Start::End,
        };
        let mut log = Self::open(path, &start, keys, now, new_chain, |_| ())?;
        if let Some(head) = head
            && (log.head.chain != head.chain || log.head.seq < head.seq)
        {
            return Err(ReceiptsError::RolledBack { seq: head.seq });
        }
        log.hand_over(keys, now)?;
        let signer = *keys.first().ok_or(ReceiptsError::NotKept)?;
        log.append(vec![said.clone()], now, signer)?;
        Ok((log.head.seq, is_new))
    }

    /// Begins a file. Where another one was moved away it goes on from that, and says so.
    fn begin(
        path: &Path,
        file: File,
        known: Option<&Head>,
        keys: &[&SigningKey],
        (now, new_chain): (UnixSeconds, impl FnOnce() -> String),
    ) -> Result<Self, ReceiptsError> {
        if let Some(parent) = path.parent() {
            File::open(parent)?.sync_all()?;
        }
        let signer = *keys.first().ok_or(ReceiptsError::NotKept)?;
        let head = known.cloned().unwrap_or_else(|| Head {
            chain: new_chain(),
            seq: 0,
            hash: String::new(),
            offset: 0,
            key: PublicKey::of(signer),
        });
        file.set_len(0)?;
        if head.seq > 0 {
            log::warn!(
                code = "receipts_go_on";
                "{}: a new file of receipts goes on from receipt {}, which is in another file",
                path.display(), head.seq
            );
        }
        let mut log = Self {
            path: path.to_owned(),
            file,
            length: 0,
            head,
            kid: signer.id().to_owned(),
        };
        let jwk = PublicKey::of(signer);
        log.append(vec![Event::Begin { jwk }], now, signer)?;
        Ok(log)
    }

    /// The last line.
    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    /// How many bytes of the file are written.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Whether the file that was opened still lies there, as it was written.
    pub(crate) fn is_there(&self) -> bool {
        let lies = std::fs::symlink_metadata(&self.path);
        let (Ok(lies), Ok(own)) = (lies, self.file.metadata()) else {
            return false;
        };
        (lies.dev(), lies.ino(), lies.len()) == (own.dev(), own.ino(), self.length)
    }

    /// The id of the key that signs.
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// Whether the first of the keys signs already.
    pub(crate) fn is_signed_by(&self, keys: &[&SigningKey]) -> bool {
        keys.first().is_some_and(|key| key.id() == self.kid)
    }

    /// Has the first of the keys sign from now on. The key of before names it, where it is still there.
    pub(crate) fn hand_over(
        &mut self,
        keys: &[&SigningKey],
        now: UnixSeconds,
    ) -> Result<(), ReceiptsError> {
        let Some(signer) = keys.first().filter(|key| key.id() != self.kid) else {
            return Ok(());
        };
        let before = keys.iter().find(|key| key.id() == self.kid);
        let jwk = PublicKey::of(signer);
        let before = before.copied().unwrap_or(signer);
        self.append(vec![Event::Key { jwk }], now, before)?;
        signer.id().clone_into(&mut self.kid);
        Ok(())
    }

    /// Appends lines, durably, and returns the number and the hash of each. After an error it is unknown whether
    /// some of them are there: the file has to be opened anew.
    pub(crate) fn append(
        &mut self,
        events: Vec<Event>,
        now: UnixSeconds,
        signer: &SigningKey,
    ) -> Result<Vec<(u64, String)>, ReceiptsError> {
        let mut head = self.head.clone();
        let (mut text, mut written) = (String::new(), Vec::with_capacity(events.len()));
        for event in events {
            let entry = Entry {
                chain: head.chain.clone(),
                seq: head.seq + 1,
                prev: (head.seq > 0).then(|| head.hash.clone()),
                iat: now,
                event,
            };
            let seq = entry.seq;
            let key = entry.event.key().unwrap_or(&head.key).clone();
            let line = signed(&entry, signer)
                .ok_or_else(|| ReceiptsError::unavailable("a receipt can't be signed"))?;
            head = Head {
                seq,
                hash: base64url::encode(digest_of(&line)),
                offset: self.length + text.len() as u64,
                key,
                ..head
            };
            written.push((seq, head.hash.clone()));
            text.push_str(&line);
            text.push('\n');
        }
        let appended = self.file.write_all_at(text.as_bytes(), self.length);
        if let Err(error) = appended.and_then(|()| self.file.sync_data()) {
            // After a failed sync nobody can tell what is on the disk: all of it is to be written once more.
            let _ = self.file.set_len(self.length);
            return Err(error.into());
        }
        self.length += text.len() as u64;
        self.head = head;
        Ok(written)
    }

    /// The line that an export ends with.
    pub(crate) fn closing(&self, now: UnixSeconds, keys: &[&SigningKey]) -> Option<Line> {
        let signer = keys.iter().find(|key| key.id() == self.kid)?;
        let entry = Entry {
            chain: self.head.chain.clone(),
            seq: self.head.seq,
            prev: Some(self.head.hash.clone()),
            iat: now,
            event: Event::Head,
        };
        Line::write(&entry, signer)
    }
}

/// Lines of a file, from one place up to another.
#[derive(Debug)]
pub(crate) struct Lines {
    reader: io::Take<BufReader<File>>,
}

impl Lines {
    pub(super) fn of(file: &File, from: u64, to: u64) -> io::Result<Self> {
        let mut file = file.try_clone()?;
        file.seek(SeekFrom::Start(from))?;
        let reader = BufReader::with_capacity(1 << 16, file).take(to.saturating_sub(from));
        Ok(Self { reader })
    }

    /// The lines of the file at this path.
    pub(crate) fn at(path: &Path, from: u64, to: u64) -> io::Result<Self> {
        Self::of(&open_file(path, OpenOptions::new().read(true))?, from, to)
    }
}

impl Iterator for Lines {
    type Item = Result<String, ReceiptsError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = Vec::new();
        let most = MAX_LINE as u64 + 1;
        match (&mut self.reader).take(most).read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => {
                line.pop_if(|last| *last == b'\n');
                let lossy = |error: std::string::FromUtf8Error| {
                    String::from_utf8_lossy(error.as_bytes()).into_owned()
                };
                Some(Ok(String::from_utf8(line).unwrap_or_else(lossy)))
            }
            Err(error) => Some(Err(error.into())),
        }
    }
}

/// What a link points to isn't ours.
fn open_file(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let named = |error: io::Error| {
        let path: PathBuf = path.to_owned();
        io::Error::other(format!("{}: {error}", path.display()))
    };
    let file = options
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(named)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(named(io::Error::other("it is no file")))
    }
}

/// How many bytes of a file are whole lines. Zeros at the end are what a power cut leaves of lines that were not
/// durable yet.
fn whole_lines(file: &File, length: u64) -> io::Result<u64> {
    let mut end = length;
    let mut block = vec![0; MAX_LINE];
    while end > 0 {
        let begin = end.saturating_sub(MAX_LINE as u64);
        let read = &mut block[..usize::try_from(end - begin).unwrap_or(MAX_LINE)];
        file.read_exact_at(read, begin)?;
        if let Some(place) = read.iter().rposition(|byte| *byte == b'\n') {
            return Ok(begin + place as u64 + 1);
        }
        end = begin;
    }
    Ok(0)
}

/// Where the last line begins.
fn last_line(file: &File, length: u64) -> io::Result<u64> {
    whole_lines(file, length.saturating_sub(1))
}

/// Whether the file begins behind this line of another file.
fn goes_on_from(file: &File, length: u64, head: &Head) -> Result<bool, ReceiptsError> {
    let first = Lines::of(file, 0, length)?.next().transpose()?;
    let first = first.as_deref().and_then(Line::parse);
    Ok(first.is_some_and(|line| {
        let entry = &line.entry;
        matches!(entry.event, Event::Begin { .. })
            && entry.chain == head.chain
            && entry.seq == head.seq + 1
            && entry.prev.as_ref() == Some(&head.hash)
    }))
}

/// What lines lead to.
struct Found {
    head: Head,
    /// Where the last good line ends.
    end: u64,
}

/// Follows lines from the one that is sought to the last. With `cuts`, lines behind the first that aren't good
/// are left out, as if the file ended before them.
fn look_through(
    lines: Lines,
    from: u64,
    sought: Option<&Head>,
    cuts: bool,
    keys: &[&SigningKey],
    each: &mut impl FnMut(&Entry),
) -> Result<Option<Found>, ReceiptsError> {
    let mut found: Option<Found> = None;
    for (number, text) in (1..).zip(lines) {
        let text = text?;
        let length = text.len() as u64 + 1;
        let line = Line::parse(&text).ok_or(ReceiptsError::Malformed { line: number });
        let Some(before) = &mut found else {
            let head = match (sought, line) {
                (Some(sought), Ok(line)) if line.hash() == sought.hash => sought.clone(),
                (Some(sought), _) => return Err(ReceiptsError::RolledBack { seq: sought.seq }),
                (None, line) => first(&line?, from, keys, number, each)?,
            };
            let end = from + length;
            found = Some(Found { head, end });
            continue;
        };
        let followed = line.and_then(|line| match line.entry.event {
            Event::Begin { .. } => Err(ReceiptsError::Broken { line: number }),
            _ => Ok((next(&before.head, &line, number)?, line)),
        });
        match followed {
            Ok((head, line)) => {
                each(&line.entry);
                let offset = before.end;
                before.head = Head { offset, ..head };
                before.end += length;
            }
            Err(_) if cuts => break,
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// The first line that is looked at, where it isn't known.
fn first(
    line: &Line,
    offset: u64,
    keys: &[&SigningKey],
    number: u64,
    each: &mut impl FnMut(&Entry),
) -> Result<Head, ReceiptsError> {
    let own = keys.iter().find(|key| key.id() == line.kid);
    let own = own.map(|key| PublicKey::of(key));
    let signs = match (&line.entry.event, own) {
        (Event::Begin { jwk }, _) => jwk.clone(),
        (_, Some(own)) => own,
        (_, None) => {
            return Err(ReceiptsError::Foreign {
                kid: line.kid.clone(),
            });
        }
    };
    let head = Head {
        chain: line.entry.chain.clone(),
        seq: line.entry.seq.saturating_sub(1),
        hash: line.entry.prev.clone().unwrap_or_default(),
        offset,
        key: signs,
    };
    let head = next(&head, line, number)?;
    each(&line.entry);
    Ok(Head { offset, ..head })
}

/// The head that a line makes, if it follows.
fn next(before: &Head, line: &Line, number: u64) -> Result<Head, ReceiptsError> {
    let entry = &line.entry;
    let follows = entry.chain == before.chain
        && entry.seq == before.seq + 1
        && entry.prev.clone().unwrap_or_default() == before.hash
        && entry.event != Event::Head;
    if !follows {
        return Err(ReceiptsError::Broken { line: number });
    }
    // A key whose earlier one is gone signs its own beginning.
    let own = entry
        .event
        .key()
        .filter(|key| key.id().as_ref() == Some(&line.kid));
    let signs = own.unwrap_or(&before.key).key();
    if !signs.is_some_and(|key| line.is_by(&key)) {
        return Err(ReceiptsError::Signature { line: number });
    }
    Ok(Head {
        chain: before.chain.clone(),
        seq: entry.seq,
        hash: line.hash(),
        offset: 0,
        key: entry.event.key().unwrap_or(&before.key).clone(),
    })
}
