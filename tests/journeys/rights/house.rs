//! A service with an account of each role, and tokens in every state.

use super::call::Call;
use super::{Role, State};
use crate::journeys::PASSWORD;
use crate::journeys::revocation::place::{ACCESS_COOKIE, CSRF_COOKIE, REFRESH_COOKIE};
use crate::journeys::revocation::scene::Held;
use crate::support::http::{Answer, Request};
use crate::support::server::{Client, Server, Setup};
use crate::support::wait::until;
use lacre::internals::http::routes::{Access, RouteInfo};
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};

/// One account of the role, and what it was given in earlier days.
pub(crate) struct Person {
    pub(crate) role: Role,
    id: String,
    pub(super) email: String,
    fresh: Held,
    expired: Held,
    ended: Held,
    elsewhere: Held,
}

pub(crate) struct House {
    pub(super) server: Server,
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
    pub(super) fn good(&self, person: &Person) -> Held {
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

    pub(super) fn ask(&self, route: &RouteInfo, call: &Call, state: State, held: &Held) -> Answer {
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
