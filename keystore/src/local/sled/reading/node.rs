//! A page of a tree: names with their values, or with the pages below.
//!
//! | form of a page | |
//! |---|---|
//! | number | the page to the right; 0 for none |
//! | number | the page below that it takes in; 0 for none |
//! | 1 byte | whether it is taken in by another one |
//! | 1 byte | how many bytes of the first name all names have in common, which are left out of them |
//! | text, text | the first name that may be in it, and the first one behind it; empty for none |
//! | 1 byte | 0: values, 1: pages |
//! | number | how many; all names follow, then as many values or pages |
//!
//! Links change it: 0 sets a value, 1 takes one away, 2 and 3 begin and end the taking in of a page, 4 says that it is
//! taken in.
//!
//! This room must never make a page of bytes of which some are left.

use super::bytes::Bytes;

/// A page, of the bytes of its parts.
pub(super) struct Node<'b> {
    pub(super) next: Option<u64>,
    pub(super) low: &'b [u8],
    pub(super) high: &'b [u8],
    /// What all names begin with.
    pub(super) prefix: &'b [u8],
    pub(super) data: Data<'b>,
    takes_in: Option<u64>,
    is_taken_in: bool,
}

/// In the order of the names, without what these have in common.
pub(super) enum Data<'b> {
    Values(Vec<(&'b [u8], &'b [u8])>),
    Pages(Vec<(&'b [u8], u64)>),
}

impl<'b> Node<'b> {
    pub(super) fn parse(bytes: &'b [u8]) -> Option<Self> {
        let mut read = Bytes(bytes);
        let page = |number: u64| (number != 0).then_some(number);
        let (next, takes_in) = (page(read.number()?), page(read.number()?));
        let (is_taken_in, common) = (read.byte()? != 0, read.byte()?);
        let (low, high) = (read.text()?, read.text()?);
        let (kind, count) = (read.byte()?, usize::try_from(read.number()?).ok()?);
        // Each takes a byte at least.
        if count > read.0.len() {
            return None;
        }
        let mut names = Vec::with_capacity(count);
        for _ in 0..count {
            names.push(read.text()?);
        }
        if !names.is_sorted_by(|one, next| one < next) {
            return None;
        }
        let names = names.into_iter();
        let data = match kind {
            0 => Data::Values(
                names
                    .map(|name| Some((name, read.text()?)))
                    .collect::<Option<_>>()?,
            ),
            1 => Data::Pages(
                names
                    .map(|name| Some((name, read.number()?)))
                    .collect::<Option<_>>()?,
            ),
            _ => return None,
        };
        read.is_empty().then_some(Self {
            next,
            low,
            high,
            prefix: low.get(..common.into())?,
            data,
            takes_in,
            is_taken_in,
        })
    }

    /// Changes it as a link says.
    pub(super) fn apply(&mut self, link: &'b [u8]) -> Option<()> {
        let mut read = Bytes(link);
        match (read.byte()?, &mut self.data) {
            (0, Data::Values(values)) => {
                let (name, value) = (read.text()?, read.text()?);
                let end = self.high.get(self.prefix.len()..);
                if !self.high.is_empty() && end.is_none_or(|end| name >= end) {
                    return None;
                }
                match values.binary_search_by_key(&name, |(name, _)| name) {
                    Ok(at) => values[at].1 = value,
                    Err(at) => values.insert(at, (name, value)),
                }
            }
            (1, Data::Values(values)) => {
                let name = read.text()?;
                if let Ok(at) = values.binary_search_by_key(&name, |(name, _)| name) {
                    values.remove(at);
                }
            }
            (2, _) if self.takes_in.is_none() => self.takes_in = Some(read.number()?),
            (3, Data::Pages(pages)) => {
                let gone = self.takes_in.take()?;
                let at = pages.iter().position(|(_, page)| *page == gone)?;
                pages.remove(at);
            }
            (4, _) => self.is_taken_in = true,
            _ => return None,
        }
        read.is_empty().then_some(())
    }

    /// Whether it is between two states, so that what it has lies elsewhere as well.
    pub(super) fn is_moving(&self) -> bool {
        self.is_taken_in || self.takes_in.is_some()
    }

    /// A whole name.
    pub(super) fn name(&self, rest: &[u8]) -> Vec<u8> {
        [self.prefix, rest].concat()
    }
}
