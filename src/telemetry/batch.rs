//! Lines that are written together, so that a rush of them costs few calls of the system.
//!
//! This room must never cut a line.

/// How many bytes are written at once: what others write to the same pipe comes between two of our writes, and
/// never within one of so many (POSIX, `PIPE_BUF`).
const AT_ONCE: usize = 4096;

/// Lines that are written together: what a pipe takes whole, or a single longer one.
#[derive(Debug, Default)]
pub(super) struct Batch {
    text: Vec<u8>,
    /// Where each line ends.
    ends: Vec<usize>,
}

impl Batch {
    /// All of them, one after the other.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Where the line begins that has this byte.
    pub(super) fn begins(&self, at: usize) -> usize {
        let before = self.ends.iter().rev().find(|end| **end <= at);
        before.copied().unwrap_or(0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Whether it has room for one more.
    pub(super) fn takes(&self, text: &[u8]) -> bool {
        self.ends.is_empty() || self.text.len() + text.len() <= AT_ONCE
    }

    pub(super) fn push(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
        self.ends.push(self.text.len());
    }

    /// How long each line is.
    pub(super) fn lengths(&self) -> impl Iterator<Item = usize> {
        let begins = std::iter::once(&0).chain(&self.ends);
        begins.zip(&self.ends).map(|(begin, end)| end - begin)
    }
}

#[cfg(test)]
impl Batch {
    /// How many lines it has.
    pub(super) fn lines(&self) -> usize {
        self.ends.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_knows_where_each_of_its_lines_begins() {
        let mut batch = Batch::default();
        for line in ["ab", "c", "def"] {
            batch.push(line.as_bytes());
        }
        let begins: Vec<_> = (0..6).map(|at| batch.begins(at)).collect();
        assert_eq!(begins, [0, 0, 2, 3, 3, 3]);
        assert_eq!(batch.lengths().collect::<Vec<_>>(), [2, 1, 3]);
    }
}
