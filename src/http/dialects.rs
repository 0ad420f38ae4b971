//! Dialects: the public listener in the paths, members, statuses and texts of another service, for
//! clients that were written for that one.
//!
//! Each dialect is a file: a table of routes, whose handlers translate what was sent, call the handler
//! of lacre's own route, and translate its answer; and the words in which it tells a problem. Who is
//! let in is the same guard's business, and every end the same service's.
//!
//! A dialect may tell why a token was refused where the token was proven to be ours
//! (`Reason` in `problem`); every other bad token gets one answer.
//!
//! This room must never change a right, and never let in a request by itself.

mod api_users;
mod auth0;
mod flask_jwt_extended;
mod jwe_flask;
mod names;
mod wording;
mod x_access_token;

use super::locations::TokenField;
use super::render::Form;
use super::routes::{Policy, ROUTES, RouteInfo, routes_of};
use crate::config::{Dialect, DialectConfig};
use crate::service::Service;
use actix_web::web::{Data, ServiceConfig};

/// The routes that a dialect serves.
#[must_use]
pub fn table(dialect: Dialect) -> &'static [RouteInfo] {
    match dialect {
        Dialect::Lacre => ROUTES,
        Dialect::JweFlask => jwe_flask::ROUTES,
        Dialect::FlaskJwtExtended => flask_jwt_extended::ROUTES,
        Dialect::Auth0 => auth0::ROUTES,
        Dialect::XAccessToken => x_access_token::ROUTES,
        Dialect::ApiUsers => api_users::ROUTES,
    }
}

/// How a dialect tells problems.
#[must_use]
pub fn form(spoken: &DialectConfig) -> Form {
    match spoken.dialect {
        Dialect::Lacre => Form::default(),
        Dialect::JweFlask => Form::new(|problem, _| jwe_flask::words(problem)),
        Dialect::FlaskJwtExtended => {
            let spoken = spoken.clone();
            Form::new(move |problem, asked| flask_jwt_extended::words(&spoken, problem, asked))
        }
        Dialect::Auth0 => Form::new(auth0::words),
        Dialect::XAccessToken => Form::new(x_access_token::words),
        Dialect::ApiUsers => Form::new(api_users::words),
    }
}

/// The header field in which a dialect's clients send their token.
fn field(dialect: Dialect) -> TokenField {
    match dialect {
        Dialect::XAccessToken => TokenField::Bare(x_access_token::FIELD),
        _ => TokenField::Authorization,
    }
}

/// Puts the routes of a dialect into an application.
pub fn routes(
    spoken: &DialectConfig,
    service: Service,
    policy: Policy,
) -> impl Fn(&mut ServiceConfig) + Clone + use<> {
    let dialect = spoken.dialect;
    let names = Data::new(spoken.clone());
    let serve = routes_of(table(dialect), field(dialect), service, policy);
    move |config: &mut ServiceConfig| {
        config.app_data(names.clone());
        serve(config);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const ALL: [Dialect; 6] = [
        Dialect::Lacre,
        Dialect::JweFlask,
        Dialect::FlaskJwtExtended,
        Dialect::Auth0,
        Dialect::XAccessToken,
        Dialect::ApiUsers,
    ];

    #[test]
    fn every_table_serves_each_method_of_a_path_once_and_lets_in_the_same_people() {
        for dialect in ALL {
            let mut seen = HashSet::new();
            for rows in table(dialect).chunk_by(|one, next| one.pattern == next.pattern) {
                assert!(
                    seen.insert(rows[0].pattern),
                    "{dialect:?}: {}",
                    rows[0].pattern
                );
                let methods: HashSet<_> = rows.iter().map(|row| &row.method).collect();
                assert_eq!(
                    methods.len(),
                    rows.len(),
                    "{dialect:?}: {}",
                    rows[0].pattern
                );
                let people = |row: &RouteInfo| (row.access, row.direct, row.own_users);
                assert!(rows.iter().all(|row| people(row) == people(&rows[0])));
            }
        }
    }

    #[test]
    fn a_session_can_be_ended_in_every_dialect() {
        for dialect in ALL {
            let mut rows = table(dialect).iter();
            assert!(
                rows.any(|row| row.pattern.ends_with("/logout")),
                "{dialect:?}"
            );
        }
    }
}
