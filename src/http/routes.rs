//! The public routes: one table, and one file for each group of handlers.
//!
//! What isn't in [`ROUTES`] isn't served, and a row can't be without a decision about who may come
//! in. `docs/rights.md` is made by calling every row in every way; what each row takes and answers
//! is its [`Contract`], which the types of bodies and answers fill in.
//!
//! This room must never serve a route that is not in the table.

pub(super) mod account;
pub(super) mod admin;
pub(super) mod answers;
mod audited;
pub(super) mod bodies;
pub(super) mod caller;
pub(super) mod check;
pub(super) mod contract;
mod described;
pub(super) mod login;
mod openapi;
mod own_users;
mod policy;
pub(super) mod renew;
pub(super) mod sessions;
pub(super) mod table;

pub(super) use audited::audited;
pub use contract::{Access, BodyInfo, Contract, Media, Part, Success, SuccessContent};
pub use policy::Policy;
pub use table::{ROUTES, RouteInfo};

use self::described::Document;
use super::guard::TokenGuard;
use super::locations::TokenField;
use crate::service::Service;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, ServiceConfig};

/// Puts the public routes of `service` into an application.
pub fn routes(service: Service, policy: Policy) -> impl Fn(&mut ServiceConfig) + Clone {
    routes_of(ROUTES, TokenField::Authorization, service, policy)
}

/// Serves the rows of a table, with tokens in this header field.
pub(super) fn routes_of(
    table: &'static [RouteInfo],
    field: TokenField,
    service: Service,
    policy: Policy,
) -> impl Fn(&mut ServiceConfig) + Clone {
    let document = Document::of(&openapi::document(table));
    move |config: &mut ServiceConfig| {
        config
            .app_data(Data::new(service.clone()))
            .app_data(Data::new(policy.clone()))
            .app_data(Data::new(document.clone()))
            .app_data(policy.trusted_proxies.clone());
        for rows in table.chunk_by(|one, next| one.pattern == next.pattern) {
            serve(config, &service, field, rows);
        }
    }
}

/// Serves one path. Its guard stands before every method, also before those that it doesn't have.
fn serve(config: &mut ServiceConfig, service: &Service, field: TokenField, rows: &[RouteInfo]) {
    let [first, ..] = rows else { return };
    let mut resource = web::resource(first.pattern);
    for row in rows {
        let route = (row.handler)(web::method(row.method.clone()));
        resource = resource.route(if row.changes() {
            route.wrap(from_fn(audited::audited))
        } else {
            route
        });
        // HEAD is GET without the content of its answer (RFC 9110 §9.3.2), which actix leaves out.
        if row.method == actix_web::http::Method::GET {
            resource = resource.route((row.handler)(web::head()));
        }
    }
    let required = || TokenGuard::required(service.lacre());
    let guard = match first.access {
        Access::Open | Access::Refresh | Access::Client => {
            config.service(resource);
            return;
        }
        Access::Optional => TokenGuard::optional(service.lacre()),
        Access::Guarded => required(),
        Access::Fresh => required().fresh(),
        Access::Role(role) => required().role(role),
        Access::AnyRole(roles) => required().any_role(roles.iter().copied()),
        Access::Permission(name) => required().permission(name),
        Access::AnyKind => required().any_kind(),
    };
    let guard = if first.own_users {
        guard.everybody()
    } else {
        guard
    };
    let guard = if first.direct {
        guard.direct(service.federation())
    } else {
        guard
    };
    config.service(resource.wrap(guard.field(field)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::Method;
    use std::collections::HashSet;

    #[test]
    fn the_methods_of_a_path_stand_together_and_let_in_the_same_people() {
        let mut seen = HashSet::new();
        for rows in ROUTES.chunk_by(|one, next| one.pattern == next.pattern) {
            assert!(seen.insert(rows[0].pattern), "{} twice", rows[0].pattern);
            let methods: HashSet<&Method> = rows.iter().map(|row| &row.method).collect();
            assert_eq!(methods.len(), rows.len(), "{}", rows[0].pattern);
            for row in rows {
                let people = |row: &RouteInfo| (row.access, row.direct, row.own_users);
                assert_eq!(people(row), people(&rows[0]), "{}", row.pattern);
            }
        }
        assert_eq!(seen.len(), 19);
    }

    /// Who would serve a route beside the table has to do it here.
    #[test]
    fn nothing_but_the_table_is_served() {
        let source = include_str!("routes.rs");
        let (source, _) = source.split_once("#[cfg(test)]").unwrap_or_default();
        let registered = ["web::resource(", ".route(", ".service("];
        let counts = registered.map(|call| source.matches(call).count());
        assert_eq!(counts, [1, 2, 2]);
    }
}
