//! A token as it came in: in the right form, and nothing of it believed.
//!
//! Length, alphabet, five segments and their lengths come first, then the strict header. Every
//! buffer is sized by the profile, none by a number that the sender wrote.
//!
//! This room must never decrypt anything, and never look at a claim.

use super::agreement::ENCRYPTED_KEY_LENGTH;
use super::content::{BLOCK, TAG_LENGTH};
use super::header::Header;
use super::{Handle, MAX_TOKEN_LENGTH, TokenError, base64url};
use memchr::memchr;

/// The five segments of a token's text: counted, and nothing else looked at.
#[derive(Clone, Copy)]
pub(crate) struct Segments<'a> {
    text: &'a [u8],
    header: &'a [u8],
    encrypted_key: &'a [u8],
    iv: &'a [u8],
    ciphertext: &'a [u8],
    tag: &'a [u8],
}

impl<'a> Segments<'a> {
    /// Takes the text of a token apart: at most [`MAX_TOKEN_LENGTH`] characters, five segments.
    pub(crate) fn split(text: &'a [u8]) -> Result<Self, TokenError> {
        if text.len() > MAX_TOKEN_LENGTH {
            return Err(TokenError::TooLong);
        }
        let mut rest = text;
        let mut next = || {
            let end = memchr(b'.', rest).ok_or(TokenError::Malformed)?;
            let (segment, behind) = rest.split_at(end);
            rest = &behind[1..];
            Ok(segment)
        };
        let [header, encrypted_key, iv, ciphertext] = [next()?, next()?, next()?, next()?];
        let tag = rest;
        if memchr(b'.', tag).is_some() {
            return Err(TokenError::Malformed);
        }
        Ok(Self {
            text,
            header,
            encrypted_key,
            iv,
            ciphertext,
            tag,
        })
    }

    /// The encoded encrypted key.
    pub(crate) fn encrypted_key(&self) -> &'a [u8] {
        self.encrypted_key
    }

    /// Header and encrypted key as they stand in the text: what the content key depends on,
    /// besides the session's own.
    pub(super) fn key_part(&self) -> &'a [u8] {
        &self.text[..self.header.len() + 1 + self.encrypted_key.len()]
    }

    /// What is under the content key: every form but the one of the profile is refused.
    pub(super) fn content(&self) -> Result<Content, TokenError> {
        let iv = base64url::decode_array(self.iv).ok_or(TokenError::Malformed)?;
        let tag = base64url::decode_array(self.tag).ok_or(TokenError::Malformed)?;
        let ciphertext = base64url::decode(self.ciphertext).ok_or(TokenError::Malformed)?;
        if ciphertext.is_empty() || !ciphertext.len().is_multiple_of(BLOCK) {
            return Err(TokenError::Malformed);
        }
        Ok(Content {
            iv,
            ciphertext,
            tag,
        })
    }
}

/// The last three segments, decoded.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) iv: [u8; BLOCK],
    pub(super) ciphertext: Vec<u8>,
    pub(super) tag: [u8; TAG_LENGTH],
}

/// A token in the compact form of the profile (RFC 7516 §3.1), not yet opened.
#[derive(Debug)]
pub struct UnopenedToken<'a> {
    pub(super) header: Header,
    /// The encoded protected header: the additional authenticated data (RFC 7516 §5.1 step 14).
    pub(super) aad: &'a [u8],
    /// The first two segments as they stand in the text.
    pub(super) key_part: &'a [u8],
    pub(super) encrypted_key: [u8; ENCRYPTED_KEY_LENGTH],
    pub(super) content: Content,
}

impl<'a> UnopenedToken<'a> {
    /// Takes the text of a token; refuses every form but the one of the profile.
    pub fn parse(text: &'a [u8]) -> Result<Self, TokenError> {
        let segments = Segments::split(text)?;
        let encrypted_key =
            base64url::decode_array(segments.encrypted_key).ok_or(TokenError::Malformed)?;
        let content = segments.content()?;
        let header = base64url::decode(segments.header).ok_or(TokenError::Malformed)?;
        Ok(Self {
            header: Header::parse(&header)?,
            aad: segments.header,
            key_part: segments.key_part(),
            encrypted_key,
            content,
        })
    }

    /// The session that the token claims to be of: only good for looking up its key.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.header.handle
    }
}

#[cfg(test)]
mod tests {
    use super::super::seal::tests::sealed;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn five_segments_of_the_due_lengths() {
        let token = sealed();
        let segments: Vec<&str> = token.split('.').collect();
        assert!(UnopenedToken::parse(token.as_bytes()).is_ok());
        assert_eq!(
            segments.iter().skip(1).map(|s| s.len()).collect::<Vec<_>>()[..2],
            [96, 22]
        );
        for position in 0..5 {
            for change in ["", "A", "AA", "AAAAAAAA"] {
                let mut bad: Vec<String> = segments.iter().map(ToString::to_string).collect();
                bad[position] = change.to_owned();
                assert!(UnopenedToken::parse(bad.join(".").as_bytes()).is_err());
                bad[position] = format!("{}{change}A", segments[position]);
                assert!(UnopenedToken::parse(bad.join(".").as_bytes()).is_err());
            }
        }
    }

    #[test]
    fn every_shorter_and_every_longer_token_is_refused() {
        let token = sealed();
        for end in 0..token.len() {
            assert!(
                UnopenedToken::parse(&token.as_bytes()[..end]).is_err(),
                "cut at {end}"
            );
        }
        for more in [".", "A", ".A", " ", "\n", "\0", "="] {
            assert!(
                UnopenedToken::parse(format!("{token}{more}").as_bytes()).is_err(),
                "{more:?}"
            );
            assert!(
                UnopenedToken::parse(format!("{more}{token}").as_bytes()).is_err(),
                "{more:?}"
            );
        }
    }

    #[test]
    fn length_comes_before_parsing() {
        assert_eq!(
            UnopenedToken::parse(&[b'.'; MAX_TOKEN_LENGTH + 1]).unwrap_err(),
            TokenError::TooLong
        );
        assert_eq!(
            UnopenedToken::parse(&[b'.'; MAX_TOKEN_LENGTH]).unwrap_err(),
            TokenError::Malformed
        );
    }

    proptest! {
        #[test]
        fn no_input_panics(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = UnopenedToken::parse(&text);
        }

        #[test]
        fn no_text_of_the_alphabet_panics(text in "[A-Za-z0-9_-]{0,40}(\\.[A-Za-z0-9_-]{0,110}){0,6}") {
            prop_assert!(UnopenedToken::parse(text.as_bytes()).is_err());
        }
    }
}
