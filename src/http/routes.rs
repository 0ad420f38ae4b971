//! The public routes: one table, and one file for each group of handlers.
//!
//! What isn't in [`ROUTES`] isn't served, and a row can't be without a decision about who may come
//! in. `docs/rights.md` is made by calling every row in every way.
//!
//! This room must never serve a route that is not in the table.

mod account;
mod admin;
mod login;
mod renew;
mod sessions;
mod visit;

use super::guard::TokenGuard;
use super::limits::Limits;
use super::origin::TrustedProxies;
use crate::service::Service;
use actix_web::Route;
use actix_web::http::Method;
use actix_web::web::{self, Data, ServiceConfig};

/// What the public routes need to know of the configuration.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Whether strangers may make an account.
    pub open_signup: bool,
    /// Whose word about the client's address is taken.
    pub trusted_proxies: TrustedProxies,
    /// How often an address may try.
    pub limits: Limits,
}

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody; a token is not looked at.
    Open,
    /// Everybody; a token that comes must be good.
    Optional,
    /// Who has a good access token.
    Guarded,
    /// Who has an access token that was made by proving the password.
    Fresh,
    /// Who has an access token with this role.
    Role(&'static str),
    /// Who has a good token, whether for access or for refresh.
    AnyKind,
    /// Who has a refresh token. The handler opens it, for its use changes the session.
    Refresh,
}

/// A row of the table: a method on a path, and who may call it.
#[derive(Debug, Clone)]
pub struct RouteInfo {
    /// The method.
    pub method: Method,
    /// The path; `{name}` stands for one segment.
    pub pattern: &'static str,
    /// Who may call it.
    pub access: Access,
    handler: fn(Route) -> Route,
}

/// Every public route. The methods of one path stand together and let in the same people.
pub const ROUTES: &[RouteInfo] = {
    use Access::{AnyKind, Fresh, Guarded, Open, Optional, Refresh, Role};
    const ADMIN: Access = Role(admin::ROLE);
    const USERS: &str = "/admin/users";
    const USER: &str = "/admin/users/{id}";
    const SESSIONS: &str = "/admin/users/{id}/sessions";
    &[
        row(Method::POST, "/signup", Open, |r| r.to(account::sign_up)),
        row(Method::POST, "/getToken", Open, |r| r.to(login::get_token)),
        row(Method::POST, "/login", Open, |r| r.to(login::get_token)),
        row(Method::GET, "/open", Optional, |r| r.to(visit::open)),
        row(Method::GET, "/headers", Guarded, |r| r.to(visit::headers)),
        row(Method::GET, "/me", Guarded, |r| r.to(account::me)),
        row(Method::POST, "/refresh", Refresh, |r| r.to(renew::refresh)),
        row(Method::POST, "/reauth", Guarded, |r| {
            r.to(renew::reauthenticate)
        }),
        row(Method::PUT, "/me/password", Fresh, |r| {
            r.to(renew::change_password)
        }),
        row(Method::POST, "/logout", AnyKind, |r| {
            r.to(sessions::log_out)
        }),
        row(Method::GET, "/sessions", Guarded, |r| r.to(sessions::list)),
        row(Method::DELETE, "/sessions", Guarded, |r| {
            r.to(sessions::end_several)
        }),
        row(Method::DELETE, "/sessions/{crt}", Guarded, |r| {
            r.to(sessions::end_one)
        }),
        row(Method::GET, USERS, ADMIN, |r| r.to(admin::list)),
        row(Method::POST, USERS, ADMIN, |r| r.to(admin::make)),
        row(Method::GET, USER, ADMIN, |r| r.to(admin::show)),
        row(Method::PUT, USER, ADMIN, |r| r.to(admin::change)),
        row(Method::DELETE, USER, ADMIN, |r| r.to(admin::delete)),
        row(Method::GET, SESSIONS, ADMIN, |r| r.to(admin::sessions)),
        row(Method::DELETE, SESSIONS, ADMIN, |r| {
            r.to(admin::end_sessions)
        }),
    ]
};

const fn row(
    method: Method,
    pattern: &'static str,
    access: Access,
    handler: fn(Route) -> Route,
) -> RouteInfo {
    RouteInfo {
        method,
        pattern,
        access,
        handler,
    }
}

/// Puts the public routes of `service` into an application.
pub fn routes(service: Service, policy: Policy) -> impl Fn(&mut ServiceConfig) + Clone {
    move |config: &mut ServiceConfig| {
        config
            .app_data(Data::new(service.clone()))
            .app_data(Data::new(policy.clone()));
        for rows in ROUTES.chunk_by(|one, next| one.pattern == next.pattern) {
            serve(config, &service, rows);
        }
    }
}

/// Serves one path. Its guard stands before every method, also before those that it doesn't have.
fn serve(config: &mut ServiceConfig, service: &Service, rows: &[RouteInfo]) {
    let [first, ..] = rows else { return };
    let mut resource = web::resource(first.pattern);
    for row in rows {
        resource = resource.route((row.handler)(web::method(row.method.clone())));
    }
    let required = || TokenGuard::required(service.lacre());
    let guard = match first.access {
        Access::Open | Access::Refresh => {
            config.service(resource);
            return;
        }
        Access::Optional => TokenGuard::optional(service.lacre()),
        Access::Guarded => required(),
        Access::Fresh => required().fresh(),
        Access::Role(role) => required().role(role),
        Access::AnyKind => required().any_kind(),
    };
    config.service(resource.wrap(guard));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_methods_of_a_path_stand_together_and_let_in_the_same_people() {
        let mut seen = HashSet::new();
        for rows in ROUTES.chunk_by(|one, next| one.pattern == next.pattern) {
            assert!(seen.insert(rows[0].pattern), "{} twice", rows[0].pattern);
            let methods: HashSet<&Method> = rows.iter().map(|row| &row.method).collect();
            assert_eq!(methods.len(), rows.len(), "{}", rows[0].pattern);
            for row in rows {
                assert_eq!(row.access, rows[0].access, "{}", row.pattern);
            }
        }
        assert_eq!(seen.len(), 15);
    }

    /// Who would serve a route beside the table has to do it here.
    #[test]
    fn nothing_but_the_table_is_served() {
        let source = include_str!("routes.rs");
        let (source, _) = source.split_once("#[cfg(test)]").unwrap_or_default();
        let registered = ["web::resource(", ".route(", ".service("];
        let counts = registered.map(|call| source.matches(call).count());
        assert_eq!(counts, [1, 1, 2]);
    }
}
