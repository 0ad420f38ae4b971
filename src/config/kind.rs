//! The kinds of value that a key may take.
//!
//! A kind carries the setter of its key, so a value of the wrong type can't reach a field.
//!
//! This room must never accept a value and then not act on it: what isn't built is refused by
//! name.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::quantity::{count, duration, duration_text, rate, size, size_text};
use super::source::Given;
use super::{Config, Network, Rate, SecretText};

/// How a value is read, what its limits are, and where it goes.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// Printable text of 1 to 255 characters.
    Text { set: fn(&mut Config, String) },
    /// An IP address and a port.
    Address { set: fn(&mut Config, SocketAddr) },
    /// A path of the file system, relative to the working directory.
    Path { set: fn(&mut Config, PathBuf) },
    /// A URL that starts in one of `schemes`.
    Url {
        schemes: &'static [&'static str],
        set: fn(&mut Config, SecretText),
    },
    /// A duration of whole seconds.
    Duration {
        from: Duration,
        to: Duration,
        set: fn(&mut Config, Duration),
    },
    /// Bytes.
    Size {
        from: u32,
        to: u32,
        set: fn(&mut Config, usize),
    },
    /// A whole number.
    Count {
        from: u32,
        to: u32,
        set: fn(&mut Config, u32),
    },
    /// How often in how long, or `off`.
    Rate { set: fn(&mut Config, Option<Rate>) },
    /// A number of threads, or `cores`: as many as this machine runs at once.
    Threads { set: fn(&mut Config, usize) },
    /// One of some words.
    Choice {
        built: &'static [Word],
        planned: &'static [&'static str],
    },
    /// Several of some words, each once, one at least.
    Choices {
        built: &'static [Word],
        planned: &'static [&'static str],
    },
    /// Addresses and networks, perhaps none.
    Networks { set: fn(&mut Config, Vec<Network>) },
}

/// A word that a key takes, and what it does.
pub(super) type Word = (&'static str, fn(&mut Config));

/// What a key is worth when nobody sets it.
#[derive(Clone, Copy)]
pub(super) enum Fallback {
    /// A text, read like any other.
    Text(&'static str),
    /// A text, and another one with `--dev`.
    Dev(&'static str, &'static str),
    /// Made from values that are settled already; the text is for the documentation.
    From(&'static str, fn(&Config) -> String),
    /// Stays unset; the text is for the documentation.
    Unset(&'static str),
}

/// Why a value was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is none of the kind.
    Bad,
    /// The documents name it, this version hasn't got it.
    NotBuilt(&'static str),
}

const MOST_THREADS: u64 = 1024;

impl Kind {
    /// Reads `given` and puts it into `config`.
    pub(super) fn apply(&self, config: &mut Config, given: &Given) -> Result<(), Refusal> {
        match *self {
            Self::Choices { built, planned } => {
                let words = given.items().ok_or(Refusal::Bad)?;
                let repeated = |i: usize| words[..i].contains(&words[i]);
                if words.is_empty() || (0..words.len()).any(repeated) {
                    return Err(Refusal::Bad);
                }
                for word in words {
                    choose(config, word, built, planned)?;
                }
                Ok(())
            }
            Self::Networks { set } => {
                let words = given.items().ok_or(Refusal::Bad)?;
                let networks: Result<_, ()> = words.iter().map(|word| word.parse()).collect();
                set(config, networks.map_err(|()| Refusal::Bad)?);
                Ok(())
            }
            Self::Size { .. } | Self::Count { .. } | Self::Threads { .. } => {
                let text = given.text_or_number().ok_or(Refusal::Bad)?;
                self.apply_text(config, &text)
            }
            _ => self.apply_text(config, given.text().ok_or(Refusal::Bad)?),
        }
    }

    fn apply_text(&self, config: &mut Config, text: &str) -> Result<(), Refusal> {
        let bad = Refusal::Bad;
        match *self {
            Self::Text { set } => set(config, printable(text).ok_or(bad)?),
            Self::Address { set } => set(config, address(text).ok_or(bad)?),
            Self::Path { set } => set(config, path(text).ok_or(bad)?),
            Self::Url { schemes, set } => {
                let known = |scheme: &&str| text.len() > scheme.len() && text.starts_with(*scheme);
                if !schemes.iter().any(known) || text.chars().any(char::is_control) {
                    return Err(bad);
                }
                set(config, SecretText::new(text.to_owned()));
            }
            Self::Duration { from, to, set } => {
                let within = |read: &Duration| (from..=to).contains(read);
                set(config, duration(text).filter(within).ok_or(bad)?);
            }
            Self::Size { from, to, set } => {
                let read = size(text)
                    .and_then(|read| within(read, from, to))
                    .ok_or(bad)?;
                set(config, usize::try_from(read).map_err(|_| Refusal::Bad)?);
            }
            Self::Count { from, to, set } => {
                let read = count(text).and_then(|read| within(read, from, to));
                set(config, read.ok_or(bad)?);
            }
            Self::Rate { set } if text == "off" => set(config, None),
            Self::Rate { set } => set(config, Some(rate(text).ok_or(bad)?)),
            Self::Threads { set } => set(config, threads(text).ok_or(bad)?),
            Self::Choice { built, planned } => choose(config, text, built, planned)?,
            Self::Choices { .. } | Self::Networks { .. } => return Err(bad),
        }
        Ok(())
    }

    /// What this kind takes, in words that follow "expected".
    pub(super) fn takes(&self) -> String {
        match *self {
            Self::Text { .. } => "1 to 255 printable characters".to_owned(),
            Self::Address { .. } => "an IP address and a port, such as `127.0.0.1:8080`".to_owned(),
            Self::Path { .. } => "a path".to_owned(),
            Self::Url { schemes, .. } => format!("a URL that starts with {}", either(schemes)),
            Self::Duration { from, to, .. } => format!(
                "a duration such as `15m` or `1h30m`, from `{}` to `{}`",
                duration_text(from),
                duration_text(to)
            ),
            Self::Size { from, to, .. } => format!(
                "a size such as `8192` or `64KiB`, from `{}` to `{}`",
                size_text(from.into()),
                size_text(to.into())
            ),
            Self::Count { from, to, .. } => format!("a whole number from {from} to {to}"),
            Self::Rate { .. } => {
                "how often in how long, such as `30/1m`, up to `1000000/1d`, or `off`".to_owned()
            }
            Self::Threads { .. } => format!("a whole number from 1 to {MOST_THREADS}, or `cores`"),
            Self::Choice { built, .. } => either(&words(built)),
            Self::Choices { built, .. } => format!("a list of {}", either(&words(built))),
            Self::Networks { .. } => {
                "a list of addresses and networks such as `10.0.0.0/8`".to_owned()
            }
        }
    }

    /// Words that the documents name and that this version refuses.
    pub(super) fn planned(&self) -> &'static [&'static str] {
        match *self {
            Self::Choice { planned, .. } | Self::Choices { planned, .. } => planned,
            _ => &[],
        }
    }

    /// Whether the file gives it as an array, and text as words with commas between.
    pub(super) fn is_list(&self) -> bool {
        matches!(self, Self::Choices { .. } | Self::Networks { .. })
    }
}

fn choose(
    config: &mut Config,
    word: &str,
    built: &'static [Word],
    planned: &'static [&'static str],
) -> Result<(), Refusal> {
    if let Some((_, set)) = built.iter().find(|(name, _)| *name == word) {
        set(config);
        return Ok(());
    }
    match planned.iter().find(|name| **name == word) {
        Some(name) => Err(Refusal::NotBuilt(name)),
        None => Err(Refusal::Bad),
    }
}

fn printable(text: &str) -> Option<String> {
    let long = text.chars().count() > 255;
    let blank = text.trim() != text || text.is_empty();
    (!long && !blank && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty() && !text.contains('\0')).then(|| PathBuf::from(text))
}

/// `localhost` is taken without asking a resolver, which could answer anything.
fn address(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix("localhost:") {
        Some(port) => Some((Ipv4Addr::LOCALHOST, u16::try_from(count(port)?).ok()?).into()),
        None => text.parse().ok(),
    }
}

fn within(read: u64, from: u32, to: u32) -> Option<u32> {
    let read = u32::try_from(read).ok()?;
    (from..=to).contains(&read).then_some(read)
}

fn threads(text: &str) -> Option<usize> {
    if text == "cores" {
        return Some(std::thread::available_parallelism().map_or(1, usize::from));
    }
    let read = count(text).filter(|read| (1..=MOST_THREADS).contains(read))?;
    usize::try_from(read).ok()
}

fn words(built: &'static [Word]) -> Vec<&'static str> {
    built.iter().map(|(name, _)| *name).collect()
}

fn either(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(" or ")
}
