//! Base64url without padding, in its one canonical spelling (RFC 4648 §5, RFC 7515 §2).
//!
//! A token that could be spelled twice would slip past any list or cache keyed by its text
//! (threats: base64-spelling, spare-bits), so spare bits, padding and foreign characters are all refused.
//!
//! Tokens are decoded in steps of 32 characters, by the processor's vector instructions
//! (`docs/decisions/0060-base64.md`); the tests hold that to another decoder, byte for byte.
//!
//! This room must never guess: what isn't canonical is no answer.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64_simd::{AsOut as _, URL_SAFE_NO_PAD as DECODER};

/// Encodes without padding.
#[must_use]
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Appends the encoding to `out`.
pub(crate) fn encode_into(bytes: impl AsRef<[u8]>, out: &mut String) {
    URL_SAFE_NO_PAD.encode_string(bytes, out);
}

/// Decodes the canonical spelling; `None` for any other.
#[must_use]
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    DECODER.decode_to_vec(text).ok()
}

/// Decodes exactly `N` bytes; `None` where the text holds more, fewer or is not canonical.
#[must_use]
pub fn decode_array<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() != encoded_length(N) {
        return None;
    }
    let mut bytes = [0; N];
    // So many characters are so many bytes, or none.
    let decoded = DECODER.decode(text, bytes.as_mut_slice().as_out());
    decoded.is_ok().then_some(bytes)
}

/// How many characters `length` bytes take.
const fn encoded_length(length: usize) -> usize {
    (length * 4).div_ceil(3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spare_bits_padding_and_the_standard_alphabet_are_refused() {
        assert_eq!(decode(b"AA"), Some(vec![0]));
        for other in [
            "AB", "AA=", "AA==", "A", "A+", "A/", "A\n", " AA", "AA ", "A%",
        ] {
            assert_eq!(decode(other.as_bytes()), None, "{other:?}");
        }
    }

    #[test]
    fn an_array_takes_exactly_its_length() {
        assert_eq!(decode_array::<1>(b"AA"), Some([0]));
        for other in ["", "A", "AAA", "AAAA", "AB", "AA="] {
            assert_eq!(decode_array::<1>(other.as_bytes()), None, "{other:?}");
        }
    }

    /// What another decoder makes of the text.
    fn by_table(text: &[u8]) -> Option<Vec<u8>> {
        URL_SAFE_NO_PAD.decode(text).ok()
    }

    /// Lengths on both sides of each step of the decoder, and each of the 256 bytes at each place.
    #[test]
    fn each_byte_at_each_place_is_read_as_another_decoder_reads_it() {
        for length in (0..=48).chain([63, 64, 65, 69, 70, 71, 96, 102]) {
            let text = vec![b'A'; length];
            assert_eq!(decode(&text), by_table(&text), "{length}");
            for place in 0..length {
                for byte in 0..=u8::MAX {
                    let mut text = text.clone();
                    text[place] = byte;
                    assert_eq!(
                        decode(&text),
                        by_table(&text),
                        "{byte} at {place} of {length}"
                    );
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_as_another_decoder_reads_it(
            bytes in proptest::collection::vec(any::<u8>(), 0..600),
            spoiled in proptest::option::of((any::<prop::sample::Index>(), any::<u8>())),
            cut in 0..4_usize,
        ) {
            let mut text = encode(&bytes).into_bytes();
            text.truncate(text.len().saturating_sub(cut));
            if let Some((place, byte)) = spoiled.filter(|_| !text.is_empty()) {
                let place = place.index(text.len());
                text[place] = byte;
            }
            prop_assert_eq!(decode(&text), by_table(&text));
            let array = |text: &[u8]| by_table(text).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
            prop_assert_eq!(decode_array::<32>(&text), array(&text));
            let short = &text[..text.len().min(43)];
            prop_assert_eq!(decode_array::<32>(short), array(short));
        }

        #[test]
        fn whatever_decodes_encodes_to_the_same_text(text in "[A-Za-z0-9_-]{0,60}") {
            if let Some(bytes) = decode(text.as_bytes()) {
                prop_assert_eq!(encode(bytes), text);
            }
        }

        #[test]
        fn bytes_survive_the_round_trip(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(decode(encode(&bytes).as_bytes()), Some(bytes));
        }
    }
}
