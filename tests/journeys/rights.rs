//! Who may call what: every route of the table of the service, by every role, with a token in every
//! state. `docs/rights.md` has the same table.

mod call;

use super::PASSWORD;
use super::revocation::place::{ACCESS_COOKIE, CSRF_COOKIE, REFRESH_COOKIE};
use super::revocation::scene::Held;
use crate::pages::page;
use crate::support::generated;
use crate::support::http::{Answer, Request};
use crate::support::promise::broken_by;
use crate::support::server::{Client, Server, Setup};
use crate::support::wait::until;
use crate::support::walked::walked;
use call::{CALLS, Call};
use lacre::internals::http::routes::{Access, Media, ROUTES, RouteInfo};
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};

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

/// One account of the role, and what it was given in earlier days.
pub(crate) struct Person {
    pub(crate) role: Role,
    id: String,
    email: String,
    fresh: Held,
    expired: Held,
    ended: Held,
    elsewhere: Held,
}

pub(crate) struct House {
    server: Server,
    shop: Client,
    /// One with users of its own.
    desk: Client,
    people: Vec<Person>,
    /// How many sessions have been named.
    named: AtomicU64,
    /// Somebody else, and a session of theirs.
    another: String,
    anothers: Held,
}

/// Makes an account with a password; its id.
fn add(server: &Server, email: &str, role: Role) -> String {
    let id = server.sign_up(email, PASSWORD).id;
    server.operator(&["users", "set", &id, "--role", role.word()]);
    id
}

impl House {
    /// Starts the service four times on the same data: each time it gives other tokens.
    pub(crate) fn open() -> Self {
        let base = Setup::new()
            .env("LACRE_TOKEN__LOCATIONS", "header,cookie")
            .env("LACRE_SESSION__MAX_PER_USER", "1000");
        let with = |key: &str, value: &str| base.clone().env(key, value).start();
        let server = with("LACRE_TOKEN__ACCESS_TTL", "1s");
        let shop = server.add_client("shop");
        let another = add(&server, "another@example.com", Role::User);
        let mut people: Vec<Person> = Role::ALL
            .iter()
            .map(|role| {
                let email = format!("{}@example.com", role.word());
                Person {
                    role: *role,
                    id: add(&server, &email, *role),
                    email,
                    fresh: Held::default(),
                    expired: Held::default(),
                    ended: Held::default(),
                    elsewhere: Held::default(),
                }
            })
            .collect();
        let give =
            |server: &Server, id: &str, name: &str| Held::of(&server.client_token(&shop, id, name));
        for person in &mut people {
            person.expired = give(&server, &person.id, "expired access");
        }
        let stopped = |mut server: Server| assert!(server.stop().success());
        stopped(server);
        let server = with("LACRE_SESSION__REFRESH_TTL", "1s");
        for person in &mut people {
            person.expired.refresh = give(&server, &person.id, "expired refresh").refresh;
        }
        stopped(server);
        let server = with("LACRE_TOKEN__AUDIENCE", "elsewhere");
        for person in &mut people {
            person.elsewhere = give(&server, &person.id, "elsewhere");
            server.accepts(&person.elsewhere.auth);
        }
        stopped(server);
        let server = base.start();
        for person in &mut people {
            person.ended = give(&server, &person.id, "ended");
            let logged_out = server.call("POST", "/logout", &person.ended.auth);
            logged_out.expect(204);
            for (target, token) in [
                ("/headers", &person.expired.auth),
                ("/refresh", &person.expired.refresh),
            ] {
                let method = if target == "/refresh" { "POST" } else { "GET" };
                until("the token expires", || {
                    let answer = server.call(method, target, token);
                    (answer.status == 401).then_some(())
                });
            }
        }
        Self {
            desk: server.add_vouching("desk"),
            anothers: give(&server, &another, "another's"),
            another,
            people,
            named: AtomicU64::new(0),
            server,
            shop,
        }
    }

    /// The people, for a walk that changes what they hold.
    pub(crate) fn people_out(&mut self) -> Vec<Person> {
        std::mem::take(&mut self.people)
    }

    /// Stops the server and leaves the deployment.
    pub(crate) fn stop(mut self) -> Setup {
        assert!(self.server.stop().success());
        self.server.setup().clone()
    }

    /// A new session of the person, begun by a back end and refreshed: not fresh, with the value
    /// against forgery.
    fn good(&self, person: &Person) -> Held {
        let name = format!("good {}", self.named.fetch_add(1, Ordering::Relaxed));
        let begun = Held::of(&self.server.client_token(&self.shop, &person.id, &name));
        Held::of(&self.server.call("POST", "/refresh", &begun.refresh))
    }

    /// A session of a client's user of whom it says the role of this person, and that a password was proven.
    fn own_user(&self, role: Role) -> Held {
        let body = serde_json::json!({"id": "ada", "roles": [role.word()], "fresh": true});
        Held::of(&self.server.by(&self.desk, "POST", "/getToken", body))
    }

    /// The tokens for a request in this state.
    pub(crate) fn held(&self, person: &mut Person, state: State) -> Held {
        match state {
            State::NoToken => self.anothers.clone(), // for the path alone
            State::Good | State::OtherKind | State::Cookie | State::CookieAlone => {
                self.good(person)
            }
            State::OfAnother => Held {
                crt: self.anothers.crt.clone(),
                ..self.good(person)
            },
            State::OwnUser => self.own_user(person.role),
            State::Fresh => {
                let token = &person.fresh.auth;
                if token.is_empty() || self.server.call("GET", "/headers", token).status != 200 {
                    let answer = self.server.try_get_token(&person.email, PASSWORD);
                    person.fresh = Held::of(&answer);
                }
                person.fresh.clone()
            }
            State::Expired => person.expired.clone(),
            State::Ended => person.ended.clone(),
            State::WrongAudience => person.elsewhere.clone(),
        }
    }

    fn ask(&self, route: &RouteInfo, call: &Call, state: State, held: &Held) -> Answer {
        let wants_refresh = (route.access == Access::Refresh) != (state == State::OtherKind);
        let (token, cookie) = if wants_refresh {
            (&held.refresh, REFRESH_COOKIE)
        } else {
            (&held.auth, ACCESS_COOKIE)
        };
        let target = route
            .pattern
            .replace("{crt}", &held.crt)
            .replace("{id}", call.user.unwrap_or(&self.another));
        let mut request = Request::new(route.method.as_str(), &target);
        if let Some(body) = call.body {
            request = request.json(serde_json::from_str::<Value>(body).unwrap());
        }
        request = match state {
            State::NoToken => request,
            State::Cookie => request
                .header(
                    "Cookie",
                    &format!("{cookie}={token}; {CSRF_COOKIE}={}", held.csrf),
                )
                .header("X-CSRF-TOKEN", &held.csrf),
            // As the browser sends it for another site's page that it doesn't name.
            State::CookieAlone => request.header(
                "Cookie",
                &format!("{cookie}={token}; {CSRF_COOKIE}={}", held.csrf),
            ),
            State::Good
            | State::Fresh
            | State::OtherKind
            | State::Expired
            | State::Ended
            | State::WrongAudience
            | State::OfAnother
            | State::OwnUser => request.bearer(token),
        };
        self.server.send(&request)
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
