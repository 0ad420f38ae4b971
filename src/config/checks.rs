//! Checks of values that are each allowed and don't go together, and of what the start would refuse.
//!
//! `lacre serve` and `lacre config check` run the same ones, so both say the same. The file system is
//! looked at, never changed.
//!
//! This room must never refuse what the service would start with.

use std::net::IpAddr;
use std::path::Path;

use super::error::ConfigError;
use super::listen::Listen;
use super::quantity::duration_text;
use super::secret::SecretText;
use super::sections::{
    AccountsConfig, Engine, GatewayConfig, KeystoreConfig, ServiceConfig, SessionConfig, TlsConfig,
    TokenConfig, Top,
};
use crate::federation::Issuer;
use crate::telemetry::AuditStream;

/// Addresses and paths.
pub(super) fn top(top: &Top, dev: bool) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    if dev {
        let both = [
            ("listen", &top.listen),
            ("management_listen", &top.management_listen),
        ];
        let reachable = both
            .into_iter()
            .filter_map(|(key, listen)| Some((key, listen.tcp()?)))
            .filter(|(_, address)| !address.ip().is_loopback());
        errors.extend(reachable.map(|(key, address)| ConfigError::DevNotLoopback { key, address }));
    }
    if collide(&top.listen, &top.management_listen) {
        errors.push(ConfigError::SameAddress {
            key: "listen",
            listen: top.listen.clone(),
            other_key: "management_listen",
            other: top.management_listen.clone(),
        });
    }
    errors.extend(data_dir(&top.data_dir));
    errors.extend(master_key_file(&top.master_key_file, &top.data_dir));
    errors
}

/// The gateway has an address of its own, and one that browsers don't reach unless that is said twice.
pub(super) fn gateway(gateway: &GatewayConfig, top: &Top, dev: bool) -> Vec<ConfigError> {
    let Some(listen) = &gateway.listen else {
        return Vec::new();
    };
    let key = "gateway.listen";
    let mut errors = Vec::new();
    if let Some(address) = listen.tcp().filter(|address| !address.ip().is_loopback()) {
        if dev {
            errors.push(ConfigError::DevNotLoopback { key, address });
        } else if !gateway.public {
            errors.push(ConfigError::GatewayPublic { address });
        }
    }
    let others = [
        ("listen", &top.listen),
        ("management_listen", &top.management_listen),
    ];
    let same = others
        .into_iter()
        .filter(|(_, other)| collide(listen, other));
    errors.extend(same.map(|(other_key, other)| ConfigError::SameAddress {
        key,
        listen: listen.clone(),
        other_key,
        other: other.clone(),
    }));
    errors
}

/// A service is told from the others by its name, which differs from theirs in more than case, and by
/// its audience, which isn't that of lacre's own tokens either.
pub(super) fn services(services: &[ServiceConfig], own: &str) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    for (i, service) in services.iter().enumerate() {
        let before = &services[..i];
        let why = if before
            .iter()
            .any(|other| other.name.eq_ignore_ascii_case(&service.name))
        {
            "another service has the same name".to_owned()
        } else if let Some(other) = before
            .iter()
            .find(|other| other.audience == service.audience)
        {
            let (audience, other) = (&service.audience, &other.name);
            format!("its audience `{audience}` is that of service.{other}")
        } else if service.audience == own {
            format!("its audience `{own}` is token.audience, that of lacre's own tokens")
        } else {
            continue;
        };
        let service = service.name.clone();
        errors.push(ConfigError::ServiceUnusable { service, why });
    }
    errors
}

/// Nodes that share sessions share accounts as well, and no other engine has a URL.
pub(super) fn keystore(
    keystore: &KeystoreConfig,
    accounts: &AccountsConfig,
) -> Option<ConfigError> {
    let (engine, url) = (keystore.engine, keystore.url.as_ref());
    let shared = engine.is_shared();
    let word = keystore.user.is_some() || keystore.password.is_some();
    let why = if shared && accounts.url.expose().starts_with("sqlite:") {
        "keystore.engine = \"postgres\" and \"redis\" are for several nodes, and accounts.url is a file of one: set it \
         to a PostgreSQL database as well"
    } else if !shared && url.is_some() {
        "keystore.url is set, and keystore.engine is neither \"postgres\" nor \"redis\""
    } else if engine != Engine::Redis && word {
        "keystore.user and keystore.password are for keystore.engine = \"redis\", and it is another one: with \
         PostgreSQL they stand in the URL"
    } else if engine == Engine::Redis {
        return redis(keystore, accounts);
    } else if shared && !is_database(url.unwrap_or(&accounts.url)) {
        UNREADABLE_DATABASE
    } else {
        return None;
    };
    Some(ConfigError::Keystore { why })
}

const UNREADABLE_DATABASE: &str = "the URL of the database can't be read: it is \
     `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with what isn't plain in a name or a password written as %XX";

fn is_database(url: &SecretText) -> bool {
    lacre_keystore::says_tls(url.expose()).is_some() && url.expose().starts_with("postgres")
}

/// Records on Redis: where they are, and who asks for them.
fn redis(keystore: &KeystoreConfig, accounts: &AccountsConfig) -> Option<ConfigError> {
    let url = keystore.url.as_ref().map(SecretText::expose);
    let why = match url {
        None => {
            "keystore.engine = \"redis\" has no default for keystore.url: set it to `redis://HOST:PORT`"
        }
        Some(url) if !url.starts_with("redis") || lacre_keystore::redis_says_tls(url).is_none() => {
            "keystore.url can't be read: it is `redis://HOST:PORT` for one server and `redis+cluster://HOST:PORT,HOST:PORT` \
             for a cluster, with TLS `rediss` in the place of `redis`, and with what isn't plain in a name or a password \
             written as %XX"
        }
        Some(url)
            if url.contains('@') && (keystore.user.is_some() || keystore.password.is_some()) =>
        {
            "keystore.url has a user, and keystore.user or keystore.password is set as well: take one of them away"
        }
        Some(_) if !is_database(&accounts.url) => UNREADABLE_DATABASE,
        Some(_) => return None,
    };
    Some(ConfigError::Keystore { why })
}

/// An access token can't live longer than its session.
pub(super) fn lifetimes(token: &TokenConfig, session: &SessionConfig) -> Option<ConfigError> {
    (token.access_ttl > session.absolute_ttl).then(|| ConfigError::Lifetimes {
        access: duration_text(token.access_ttl),
        absolute: duration_text(session.absolute_ttl),
    })
}

/// An issuer is told from the others by its name and by the `iss` of its tokens, and from this
/// deployment by that.
pub(super) fn issuers(issuers: &[Issuer], own: Option<&str>) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    for (i, issuer) in issuers.iter().enumerate() {
        let before = &issuers[..i];
        let why = if before.iter().any(|other| other.name == issuer.name) {
            "an issuer before it has the same name"
        } else if before.iter().any(|other| other.issuer == issuer.issuer) {
            "an issuer before it has the same issuer"
        } else if own == Some(issuer.issuer.as_str()) {
            "its issuer is token.issuer, which is this deployment's own"
        } else {
            continue;
        };
        errors.push(ConfigError::IssuerUnusable {
            entry: format!("issuer[{i}]"),
            why: why.to_owned(),
        });
    }
    errors
}

/// The logger passes over a part of its filter that it can't read, and would log something else than
/// was asked for.
pub(super) fn log_filter(filter: Option<&str>) -> Option<ConfigError> {
    let filter = filter.filter(|filter| !filter.is_empty())?;
    let (directives, _) = filter.split_once('/').unwrap_or((filter, ""));
    let is_bad = |directive: &str| match directive.split_once('=') {
        None => directive.contains(char::is_whitespace),
        Some((target, level)) => {
            target.contains(char::is_whitespace)
                || !level.is_empty() && level.trim().parse::<log::LevelFilter>().is_err()
        }
    };
    let bad = filter.matches('/').count() > 1 || directives.split(',').map(str::trim).any(is_bad);
    bad.then(|| ConfigError::BadLogFilter {
        value: filter.to_owned(),
    })
}

/// Whether two listeners can't have both addresses: an unspecified address takes its port on every
/// address, and `[::]` on those of IPv4 as well. Of sockets that systemd hands over each has its own.
fn collide(one: &Listen, other: &Listen) -> bool {
    let (one, other) = match (one, other) {
        (Listen::Tcp(one), Listen::Tcp(other)) => (one, other),
        (Listen::Unix(one), Listen::Unix(other)) => return one == other,
        _ => return false,
    };
    let takes_all = |one: IpAddr, other: IpAddr| {
        one.is_unspecified() && (one.is_ipv6() || one.is_ipv4() == other.is_ipv4())
    };
    let (a, b) = (one.ip(), other.ip());
    one.port() != 0 && one.port() == other.port() && (a == b || takes_all(a, b) || takes_all(b, a))
}

fn data_dir(path: &Path) -> Option<ConfigError> {
    let why = if path.exists() {
        (!path.is_dir()).then_some("it is no directory")
    } else {
        below_a_file(path).then_some("a part of it is no directory")
    };
    why.map(|why| ConfigError::PathUnusable {
        key: "data_dir",
        path: path.to_owned(),
        why,
    })
}

fn master_key_file(path: &Path, data_dir: &Path) -> Option<ConfigError> {
    // An absolute or relative parent; `master.key` alone has the working directory.
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let why = match parent {
        _ if path.is_dir() => Some("it is a directory"),
        Some(parent) if parent != data_dir && !parent.is_dir() => {
            Some("its directory doesn't exist")
        }
        _ => None,
    };
    why.map(|why| ConfigError::PathUnusable {
        key: "master_key_file",
        path: path.to_owned(),
        why,
    })
}

/// What is put back together with the data says nothing about it.
pub(super) fn epoch_file(keystore: &KeystoreConfig, data_dir: &Path) -> Option<ConfigError> {
    let path = keystore.epoch_file.as_deref()?;
    let parent = path.parent();
    let parent = parent.filter(|parent| !parent.as_os_str().is_empty());
    let whole = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path));
    let folder = whole(parent.unwrap_or(Path::new(".")));
    let is_inside = match (folder, whole(data_dir)) {
        (Ok(folder), Ok(data_dir)) => folder.starts_with(data_dir),
        _ => false,
    };
    let why = if is_inside {
        Some("it lies in the data directory, with which it would be put back")
    } else if path.is_dir() {
        Some("it is a directory")
    } else {
        let missing = parent.is_some_and(|parent| !parent.is_dir());
        missing.then_some("its directory doesn't exist")
    };
    why.map(|why| ConfigError::PathUnusable {
        key: "keystore.epoch_file",
        path: path.to_owned(),
        why,
    })
}

/// The file of the audit, which is opened before anything is made.
pub(super) fn audit_file(stream: &AuditStream) -> Option<ConfigError> {
    let AuditStream::File(path) = stream else {
        return None;
    };
    let parent = path.parent();
    let parent = parent.filter(|parent| !parent.as_os_str().is_empty());
    let why = if path.exists() {
        (!path.is_file()).then_some("it is no regular file")
    } else {
        let missing = parent.is_some_and(|parent| !parent.is_dir());
        missing.then_some("its directory doesn't exist")
    };
    why.map(|why| ConfigError::PathUnusable {
        key: "log.audit",
        path: path.clone(),
        why,
    })
}

/// A certificate has its key and a key its certificate, and whoever connects to a socket file is a proxy.
pub(super) fn tls(tls: &TlsConfig, listen: &Listen) -> Option<ConfigError> {
    let why = match (&tls.cert_file, &tls.key_file) {
        (Some(_), None) => "tls.cert_file is set and tls.key_file isn't",
        (None, Some(_)) => "tls.key_file is set and tls.cert_file isn't",
        (Some(_), Some(_)) if matches!(listen, Listen::Unix(_)) => {
            "listen is a socket file, for a proxy that ends TLS"
        }
        (None, None) | (Some(_), Some(_)) => return None,
    };
    Some(ConfigError::Tls { why })
}

/// Whether the nearest part of `path` that exists is something else than a directory.
fn below_a_file(path: &Path) -> bool {
    let nearest = path.ancestors().skip(1).find(|part| part.exists());
    nearest.is_some_and(|part| !part.is_dir())
}

#[cfg(test)]
mod tests;
