//! What settings mean that are allowed, and risky together.
//!
//! What is refused at a start isn't looked at here: the configuration wouldn't have been handed out.

use super::Finding;
use crate::config::{Config, Engine, Listen, Proxy, Signup};
use crate::sessions::rules::Location;

/// One look at the settings.
type Look = fn(&Config) -> Option<Finding>;

const LOOKS: [Look; 8] = [
    everybody_is_a_proxy,
    no_proxy_in_public,
    nobody_has_an_address,
    management_in_public,
    open_signup,
    token_in_urls,
    no_limits,
    memory_alone,
];

/// What the settings give rise to, or that there is nothing.
pub(super) fn look(config: &Config) -> Vec<Finding> {
    let mut found: Vec<_> = LOOKS.iter().filter_map(|look| look(config)).collect();
    let stores = config.stores_without_tls().into_iter();
    found.extend(stores.map(|advice| Finding::advice("store_without_tls", advice)));
    if found.is_empty() {
        return vec![Finding::good(
            "settings",
            "no setting opens more than the defaults do",
        )];
    }
    found
}

/// Whether other machines reach it; systemd's socket may be anything.
fn is_far(listen: &Listen) -> bool {
    listen
        .tcp()
        .is_some_and(|address| !address.ip().is_loopback())
}

fn everybody_is_a_proxy(config: &Config) -> Option<Finding> {
    let everybody = config.trusted_proxies.iter().find(|proxy| match proxy {
        Proxy::Network(network) => network.is_everybody(),
        Proxy::Unix => false,
    })?;
    Some(Finding::wrong(
        "proxies_everybody",
        format!(
            "trusted_proxies has {everybody}: any client can write an X-Forwarded-For that is believed, and so \
             has no limit and forges the addresses of the audit log. Name the addresses of the proxies"
        ),
    ))
}

fn no_proxy_in_public(config: &Config) -> Option<Finding> {
    let without_tls = config.tls.files().is_none();
    (is_far(&config.listen) && without_tls && config.trusted_proxies.is_empty()).then(|| {
        Finding::advice(
            "listen_public",
            format!(
                "listen = `{}` is reached from other machines, without TLS, and trusted_proxies is empty. Behind \
                 a proxy that ends TLS, name its addresses there, or all clients share one limit; without \
                 such a proxy tokens and passwords go over the network in the clear: set tls.cert_file and \
                 tls.key_file",
                config.listen
            ),
        )
    })
}

fn nobody_has_an_address(config: &Config) -> Option<Finding> {
    let unix = matches!(config.listen, Listen::Unix(_));
    (unix && !config.trusted_proxies.contains(&Proxy::Unix)).then(|| {
        Finding::advice(
            "clients_unknown",
            "nobody who comes through the socket file has an address: limits by address count them all \
             together. trusted_proxies = [\"unix\"] takes it from the proxy's X-Forwarded-For",
        )
    })
}

fn management_in_public(config: &Config) -> Option<Finding> {
    is_far(&config.management_listen).then(|| {
        Finding::advice(
            "management_public",
            format!(
                "management_listen = `{}` is reached from other machines, and asks for no credentials: let a \
                 firewall keep it to the monitor, or bind it to a loopback address",
                config.management_listen
            ),
        )
    })
}

fn open_signup(config: &Config) -> Option<Finding> {
    (config.signup == Signup::Open && is_far(&config.listen)).then(|| {
        Finding::advice(
            "signup_open",
            "signup = \"open\": whoever reaches the service makes an account. Where accounts are made by \
             somebody, set it to \"closed\"",
        )
    })
}

fn token_in_urls(config: &Config) -> Option<Finding> {
    config.token.locations.contains(&Location::Query).then(|| {
        Finding::advice(
            "token_in_query",
            "token.locations has `query`: tokens come into the logs of proxies and the history of browsers \
             (RFC 6750 §5.3). Take it out where a header or a cookie does",
        )
    })
}

fn no_limits(config: &Config) -> Option<Finding> {
    let limits = &config.limits;
    let off: Vec<_> = [
        (
            "limits.login_per_address",
            limits.login_per_address.is_none(),
        ),
        (
            "limits.login_per_account",
            limits.login_per_account.is_none(),
        ),
    ]
    .into_iter()
    .filter_map(|(key, off)| off.then_some(key))
    .collect();
    (!off.is_empty()).then(|| {
        Finding::advice(
            "limits_off",
            format!(
                "{} is off: passwords can be guessed as fast as they can be hashed",
                off.join(" and ")
            ),
        )
    })
}

fn memory_alone(config: &Config) -> Option<Finding> {
    (config.keystore.engine == Engine::Memory).then(|| {
        Finding::advice(
            "keystore_in_memory",
            "keystore.engine = \"memory\": every session ends with the process",
        )
    })
}
