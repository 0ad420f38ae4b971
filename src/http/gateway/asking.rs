//! A service that asks: the rules by which it lets somebody in, and what it wants to be told.
//!
//! This room must never have a rule of its own: the guard has them all.

use crate::config::{Identity, IdentityHeader, ServiceConfig};
use crate::http::guard::TokenGuard;
use crate::lacre::Lacre;
use crate::sessions::rules::Location;
use actix_web::http::header::HeaderName;

/// A service of the configuration, ready to be asked for.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    pub(super) rules: ServiceConfig,
    /// The fields of an answer that lets a request in.
    pub(super) headers: Vec<(HeaderName, Identity)>,
    locations: Vec<Location>,
}

impl Asking {
    /// `own` are the places where lacre's own routes look for a token.
    pub(super) fn new(rules: &ServiceConfig, own: &[Location]) -> Self {
        let header = |header: &IdentityHeader| {
            let name = HeaderName::from_bytes(header.name.as_bytes());
            name.ok().map(|name| (name, header.tells))
        };
        Self {
            headers: rules.headers.iter().filter_map(header).collect(),
            locations: places(rules.locations.as_deref(), own),
            rules: rules.clone(),
        }
    }

    /// The guard of this service, for one worker.
    pub(super) fn guard(&self, lacre: &Lacre) -> TokenGuard {
        let rules = &self.rules;
        let guard = if rules.optional {
            TokenGuard::optional(lacre)
        } else {
            TokenGuard::required(lacre)
        };
        let guard = if rules.fresh { guard.fresh() } else { guard };
        let guard = guard
            .locations(self.locations.iter().copied())
            .any_role(rules.roles.iter().cloned())
            .users_of(rules.clients.clone())
            .asked_by_proxies();
        let permissions = rules.permissions.iter();
        permissions.fold(guard, |guard, name| guard.permission(name.clone()))
    }
}

/// Where a token may stand: never in the query or the body of a client's request, which a proxy may or
/// may not send along.
fn places(chosen: Option<&[Location]>, own: &[Location]) -> Vec<Location> {
    let mut places = chosen.unwrap_or(own).to_vec();
    places.retain(|place| matches!(place, Location::Header | Location::Cookie));
    if places.is_empty() {
        places.push(Location::Header);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_query_nor_body_is_a_place() {
        use Location::{Cookie, Header, Json, Query};
        assert_eq!(
            places(None, &[Header, Cookie, Query, Json]),
            [Header, Cookie]
        );
        assert_eq!(places(None, &[Cookie]), [Cookie]);
        assert_eq!(places(None, &[Query, Json]), [Header]);
        assert_eq!(places(Some(&[Cookie]), &[Header]), [Cookie]);
        assert_eq!(places(Some(&[Header]), &[Cookie]), [Header]);
    }
}
