//! An outside issuer as an operator configures it.
//!
//! This room must never have a default for what makes a token believable: algorithms and audience
//! are always the operator's words.

use crate::network::Network;
use std::fmt;
use std::path::PathBuf;

/// An issuer whose tokens are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// What the operator calls it: a label of lower-case letters, digits and `-`.
    pub name: String,
    /// The `iss` of its tokens, compared exactly.
    pub issuer: String,
    /// The `aud` that its tokens must name.
    pub audience: String,
    /// The algorithms that its tokens may be signed with; at least one.
    pub algorithms: Vec<Algorithm>,
    /// Where its keys are.
    pub keys: KeySource,
    /// What its tokens are good for.
    pub accept: Accept,
    /// Whether an account is made for a subject that comes for the first time.
    pub make_accounts: bool,
    /// The claim that says who the subject is.
    pub subject_claim: String,
    /// The claim that says which roles the subject has; without one, roles are kept here.
    pub roles_claim: Option<String>,
}

/// What the tokens of an issuer are good for: one thing, so that a token that was given for one can't be
/// used for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept {
    /// For a session of this deployment.
    Exchange,
    /// For the guard, which takes them as they are.
    Direct,
}

/// Where the keys of an issuer are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A JWK set (RFC 7517 §5) at an address.
    Url {
        /// The address, of `https`, or of `http` on a loopback address.
        url: String,
        /// The addresses inside the network at which it may be.
        inside: Vec<Network>,
    },
    /// A JWK set in a file.
    SetFile(PathBuf),
    /// Public keys in a file, as PEM (RFC 7468).
    PemFile(PathBuf),
}

impl KeySource {
    /// Whether the keys are on this machine.
    pub(super) fn is_local(&self) -> bool {
        !matches!(self, Self::Url { .. })
    }
}

/// The address or the path. An address has no secret in it: one with credentials is refused.
impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { url, .. } => f.write_str(url),
            Self::SetFile(path) | Self::PemFile(path) => path.display().fmt(f),
        }
    }
}

/// A signature algorithm (RFC 7518 §3.1, RFC 8037 §3.1). There is none with a shared secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Accept {
    /// Its name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exchange => "exchange",
            Self::Direct => "direct",
        }
    }
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 4] = [Self::Rs256, Self::Ps256, Self::Es256, Self::EdDsa];

    /// Its name in a header.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}
