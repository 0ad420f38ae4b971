//! Who may call what in a dialect: every row of every dialect's table, by every role, with a token in
//! every state. `docs/rights.md` has the same tables.

use super::{speaking, with_token};
use crate::journeys::revocation::scene::Held;
use crate::journeys::rights::{House, Person, Role, State, Verdict, due, lets_in};
use crate::support::generated;
use crate::support::http::Request;
use crate::support::server::Server;
use lacre::internals::config::Dialect;
use lacre::internals::http::dialects::table;
use lacre::internals::http::routes::{Access, RouteInfo};
use serde_json::json;

const SPOKEN: [(&str, Dialect); 5] = [
    ("jwe-flask", Dialect::JweFlask),
    ("flask-jwt-extended", Dialect::FlaskJwtExtended),
    ("auth0", Dialect::Auth0),
    ("x-access-token", Dialect::XAccessToken),
    ("api-users", Dialect::ApiUsers),
];

const STATES: [State; 8] = [
    State::NoToken,
    State::Good,
    State::Fresh,
    State::OtherKind,
    State::Expired,
    State::Ended,
    State::WrongAudience,
    State::OwnUser,
];

/// What the handler of a row answers to an empty object, or to a path that names nobody.
const DONE: [(&str, &str, u16); 16] = [
    ("/logout", "POST", 204),
    ("/auth/logout", "POST", 204),
    ("/getToken", "POST", 400),
    ("/user/{id}", "GET", 400),
    ("/signup", "POST", 400),
    // Open, and it lacks a member: `x-access-token` has 401 for it.
    ("/login", "POST", 0),
    ("/reauth", "POST", 400),
    ("/auth", "POST", 400),
    ("/admin/users", "POST", 400),
    ("/admin/users/{id}", "GET", 404),
    ("/admin/users/{id}", "PUT", 400),
    ("/admin/users/{id}", "DELETE", 404),
    ("/refresh", "POST", 200),
    ("/token/refresh", "POST", 200),
    ("/auth/refresh", "POST", 200),
    ("/configuracion", "PUT", 200),
];

fn done(dialect: &str, route: &RouteInfo) -> u16 {
    let found = DONE
        .iter()
        .find(|(pattern, method, _)| *pattern == route.pattern && *method == route.method.as_str());
    match found {
        Some((_, _, 0)) if dialect == "x-access-token" => 401,
        Some((_, _, 0)) => 400,
        Some((_, _, status)) => *status,
        None => 200,
    }
}

/// With what a dialect refuses what lacre refuses with this code.
fn status(dialect: &str, route: &RouteInfo, state: State, code: &str) -> u16 {
    let told = state == State::Expired;
    match (dialect, code) {
        ("flask-jwt-extended", "invalid_token") if told => 401,
        ("flask-jwt-extended", "invalid_token") => 422,
        // It has 401 for what isn't fresh, and this one is no account.
        ("flask-jwt-extended", "insufficient_scope")
            if route.access == Access::Fresh && state != State::OwnUser =>
        {
            401
        }
        ("api-users", "insufficient_scope") => 401,
        ("jwe-flask", "invalid_token") | (_, "insufficient_scope") => 403,
        _ => 401,
    }
}

/// What is due, as a status; `None` where the state makes no difference.
fn expected(dialect: &str, route: &RouteInfo, role: Role, state: State) -> Option<(bool, u16)> {
    let spends = matches!(route.access, Access::AnyKind | Access::Refresh);
    if state == State::Fresh && spends {
        return None;
    }
    // Whether a session has expired with its refresh token is another question.
    if state == State::Expired && route.access == Access::Refresh {
        return None;
    }
    Some(match due(route, role, state)? {
        Verdict::In => (true, done(dialect, route)),
        Verdict::Refused(_, code) => (false, status(dialect, route, state, &code)),
    })
}

fn ask(server: &Server, dialect: &str, route: &RouteInfo, state: State, held: &Held) -> u16 {
    let wants_refresh = (route.access == Access::Refresh) != (state == State::OtherKind);
    let token = if wants_refresh {
        &held.refresh
    } else {
        &held.auth
    };
    let target = route.pattern.replace("{id}", "nobody").replace("{n}", "1");
    let mut request = Request::new(route.method.as_str(), &target).json(json!({}));
    if state != State::NoToken {
        let (mut field, mut value) = with_token(dialect, token);
        // lacre's own refresh reads the header that is usual.
        if route.access == Access::Refresh {
            (field, value) = ("Authorization", format!("Bearer {token}"));
        }
        request = request.header(field, &value);
    }
    server.send(&request).status
}

#[test]
fn every_row_of_every_dialect_lets_in_whom_the_table_says() {
    let mut house = House::open();
    let mut people: Vec<Person> = house.people_out();
    let mut calls = Vec::new();
    for (name, dialect) in SPOKEN {
        for person in &mut people {
            for route in table(dialect) {
                for state in STATES {
                    if let Some(due) = expected(name, route, person.role, state) {
                        let held = house.held(person, state);
                        calls.push((name, route, person.role, state, held, due));
                    }
                }
            }
        }
    }
    let setup = house.stop();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (name, _) in SPOKEN {
        let server = speaking(&setup, name).start();
        for (_, route, role, state, held, (_, due)) in calls.iter().filter(|call| call.0 == name) {
            count += 1;
            let found = ask(&server, name, route, *state, held);
            if found != *due {
                let who = (role, state);
                wrong.push(format!(
                    "{name} {} {} {who:?}: {found}, is due: {due}",
                    route.method, route.pattern
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 400, "only {count} cells");
}

#[test]
fn the_page_of_rights_has_the_tables_of_the_dialects() {
    let mut head = vec!["Route", "Lets in"];
    head.extend(STATES.iter().map(|state| state.text()));
    for (name, dialect) in SPOKEN {
        let rows = table(dialect).iter().map(|route| {
            let mut row = vec![
                format!("`{} {}`", route.method, route.pattern),
                lets_in(route),
            ];
            row.extend(STATES.iter().map(|state| {
                let cell = |role| match expected(name, route, role, *state) {
                    Some((true, _)) => "in".to_owned(),
                    Some((false, status)) => status.to_string(),
                    None => String::new(),
                };
                let [user, admin] = [cell(Role::User), cell(Role::Admin)];
                if user == admin {
                    user
                } else {
                    format!("{user}, `admin`: {admin}")
                }
            }));
            row
        });
        let table = generated::table(&head, rows);
        generated::part("docs/rights.md", &format!("dialect {name}"), &table);
    }
}
