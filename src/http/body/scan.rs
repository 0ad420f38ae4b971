//! A look over the JSON of a body before and after it is parsed: how much it holds, and whether each
//! number in it is kept as it was written.
//!
//! Whoever sends a body can make it one of ten thousand members, each of which costs some memory and
//! time. What is more than a route can need is refused after one pass over the bytes, before anything is built
//! (threat: body-flood).
//!
//! This room must never take a text for JSON that the parser refuses: what it says counts only where
//! the parser takes the text.

use crate::token::json::MAX_DEPTH;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The most members that a body may have.
pub(super) const MAX_MEMBERS: usize = 64;

/// The most values that a body may hold at all depths together.
const MAX_VALUES: usize = 4096;

/// Whether a JSON text holds no more than [`MAX_MEMBERS`] members and [`MAX_VALUES`] values. Stops at
/// the first that is too many.
pub(super) fn is_small(text: &str) -> bool {
    let (mut depth, mut members, mut values) = (0_usize, 0_usize, 0_usize);
    for token in Tokens::of(text) {
        match token {
            Token::Mark(b'{' | b'[') => {
                depth += 1;
                values += 1;
                if depth > MAX_DEPTH {
                    // As deep as the parser goes: it refuses the text here.
                    return true;
                }
            }
            Token::Mark(b'}' | b']') => depth = depth.saturating_sub(1),
            Token::Mark(b',') => values += 1,
            Token::Mark(b':') if depth == 1 => members += 1,
            Token::Mark(_) | Token::Number(_) => {}
        }
        if members > MAX_MEMBERS || values > MAX_VALUES {
            return false;
        }
    }
    true
}

/// The members of an object that hold a number which is read as another one than was written, in any
/// depth. `text` is JSON.
pub(super) fn inexact_members(text: &str) -> Vec<String> {
    let inexact = |text: &str| Tokens::of(text).any(|token| token.is_inexact());
    if !inexact(text) {
        return Vec::new();
    }
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).unwrap_or_default();
    let inexact = members
        .into_iter()
        .filter(|(_, value)| inexact(value.get()));
    inexact.map(|(name, _)| name).collect()
}

/// What stands outside of strings.
enum Token<'a> {
    /// A bracket, a comma or a colon.
    Mark(u8),
    Number(&'a str),
}

impl Token<'_> {
    fn is_inexact(&self) -> bool {
        matches!(self, Self::Number(written) if !is_kept(written))
    }
}

/// Goes over a text once.
struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The end of the string that begins before `at`: behind its closing quote.
    fn behind_string(&self) -> usize {
        let bytes = self.text.as_bytes();
        let mut at = self.at;
        while let Some(byte) = bytes.get(at) {
            at += match byte {
                b'"' => return at + 1,
                b'\\' => 2,
                _ => 1,
            };
        }
        bytes.len()
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let start = self.at;
            let byte = *self.text.as_bytes().get(start)?;
            self.at += 1;
            match byte {
                b'"' => self.at = self.behind_string(),
                b'{' | b'}' | b'[' | b']' | b',' | b':' => return Some(Token::Mark(byte)),
                b'-' | b'0'..=b'9' => {
                    let rest = &self.text.as_bytes()[start..];
                    let part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
                    let length = rest.iter().take_while(|byte| part(byte)).count();
                    self.at = start + length;
                    return self.text.get(start..self.at).map(Token::Number);
                }
                _ => {}
            }
        }
    }
}

/// Whether this number, read and written again, has the value that was written.
fn is_kept(written: &str) -> bool {
    if written.parse::<u64>().is_ok() || written.parse::<i64>().is_ok() {
        return true;
    }
    // serde_json reads everything else as a float, and writes the shortest text that is read as it.
    let Some(kept) = written.parse::<f64>().ok().filter(|kept| kept.is_finite()) else {
        return false;
    };
    let value = Decimal::of(written);
    value.is_some() && value == Decimal::of(&format!("{kept:e}"))
}

/// A decimal number: its digits from the first to the last that isn't 0, and the power of ten of the last.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    fn of(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let unsigned = mantissa.strip_prefix('-');
        let negative = unsigned.is_some();
        let (whole, fraction) = match unsigned.unwrap_or(mantissa).split_once('.') {
            Some((whole, fraction)) => (whole, fraction),
            None => (unsigned.unwrap_or(mantissa), ""),
        };
        let all = format!("{whole}{fraction}");
        let digits = all.trim_end_matches('0');
        let zeros = i64::try_from(all.len() - digits.len()).ok()?;
        let places = i64::try_from(fraction.len()).ok()?;
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() {
            let (digits, exponent) = (String::new(), 0);
            return Some(Self {
                negative: false,
                digits,
                exponent,
            });
        }
        Some(Self {
            negative,
            digits: digits.to_owned(),
            exponent: exponent.checked_sub(places)?.checked_add(zeros)?,
        })
    }
}

#[cfg(test)]
mod tests;
