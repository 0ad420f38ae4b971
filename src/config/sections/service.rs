//! `[service.NAME]`: services that ask about tokens at the gateway.

use crate::config::error::ConfigError;
use crate::config::identity_headers::{IdentityHeader, IdentityHeaders};
use crate::config::key::{DefaultValue, Key, Row, key};
use crate::config::kind::{Choice, Choices, Switch, Text, Texts};
use crate::config::reader::{Noted, Reader};
use crate::sessions::rules::Location;

/// The name of the section.
pub(super) const SECTION: &str = "service";

/// A service that asks about tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceConfig {
    /// What it is called in `/authz/{service}`.
    pub name: String,
    /// `aud` of what is forwarded to it or introspected for it.
    pub audience: String,
    /// The clients whose own users it lets in beside accounts.
    pub clients: Vec<String>,
    /// It lets in who has one of these roles; everybody where there is none.
    pub roles: Vec<String>,
    /// It lets in who has all of these permissions.
    pub permissions: Vec<String>,
    /// It lets in only who has just proven a password.
    pub fresh: bool,
    /// It lets in who brings no token.
    pub optional: bool,
    /// Where its token may stand; `None`: as `token.locations` says.
    pub locations: Option<Vec<Location>>,
    /// What tells it who came.
    pub headers: Vec<IdentityHeader>,
    /// Whether it gets a signed JWT.
    pub jwt: bool,
}

static AUDIENCE: Key<Text> = key(
    "service.audience",
    Text,
    DefaultValue::Described("the name of the service"),
    "`aud` of the JWTs that are forwarded to the service, and of what an introspection for it says. No \
     two services have the same, and none has `token.audience`.",
);

static CLIENTS: Key<Texts> = key(
    "service.clients",
    Texts,
    DefaultValue::Value(Vec::new),
    "The clients with users of their own (`lacre clients add NAME --own-users`) whose users the service lets \
     in beside accounts: their names, or their ids. What begins with `client_` is an id.",
);

static ROLES: Key<Texts> = key(
    "service.roles",
    Texts,
    DefaultValue::Value(Vec::new),
    "One of these roles is needed. Without any, no role is.",
);

static PERMISSIONS: Key<Texts> = key(
    "service.permissions",
    Texts,
    DefaultValue::Value(Vec::new),
    "All of these permissions are needed.",
);

static FRESH: Key<Switch> = key(
    "service.fresh",
    Switch,
    DefaultValue::Value(|| false),
    "Whether a token is needed that was made by proving the password, not by a refresh.",
);

static OPTIONAL: Key<Switch> = key(
    "service.optional",
    Switch,
    DefaultValue::Value(|| false),
    "Whether a request without a token is let in as well, with empty header fields. A token that comes \
     has to be good. Not together with `roles`, `permissions` or `fresh`, which would ask nobody for anything.",
);

static LOCATIONS: Key<Choices<Location>> = key(
    "service.locations",
    Choices(Choice {
        words: &[("header", Location::Header), ("cookie", Location::Cookie)],
    }),
    DefaultValue::Described(
        "those of `token.locations` that are `header` or `cookie`, else `header`",
    ),
    "Where the token of a request to this service may stand. Only with `cookie`, a service that uses \
     `Authorization` itself goes on to. The query and the body of the client's request are never looked at.",
);

static HEADERS: Key<IdentityHeaders> = key(
    "service.headers",
    IdentityHeaders,
    DefaultValue::Described(
        "`Remote-User`, `Remote-Email`, `Remote-Name`, `Remote-Groups`, and with `clients` also `Remote-Client`",
    ),
    "The header fields of an answer that lets a request in. Each is always sent, empty where there is \
     nothing to say, so that none of the client's own passes. A value is percent-encoded \
     UTF-8: every byte that isn't printable ASCII, `%`, `,` and a space at its ends.",
);

static JWT: Key<Switch> = key(
    "service.jwt",
    Switch,
    DefaultValue::Value(|| false),
    "Whether the answer's `Authorization` is `Bearer` and a JWT for this service, good for 30 seconds, that can be \
     verified with the keys of `/.well-known/jwks.json`.",
);

pub(super) static KEYS: &[&dyn Row] = &[
    &AUDIENCE,
    &CLIENTS,
    &ROLES,
    &PERMISSIONS,
    &FRESH,
    &OPTIONAL,
    &LOCATIONS,
    &HEADERS,
    &JWT,
];

/// All services, in the order of their names.
pub(in crate::config) fn read(reader: &mut Reader) -> Result<Vec<ServiceConfig>, Noted> {
    reader.entries(SECTION, one)
}

fn one(reader: &mut Reader, name: &str) -> Result<ServiceConfig, Noted> {
    let audience = reader.value_or(&AUDIENCE, || Some(name.to_owned()));
    let clients = reader.value(&CLIENTS);
    let roles = reader.value(&ROLES);
    let permissions = reader.value(&PERMISSIONS);
    let fresh = reader.value(&FRESH);
    let optional = reader.value(&OPTIONAL);
    let locations = reader.optional(&LOCATIONS);
    let headers = reader.value_or(&HEADERS, || {
        let of_clients = clients.as_ref().is_ok_and(|clients| !clients.is_empty());
        Some(IdentityHeader::usual(of_clients))
    });
    let jwt = reader.value(&JWT);
    let service = ServiceConfig {
        name: name.to_owned(),
        audience: audience?,
        clients: clients?,
        roles: roles?,
        permissions: permissions?,
        fresh: fresh?,
        optional: optional?,
        locations: locations?,
        headers: headers?,
        jwt: jwt?,
    };
    let asks = !service.roles.is_empty() || !service.permissions.is_empty() || service.fresh;
    if service.optional && asks {
        reader.note_all([ConfigError::ServiceUnusable {
            service: name.to_owned(),
            why: "optional lets everybody in who brings no token, so roles, permissions and fresh would \
                  ask nobody for anything"
                .to_owned(),
        }]);
        return Err(Noted);
    }
    Ok(service)
}
