//! Which pages a log has, and where their parts lie.
//!
//! sled writes this table down at each opening, in a file of its own (`snap.` and the LSN up to which it is), and
//! brings it up to the log's end at the next one. So is it done here, in memory.
//!
//! This room must never make a table of which it isn't sure that sled comes to the same.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};

use super::bytes::Bytes;
use super::log::{Kind, Log, MESSAGE_HEAD, SEGMENT};
use crate::local::sled::trial;

/// A part of a page.
#[derive(Clone, Copy)]
pub(super) struct Part {
    pub(super) lsn: i64,
    pub(super) at: u64,
    pub(super) length: u64,
}

enum Page {
    /// The first part is the page as it was once, the others change it.
    Held(Vec<Part>),
    Free(i64, u64),
    /// None yet.
    Unset,
}

/// The pages of a log.
#[derive(Default)]
pub(super) struct Pages {
    table: Vec<Page>,
    /// Up to where the log was read, and in which segment of the file that is.
    stable: Option<i64>,
    active: Option<u64>,
}

/// What tells two tables apart.
#[derive(PartialEq, Eq)]
pub(in crate::local::sled) struct Fingerprint([u8; 32]);

impl Pages {
    /// The pages of the log in this file.
    pub(super) fn recover(folder: &Path, database: &File) -> Option<Self> {
        let mut pages = match newest_snapshot(folder)? {
            Some(path) => Self::written_down(&path)?,
            None => Self::default(),
        };
        let stable = pages.stable;
        let log = Log::from(database, stable.unwrap_or(0))?;
        let end = log.end;
        let mut walk = log.walk();
        while let Some(entry) = walk.step()? {
            if entry.lsn < stable.unwrap_or(-1) {
                continue;
            }
            if entry.lsn >= end {
                return None;
            }
            let part = Part {
                lsn: entry.lsn,
                at: entry.at,
                length: entry.length,
            };
            pages.apply(entry.kind, usize::try_from(entry.page).ok()?, part)?;
        }
        if walk.is_cut() || pages.table.iter().any(|page| matches!(page, Page::Unset)) {
            return None;
        }
        if let Some(at) = walk.at() {
            let used = at % SEGMENT;
            (pages.stable, pages.active) = if used + MESSAGE_HEAD >= SEGMENT {
                (Some(at / SEGMENT * SEGMENT + SEGMENT), None)
            } else {
                (Some(at), walk.segment())
            };
        }
        (pages.stable >= stable).then_some(pages)
    }

    /// The table that is written down in this folder now.
    pub(super) fn newest(folder: &Path) -> Option<Self> {
        Self::written_down(&newest_snapshot(folder)??)
    }

    fn written_down(path: &Path) -> Option<Self> {
        let mut bytes = Vec::new();
        trial::open(path).ok()?.read_to_end(&mut bytes).ok()?;
        let (bytes, crc) = bytes.split_last_chunk::<4>()?;
        let (bytes, _length) = bytes.split_last_chunk::<8>()?;
        if crc32fast::hash(bytes) != u32::from_le_bytes(*crc) {
            return None;
        }
        let mut read = Bytes(bytes);
        let stable = match read.lsn()? {
            0 => None,
            stable if stable < 0 => return None,
            stable => Some(stable - 1),
        };
        let active = read.number()?.checked_sub(1);
        let mut table = Vec::new();
        while !read.is_empty() {
            table.push(match read.byte()? {
                0 => Page::Free(read.lsn()?, inline(&mut read)?),
                parts => {
                    let parts = (0..parts).map(|_| {
                        Some(Part {
                            lsn: read.lsn()?,
                            at: inline(&mut read)?,
                            length: read.number()?,
                        })
                    });
                    Page::Held(parts.collect::<Option<_>>()?)
                }
            });
        }
        Some(Self {
            table,
            stable,
            active,
        })
    }

    fn apply(&mut self, kind: Kind, page: usize, part: Part) -> Option<()> {
        let is_new = self.table.len() <= page;
        if is_new {
            // As many as a log may name, not as many as a damaged one does.
            if page > self.table.len() + (1 << 20) {
                return None;
            }
            self.table.resize_with(page + 1, || Page::Unset);
        }
        let place = self.table.get_mut(page)?;
        match (kind, place) {
            (Kind::Node | Kind::Counter | Kind::Meta, place) => *place = Page::Held(vec![part]),
            (Kind::Link, Page::Held(parts)) => {
                if parts.last().is_none_or(|last| last.lsn < part.lsn) {
                    parts.push(part);
                }
            }
            // Its page comes later: it was written anew meanwhile.
            (Kind::Link, _) => {
                if is_new {
                    self.table.pop();
                }
            }
            (Kind::Free, place) => *place = Page::Free(part.lsn, part.at),
            (Kind::Canceled | Kind::Cap, _) => return None,
        }
        Some(())
    }

    /// The parts of a page that isn't free.
    pub(super) fn parts(&self, page: u64) -> Option<&[Part]> {
        match self.table.get(usize::try_from(page).ok()?)? {
            Page::Held(parts) => Some(parts),
            Page::Free(..) | Page::Unset => None,
        }
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        let mut hashed = Context::new(&SHA256);
        let mut add = |words: &[u64]| {
            for word in words {
                hashed.update(&word.to_be_bytes());
            }
        };
        let place = |lsn: i64| lsn.cast_unsigned();
        add(&[self.stable.map_or(0, |stable| place(stable) + 1)]);
        add(&[self.active.map_or(0, |active| active + 1)]);
        for page in &self.table {
            match page {
                Page::Held(parts) => {
                    add(&[parts.len() as u64]);
                    for part in parts {
                        add(&[place(part.lsn), part.at, part.length]);
                    }
                }
                Page::Free(lsn, at) => add(&[0, place(*lsn), *at]),
                Page::Unset => add(&[u64::MAX]),
            }
        }
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(hashed.finish().as_ref());
        Fingerprint(fingerprint)
    }
}

/// A place in the database's file; `None` for what lies in a file of its own.
fn inline(read: &mut Bytes<'_>) -> Option<u64> {
    match read.byte()? {
        0 => read.number(),
        _ => None,
    }
}

/// The table that sled takes: the last by its name, where there is one at all. `None` where that can't be told.
#[allow(clippy::option_option)] // that there is none differs from not knowing it
fn newest_snapshot(folder: &Path) -> Option<Option<PathBuf>> {
    let files = trial::files_of_sled(folder).ok()?;
    let named = files.iter().filter(|file| {
        let name = file.as_os_str().as_encoded_bytes();
        name.starts_with(b"snap.") && !name.ends_with(b".generating")
    });
    Some(named.max().map(|file| folder.join(file)))
}
