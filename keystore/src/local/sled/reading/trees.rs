//! The trees of a log, read page by page.
//!
//! The pages of values are read in the order in which they lie in the file, by as many threads as there are
//! processors: the sum of all records has no order, and a disk is read from one end to the other.
//!
//! This room must never take a tree for whole of which a page isn't where the one above it and the one beside it say.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::bytes::Bytes;
use super::log::{Found, Kind, Message, message, number_of};
use super::node::{Data, Node};
use super::pages::{Pages, Part};

/// How many pages a thread takes at once.
const STEP: usize = 512;

/// The page that has the names of all trees, and the first page of each.
const NAMES: u64 = 0;

/// A log's pages, and where to read them.
pub(super) struct Trees<'f> {
    pub(super) file: &'f File,
    pub(super) pages: &'f Pages,
}

/// A tree: its pages of values, from the left to the right.
pub(super) struct Tree(Vec<Leaf>);

struct Leaf {
    page: u64,
    /// The first name that may be in it.
    low: Box<[u8]>,
}

impl Trees<'_> {
    /// The tree of this name.
    pub(super) fn tree(&self, name: &str) -> Option<Tree> {
        let root = self.root(name)?;
        let mut level = vec![Leaf {
            page: root,
            low: Box::default(),
        }];
        let mut bytes = Vec::new();
        loop {
            let mut below = Vec::new();
            for at in 0..level.len() {
                let node = self.node(&level, at, &mut bytes)?;
                let Data::Pages(pages) = &node.data else {
                    // All pages of values are as far down.
                    return (at == 0).then_some(Tree(level));
                };
                if pages.first().map(|(name, _)| node.name(name))? != node.low {
                    return None;
                }
                below.extend(pages.iter().map(|(name, page)| Leaf {
                    page: *page,
                    low: node.name(name).into(),
                }));
            }
            level = below;
        }
    }

    /// Has every page of values seen by `see`, which folds them, on some threads; what these came to.
    pub(super) fn fold<T: Default + Send>(
        &self,
        tree: &Tree,
        see: impl Fn(&mut T, &Node<'_>, &[(&[u8], &[u8])]) -> Option<()> + Sync,
    ) -> Option<Vec<T>> {
        let Tree(leaves) = tree;
        let place = |at: &usize| self.pages.parts(leaves[*at].page)?.first().map(|it| it.at);
        let mut order: Vec<_> = (0..leaves.len()).collect();
        order.sort_by_cached_key(place);
        let taken = AtomicUsize::new(0);
        let work = || {
            let (mut folded, mut bytes) = (T::default(), Vec::new());
            loop {
                let from = taken.fetch_add(STEP, Ordering::Relaxed);
                let Some(some) = order.get(from..order.len().min(from + STEP)) else {
                    return Some(folded);
                };
                if some.is_empty() {
                    return Some(folded);
                }
                for at in some {
                    let node = self.node(leaves, *at, &mut bytes)?;
                    let Data::Values(values) = &node.data else {
                        return None;
                    };
                    see(&mut folded, &node, values)?;
                }
            }
        };
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let threads = threads.min(order.len().div_ceil(STEP)).max(1);
        thread::scope(|scope| {
            let begun: Vec<_> = (1..threads)
                .map(|_| thread::Builder::new().spawn_scoped(scope, work))
                .collect();
            let mut all = vec![work()];
            // One that can't be begun leaves its pages to the others.
            for thread in begun.into_iter().flatten() {
                all.push(thread.join().ok().flatten());
            }
            all.into_iter().collect()
        })
    }

    /// The value of a name.
    #[allow(clippy::option_option)] // that there is none differs from not knowing it
    pub(super) fn value(&self, tree: &Tree, name: &[u8]) -> Option<Option<Vec<u8>>> {
        let at = tree.0.partition_point(|leaf| *leaf.low <= *name);
        let mut bytes = Vec::new();
        let node = self.node(&tree.0, at.checked_sub(1)?, &mut bytes)?;
        let Data::Values(values) = &node.data else {
            return None;
        };
        let Some(rest) = name.strip_prefix(node.prefix) else {
            return Some(None);
        };
        let found = values.binary_search_by_key(&rest, |(name, _)| name);
        Some(found.ok().map(|at| values[at].1.to_vec()))
    }

    /// The last name and its value.
    #[allow(clippy::option_option, clippy::type_complexity)] // as above
    pub(super) fn last(&self, tree: &Tree) -> Option<Option<(Vec<u8>, Vec<u8>)>> {
        let mut bytes = Vec::new();
        for at in (0..tree.0.len()).rev() {
            let node = self.node(&tree.0, at, &mut bytes)?;
            let Data::Values(values) = &node.data else {
                return None;
            };
            if let Some((name, value)) = values.last() {
                return Some(Some((node.name(name), value.to_vec())));
            }
        }
        Some(None)
    }

    fn root(&self, name: &str) -> Option<u64> {
        let [part] = self.pages.parts(NAMES)? else {
            return None;
        };
        let mut bytes = Vec::new();
        read(self.file, &[*part], &mut bytes)?;
        let mut read = Bytes(body(&bytes, Kind::Meta, NAMES, *part)?);
        let mut root = None;
        while !read.is_empty() {
            let (named, page) = (read.text()?, read.number()?);
            if named == name.as_bytes() {
                root = Some(page);
            }
        }
        root
    }

    /// One page of a level, if it is where the others say.
    fn node<'b>(&self, level: &[Leaf], at: usize, bytes: &'b mut Vec<u8>) -> Option<Node<'b>> {
        let Leaf { page, low } = level.get(at)?;
        let parts = self.pages.parts(*page)?;
        read(self.file, parts, bytes)?;
        let mut rest = bytes.as_slice();
        let mut node: Option<Node<'_>> = None;
        for part in parts {
            let (bytes, behind) = rest.split_at_checked(usize::try_from(part.length).ok()?)?;
            rest = behind;
            match &mut node {
                None => node = Some(Node::parse(body(bytes, Kind::Node, *page, *part)?)?),
                Some(node) => node.apply(body(bytes, Kind::Link, *page, *part)?)?,
            }
        }
        let node = node?;
        let next = level.get(at + 1);
        let high = next.map_or(&[][..], |next| &next.low);
        let is_there = !node.is_moving()
            && node.low == &**low
            && node.high == high
            && node.next == next.map(|next| next.page);
        is_there.then_some(node)
    }
}

/// Reads the parts of a page behind each other.
fn read(file: &File, parts: &[Part], bytes: &mut Vec<u8>) -> Option<()> {
    let mut length = 0;
    for part in parts {
        // No part is longer than a segment.
        length += usize::try_from(part.length)
            .ok()
            .filter(|it| *it <= 1 << 20)?;
    }
    bytes.resize(length, 0);
    let mut rest = bytes.as_mut_slice();
    for part in parts {
        let (bytes, behind) = rest.split_at_mut_checked(usize::try_from(part.length).ok()?)?;
        file.read_exact_at(bytes, part.at).ok()?;
        rest = behind;
    }
    Some(())
}

/// What a message says that has to be this part of this page.
fn body(bytes: &[u8], kind: Kind, page: u64, part: Part) -> Option<&[u8]> {
    match message(bytes, bytes.len(), number_of(part.lsn)?)? {
        Found::Message(Message {
            kind: found,
            page: of,
            body,
            length,
        }) if (found, of, length) == (kind, page, bytes.len()) => Some(body),
        _ => None,
    }
}
