//! The table of all keys: the one place where a key is added.
//!
//! This room must never name a key that nothing acts on.

use std::time::Duration;

use super::{Config, Engine, ErrorStyle, Fallback, Key, Kind, Location, Signup, accounts_in};

const SECOND: u64 = 1;
const MINUTE: u64 = 60;
const DAY: u64 = 86_400;

const fn seconds(from: u64, to: u64, set: fn(&mut Config, Duration)) -> Kind {
    Kind::Duration {
        from: Duration::from_secs(from),
        to: Duration::from_secs(to),
        set,
    }
}

const fn key(name: &'static str, kind: Kind, default: Fallback, doc: &'static str) -> Key {
    Key {
        name,
        kind,
        default,
        doc,
        secret: false,
    }
}

/// All keys, in the order in which they are documented and shown.
pub(super) static KEYS: &[Key] = &[
    key(
        "listen",
        Kind::Address {
            set: |config, address| config.listen = address,
        },
        Fallback::Text("127.0.0.1:8080"),
        "Where the service answers. Port `0` lets the system pick one, which `lacre serve` prints.",
    ),
    key(
        "management_listen",
        Kind::Address {
            set: |config, address| config.management_listen = address,
        },
        Fallback::Text("127.0.0.1:9090"),
        "Where `/livez`, `/readyz` and `/metrics` answer. Keep it away from the public.",
    ),
    key(
        "data_dir",
        Kind::Path {
            set: |config, path| config.data_dir = path,
        },
        Fallback::Text("./data"),
        "The directory of the keystore, the accounts, the keys and the admin socket.",
    ),
    key(
        "master_key_file",
        Kind::Path {
            set: |config, path| config.master_key_file = path,
        },
        Fallback::From("`DATA_DIR/master.key`", |config| {
            let path = config.data_dir.join("master.key");
            path.to_string_lossy().into_owned()
        }),
        "The file of the master keys, made at first start with mode 0600. Put it on another \
         volume than the data, and a stolen backup of the data opens nothing.",
    ),
    key(
        "signup",
        Kind::Choice {
            built: &[
                ("closed", |config| config.signup = Signup::Closed),
                ("open", |config| config.signup = Signup::Open),
            ],
            planned: &[],
        },
        Fallback::Dev("closed", "open"),
        "Whether `POST /signup` makes accounts for strangers.",
    ),
    key(
        "trusted_proxies",
        Kind::Networks {
            set: |config, networks| config.trusted_proxies = networks,
        },
        Fallback::Text(""),
        "Peers whose `X-Forwarded-For` names the client. From everybody else the header is ignored; \
         `Forwarded` and other `X-Forwarded-…` headers are not read at all.",
    ),
    key(
        "keystore.engine",
        Kind::Choice {
            built: &[
                ("sled", |config| config.keystore.engine = Engine::Sled),
                ("memory", |config| config.keystore.engine = Engine::Memory),
            ],
            planned: &["redis"],
        },
        Fallback::Text("sled"),
        "Where session records live: on disk, or in memory, where every session ends with the \
         process.",
    ),
    key(
        "keystore.cache_mib",
        Kind::Count {
            from: 1,
            to: 1_048_576,
            set: |config, mib| config.keystore.cache_bytes = u64::from(mib) << 20,
        },
        Fallback::Text("64"),
        "Memory that the engine may use to cache records, in MiB.",
    ),
    Key {
        name: "accounts.url",
        kind: Kind::Url {
            schemes: &["sqlite:", "postgres://", "postgresql://"],
            set: |config, url| config.accounts.url = url,
        },
        default: Fallback::From("`sqlite:DATA_DIR/accounts.sqlite`", |config| {
            accounts_in(&config.data_dir)
        }),
        doc: "The database of the accounts. It may hold a password, so it is never shown.",
        secret: true,
    },
    key(
        "token.issuer",
        Kind::Text {
            set: |config, text| config.token.issuer = Some(text),
        },
        Fallback::Unset("`http://` and the address of `listen`"),
        "`iss` of the tokens (RFC 7519 §4.1.1). Set it where the service has a public name: \
         tokens of another issuer are refused.",
    ),
    key(
        "token.audience",
        Kind::Text {
            set: |config, text| config.token.audience = text,
        },
        Fallback::Text("lacre"),
        "`aud` of the tokens (RFC 7519 §4.1.3).",
    ),
    key(
        "token.access_ttl",
        seconds(SECOND, DAY, |config, ttl| config.token.access_ttl = ttl),
        Fallback::Text("15m"),
        "Life of an access token.",
    ),
    key(
        "token.access_ttl_jitter",
        Kind::Count {
            from: 0,
            to: 50,
            set: |config, percent| config.token.access_ttl_jitter = percent,
        },
        Fallback::Text("0"),
        "By up to how many percent of `token.access_ttl` an access token lives shorter, at random, so \
         that a fleet that logged in together doesn't refresh together. `expires_in` says how long \
         each one lives. `10` is enough where thousands of clients start at once; see \
         [sessions.md](sessions.md#refresh).",
    ),
    key(
        "token.leeway",
        seconds(0, 5 * MINUTE, |config, leeway| config.token.leeway = leeway),
        Fallback::Text("0s"),
        "How far the clocks of two nodes may differ when `exp` and `nbf` are checked.",
    ),
    key(
        "token.locations",
        Kind::Choices {
            built: &[
                ("header", |config| {
                    config.token.locations.push(Location::Header);
                }),
                ("cookie", |config| {
                    config.token.locations.push(Location::Cookie);
                }),
                ("query", |config| {
                    config.token.locations.push(Location::Query);
                }),
                ("json", |config| {
                    config.token.locations.push(Location::Json);
                }),
            ],
            planned: &[],
        },
        Fallback::Text("header"),
        "Where a request may carry its token: `header` is `Authorization: Bearer` (RFC 6750 §2.1), \
         `cookie` is `__Host-lacre_access` (with `X-CSRF-TOKEN` where the method changes \
         something), `query` is `?token=`, `json` is the member `token` of a body of JSON. A token \
         in any other place is ignored, two tokens are refused; see [locations.md](locations.md).",
    ),
    key(
        "session.refresh_ttl",
        seconds(SECOND, 3_650 * DAY, |config, ttl| {
            config.session.refresh_ttl = ttl;
        }),
        Fallback::Text("30d"),
        "A session that isn't refreshed for so long ends.",
    ),
    key(
        "session.absolute_ttl",
        seconds(SECOND, 3_650 * DAY, |config, ttl| {
            config.session.absolute_ttl = ttl;
        }),
        Fallback::Text("90d"),
        "A session ends so long after log-in, however often it is refreshed.",
    ),
    key(
        "session.max_per_user",
        Kind::Count {
            from: 1,
            to: 10_000,
            set: |config, count| config.session.max_per_user = count,
        },
        Fallback::Text("100"),
        "Sessions that a user may have. With one more, the oldest ends.",
    ),
    key(
        "refresh.grace",
        seconds(0, 5 * MINUTE, |config, grace| config.refresh.grace = grace),
        Fallback::Text("10s"),
        "How long the earlier refresh token is still answered, for an answer that got lost. \
         After it, its use is theft and ends the session.",
    ),
    key(
        "errors.style",
        Kind::Choice {
            built: &[("rfc", |config| config.errors.style = ErrorStyle::Rfc)],
            planned: &["flask-jwt-extended", "auth0", "sub-status"],
        },
        Fallback::Text("rfc"),
        "The form of error answers: `rfc` is RFC 9457 with the `WWW-Authenticate` of RFC 6750 §3.",
    ),
    key(
        "limits.body",
        Kind::Size {
            from: 1 << 10,
            to: 16 << 20,
            set: |config, bytes| config.limits.body = bytes,
        },
        Fallback::Text("64KiB"),
        "The largest body of a request; a larger one is answered 413.",
    ),
    key(
        "limits.token",
        Kind::Size {
            from: 1 << 10,
            to: 8 << 10,
            set: |config, bytes| config.limits.token = bytes,
        },
        Fallback::Text("8192"),
        "The longest token, issued or accepted; a longer one is refused before it is parsed.",
    ),
    key(
        "limits.header",
        Kind::Size {
            from: 4 << 10,
            to: 64 << 10,
            set: |config, bytes| config.limits.header = bytes,
        },
        Fallback::Text("32KiB"),
        "All header lines of a request together; more is answered 431.",
    ),
    key(
        "limits.login_per_address",
        Kind::Rate {
            set: |config, rate| config.limits.login_per_address = rate,
        },
        Fallback::Text("60/1m"),
        "Log-ins that fail, and client secrets that are wrong, from one address: so many at once, \
         then one whenever its share of the time has passed; more is answered 429 before anything \
         is hashed. A log-in that succeeds doesn't count. An IPv6 address stands for its /64. \
         Whoever has logged in from an address before is not held up by what others do there.",
    ),
    key(
        "limits.login_per_account",
        Kind::Rate {
            set: |config, rate| config.limits.login_per_account = rate,
        },
        Fallback::Text("10/1m"),
        "Log-ins that fail to one account from one address. What strangers do at other addresses \
         never keeps a user out: with ten times as many failures from all addresses together, a \
         failure from an address where the user hasn't logged in before uses up the whole count.",
    ),
    key(
        "limits.signup_per_address",
        Kind::Rate {
            set: |config, rate| config.limits.signup_per_address = rate,
        },
        Fallback::Text("120/1m"),
        "Sign-ups from one address, whether an account is made or not.",
    ),
    key(
        "hashing.threads",
        Kind::Threads {
            set: |config, count| config.hashing.threads = count,
        },
        Fallback::Text("cores"),
        "Passwords that are hashed at the same time. Each takes 19 MiB of memory.",
    ),
    key(
        "hashing.queue",
        Kind::Count {
            from: 0,
            to: 10_000,
            set: |config, count| config.hashing.queue = count as usize,
        },
        Fallback::Text("64"),
        "Passwords that may wait for a thread. One more is answered 503 with `Retry-After`.",
    ),
    key(
        "server.workers",
        Kind::Threads {
            set: |config, count| config.server.workers = count,
        },
        Fallback::Text("cores"),
        "Worker threads of the HTTP server.",
    ),
    key(
        "server.drain",
        seconds(0, 10 * MINUTE, |config, drain| config.server.drain = drain),
        Fallback::Text("10s"),
        "How long a stopping server waits for requests under way.",
    ),
];
