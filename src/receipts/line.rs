//! One line of a log of receipts: a compact JWS (RFC 7515) that is signed with ES256.
//!
//! This room must never take a line for one that says more or less than this program writes.

use crate::clock::UnixSeconds;
use crate::token::{SigningKey, VerifyingKey, base64url, json};
use aws_lc_rs::digest::{SHA256, digest};
use josekit::jwk::Jwk;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The `typ` of every line, which no token has.
pub(super) const TYP: &str = "lacre-receipt+jwt";
/// The most bytes of a line.
pub(super) const MAX_LINE: usize = 4096;

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The log that it is of.
    pub chain: String,
    /// Its number in the log, from 1; the head has that of the last line.
    pub seq: u64,
    /// The hash of the line before; of the head, that of the last line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prev: Option<String>,
    /// When it was written.
    pub iat: UnixSeconds,
    /// What it is about.
    #[serde(flatten)]
    pub event: Event,
}

/// What a line is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A file begins.
    Begin {
        /// The key that signs it.
        jwk: PublicKey,
    },
    /// A session ended.
    End(Ended),
    /// Another key signs from the next line on.
    Key {
        /// That key.
        jwk: PublicKey,
    },
    /// The deployment was restored from a backup: receipts of ends between that time and this may be missing, or
    /// be in the file of before.
    Restored {
        /// When the backup was taken.
        taken_at: UnixSeconds,
        /// How many sessions of the backup did not come back: they have no receipts of their own.
        ended: u64,
    },
    /// The deployment's sessions came from a store of this kind: receipts of ends there are in other logs.
    Moved {
        /// Such as `postgres`.
        from: String,
    },
    /// An export ends.
    Head,
}

impl Event {
    /// The key that signs what comes behind it, where it changes that.
    pub(super) fn key(&self) -> Option<&PublicKey> {
        match self {
            Self::Begin { jwk } | Self::Key { jwk } => Some(jwk),
            Self::End(_) | Self::Restored { .. } | Self::Moved { .. } | Self::Head => None,
        }
    }
}

/// The end of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The session's handle, as its tokens have it in `sid`.
    pub sid: String,
    /// When it ended.
    pub ended_at: UnixSeconds,
    /// Why, with the words of the audit log.
    pub cause: String,
    /// By whom, with the words of the audit log.
    pub by: String,
    /// SHA-256 of the sealed record that was removed.
    pub record: String,
    /// The number of the end in the keystore.
    pub note: u64,
}

/// A public key as a JWK (RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PublicKey(Map<String, Value>);

impl PublicKey {
    /// The public half of a key.
    pub(crate) fn of(key: &SigningKey) -> Self {
        Self(key.public_jwk())
    }

    /// Reads a JWK, or the keys of a JWK Set (RFC 7517 §5).
    #[must_use]
    pub fn read_all(text: &[u8]) -> Option<Vec<Self>> {
        let mut members = json::object(text)?;
        let all = match members.remove("keys") {
            Some(Value::Array(keys)) => keys.into_iter().map(|key| match key {
                Value::Object(key) => Some(Self(key)),
                _ => None,
            }),
            Some(_) => return None,
            None => return Self(members).checked().map(|key| vec![key]),
        };
        all.map(|key| key?.checked()).collect()
    }

    fn checked(self) -> Option<Self> {
        self.key().map(|_| self)
    }

    /// Its RFC 7638 thumbprint: the `kid` of what it signs.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        self.key().map(|key| key.id().to_owned())
    }

    /// The members.
    #[must_use]
    pub fn members(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The key under its thumbprint, whatever `kid` it calls itself.
    pub(super) fn key(&self) -> Option<VerifyingKey> {
        let mut members = self.0.clone();
        members.remove("kid");
        // josekit is particular about these, and they say nothing that isn't known.
        members.remove("use");
        VerifyingKey::from_jwk(&Jwk::from_map(members).ok()?).ok()
    }
}

/// The characters of a line; `None` where it can't be signed.
pub(super) fn signed(entry: &Entry, key: &SigningKey) -> Option<String> {
    let claims = serde_json::to_vec(entry).ok()?;
    let text = key.sign_as(TYP, &claims).ok()?;
    (text.len() <= MAX_LINE).then_some(text)
}

/// The hash by which the next line names a line: SHA-256 of its characters.
pub(super) fn digest_of(text: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    bytes
}

/// A line, taken apart; its signature isn't checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    text: String,
    signed: usize,
    signature: [u8; 64],
    /// The key that it names.
    pub kid: String,
    /// What it says.
    pub entry: Entry,
}

impl Line {
    /// Writes a line; `None` where it can't be signed.
    pub(super) fn write(entry: &Entry, key: &SigningKey) -> Option<Self> {
        Self::parse(&signed(entry, key)?)
    }

    /// Takes a line apart, which ends without a line feed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_LINE {
            return None;
        }
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let mut header = json::object(&base64url::decode(header.as_bytes())?)?;
        let mut take = |name| match header.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let (alg, typ, kid) = (take("alg")?, take("typ")?, take("kid")?);
        if alg != "ES256" || typ != TYP || !header.is_empty() {
            return None;
        }
        let claims = json::object(&base64url::decode(claims.as_bytes())?)?;
        let entry: Entry = serde_json::from_value(Value::Object(claims.clone())).ok()?;
        // Nothing that isn't read here may be read by somebody else.
        if serde_json::to_value(&entry).ok()? != Value::Object(claims) {
            return None;
        }
        Some(Self {
            signed: signed.len(),
            signature: base64url::decode_array(signature.as_bytes())?,
            text: text.to_owned(),
            kid,
            entry,
        })
    }

    /// The line itself.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether this key has signed it.
    pub(super) fn is_by(&self, key: &VerifyingKey) -> bool {
        let signed = &self.text.as_bytes()[..self.signed];
        key.id() == self.kid && key.verify(signed, &self.signature).is_ok()
    }

    /// The hash by which the next line names it: SHA-256 of its characters.
    #[must_use]
    pub fn hash(&self) -> String {
        base64url::encode(self.digest())
    }

    /// The same as bytes.
    pub(super) fn digest(&self) -> [u8; 32] {
        digest_of(&self.text)
    }
}
