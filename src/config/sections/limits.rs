//! `[limits]`: sizes above which a request is refused, and how often things may be tried.

use crate::defaults;
use std::time::Duration;

use crate::config::key::{DefaultValue, Key, Row, key};
use crate::config::kind::{Frequency, Size};
use crate::config::reader::{Noted, Reader};
use crate::service::Rate;
use crate::token::MAX_TOKEN_LENGTH;

/// Sizes above which a request is refused, in bytes, and how often things may be tried.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LimitsConfig {
    /// The body of a request.
    pub body: usize,
    /// One token, before anything of it is parsed.
    pub token: usize,
    /// All header lines of a request together.
    pub header: usize,
    /// Log-ins that fail, from one address; `None` for no limit.
    pub login_per_address: Option<Rate>,
    /// Log-ins that fail, to one account from one address.
    pub login_per_account: Option<Rate>,
    /// Sign-ups from one address.
    pub signup_per_address: Option<Rate>,
}

impl LimitsConfig {
    /// The default of `body`.
    pub const BODY: usize = defaults::MAX_BODY;
    /// The default of `header`.
    pub const HEADER: usize = defaults::MAX_HEADER;
}

const fn minutely(count: u32) -> Rate {
    let period = Duration::from_mins(1);
    Rate { count, period }
}

static BODY: Key<Size> = key(
    "limits.body",
    Size {
        from: 1 << 10,
        to: 16 << 20,
    },
    DefaultValue::Value(|| LimitsConfig::BODY as u64),
    "The largest body of a request; a larger one is answered 413.",
);

static TOKEN: Key<Size> = key(
    "limits.token",
    Size {
        from: 1 << 10,
        to: MAX_TOKEN_LENGTH as u64,
    },
    DefaultValue::Value(|| MAX_TOKEN_LENGTH as u64),
    "The longest token, issued or accepted; a longer one is refused before it is parsed.",
);

static HEADER: Key<Size> = key(
    "limits.header",
    Size {
        from: 4 << 10,
        to: 64 << 10,
    },
    DefaultValue::Value(|| LimitsConfig::HEADER as u64),
    "All header lines of a request together; more is answered 431.",
);

static LOGIN_PER_ADDRESS: Key<Frequency> = key(
    "limits.login_per_address",
    Frequency,
    DefaultValue::Value(|| Some(minutely(60))),
    "Log-ins that fail, and client secrets that are wrong, from one address: so many at once, then \
     one whenever its share of the time has passed; more is answered 429 before anything is \
     hashed. A log-in counts from when it begins until it has succeeded. An IPv6 address stands for \
     its /64. Nobody is exempt; secrets of clients are counted apart from passwords.",
);

static LOGIN_PER_ACCOUNT: Key<Frequency> = key(
    "limits.login_per_account",
    Frequency,
    DefaultValue::Value(|| Some(minutely(10))),
    "Log-ins that fail to one account from one address, whether they name its id or its e-mail. What \
     strangers do at other addresses never keeps a user out: with ten times as many failures from \
     all addresses together, a single failure uses up the count of its address.",
);

static SIGNUP_PER_ADDRESS: Key<Frequency> = key(
    "limits.signup_per_address",
    Frequency,
    DefaultValue::Value(|| Some(minutely(120))),
    "Sign-ups from one address, whether an account is made or not.",
);

pub(super) static KEYS: &[&dyn Row] = &[
    &BODY,
    &TOKEN,
    &HEADER,
    &LOGIN_PER_ADDRESS,
    &LOGIN_PER_ACCOUNT,
    &SIGNUP_PER_ADDRESS,
];

impl LimitsConfig {
    pub(in crate::config) fn read(reader: &mut Reader) -> Result<Self, Noted> {
        let body = reader.value(&BODY).map(bytes);
        let token = reader.value(&TOKEN).map(bytes);
        let header = reader.value(&HEADER).map(bytes);
        let login_per_address = reader.value(&LOGIN_PER_ADDRESS);
        let login_per_account = reader.value(&LOGIN_PER_ACCOUNT);
        let signup_per_address = reader.value(&SIGNUP_PER_ADDRESS);
        Ok(Self {
            body: body?,
            token: token?,
            header: header?,
            login_per_address: login_per_address?,
            login_per_account: login_per_account?,
            signup_per_address: signup_per_address?,
        })
    }
}

/// The limits above keep it small; where it weren't, no request would be refused for its size.
fn bytes(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}
