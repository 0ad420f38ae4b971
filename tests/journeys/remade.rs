//! An account that is deleted and made again under its id, while its old owner's change of password is
//! under way: the old owner's password never opens the new account.

use super::PASSWORD;
use super::races::rounds;
use crate::support::http::{Connection, Request};
use crate::support::server::Server;
use serde_json::json;
use std::time::Duration;

const OLD_OWNERS: &str = "the old owner's next password";
const NEW_OWNERS: &str = "the new owner's own password";

struct House {
    server: Server,
    root: String,
}

impl House {
    fn open() -> Self {
        let server = Server::start();
        server.sign_up("root@example.com", PASSWORD);
        server.operator(&["users", "set", "root@example.com", "--role", "admin"]);
        let root = server.get_token("root@example.com", PASSWORD).auth;
        Self { server, root }
    }

    fn make(&self, id: &str, password: &str) -> u16 {
        let email = format!("{id}@example.com");
        let body = json!({"id": id, "email": email, "password": password});
        let request = Request::post("/admin/users").bearer(&self.root).json(body);
        self.server.send(&request).status
    }

    fn make_again(&self, id: &str) {
        let target = format!("/admin/users/{id}");
        let gone = self.server.call("DELETE", &target, &self.root);
        assert_eq!(gone.status, 204, "{gone:?}");
        assert_eq!(self.make(id, NEW_OWNERS), 201);
    }

    /// The old owner's change of password.
    fn change(&self, id: &str) -> Request {
        assert_eq!(self.make(id, PASSWORD), 201);
        let token = self
            .server
            .get_token(&format!("{id}@example.com"), PASSWORD)
            .auth;
        self.server.accepts(&token);
        let body = json!({"current": PASSWORD, "new": OLD_OWNERS});
        let request = Request::new("PUT", "/me/password").bearer(&token);
        request.json(body)
    }

    /// Demands that the account is the new owner's alone.
    fn is_the_new_owners(&self, id: &str) {
        let email = format!("{id}@example.com");
        for old in [OLD_OWNERS, PASSWORD] {
            let refused = self.server.try_get_token(&email, old);
            refused.refused(401, "invalid_credentials");
        }
        self.server.get_token(&email, NEW_OWNERS);
    }
}

#[test]
fn no_password_that_was_half_sent_opens_the_account_made_again() {
    let house = House::open();
    let rounds = rounds(5, 50);
    for round in 0..rounds {
        let id = format!("half{round}");
        let change = house.change(&id);
        let mut connection = Connection::open(house.server.public).unwrap();
        let second = connection.write_half(&change);
        house.make_again(&id);
        assert!(connection.is_silent(), "the head was refused");
        connection.write(&second).unwrap();
        let answer = connection.answer(false).unwrap();
        answer.refused(401, "invalid_token");
        house.is_the_new_owners(&id);
    }
    println!("{rounds} accounts made again while half a change was there: none got the password");
}

#[test]
fn no_password_that_waits_for_its_hash_opens_the_account_made_again() {
    let house = House::open();
    house.server.sign_up("busy@example.com", PASSWORD);
    let (rounds, mut refused) = (rounds(5, 50), 0);
    for round in 0..rounds {
        let id = format!("waits{round}");
        let change = house.change(&id);
        // Log-ins before it in the queue, so that it waits.
        let body = json!({"email": "busy@example.com", "password": PASSWORD});
        let busy = Request::post("/getToken").json(body).bytes();
        let mut waiting: Vec<_> = (0..6)
            .map(|_| {
                let mut connection = Connection::open(house.server.public).unwrap();
                connection.write(&busy).unwrap();
                connection
            })
            .collect();
        let mut connection = Connection::open(house.server.public).unwrap();
        connection.write(&change.bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(u64::try_from(round % 5).unwrap() * 5));
        house.make_again(&id);
        let answer = connection.answer(false).unwrap();
        // 204 where it was through before the account was deleted.
        assert!(matches!(answer.status, 204 | 401), "{answer:?}");
        refused += usize::from(answer.status == 401);
        for connection in &mut waiting {
            connection.answer(false).unwrap().expect(200);
        }
        house.is_the_new_owners(&id);
    }
    println!(
        "{rounds} accounts made again, {refused} while the change waited: none got the password"
    );
}
