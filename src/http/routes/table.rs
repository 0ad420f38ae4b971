//! The table of the public routes: a method on a path, who may call it, what its handler promises,
//! and the handler.
//!
//! This room must never list a route without saying who may call it.

use super::super::problem::Code;
use super::contract::{Access, Contract};
use super::{account, admin, check, described, login, own_users, renew, sessions};
use crate::accounts::ADMIN_ROLE;
use actix_web::Route;
use actix_web::http::Method;

/// A row of the table: a method on a path, who may call it, and what it does.
#[derive(Debug, Clone)]
pub struct RouteInfo {
    /// The method.
    pub method: Method,
    /// The path; `{name}` stands for one segment.
    pub pattern: &'static str,
    /// Who may call it.
    pub access: Access,
    /// Whether a token of an outside issuer with `accept = "direct"` lets in as well.
    pub direct: bool,
    /// Whether a token of a client's own user lets in as well, which is no account.
    pub own_users: bool,
    /// What it takes, answers and refuses.
    pub contract: Contract,
    pub(in crate::http) handler: fn(Route) -> Route,
}

impl RouteInfo {
    /// The same row, which a token of an outside issuer lets into as well. Its handler needs neither an
    /// account nor a session.
    pub(in crate::http) const fn and_direct(mut self) -> Self {
        self.direct = true;
        self
    }

    /// The same row, which a token of a client's own user lets into as well. Its handler needs no account, and
    /// what it does is about the session that asks, or its user's others.
    pub(in crate::http) const fn and_own_users(mut self) -> Self {
        self.own_users = true;
        self
    }

    /// Every code that this route may answer, in the order of `docs/errors.md`.
    #[must_use]
    pub fn codes(&self) -> Vec<Code> {
        let mut codes = self.contract.codes(self.access);
        if self.changes() {
            codes.push(Code::AuditUnavailable);
        }
        let looks_at_tokens =
            !matches!(self.access, Access::Open | Access::Refresh | Access::Client);
        if looks_at_tokens && !self.own_users {
            codes.push(Code::InsufficientScope);
        }
        codes.sort_by_key(|code| *code as usize);
        codes.dedup();
        codes
    }

    /// Whether it may change something, which then has to be recorded (RFC 9110 §9.2.1).
    #[must_use]
    pub fn changes(&self) -> bool {
        !self.method.is_safe()
    }

    /// The names in the path, in their order.
    pub fn path_parameters(&self) -> impl Iterator<Item = &'static str> {
        let segments = self.pattern.split('/');
        segments.filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
    }
}

/// Every public route. The methods of one path stand together and let in the same people.
pub const ROUTES: &[RouteInfo] = {
    use Access::{AnyKind, Client, Fresh, Guarded, Open, Optional, Refresh, Role};
    const ADMIN: Access = Role(ADMIN_ROLE);
    const USERS: &str = "/admin/users";
    const USER: &str = "/admin/users/{id}";
    const SESSIONS: &str = "/admin/users/{id}/sessions";
    const OWN_USER: &str = "/client/users/{id}";
    const OWN_SESSIONS: &str = "/client/users/{id}/sessions";
    const OWN_SESSION: &str = "/client/users/{id}/sessions/{crt}";
    &[
        row(Method::POST, "/signup", Open, account::SIGN_UP, |r| {
            r.to(account::sign_up)
        }),
        row(Method::POST, "/getToken", Open, login::GET_TOKEN, |r| {
            r.to(login::get_token)
        }),
        row(Method::POST, "/login", Open, login::GET_TOKEN, |r| {
            r.to(login::get_token)
        }),
        row(
            Method::GET,
            "/openapi.json",
            Open,
            described::OPENAPI,
            |r| r.to(described::openapi),
        ),
        row(Method::GET, "/open", Optional, check::OPEN, |r| {
            r.to(check::open)
        })
        .and_direct(),
        row(Method::GET, "/headers", Guarded, check::HEADERS, |r| {
            r.to(check::headers)
        })
        .and_direct(),
        row(Method::GET, "/me", Guarded, account::ME, |r| {
            r.to(account::me)
        }),
        row(Method::POST, "/refresh", Refresh, renew::REFRESH, |r| {
            r.to(renew::refresh)
        })
        .and_own_users(),
        row(
            Method::POST,
            "/reauth",
            Guarded,
            renew::REAUTHENTICATE,
            |r| r.to(renew::reauthenticate),
        ),
        row(
            Method::PUT,
            "/me/password",
            Fresh,
            renew::CHANGE_PASSWORD,
            |r| r.to(renew::change_password),
        ),
        row(Method::POST, "/logout", AnyKind, sessions::LOG_OUT, |r| {
            r.to(sessions::log_out)
        })
        .and_own_users(),
        row(Method::GET, "/sessions", Guarded, sessions::LIST, |r| {
            r.to(sessions::list)
        })
        .and_own_users(),
        row(
            Method::DELETE,
            "/sessions",
            Guarded,
            sessions::END_SEVERAL,
            |r| r.to(sessions::end_several),
        )
        .and_own_users(),
        row(
            Method::DELETE,
            "/sessions/{crt}",
            Guarded,
            sessions::END_ONE,
            |r| r.to(sessions::end_one),
        )
        .and_own_users(),
        row(Method::GET, USERS, ADMIN, admin::LIST, |r| {
            r.to(admin::list)
        }),
        row(Method::POST, USERS, ADMIN, admin::MAKE, |r| {
            r.to(admin::make)
        }),
        row(Method::GET, USER, ADMIN, admin::SHOW, |r| r.to(admin::show)),
        row(Method::PUT, USER, ADMIN, admin::CHANGE, |r| {
            r.to(admin::change)
        }),
        row(Method::DELETE, USER, ADMIN, admin::DELETE, |r| {
            r.to(admin::delete)
        }),
        row(Method::GET, SESSIONS, ADMIN, admin::SESSIONS, |r| {
            r.to(admin::sessions)
        }),
        row(Method::DELETE, SESSIONS, ADMIN, admin::END_SESSIONS, |r| {
            r.to(admin::end_sessions)
        }),
        row(Method::PUT, OWN_USER, Client, own_users::CHANGE, |r| {
            r.to(own_users::change)
        }),
        row(Method::GET, OWN_SESSIONS, Client, own_users::LIST, |r| {
            r.to(own_users::list)
        }),
        row(
            Method::DELETE,
            OWN_SESSIONS,
            Client,
            own_users::END_SEVERAL,
            |r| r.to(own_users::end_several),
        ),
        row(
            Method::DELETE,
            OWN_SESSION,
            Client,
            own_users::END_ONE,
            |r| r.to(own_users::end_one),
        ),
    ]
};

/// A row.
pub(in crate::http) const fn row(
    method: Method,
    pattern: &'static str,
    access: Access,
    contract: Contract,
    handler: fn(Route) -> Route,
) -> RouteInfo {
    RouteInfo {
        method,
        pattern,
        access,
        direct: false,
        own_users: false,
        contract,
        handler,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::routes::contract::{BodyInfo, SuccessContent};
    use actix_web::http::StatusCode;

    #[test]
    fn a_route_says_what_it_does_and_succeeds() {
        for route in ROUTES {
            let contract = &route.contract;
            assert!(contract.summary.ends_with('.'), "{}", route.pattern);
            let status = StatusCode::from_u16(contract.success.status).unwrap();
            assert!(status.is_success(), "{}", route.pattern);
            let nothing = matches!(contract.success.content, SuccessContent::Nothing);
            assert_eq!(
                nothing,
                status == StatusCode::NO_CONTENT,
                "{}",
                route.pattern
            );
        }
    }

    #[test]
    fn no_variant_of_a_body_names_a_member_twice() {
        for route in ROUTES {
            let bodies = route.contract.body.iter();
            for members in bodies.flat_map(BodyInfo::members) {
                let mut names: Vec<_> = members.iter().map(|member| member.name).collect();
                names.sort_unstable();
                names.dedup();
                assert_eq!(names.len(), members.len(), "{}", route.pattern);
            }
        }
    }

    #[test]
    fn the_names_in_a_path_are_told() {
        let of = |pattern: &str| {
            let route = ROUTES.iter().find(|route| route.pattern == pattern);
            route.unwrap().path_parameters().collect::<Vec<_>>()
        };
        assert_eq!(of("/me"), Vec::<&str>::new());
        assert_eq!(of("/sessions/{crt}"), ["crt"]);
        assert_eq!(of("/admin/users/{id}/sessions"), ["id"]);
    }

    #[test]
    fn both_spellings_of_a_log_in_promise_the_same() {
        let codes = |pattern: &str| {
            let route = ROUTES.iter().find(|route| route.pattern == pattern);
            route.unwrap().codes()
        };
        assert_eq!(codes("/getToken"), codes("/login"));
        assert!(codes("/login").contains(&Code::InvalidCredentials));
    }
}
