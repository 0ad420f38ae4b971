//! A client's deletion while it begins sessions for users of its own: nothing that it was given is left open.

use super::rounds;
use crate::support::http::{Connection, Request};
use crate::support::server::{Client, Server, Setup, Token};
use crate::support::wait::until;
use rand::rngs::{StdRng, SysRng};
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Who begins sessions at once, each for a user of its own and for one of all.
const BACK_ENDS: usize = 8;

/// The tokens that one connection was given until the client was no client any more; whether one was
/// given after the deletion was answered.
fn begun(
    server: &Server,
    client: &Client,
    number: usize,
    deleted: &AtomicBool,
    given: &AtomicUsize,
) -> (Vec<Token>, bool) {
    let mut connection = Connection::open(server.public).unwrap();
    let (mut tokens, mut late) = (Vec::new(), false);
    for turn in 0.. {
        let id = if turn % 2 == 0 {
            "all".to_owned()
        } else {
            format!("user{number}")
        };
        let request = Request::post("/getToken").basic(&client.id, &client.secret);
        let after = deleted.load(Ordering::SeqCst);
        let answer = connection
            .send(&request.json(json!({"id": id, "fresh": true})))
            .unwrap();
        if answer.status == 200 {
            late |= after;
            tokens.push(Token::of(&answer));
            given.fetch_add(1, Ordering::SeqCst);
        } else {
            answer.refused(401, "invalid_client");
            break;
        }
    }
    (tokens, late)
}

#[test]
fn a_client_that_is_deleted_while_it_begins_sessions_leaves_none_open() {
    let server = Setup::new()
        .gateway("[service.all]\nclients = [\"shop\"]")
        // Sessions that are pushed out by the next would end without the deletion.
        .env("LACRE_SESSION__MAX_PER_USER", "10000")
        .start();
    let desk = server.add_vouching("desk");
    let spared = server.vouched(&desk, json!({"id": "all"}));
    let mut dice = StdRng::try_from_rng(&mut SysRng).unwrap();
    let mut all = 0;
    for round in 0..rounds(5, 200) {
        let client = server.add_vouching("shop");
        let (deleted, given) = (AtomicBool::new(false), AtomicUsize::new(0));
        let start = Barrier::new(BACK_ENDS + 1);
        let begun: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..BACK_ENDS)
                .map(|number| {
                    let (server, client, start) = (&server, &client, &start);
                    let (deleted, given) = (&deleted, &given);
                    scope.spawn(move || {
                        start.wait();
                        begun(server, client, number, deleted, given)
                    })
                })
                .collect();
            start.wait();
            let enough = dice.random_range(0..3 * BACK_ENDS);
            let some = || (given.load(Ordering::SeqCst) >= enough).then_some(());
            until("some sessions begin", some);
            server.operator(&["clients", "delete", &client.id]);
            deleted.store(true, Ordering::SeqCst);
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        for (tokens, late) in begun {
            assert!(
                !late,
                "round {round}: a session was given after the deletion"
            );
            for token in &tokens {
                server.refuses(&token.auth);
                server.refresh(token).refused(401, "invalid_token");
                let asked = Request::get("/authz/all").bearer(&token.auth);
                assert_eq!(server.ask(&asked).status, 401, "round {round}");
            }
            all += tokens.len();
        }
        // Nor one whose token nobody got.
        for id in (0..BACK_ENDS)
            .map(|number| format!("user{number}"))
            .chain(["all".to_owned()])
        {
            let user = format!("{}/{id}", client.id);
            let listed = server.operator(&["keystore", "list", "--json", "--user", &user]);
            let listed: Value = serde_json::from_str(&listed).unwrap();
            assert_eq!(listed["sessions"], json!([]), "round {round}");
        }
    }
    assert!(
        all > BACK_ENDS,
        "only {all} sessions were begun before a deletion"
    );
    assert_eq!(
        server.sessions(&spared.auth).len(),
        1,
        "another client's user"
    );
    println!("{all} sessions were begun while their client was deleted, and none is left");
}
