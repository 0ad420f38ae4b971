//! Where sessions live at random: a server, users for one play each, and every token they were
//! given.

use crate::journeys::PASSWORD;
use crate::support::http::Request;
use crate::support::server::{Client, Server, Setup};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

/// `session.max_per_user`.
pub(super) const CAP: usize = 3;

/// Names that a back end gives to a user's sessions.
pub(super) const NAMES: usize = 4;

/// How many users a play has.
pub(super) const USERS: usize = 2;

/// A server that answers an earlier refresh token for longer than any play takes.
pub(super) struct Stage {
    pub(super) server: Server,
    /// The other nodes, where there are several.
    others: Vec<Server>,
    shop: Client,
    admin: String,
}

/// One user of a play.
#[derive(Debug, Clone)]
pub(super) struct User {
    pub(super) id: String,
    email: String,
}

impl Stage {
    pub(super) fn open() -> Self {
        Self::on(vec![Setup::new()])
    }

    /// With a node for each of these.
    pub(super) fn on(nodes: Vec<Setup>) -> Self {
        let nodes = nodes.into_iter().map(|node| {
            node.env("LACRE_REFRESH__GRACE", "5m")
                .env("LACRE_SESSION__MAX_PER_USER", &CAP.to_string())
                .start()
        });
        let mut others: Vec<_> = nodes.collect();
        let server = others.remove(0);
        let shop = server.add_client("shop");
        let made = server.operator(&[
            "users",
            "add",
            "admin@example.com",
            "--role",
            "admin",
            "--json",
        ]);
        let made: Value = serde_json::from_str(&made).unwrap();
        Self {
            server,
            others,
            shop,
            admin: made["id"].as_str().unwrap().to_owned(),
        }
    }

    /// How many nodes there are.
    pub(super) fn nodes(&self) -> usize {
        1 + self.others.len()
    }

    /// One of them.
    pub(super) fn node(&self, number: usize) -> &Server {
        match number {
            0 => &self.server,
            other => &self.others[other - 1],
        }
    }

    /// An access token of the administrator, good for a play.
    pub(super) fn admin(&self) -> String {
        let answer = self
            .server
            .client_token(&self.shop, &self.admin, "admin")
            .expect(200);
        answer.json()["auth"].as_str().unwrap().to_owned()
    }

    /// Users that nobody has seen before.
    pub(super) fn users(&self, admin: &str) -> Vec<User> {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let made = (0..USERS).map(|_| {
            let email = format!("user{}@example.com", MADE.fetch_add(1, Ordering::Relaxed));
            let body = json!({"email": email, "password": PASSWORD});
            let request = Request::post("/admin/users").bearer(admin).json(body);
            let id = self.server.send(&request).expect(201).json()["id"].clone();
            User {
                id: id.as_str().unwrap().to_owned(),
                email,
            }
        });
        made.collect()
    }

    /// A back end asks for the user's session of this name.
    pub(super) fn begins(&self, user: &User, name: usize) -> Request {
        Request::post("/getToken")
            .basic(&self.shop.id, &self.shop.secret)
            .json(json!({"id": user.id, "user_session": name.to_string()}))
    }
}

impl User {
    pub(super) fn logs_in(&self) -> Request {
        Request::post("/getToken").json(json!({"email": self.email, "password": PASSWORD}))
    }

    /// To the same one: what counts is what it ends.
    pub(super) fn changes_password(token: &str) -> Request {
        Request::new("PUT", "/me/password")
            .bearer(token)
            .json(json!({"current": PASSWORD, "new": PASSWORD}))
    }

    /// An administrator changes the account.
    pub(super) fn is_put(&self, admin: &str, change: Value) -> Request {
        Request::new("PUT", &format!("/admin/users/{}", self.id))
            .bearer(admin)
            .json(change)
    }

    /// An administrator ends the user's sessions.
    pub(super) fn is_revoked(&self, admin: &str) -> Request {
        Request::delete(&format!("/admin/users/{}/sessions", self.id)).bearer(admin)
    }
}

/// A choice among the tokens that were given so far.
#[derive(Debug, Clone)]
pub(super) struct Pick {
    index: Index,
    newest: bool,
}

impl Pick {
    pub(super) fn any() -> impl Strategy<Value = Self> {
        (any::<Index>(), prop::bool::weighted(0.7))
            .prop_map(|(index, newest)| Self { index, newest })
    }

    /// Of the sessions whose tokens these are, in the order in which they were given: the place of
    /// any token, or of the newest of any session; `None` where there is none.
    pub(super) fn of(&self, sessions: &[usize]) -> Option<usize> {
        let place = (!sessions.is_empty()).then(|| self.index.index(sessions.len()))?;
        if self.newest {
            sessions.iter().rposition(|one| *one == sessions[place])
        } else {
            Some(place)
        }
    }
}
