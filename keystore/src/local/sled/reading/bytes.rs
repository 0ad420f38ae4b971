//! The forms in which sled 0.34 writes numbers and texts.
//!
//! This room must never read beyond the bytes that it was given: what is too short is `None`.

/// Bytes of which the beginning is taken, piece by piece.
#[derive(Clone, Copy)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    /// A number whose first byte says how many follow.
    pub(super) fn number(&mut self) -> Option<u64> {
        let first = self.byte()?;
        Some(match first {
            0..=240 => first.into(),
            241..=248 => 240 + 256 * u64::from(first - 241) + u64::from(self.byte()?),
            249 => {
                let [high, low] = self.array()?;
                2288 + 256 * u64::from(high) + u64::from(low)
            }
            250..=255 => {
                let taken = self.take(usize::from(first - 247))?;
                let mut bytes = [0; 8];
                bytes[..taken.len()].copy_from_slice(taken);
                u64::from_le_bytes(bytes)
            }
        })
    }

    /// A place in the log, as sled writes it where it is wanted for long.
    pub(super) fn lsn(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    /// Bytes that begin with their length.
    pub(super) fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(usize::try_from(length).ok()?)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_lengths_of_sleds_form() {
        for (bytes, number) in [
            (&[0][..], 0),
            (&[240], 240),
            (&[241, 0], 240),
            (&[248, 255], 240 + 256 * 7 + 255),
            (&[249, 0, 0], 2288),
            (&[249, 255, 255], 67_823),
            (&[250, 1, 2, 3], 0x0003_0201),
            (&[251, 0, 0, 0, 1], 1 << 24),
            (&[255, 1, 0, 0, 0, 0, 0, 0, 0x80], (1 << 63) + 1),
        ] {
            let mut read = Bytes(bytes);
            assert_eq!(read.number(), Some(number), "{bytes:?}");
            assert!(read.is_empty());
            for length in 0..bytes.len() {
                assert_eq!(Bytes(&bytes[..length]).number(), None, "{bytes:?}");
            }
        }
    }

    #[test]
    fn what_is_too_short_is_none() {
        assert_eq!(Bytes(&[2, 7, 8]).text(), Some(&[7, 8][..]));
        assert_eq!(Bytes(&[3, 7, 8]).text(), None);
        assert_eq!(Bytes(&[255; 9]).text(), None, "longer than anything");
        assert_eq!(Bytes(&[1; 7]).lsn(), None);
    }
}
