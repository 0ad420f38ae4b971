//! What the strings of several systems have in common.
//!
//! This room must never take a number, a salt or an output of a length that nobody makes.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use subtle::ConstantTimeEq as _;

/// Shorter salts are met by chance; longer ones nobody makes.
const SALT: std::ops::RangeInclusive<usize> = 8..=128;
/// Shorter outputs are guessed; longer ones nobody makes.
const OUTPUT: std::ops::RangeInclusive<usize> = 16..=128;

/// Base64 with or without padding: the systems differ.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A decimal number as these strings have it: no sign, no leading zero.
pub(super) fn number(text: &str) -> Option<u32> {
    let plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

pub(super) fn salt(bytes: Vec<u8>) -> Option<Vec<u8>> {
    SALT.contains(&bytes.len()).then_some(bytes)
}

pub(super) fn output(bytes: Vec<u8>) -> Option<Vec<u8>> {
    OUTPUT.contains(&bytes.len()).then_some(bytes)
}

pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}

/// Two digits of lower-case hexadecimal a byte, as Werkzeug writes.
pub(super) fn hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect()
}

pub(super) fn same(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_spelling() {
        assert_eq!(
            (number("1"), number("4294967295")),
            (Some(1), Some(u32::MAX))
        );
        for bad in [
            "",
            "0",
            "01",
            "+1",
            "-1",
            " 1",
            "1 ",
            "1_0",
            "4294967296",
            "\u{661}",
        ] {
            assert_eq!(number(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn bytes_are_read_as_they_were_written() {
        assert_eq!(hex("00ff7f"), Some(vec![0, 255, 127]));
        for bad in ["0", "0g", "ä0", "+1"] {
            assert_eq!(hex(bad), None, "{bad:?}");
        }
        for spelling in ["Zm9v", "Zm8=", "Zm8"] {
            assert!(base64(spelling).is_some(), "{spelling}");
        }
        for bad in ["Zm9", "Zm8-", "Zm 8"] {
            assert_eq!(base64(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn lengths_have_bounds() {
        assert!(salt(vec![0; 8]).is_some() && salt(vec![0; 7]).is_none());
        assert!(salt(vec![0; 128]).is_some() && salt(vec![0; 129]).is_none());
        assert!(output(vec![0; 16]).is_some() && output(vec![0; 15]).is_none());
    }
}
