//! `[gateway]`: the listener for proxies and other back ends.

use crate::config::key::{DefaultValue, Key, Row, key};
use crate::config::kind::{Place, Switch, Url};
use crate::config::listen::Listen;
use crate::config::reader::{Noted, Reader};

/// Where proxies and other back ends ask about tokens.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GatewayConfig {
    /// Where it listens; `None`: nowhere.
    pub listen: Option<Listen>,
    /// Whether it may be at an address that isn't a loopback one.
    pub public: bool,
    /// What clients of the gateway call it, without a slash at the end.
    pub url: Option<String>,
}

static LISTEN: Key<Place> = key(
    "gateway.listen",
    Place,
    DefaultValue::Described("none: the gateway is off"),
    "Where `/authz/{service}`, `/oauth2/introspect` and `/oauth2/revoke` answer; see \
     [gateway.md](gateway.md). For proxies and back ends, never for browsers: who reaches it can see the \
     forwarded JWTs. Of the sockets that systemd hands over, the one that is named `gateway`.",
);

static PUBLIC: Key<Switch> = key(
    "gateway.public",
    Switch,
    DefaultValue::Value(|| false),
    "Has to be `true` where `gateway.listen` is no loopback address and no socket file: such an \
     address is refused unless it is said twice. Behind it has to be a network that no browser reaches.",
);

static URL: Key<Url> = key(
    "gateway.url",
    Url {
        schemes: &["https://", "http://"],
    },
    DefaultValue::Described("`http://` and the host that the request names"),
    "What the addresses in `/.well-known/oauth-authorization-server` begin with.",
);

pub(super) static KEYS: &[&dyn Row] = &[&LISTEN, &PUBLIC, &URL];

impl GatewayConfig {
    pub(in crate::config) fn read(reader: &mut Reader) -> Result<Self, Noted> {
        let listen = reader.optional(&LISTEN);
        let public = reader.value(&PUBLIC);
        let url = reader.optional(&URL);
        Ok(Self {
            listen: listen?,
            public: public?,
            url: url?.map(|url| url.expose().trim_end_matches('/').to_owned()),
        })
    }
}
