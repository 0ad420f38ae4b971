//! A store that is read without sled, to the byte as it is.
//!
//! sled writes where it opens, and so is a copy tried first (`trial`), which costs its size in writing. Whether all
//! is there can be told without that: the log is read here, by the form that sled 0.34.7 writes, and every page of it.
//! Where all is as it has to be, sled opens the store itself, and the pages that it came to are compared with those
//! that were read here. Whatever else is found, a copy is tried as before: what a store is refused for, sled alone
//! says.
//!
//! | file | holds |
//! |---|---|
//! | `bytes` | sled's numbers and texts |
//! | `log` | segments and their messages |
//! | `pages` | which pages there are, and where |
//! | `node` | one page |
//! | `trees` | all pages of a tree |
//!
//! This room must never write, and never say of a store that it is whole where it hasn't read all of it.

mod bytes;
mod log;
mod node;
mod pages;
mod trees;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::num::NonZeroU64;
use std::path::Path;

use rustix::fs::{Advice, fadvise};

use super::digest::{Digest, Tally};
use super::found::{Found, Group, nothing_missing};
use super::{DIGEST, GROUP, LINE, NOTES, RECORDS, STATE, SledOptions, redo, trial};
use crate::note::{NotePlace, digest_of};
pub(super) use pages::Fingerprint;
use pages::Pages;
use trees::Trees;

/// What sled writes down of how it was opened, which is always the same.
const CONF: &[u8] = b"segment_size: 524288\nuse_compression: false\nversion: 0.34\n";

/// A store of which everything was read.
pub(super) struct Read {
    pub(super) found: Found,
    /// Which pages were read.
    pub(super) pages: Fingerprint,
}

/// Reads the store in this folder, whose lock is ours. `None` where it isn't whole, where a crash left something to do,
/// and where it has what isn't read here: then a copy has to be tried.
pub(super) fn read(folder: &Path, options: &SledOptions, mark: Option<u64>) -> Option<Read> {
    if !has_known_files(folder)? {
        return None;
    }
    // sled locks this file, too; nobody may write while it is read.
    let database = trial::hold(&folder.join("db")).ok()??;
    read_ahead(&database);
    let pages = Pages::recover(folder, &database)?;
    let trees = Trees {
        file: &database,
        pages: &pages,
    };
    let state = trees.fold(
        &trees.tree(STATE)?,
        |state: &mut BTreeMap<_, _>, node, values| {
            state.extend(
                values
                    .iter()
                    .map(|(name, value)| (node.name(name), value.to_vec())),
            );
            Some(())
        },
    )?;
    let state: BTreeMap<_, _> = state.into_iter().flatten().collect();
    if redo::has_begun(state.keys().map(Vec::as_slice)) {
        return None;
    }
    let notes = trees.tree(NOTES)?;
    trees.fold(&notes, |(): &mut (), _, _| Some(()))?;
    let records = trees.tree(RECORDS)?;
    if let Some((place, note)) = trees.last(&notes)? {
        let place = NotePlace::from_bytes(&place)?;
        let record = trees.value(&records, &place.key().to_bytes())?;
        // It is of an end that was cut off.
        if record.is_some_and(|record| note.starts_with(&digest_of(&record))) {
            return None;
        }
    }
    let key = &options.digest_key;
    let tallies = trees.fold(&records, |tally: &mut Tally, node, values| {
        for (name, sealed) in values {
            tally.add(key, &node.name(name), sealed);
        }
        Some(())
    })?;
    let tally = tallies.into_iter().fold(Tally::default(), Tally::join);
    let value = |name: &str| state.get(name.as_bytes()).map(Vec::as_slice);
    let group = Group::of(value(GROUP)).ok()?;
    let entry = Digest::new(key.clone()).ok()?.read(value(DIGEST)?)?;
    nothing_missing(group.number, mark).ok()?;
    let line = match value(LINE) {
        Some(line) => Some(line.try_into().ok()?),
        None => None,
    };
    Some(Read {
        found: Found::judged(group, tally, Some(entry), line, options).ok()?,
        pages: pages.fingerprint(),
    })
}

/// Whether sled, which has opened the store in this folder, came to these pages.
pub(super) fn is_of(folder: &Path, read: &Fingerprint) -> bool {
    Pages::newest(folder).is_some_and(|pages| pages.fingerprint() == *read)
}

/// Whether there is nothing but a log, the table of its pages, and how sled was opened.
fn has_known_files(folder: &Path) -> Option<bool> {
    for file in trial::files_of_sled(folder).ok()? {
        let path = folder.join(&file);
        let known = match file.to_str()? {
            "db" => true,
            "conf" => {
                let mut conf = Vec::new();
                trial::open(&path).ok()?.read_to_end(&mut conf).ok()?;
                let crc = crc32fast::hash(CONF).to_le_bytes();
                conf == [CONF, &crc].concat()
            }
            "blobs" => {
                path.symlink_metadata().ok()?.is_dir() && path.read_dir().ok()?.next().is_none()
            }
            name => name.starts_with("snap."),
        };
        if !known {
            return Some(false);
        }
    }
    Some(true)
}

/// Has the file read from one end to the other, where the system hasn't it in memory: its pages are asked for by
/// where they begin, and have parts elsewhere.
fn read_ahead(database: &File) {
    const STEP: u64 = 8 << 20;
    let length = database.metadata().map_or(0, |it| it.len());
    let mut at = 0;
    while at < length {
        // It is advice: where it isn't taken, reading takes longer.
        let _ = fadvise(database, at, NonZeroU64::new(STEP), Advice::WillNeed);
        at += STEP;
    }
}

#[cfg(test)]
mod tests;
