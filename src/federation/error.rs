//! Why a token of an outside issuer is not believed, and why its keys can't be used.
//!
//! A client is told none of it; the codes are for the log. This room must never carry text of a
//! token or of a key set.

use thiserror::Error;

/// Why a token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FederationError {
    /// It is longer than any token that is read.
    #[error("the outside token is too long")]
    TooLong,
    /// It is no compact JWS of two JSON objects and a signature.
    #[error("the outside token is no compact JWS")]
    Malformed,
    /// Its header carries a key, an address of one, or something else that must be understood.
    #[error("the outside token's header has a member that is refused")]
    HeaderRefused,
    /// No issuer is configured whose `iss` this is.
    #[error("the outside token is of no configured issuer")]
    IssuerUnknown,
    /// Its `iss` is another than that of the configured issuer whose key has signed it.
    #[error("the outside token is signed by a configured issuer and names another")]
    Issuer,
    /// The tokens of its issuer are configured for something else.
    #[error("the tokens of the outside token's issuer are accepted for another use")]
    NotAccepted,
    /// Its `alg` is none of those that are configured for its issuer.
    #[error("the outside token is signed with an algorithm that isn't configured for its issuer")]
    AlgorithmRefused,
    /// It names no key, and its issuer has a set of keys with names.
    #[error("the outside token names no key")]
    KidMissing,
    /// Its issuer has no key of this name for this algorithm.
    #[error("the outside token is signed with a key that its issuer doesn't have")]
    KeyUnknown,
    /// The issuer's keys were never to be had so far.
    #[error("the keys of the outside token's issuer are not to be had")]
    KeysUnavailable,
    /// Its signature is not by that key.
    #[error("the outside token's signature doesn't verify")]
    Signature,
    /// A claim that has to be there is not, or is of another type.
    #[error("a claim of the outside token is missing or of the wrong type")]
    Claims,
    /// It is meant for somebody else.
    #[error("the outside token is not meant for this service")]
    Audience,
    /// It has expired.
    #[error("the outside token has expired")]
    Expired,
    /// It is not valid yet, or was issued in the future.
    #[error("the outside token is not valid yet")]
    NotYetValid,
}

impl FederationError {
    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::TooLong => "outside_token_too_long",
            Self::Malformed => "outside_token_malformed",
            Self::HeaderRefused => "outside_header_refused",
            Self::IssuerUnknown => "outside_issuer_unknown",
            Self::Issuer => "outside_issuer_invalid",
            Self::NotAccepted => "outside_token_not_accepted",
            Self::AlgorithmRefused => "outside_algorithm_refused",
            Self::KidMissing => "outside_kid_missing",
            Self::KeyUnknown => "outside_key_unknown",
            Self::KeysUnavailable => "outside_keys_unavailable",
            Self::Signature => "outside_signature_invalid",
            Self::Claims => "outside_claims_invalid",
            Self::Audience => "outside_audience_invalid",
            Self::Expired => "outside_token_expired",
            Self::NotYetValid => "outside_token_not_yet_valid",
        }
    }
}

/// Why a set of keys can't be used. The set of before, where there is one, stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeysError {
    /// The file can't be read.
    #[error("the file of the keys can't be read")]
    FileUnreadable,
    /// The address is none that may be asked.
    #[error("the address of the keys is none of https, or lies inside the network and isn't named")]
    AddressRefused,
    /// Nobody answers there, or not as a server of HTTPS with a certificate that is trusted.
    #[error("the address of the keys can't be reached")]
    Unreachable,
    /// The answer took too long.
    #[error("the address of the keys took longer than three seconds")]
    Timeout,
    /// The answer has another status than 200; a redirect is not followed.
    #[error("the address of the keys answered with the status {0}")]
    Status(u16),
    /// The set is longer than 64 KiB.
    #[error("the keys are longer than 64 KiB")]
    TooLarge,
    /// It is no JWK set.
    #[error("this is no set of keys: {{\"keys\": […]}}")]
    NoSet,
    /// It is no PEM of public keys.
    #[error("this is no PEM of public keys: BEGIN PUBLIC KEY, or BEGIN RSA PUBLIC KEY")]
    NoPem,
    /// It has no key for the configured algorithms.
    #[error("there is no key for the configured algorithms")]
    NoKey,
    /// It has too many keys.
    #[error("there are more than 64 keys")]
    TooManyKeys,
    /// Two keys have one name.
    #[error("two keys have the same kid")]
    KidTwice,
    /// A key is a shared secret.
    #[error("a key is symmetric, so that whoever verifies could sign")]
    Symmetric,
    /// A key is private.
    #[error("a key is private, so that whoever reads it could sign")]
    Private,
    /// An RSA key has fewer than 2048 bits or more than 8192, or an exponent that can't be.
    #[error("an RSA key has fewer than 2048 bits, more than 8192, or a bad exponent")]
    WeakRsa,
    /// The numbers of a key are none of its type.
    #[error("a key is malformed")]
    BadKey,
}

impl KeysError {
    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::FileUnreadable => "keys_file_unreadable",
            Self::AddressRefused => "keys_address_refused",
            Self::Unreachable => "keys_unreachable",
            Self::Timeout => "keys_timeout",
            Self::Status(_) => "keys_status",
            Self::TooLarge => "keys_too_large",
            Self::NoSet => "keys_no_set",
            Self::NoPem => "keys_no_pem",
            Self::NoKey => "keys_none_usable",
            Self::TooManyKeys => "keys_too_many",
            Self::KidTwice => "keys_kid_twice",
            Self::Symmetric => "keys_symmetric",
            Self::Private => "keys_private",
            Self::WeakRsa => "keys_weak_rsa",
            Self::BadKey => "keys_malformed",
        }
    }
}
