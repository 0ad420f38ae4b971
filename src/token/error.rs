//! Why a token was refused: stable codes for the log, never for the client.
//!
//! To a client every one of these is the same answer (RFC 7516 §11.5, RFC 8725 §3.3). The code
//! goes to the audit log and to `lacre token open`, which an operator runs with the keys in hand.
//!
//! This room must never carry a library's text, a byte of the token or a byte of a key.

use thiserror::Error;

/// The step that a token failed at, in the order of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Longer than [`MAX_TOKEN_LENGTH`](super::MAX_TOKEN_LENGTH) characters.
    #[error("the token is too long")]
    TooLong,
    /// Not five base64url segments of the lengths that the profile fixes.
    #[error("the token is not in the compact form")]
    Malformed,
    /// The protected header is not exactly the one of the profile.
    #[error("the protected header is not the profile's")]
    Header,
    /// The ephemeral public key is not a point of P-256 in its one spelling.
    #[error("the ephemeral key is not a valid P-256 point")]
    EphemeralKey,
    /// No session has this handle: it never was, has ended or has expired.
    #[error("no session has this handle")]
    UnknownSession,
    /// The authentication tag is not the one of this session's key. A content key that doesn't
    /// unwrap ends here too, so that the two can't be told apart (RFC 7516 §11.5).
    #[error("the token was not sealed for this session's key")]
    NotAuthentic,
    /// The tag was right and the padding under it was not.
    #[error("the content is not padded correctly")]
    Padding,
    /// What was sealed is not a compact JWS with the header of the profile.
    #[error("the sealed content is not the signed form")]
    InnerForm,
    /// The signing key is not in our key set.
    #[error("the signing key is unknown")]
    UnknownSigner,
    /// The inner signature is wrong.
    #[error("the inner signature is wrong")]
    Signature,
    /// The claims are not one JSON object with the members and types of the profile.
    #[error("the claims are not the profile's")]
    Claims,
    /// Another kind of token than the one asked for (RFC 8725 §3.11).
    #[error("the token is of another kind")]
    Kind,
    /// Issued by somebody else.
    #[error("the issuer is another")]
    Issuer,
    /// Meant for somebody else.
    #[error("the audience is another")]
    Audience,
    /// The `exp` claim has passed.
    #[error("the token has expired")]
    Expired,
    /// The `nbf` or `iat` claim lies in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// Handle, subject and session record do not all name the same session.
    #[error("handle, subject and session do not agree")]
    SessionMismatch,
    /// Of an earlier generation: the session has been refreshed since.
    #[error("the token is of an earlier generation")]
    Generation,
}

impl TokenError {
    /// Every reason.
    pub(crate) const ALL: [Self; 18] = [
        Self::TooLong,
        Self::Malformed,
        Self::Header,
        Self::EphemeralKey,
        Self::UnknownSession,
        Self::NotAuthentic,
        Self::Padding,
        Self::InnerForm,
        Self::UnknownSigner,
        Self::Signature,
        Self::Claims,
        Self::Kind,
        Self::Issuer,
        Self::Audience,
        Self::Expired,
        Self::NotYetValid,
        Self::SessionMismatch,
        Self::Generation,
    ];

    /// Whether the token was proven to be this deployment's before it was refused: a live session's
    /// key had opened it and its signature was right. Only then may a client be told why.
    #[must_use]
    pub fn is_proven(self) -> bool {
        matches!(
            self,
            Self::Issuer | Self::Audience | Self::Expired | Self::NotYetValid | Self::Generation
        )
    }

    /// The stable code: for logs, for `lacre token open`, never for a client.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::TooLong => "token_too_long",
            Self::Malformed => "token_malformed",
            Self::Header => "token_header",
            Self::EphemeralKey => "token_epk",
            Self::UnknownSession => "session_unknown",
            Self::NotAuthentic => "token_not_authentic",
            Self::Padding => "token_padding",
            Self::InnerForm => "token_inner_form",
            Self::UnknownSigner => "token_unknown_signer",
            Self::Signature => "token_signature",
            Self::Claims => "token_claims",
            Self::Kind => "token_kind",
            Self::Issuer => "token_issuer",
            Self::Audience => "token_audience",
            Self::Expired => "token_expired",
            Self::NotYetValid => "token_not_yet_valid",
            Self::SessionMismatch => "token_session_mismatch",
            Self::Generation => "token_generation",
        }
    }
}

/// A key that is not a usable P-256 key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a usable P-256 key")]
pub struct KeyError;

#[cfg(test)]
mod tests {
    use super::TokenError::{self, *};
    use std::collections::BTreeSet;

    #[test]
    fn each_reason_has_a_code_of_its_own() {
        let codes: BTreeSet<_> = TokenError::ALL.iter().map(|error| error.code()).collect();
        assert_eq!(codes.len(), TokenError::ALL.len());
        let proven: Vec<_> = TokenError::ALL
            .into_iter()
            .filter(|error| error.is_proven())
            .collect();
        // The kind is read before the signature is verified, so it proves nothing.
        assert_eq!(proven, [Issuer, Audience, Expired, NotYetValid, Generation]);
        for code in codes {
            let known = code.starts_with("token_") || code == "session_unknown";
            assert!(
                known
                    && code
                        .bytes()
                        .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            );
        }
    }
}
