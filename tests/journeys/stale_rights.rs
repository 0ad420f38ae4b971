//! What is asked for with a body is done by the rights of the moment at which the body has come: the
//! head and half of the body are sent, the caller loses its rights, the other half follows.

use super::PASSWORD;
use super::races::rounds;
use crate::support::http::{Answer, Connection, Request};
use crate::support::server::{Server, Token};
use crate::support::wait;
use serde_json::{Value, json};

const ROOT: &str = "root@example.com";
const NEW_PASSWORD: &str = "wrong horse, right staple";

/// How a caller loses its rights while its body is on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    Disabled,
    Deleted,
    Demoted,
    AllRevoked,
    LoggedOut,
    OwnPassword,
    PasswordSet,
    Refreshed,
}

const LOSSES: [Loss; 8] = [
    Loss::Disabled,
    Loss::Deleted,
    Loss::Demoted,
    Loss::AllRevoked,
    Loss::LoggedOut,
    Loss::OwnPassword,
    Loss::PasswordSet,
    Loss::Refreshed,
];

/// An administrator whose request is under way.
struct Victim {
    id: String,
    email: String,
    token: Token,
}

struct House {
    server: Server,
    root: Token,
}

impl House {
    fn open() -> Self {
        let server = Server::start();
        server.sign_up(ROOT, PASSWORD);
        server.operator(&["users", "set", ROOT, "--role", "admin"]);
        let root = server.get_token(ROOT, PASSWORD);
        Self { server, root }
    }

    fn root(&self, method: &str, target: &str) -> Request {
        Request::new(method, target).bearer(&self.root.auth)
    }

    fn make(&self, id: &str, role: &str) -> String {
        let email = format!("{id}@example.com");
        let body = json!({"id": id, "email": email, "password": PASSWORD, "role": role});
        let request = self.root("POST", "/admin/users").json(body);
        self.server.send(&request).expect(201);
        email
    }

    fn victim(&self, id: &str) -> Victim {
        let email = self.make(id, "admin");
        let token = self.server.get_token(&email, PASSWORD);
        // Known to the worker, so that the guard lets its next request in as soon as the head is there.
        self.server.accepts(&token.auth);
        let id = id.to_owned();
        Victim { id, email, token }
    }

    fn shown(&self, id: &str) -> Option<Value> {
        let answer = self
            .server
            .send(&self.root("GET", &format!("/admin/users/{id}")));
        (answer.status == 200).then(|| answer.json())
    }

    fn happens(&self, loss: Loss, victim: &Victim) {
        let target = format!("/admin/users/{}", victim.id);
        let put = |body: Value| self.root("PUT", &target).json(body);
        let request = match loss {
            Loss::Disabled => put(json!({"active": false})),
            Loss::Deleted => self.root("DELETE", &target),
            Loss::Demoted => put(json!({"roles": ["user"]})),
            Loss::AllRevoked => self.root("DELETE", &format!("{target}/sessions")),
            Loss::LoggedOut => Request::post("/logout").bearer(&victim.token.auth),
            Loss::OwnPassword => {
                let other = self.server.get_token(&victim.email, PASSWORD);
                let change = Request::new("PUT", "/me/password").bearer(&other.auth);
                change.json(json!({"current": PASSWORD, "new": "a password of its own"}))
            }
            Loss::PasswordSet => put(json!({"password": "a password by root"})),
            Loss::Refreshed => {
                let refresh = victim.token.refresh.as_deref().unwrap();
                Request::post("/refresh").bearer(refresh)
            }
        };
        let status = self.server.send(&request).status;
        assert!(matches!(status, 200 | 204), "{loss:?}: {status}");
    }

    /// The events of the request that got this answer.
    fn events(&self, answer: &Answer) -> Vec<String> {
        let id = format!("request_id={}", answer.header("x-request-id").unwrap());
        let of_it = |line: &&str| line.contains("event=") && line.contains(&id);
        let written = self.server.written();
        written.lines().filter(of_it).map(str::to_owned).collect()
    }
}

/// Every route with a body behind a guard, as an administrator that is about to lose its rights would
/// use it.
const ROUTES: [fn(&Victim, &str) -> Request; 5] = [
    |_, other| {
        let body = json!({"email": format!("by-{other}@example.com"), "id": format!("by-{other}"),
            "role": "admin"});
        Request::post("/admin/users").json(body)
    },
    |victim, _| {
        let own = format!("/admin/users/{}", victim.id);
        Request::new("PUT", &own).json(json!({"active": true, "roles": ["admin"]}))
    },
    |_, other| {
        let target = format!("/admin/users/{other}");
        Request::new("PUT", &target).json(json!({"password": NEW_PASSWORD}))
    },
    |_, _| Request::post("/reauth").json(json!({"password": PASSWORD})),
    |_, _| {
        let change = json!({"current": PASSWORD, "new": NEW_PASSWORD});
        Request::new("PUT", "/me/password").json(change)
    },
];

/// Sends the head and half of the body, has something happen, and sends the other half.
fn in_two_halves(server: &Server, request: &Request, meanwhile: impl FnOnce()) -> Answer {
    let mut connection = Connection::open(server.public).unwrap();
    let second = connection.write_half(request);
    meanwhile();
    assert!(connection.is_silent(), "the head was refused");
    connection.write(&second).unwrap();
    connection.answer(false).unwrap()
}

#[test]
fn who_loses_its_rights_while_its_body_comes_does_nothing() {
    let house = House::open();
    let server = &house.server;
    let (mut refused, mut numbers) = (0, 0..);
    for _ in 0..rounds(1, 10) {
        for loss in LOSSES {
            for (route, request) in ROUTES.iter().enumerate() {
                let number = numbers.next().unwrap();
                let victim = house.victim(&format!("victim{number}"));
                let other = format!("other{number}");
                if route == 2 {
                    house.make(&other, "user");
                }
                let before = house.shown(&other);
                let request = request(&victim, &other).bearer(&victim.token.auth);
                let mut after_the_loss = None;
                let answer = in_two_halves(server, &request, || {
                    house.happens(loss, &victim);
                    after_the_loss = house.shown(&victim.id);
                });
                let case = format!("{loss:?}, route {route}: {answer:?}");
                assert_eq!(answer.status, 401, "{case}");
                answer.refused(401, "invalid_token");
                assert_eq!(house.shown(&format!("by-{other}")), None, "{case}");
                assert_eq!(house.shown(&other), before, "{case}");
                assert_eq!(house.shown(&victim.id), after_the_loss, "{case}");
                let events = wait::until("the event of the refusal", || {
                    let events = house.events(&answer);
                    (!events.is_empty()).then_some(events)
                });
                assert!(
                    events.len() == 1 && events[0].contains("event=token_refused"),
                    "{case} {events:?}"
                );
                refused += 1;
            }
        }
    }
    println!("{refused} requests whose caller lost its rights between the halves: all refused");
}

#[test]
fn who_keeps_its_rights_may_send_its_body_in_halves() {
    let house = House::open();
    for (route, request) in ROUTES.iter().enumerate() {
        let victim = house.victim(&format!("victim{route}"));
        let other = format!("other{route}");
        house.make(&other, "user");
        let request = request(&victim, &other).bearer(&victim.token.auth);
        // Another name of the administrator takes no rights.
        let answer = in_two_halves(&house.server, &request, || {
            let target = format!("/admin/users/{}", victim.id);
            let rename = house.root("PUT", &target).json(json!({"name": "Ada"}));
            house.server.send(&rename).expect(200);
        });
        assert!(
            matches!(answer.status, 200 | 201 | 204),
            "{route}: {answer:?}"
        );
    }
}
