//! `[token]`: what is written into tokens, how long they live, and where they are looked for.

use std::time::Duration;

use super::session::DAY;
use crate::config::key::{DefaultValue, Key, Row, key};
use crate::config::kind::{Choice, Choices, Seconds, Size, Text, Whole, seconds};
use crate::config::reader::{Noted, Reader};
use crate::lacre::CONTENT_KEY_BYTES;
use crate::sessions::rules::{Location, defaults};

/// What is written into tokens, and how long they live.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TokenConfig {
    /// `iss` (RFC 7519 §4.1.1), if it was set; otherwise the deployment names itself.
    pub issuer: Option<String>,
    /// `aud` (RFC 7519 §4.1.3).
    pub audience: String,
    /// Life of an access token, in whole seconds.
    pub access_ttl: Duration,
    /// By up to how many percent of that an access token lives shorter.
    pub access_ttl_jitter: u32,
    /// How far `exp` and `nbf` may be off, in whole seconds.
    pub leeway: Duration,
    /// Where a request may carry its token.
    pub locations: Vec<Location>,
    /// Bytes of memory for the content keys of tokens in use.
    pub content_key_memory: u64,
}

static ISSUER: Key<Text> = key(
    "token.issuer",
    Text,
    DefaultValue::Described(
        "`urn:lacre:` and the id of the deployment, which is kept with its keys",
    ),
    "`iss` of the tokens (RFC 7519 §4.1.1). Tokens of another issuer are refused, so that a change \
     of it logs everybody out. The default stays when the service moves.",
);

static AUDIENCE: Key<Text> = key(
    "token.audience",
    Text,
    DefaultValue::Value(|| "lacre".to_owned()),
    "`aud` of the tokens (RFC 7519 §4.1.3).",
);

static ACCESS_TTL: Key<Seconds> = key(
    "token.access_ttl",
    seconds(1, DAY),
    DefaultValue::Value(|| defaults::ACCESS_TTL),
    "Life of an access token. Not longer than `session.absolute_ttl`.",
);

static ACCESS_TTL_JITTER: Key<Whole> = key(
    "token.access_ttl_jitter",
    Whole { from: 0, to: 50 },
    DefaultValue::Value(|| defaults::ACCESS_TTL_JITTER),
    "By up to how many percent of `token.access_ttl` an access token lives shorter, at random, so \
     that a fleet that logged in together doesn't refresh together. `expires_in` says how long \
     each one lives. `10` is enough where thousands of clients start at once; see \
     [sessions.md](sessions.md#refresh).",
);

static LEEWAY: Key<Seconds> = key(
    "token.leeway",
    seconds(0, 300),
    DefaultValue::Value(|| defaults::LEEWAY),
    "How far the clocks of two nodes may differ when `exp` and `nbf` are checked. With the engines `postgres` and `redis` a clock \
     may be off by two seconds in any case.",
);

static LOCATIONS: Key<Choices<Location>> = key(
    "token.locations",
    Choices(Choice {
        words: &[
            ("header", Location::Header),
            ("cookie", Location::Cookie),
            ("query", Location::Query),
            ("json", Location::Json),
        ],
    }),
    DefaultValue::Value(|| defaults::LOCATIONS.to_vec()),
    "Where a request may carry its token: `header` is `Authorization: Bearer` (RFC 6750 §2.1), \
     `cookie` is `__Host-lacre_access` (with `X-CSRF-TOKEN` where the method changes something), \
     `query` is `?token=`, `json` is the member `token` of a body of JSON. A token in any other \
     place is ignored, two tokens are refused; see [locations.md](locations.md).",
);

static CONTENT_KEY_MEMORY: Key<Size> = key(
    "token.content_key_memory",
    Size {
        from: 0,
        to: 64 << 30,
    },
    DefaultValue::Value(|| CONTENT_KEY_BYTES),
    "Memory for the content keys of tokens in use, taken as tokens are used: `256MiB` is room for \
     some 150 000 tokens. A token whose key isn't kept costs an ECDH and an ES256 verification at \
     each request; with `0` none is kept.",
);

pub(super) static KEYS: &[&dyn Row] = &[
    &ISSUER,
    &AUDIENCE,
    &ACCESS_TTL,
    &ACCESS_TTL_JITTER,
    &LEEWAY,
    &LOCATIONS,
    &CONTENT_KEY_MEMORY,
];

impl TokenConfig {
    pub(in crate::config) fn read(reader: &mut Reader) -> Result<Self, Noted> {
        let issuer = reader.optional(&ISSUER);
        let audience = reader.value(&AUDIENCE);
        let access_ttl = reader.value(&ACCESS_TTL);
        let access_ttl_jitter = reader.value(&ACCESS_TTL_JITTER);
        let leeway = reader.value(&LEEWAY);
        let locations = reader.value(&LOCATIONS);
        let content_key_memory = reader.value(&CONTENT_KEY_MEMORY);
        Ok(Self {
            issuer: issuer?,
            audience: audience?,
            access_ttl: access_ttl?,
            access_ttl_jitter: access_ttl_jitter?,
            leeway: leeway?,
            locations: locations?,
            content_key_memory: content_key_memory?,
        })
    }
}
