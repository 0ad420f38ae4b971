//! The kinds of value that a key may take: how each is read, shown and described.
//!
//! This room must never accept a value that nothing acts on.

mod amount;
mod choice;
mod place;
mod text;

#[cfg(test)]
use proptest::prelude::*;

pub(super) use amount::{Frequency, Milliseconds, Seconds, Size, Threads, Whole, seconds};
pub(super) use choice::{Choice, Choices, Switch};
pub(super) use place::{FilePath, Networks, Place, Ranges, Stream};
pub(super) use text::{Label, MasterKeys, Secret, Text, Texts, Url};

use super::written::Written;

/// How a value is read and what its limits are.
pub(super) trait Kind: Sync {
    /// What is read.
    type Value: 'static;

    /// Reads a value.
    fn read(&self, written: &Written) -> Result<Self::Value, Bad>;
    /// The text that [`read`](Self::read) reads as this value.
    fn shown(&self, value: &Self::Value) -> String;
    /// What this kind takes, in words that follow "expected".
    fn takes(&self) -> String;
    /// Whether the file gives it as an array, and text as words with commas between.
    fn is_list(&self) -> bool {
        false
    }
    /// Texts that this kind takes.
    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String>;
}

/// A value that isn't taken: it is none of the kind, or outside of the limits.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bad;

fn good<T>(read: Option<T>) -> Result<T, Bad> {
    read.ok_or(Bad)
}

fn either(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(" or ")
}
