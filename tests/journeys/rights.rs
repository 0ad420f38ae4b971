//! Who may call what: every route of the table of the service, by every role, with a token in every
//! state. `docs/rights.md` has the same table.

mod call;
mod house;

use crate::pages::page;
use crate::support::generated;
use crate::support::http::{Answer, Request};
use crate::support::promise::broken_by;
use crate::support::walked::walked;
use call::{CALLS, Call};
pub(crate) use house::{House, Person};
use lacre::internals::http::routes::{Access, Media, ROUTES, RouteInfo};

walked! {
    /// What the account is allowed to be.
    Role {
        User,
        Admin,
    }
}

walked! {
    /// The token of a request.
    State {
        NoToken,
        Good,
        Fresh,
        OtherKind,
        Expired,
        Ended,
        WrongAudience,
        Cookie,
        CookieAlone,
        OfAnother,
        OwnUser,
    }
}

/// What a route answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The handler does its work.
    In,
    /// It is refused with this status and code.
    Refused(u16, String),
}

impl Role {
    fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }
}

impl State {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::NoToken => "no token",
            Self::Good => "good",
            Self::Fresh => "fresh",
            Self::OtherKind => "other kind",
            Self::Expired => "expired",
            Self::Ended => "session ended",
            Self::WrongAudience => "wrong audience",
            Self::Cookie => "cookie",
            Self::CookieAlone => "cookie, no CSRF",
            Self::OfAnother => "another's session",
            Self::OwnUser => "a client's own user",
        }
    }
}

/// What is due; `None` where the state makes no difference to this route.
pub(crate) fn due(route: &RouteInfo, role: Role, state: State) -> Option<Verdict> {
    let refused = |status, code: &str| Some(Verdict::Refused(status, code.to_owned()));
    let lets_in = match (route.access, state) {
        (Access::Client, State::OfAnother) => return None,
        (Access::Client, _) => return refused(401, "invalid_client"),
        (_, State::OfAnother) if route.pattern.contains("{crt}") => {
            return refused(404, "not_found");
        }
        (_, State::OfAnother) => return None,
        (Access::Open, _) => true,
        (_, State::OwnUser) => route.own_users,
        (access, State::NoToken) => {
            if access != Access::Optional {
                return refused(401, "no_credentials");
            }
            true
        }
        (_, State::Expired | State::Ended | State::WrongAudience) => {
            return refused(401, "invalid_token");
        }
        (access, State::OtherKind) => {
            if access != Access::AnyKind {
                return refused(401, "invalid_token");
            }
            true
        }
        (_, State::CookieAlone) if !route.method.is_safe() => return refused(403, "csrf_failed"),
        (Access::Fresh, State::Good | State::Fresh | State::Cookie | State::CookieAlone) => {
            state == State::Fresh
        }
        (Access::Role(needed), State::Good | State::Fresh | State::Cookie | State::CookieAlone) => {
            needed == role.word()
        }
        (
            Access::AnyRole(needed),
            State::Good | State::Fresh | State::Cookie | State::CookieAlone,
        ) => needed.contains(&role.word()),
        // No account here has one.
        (
            Access::Permission(_),
            State::Good | State::Fresh | State::Cookie | State::CookieAlone,
        ) => false,
        (
            Access::Optional | Access::Guarded | Access::AnyKind | Access::Refresh,
            State::Good | State::Fresh | State::Cookie | State::CookieAlone,
        ) => true,
    };
    if lets_in {
        Some(Verdict::In)
    } else {
        refused(403, "insufficient_scope")
    }
}

/// The call of a route: every route has one.
fn call_of(route: &RouteInfo) -> &'static Call {
    let mut found = CALLS
        .iter()
        .filter(|call| call.method == route.method.as_str() && call.pattern == route.pattern);
    match (found.next(), found.next()) {
        (Some(call), None) => call,
        (found, _) => panic!("{} {}: {found:?}", route.method, route.pattern),
    }
}

#[test]
fn every_route_lets_in_whom_the_table_says() {
    let mut house = House::open();
    let (mut wrong, mut cells) = (Vec::new(), 0);
    let mut people = house.people_out();
    for person in &mut people {
        for route in ROUTES {
            let call = call_of(route);
            for state in State::ALL {
                let Some(due) = due(route, person.role, *state) else {
                    continue;
                };
                cells += 1;
                let held = house.held(person, *state);
                let answer = house.ask(route, call, *state, &held);
                wrong.extend(broken_by(route, &answer));
                let found = if answer.status == call.status && due == Verdict::In {
                    Verdict::In
                } else if answer.status < 400 {
                    Verdict::Refused(answer.status, "let in".to_owned())
                } else {
                    let code = answer.json()["code"].as_str().unwrap().to_owned();
                    answer.refused(answer.status, &code);
                    Verdict::Refused(answer.status, code)
                };
                if found != due {
                    let who = (person.role, *state);
                    wrong.push(format!(
                        "{} {} {who:?}: {found:?}, is due: {due:?}",
                        route.method, route.pattern
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cells > 300, "only {cells} cells");
}

/// A form is taken where the table says so, and refused where it doesn't; a route that reads no
/// body doesn't look at its type.
#[test]
fn every_route_takes_the_bodies_that_the_table_says() {
    let mut house = House::open();
    let mut people = house.people_out();
    let admin = people.last_mut().unwrap();
    for route in ROUTES {
        let held = house.held(admin, State::Fresh);
        let token = match route.access {
            Access::Refresh => house.good(admin).refresh,
            _ => held.auth,
        };
        let target = route
            .pattern
            .replace("{crt}", &held.crt)
            .replace("{id}", "nobody");
        let send = |kind: &str| {
            let request = Request::new(route.method.as_str(), &target).bearer(&token);
            house
                .server
                .send(&request.header("Content-Type", kind).body("a=b"))
        };
        let form = send("application/x-www-form-urlencoded");
        let text = send("text/plain");
        for answer in [&form, &text] {
            assert_eq!(broken_by(route, answer), None);
        }
        let media = route.contract.body.map(|body| body.media);
        let refused = |answer: &Answer| answer.status == 415;
        let expected = [media == Some(Media::Json), media.is_some()];
        let found = [refused(&form), refused(&text)];
        assert_eq!(found, expected, "{} {}", route.method, route.pattern);
    }
}

#[test]
fn every_call_of_the_walk_is_a_route() {
    for call in CALLS {
        let is_there = ROUTES
            .iter()
            .any(|route| route.method == call.method && route.pattern == call.pattern);
        assert!(is_there, "{call:?}");
    }
    assert_eq!(CALLS.len(), ROUTES.len());
}

/// What the program serves is in the table, or of the gateway or the management listener, which are no
/// part of the public one: no other file of it registers a route.
#[test]
fn no_file_serves_a_route_beside_the_table() {
    const REGISTERING: [&str; 6] = [
        "web::resource(",
        "web::scope(",
        ".service(",
        ".route(",
        ".default_service(",
        "HttpServer::new(",
    ];
    let registers = |line: &str| {
        let line = line.replace(".service()", ""); // what a deployment consists of
        REGISTERING.iter().any(|call| line.contains(call))
    };
    let mut found = Vec::new();
    for file in page::files_below(&page::root().join("src"), "rs") {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = file.strip_prefix(page::root()).unwrap().to_owned();
        // `live` is the server of the unit tests.
        if name.ends_with("tests.rs") || name.ends_with("live.rs") {
            continue;
        }
        let (source, _) = text.split_once("#[cfg(test)]\nmod ").unwrap_or((&text, ""));
        let mut code = source
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        if code.any(registers) {
            found.push(name.display().to_string());
        }
    }
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "src/http/console.rs",
            "src/http/gateway.rs",
            "src/http/gateway/authz.rs",
            "src/http/management.rs",
            "src/http/routes.rs",
            "src/http/server.rs"
        ]
    );
}

/// Whom a route lets in, in words.
pub(crate) fn lets_in(route: &RouteInfo) -> String {
    let lets_in = match route.access {
        Access::Open => "everybody".to_owned(),
        Access::Optional => "everybody, but no bad token".to_owned(),
        Access::Guarded => "an access token".to_owned(),
        Access::Fresh => "a fresh access token".to_owned(),
        Access::Role(role) => format!("an access token with the role `{role}`"),
        Access::AnyRole(roles) => format!("an access token with one of {roles:?}"),
        Access::Permission(name) => {
            format!("an access token with the permission `{name}`")
        }
        Access::AnyKind => "an access or a refresh token".to_owned(),
        Access::Refresh => "a refresh token".to_owned(),
        Access::Client => "a back end with users of its own, by its credentials".to_owned(),
    };
    if route.direct {
        lets_in + "; an outside token"
    } else {
        lets_in
    }
}

#[test]
fn the_page_of_rights_is_the_table() {
    let mut head = vec!["Route", "Lets in"];
    head.extend(State::ALL.iter().map(|state| state.text()));
    for role in Role::ALL {
        let rows = ROUTES.iter().map(|route| {
            let mut row = vec![
                format!("`{} {}`", route.method, route.pattern),
                lets_in(route),
            ];
            row.extend(
                State::ALL
                    .iter()
                    .map(|state| match due(route, *role, *state) {
                        Some(Verdict::In) => "in".to_owned(),
                        Some(Verdict::Refused(status, code)) if code == "csrf_failed" => {
                            format!("{status} CSRF")
                        }
                        Some(Verdict::Refused(status, _)) => status.to_string(),
                        None => String::new(),
                    }),
            );
            row
        });
        generated::part(
            "docs/rights.md",
            role.word(),
            &generated::table(&head, rows),
        );
    }
}
