//! The memory of this process, searched for secrets.
//!
//! A needle is kept masked and read into no buffer but one that is looked over at its own place, so
//! that a search doesn't find itself. Searched is what can be written to: heap, stacks, data.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use zeroize::Zeroize as _;

/// What the bytes of a needle are masked with.
pub(crate) const MASK: u8 = 0x5a;
const CHUNK: usize = 1 << 20;

/// A secret that isn't in memory: its bytes masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Needle(Vec<u8>);

impl Needle {
    /// The needle of these bytes, of which only one at a time is anywhere.
    pub(crate) fn of(secret: impl Iterator<Item = u8>) -> Self {
        Self(secret.map(|byte| byte ^ MASK).collect())
    }

    /// The needle whose masked bytes these are.
    pub(crate) fn masked(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// A part of the secret.
    pub(crate) fn part(&self, range: std::ops::Range<usize>) -> Self {
        Self(self.0[range].to_vec())
    }

    /// Writes the secret.
    pub(crate) fn unmask(&self, into: &mut [u8]) {
        for (byte, masked) in into.iter_mut().zip(&self.0) {
            *byte = masked ^ MASK;
        }
    }

    /// Where the secret stands in memory, once for each time, the last byte first included: so a
    /// number lies in the words of a big integer.
    pub(crate) fn found(&self) -> Vec<String> {
        let turned: Vec<u8> = self.0.iter().rev().copied().collect();
        let mut buffer = vec![0; CHUNK];
        let own = buffer.as_ptr().addr();
        let own = own as u64..(own + CHUNK) as u64;
        let memory = File::open("/proc/self/mem").unwrap();
        let mut found = Vec::new();
        for (first, end, name) in writable() {
            let mut at = first;
            while at < end {
                if own.contains(&at) {
                    at = own.end;
                    continue;
                }
                let until = if at < own.start {
                    end.min(own.start)
                } else {
                    end
                };
                let length = usize::try_from(until - at).unwrap().min(CHUNK);
                // A place that is gone by now, or that the kernel keeps to itself.
                let read = memory.read_at(&mut buffer[..length], at).unwrap_or(0);
                for needle in [&self.0, &turned] {
                    for _ in 0..count(&buffer[..read], needle) {
                        found.push(format!("{name} of {} bytes", end - first));
                    }
                }
                let overlap = if read == CHUNK { self.0.len() } else { 0 };
                at += (if read == 0 { length } else { read - overlap }) as u64;
            }
        }
        buffer.zeroize();
        found
    }
}

fn count(memory: &[u8], masked: &[u8]) -> usize {
    let first = masked[0] ^ MASK;
    let (mut found, mut from) = (0, 0);
    while let Some(at) = memory[from..].iter().position(|byte| *byte == first) {
        let rest = &memory[from + at..];
        let same = |(byte, masked): (&u8, &u8)| byte ^ MASK == *masked;
        found += usize::from(rest.len() >= masked.len() && rest.iter().zip(masked).all(same));
        from += at + 1;
    }
    found
}

/// The first and the end of each part of the memory that can be written to, and what it is.
fn writable() -> Vec<(u64, u64, String)> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let number = |text: &str| u64::from_str_radix(text, 16).unwrap();
    maps.lines()
        .filter_map(|line| {
            let (range, rest) = line.split_once(' ')?;
            let (first, end) = range.split_once('-')?;
            let name = rest.split_whitespace().nth(4).unwrap_or("anonymous");
            let place = (number(first), number(end), name.to_owned());
            rest.starts_with("rw").then_some(place)
        })
        .collect()
}

#[test]
fn a_secret_is_found_while_it_is_there_and_not_when_it_is_wiped() {
    let needle = Needle::masked(&openssl::sha::sha256(b"tests/support/memory.rs"));
    assert!(needle.found().is_empty());
    let mut place = vec![0; 100];
    needle.unmask(&mut place[7..39]);
    assert_eq!(needle.found().len(), 1);
    place[7..39].reverse();
    assert_eq!(needle.found().len(), 1);
    assert_eq!(needle.part(8..32).found().len(), 1);
    place.zeroize();
    assert!(needle.found().is_empty());
}
