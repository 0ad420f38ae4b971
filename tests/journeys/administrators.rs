//! Two administrators who close, demote or delete each other at the same moment: one stays.

use super::PASSWORD;
use crate::support::http::{Answer, Request};
use crate::support::server::Server;
use serde_json::{Value, json};
use std::sync::Barrier;

const NAMES: [&str; 2] = ["ann", "bob"];

/// Both are active administrators with a session of this round.
fn log_in_both(server: &Server) -> [String; 2] {
    NAMES.map(|name| {
        let email = format!("{name}@example.com");
        let known: Vec<Value> = users(server);
        if !known.iter().any(|user| user["id"] == name) {
            let add = ["users", "add", &email, "--id", name, "--password-stdin"];
            server.operator_telling(&add, PASSWORD);
        }
        server.operator(&["users", "set", name, "--role", "admin"]);
        server.operator(&["users", "enable", name]);
        server.get_token(&email, PASSWORD).auth
    })
}

fn users(server: &Server) -> Vec<Value> {
    serde_json::from_str(&server.operator(&["users", "list", "--json"])).unwrap()
}

fn active_administrators(server: &Server) -> usize {
    let is_one = |user: &&Value| user["active"] == true && user["roles"][0] == "admin";
    users(server).iter().filter(is_one).count()
}

fn take(server: &Server, round: usize, token: &str, other: &str) -> Answer {
    let target = format!("/admin/users/{other}");
    let put = |body: Value| Request::new("PUT", &target).bearer(token).json(body);
    server.send(&match round % 3 {
        0 => put(json!({"active": false})),
        1 => put(json!({"roles": ["user"]})),
        _ => Request::delete(&target).bearer(token),
    })
}

#[test]
fn two_who_take_each_others_rights_at_one_moment_leave_one() {
    let server = Server::start();
    let mut told = 0;
    for round in 0..12 {
        let tokens = log_in_both(&server);
        let barrier = Barrier::new(2);
        let answers = std::thread::scope(|scope| {
            let asking = [0, 1].map(|who| {
                let (server, barrier, token) = (&server, &barrier, &tokens[who]);
                scope.spawn(move || {
                    barrier.wait();
                    take(server, round, token, NAMES[1 - who])
                })
            });
            asking.map(|one| one.join().unwrap())
        });
        assert_eq!(active_administrators(&server), 1, "{round}: {answers:?}");
        let done = |answer: &&Answer| matches!(answer.status, 200 | 204);
        assert_eq!(answers.iter().filter(done).count(), 1, "{answers:?}");
        let other = answers.iter().find(|answer| !done(answer)).unwrap();
        match other.status {
            // The guard looked at it before the change was made.
            409 => {
                other.refused(409, "last_administrator");
                told += 1;
            }
            // Its sessions or its rights had gone before the guard looked.
            401 | 403 => {}
            status => panic!("{round}: {status} {answers:?}"),
        }
    }
    println!("12 rounds, {told} of them refused for the last administrator");
}
