//! What clients are bound to, against the services of the configuration.
//!
//! Either may be made first, so neither is refused for the other's sake: a name that is misspelt is found here.

use super::Finding;
use crate::config::{Config, ServiceConfig};
use crate::ops::answer::Client;

/// Names that lead nowhere, or that there is none.
pub(super) fn look(config: &Config, clients: &[Client]) -> Vec<Finding> {
    let mut found: Vec<_> = clients
        .iter()
        .filter_map(|client| bound_to_nothing(config, client))
        .collect();
    let services = config.services.iter();
    found.extend(services.filter_map(|service| lets_in_nobody(service, clients)));
    if found.is_empty() {
        found.push(Finding::good(
            "clients",
            "each service of a client is configured, and each client of a service has users of its own",
        ));
    }
    found
}

fn bound_to_nothing(config: &Config, client: &Client) -> Option<Finding> {
    let is_configured = |name: &String| config.services.iter().any(|one| one.name == *name);
    let unknown = names(client.services.iter().filter(|name| !is_configured(name)));
    (!unknown.is_empty()).then(|| {
        Finding::advice(
            "client_service_unknown",
            format!(
                "{} ({}) was made for {unknown}, and the configuration has no such service: no token is active \
                 for it by that name. Add [service.NAME], or make the client anew with another --service",
                client.id, client.name
            ),
        )
    })
}

fn lets_in_nobody(service: &ServiceConfig, clients: &[Client]) -> Option<Finding> {
    let vouches = |name: &String| {
        let mut clients = clients.iter().filter(|client| client.own_users);
        // What begins like an id is compared with ids alone, as the guard does.
        clients.any(|client| {
            let called = if name.starts_with("client_") {
                &client.id
            } else {
                &client.name
            };
            called == name
        })
    };
    let unknown = names(service.clients.iter().filter(|name| !vouches(name)));
    (!unknown.is_empty()).then(|| {
        Finding::advice(
            "service_client_unknown",
            format!(
                "service.{}.clients has {unknown}, and no client of that name has users of its own: nobody is let \
                 in by it. Make one with `lacre clients add NAME --own-users`, or take the name out",
                service.name
            ),
        )
    })
}

fn names<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
