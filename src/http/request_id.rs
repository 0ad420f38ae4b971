//! The name of one request: in its answer, in its problem and in its log lines.
//!
//! An `X-Request-Id` that came in is neither kept nor echoed: a caller who picks the id could make
//! their log lines look like somebody else's. A proxy that wants to join its lines with ours logs
//! the id of the answer.
//!
//! This room must never build an id from anything but fresh randomness.

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpMessage, HttpRequest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::CryptoRng;
use std::fmt;

/// The header that carries the id in every answer.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Characters in an id: 16 bytes as unpadded base64url (RFC 4648 §5).
const TEXT_LENGTH: usize = 22;

/// 128 random bits that name one request; 22 characters of `A-Za-z0-9-_`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId([u8; TEXT_LENGTH]);

impl RequestId {
    /// A fresh id.
    pub fn fresh(rng: &mut impl CryptoRng) -> Self {
        let mut bits = [0; 16];
        rng.fill_bytes(&mut bits);
        let mut text = [b'A'; TEXT_LENGTH];
        // 16 bytes always fill 22 characters; a refusal would leave a constant id, not a panic.
        let _ = URL_SAFE_NO_PAD.encode_slice(bits, &mut text);
        Self(text)
    }

    /// The id of this request; `None` where the edge isn't in front.
    #[must_use]
    pub fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get().copied()
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Base64url is ASCII, so this is never empty.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// A number that comes of the id, each of a few alike by its remainder.
    pub(super) fn number(&self) -> u8 {
        self.0
            .iter()
            .fold(0, |sum: u8, character| sum.wrapping_add(*character))
    }

    /// The id as the value of [`X_REQUEST_ID`].
    #[must_use]
    pub fn header_value(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).unwrap_or(HeaderValue::from_static(""))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use std::collections::HashSet;

    #[test]
    fn an_id_is_twenty_two_characters_of_base64url() {
        let id = RequestId::fresh(&mut StdRng::seed_from_u64(1));
        assert_eq!(id.as_str().len(), 22);
        assert!(
            id.as_str()
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        );
        assert_eq!(URL_SAFE_NO_PAD.decode(id.as_str()).unwrap().len(), 16);
        assert_eq!(id.header_value(), id.to_string());
    }

    #[test]
    fn no_two_requests_share_an_id() {
        let mut rng = StdRng::seed_from_u64(2);
        let ids: HashSet<_> = (0..1000).map(|_| RequestId::fresh(&mut rng)).collect();
        assert_eq!(ids.len(), 1000);
    }
}
