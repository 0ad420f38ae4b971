//! Keys rotate while people work, and the server is killed in the middle of it: no request fails, nobody is
//! logged out, and whoever was logged out stays so.

use super::PASSWORD;
use crate::support::http::{Answer, Connection, Request};
use crate::support::server::{Account, Client, Server, Setup, Token};
use crate::support::wait::until;
use serde_json::{Value, json};
use std::io;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// How often the server is killed in the middle of a rotation.
const KILLS: u64 = 4;
const WORKERS: usize = 3;
/// Sessions that nobody uses, so that there is something to seal anew.
const ASLEEP: usize = 600;

struct Load<'a> {
    shop: &'a Client,
    user: &'a Account,
    /// Where the server is now.
    address: Mutex<SocketAddr>,
    over: AtomicBool,
    served: AtomicUsize,
}

/// One that works with the server: what it holds, and what must be noise.
#[derive(Default)]
struct Worker {
    name: usize,
    steps: usize,
    live: Vec<Token>,
    /// A session whose refresh was under way when the server died: it is asked for again.
    refreshing: Option<Token>,
    noise: Vec<String>,
}

impl Worker {
    fn work(mut self, load: &Load<'_>) -> Self {
        while !load.over.load(Ordering::SeqCst) {
            let address = *load.address.lock().unwrap();
            let Ok(mut connection) = Connection::open(address) else {
                std::thread::sleep(Duration::from_millis(10));
                continue;
            };
            while !load.over.load(Ordering::SeqCst) && self.step(load, &mut connection).is_ok() {
                load.served.fetch_add(1, Ordering::SeqCst);
            }
        }
        self
    }

    /// A request and its answer, which is the right one; an error where the server died.
    fn step(&mut self, load: &Load<'_>, connection: &mut Connection) -> io::Result<()> {
        self.steps += 1;
        if self.refreshing.is_some() {
            return self.refresh(connection);
        }
        let place = self.steps.checked_rem(self.live.len()).unwrap_or(0);
        match self.steps % 9 {
            0 | 1 if self.live.len() < 40 => {
                let name = format!("{}-{}", self.name, self.steps);
                let body = json!({"id": load.user.id, "user_session": name});
                let request = Request::post("/getToken");
                let request = request.basic(&load.shop.id, &load.shop.secret).json(body);
                self.live.push(Token::of(&connection.send(&request)?));
            }
            2 if !self.live.is_empty() => {
                self.refreshing = Some(self.live.swap_remove(place));
                self.refresh(connection)?;
            }
            3 if self.live.len() > 20 => {
                let token = self.live.swap_remove(place);
                let target = format!("/sessions/{}", token.crt);
                let request = Request::delete(&target).bearer(&token.auth);
                connection.send(&request)?.expect(204);
                self.noise.push(token.auth);
            }
            4 if !self.noise.is_empty() => {
                let noise = &self.noise[self.steps % self.noise.len()];
                headers(connection, noise)?.refused(401, "invalid_token");
            }
            _ if !self.live.is_empty() => {
                headers(connection, &self.live[place].auth)?.expect(200);
            }
            _ => {}
        }
        Ok(())
    }

    fn refresh(&mut self, connection: &mut Connection) -> io::Result<()> {
        let Some(token) = &self.refreshing else {
            return Ok(());
        };
        let refresh = token.refresh.as_deref().unwrap();
        let answer = connection.send(&Request::post("/refresh").bearer(refresh))?;
        self.live.push(Token::of(&answer));
        self.refreshing = None;
        Ok(())
    }
}

fn headers(connection: &mut Connection, token: &str) -> io::Result<Answer> {
    connection.send(&Request::get("/headers").bearer(token))
}

fn status(server: &Server) -> Value {
    serde_json::from_str(&server.operator(&["keys", "status", "--json"])).unwrap()
}

/// Everything is under the newest key, and no other is there.
fn is_one_again(server: &Server) -> u64 {
    until("one master key is left", || {
        let shown = status(server);
        let masters = shown["master"].as_array().unwrap();
        (masters.len() == 1).then(|| masters[0]["id"].as_u64().unwrap())
    })
}

#[test]
fn keys_rotate_under_load_and_a_kill_in_the_middle_loses_nothing() {
    let setup = Setup::new().config("[session]\nmax_per_user = 10000\n");
    let mut server = setup.start();
    let user = server.sign_up("ada@example.com", PASSWORD);
    let shop = server.add_client("shop");
    let asleep: Vec<Token> = (0..ASLEEP)
        .map(|number| Token::of(&server.client_token(&shop, &user.id, &format!("asleep-{number}"))))
        .collect();
    let load = Load {
        shop: &shop,
        user: &user,
        address: Mutex::new(server.public),
        over: AtomicBool::new(false),
        served: AtomicUsize::new(0),
    };
    let workers = std::thread::scope(|scope| {
        let load = &load;
        let workers: Vec<_> = (0..WORKERS)
            .map(|name| {
                let worker = Worker {
                    name,
                    ..Worker::default()
                };
                scope.spawn(move || worker.work(load))
            })
            .collect();
        let serves_on = |some: usize| {
            let before = load.served.load(Ordering::SeqCst);
            until("requests are served", || {
                (load.served.load(Ordering::SeqCst) >= before + some).then_some(())
            });
        };
        serves_on(200);
        let rotated = server.operator(&["keys", "rotate", "--json"]);
        let rotated: Value = serde_json::from_str(&rotated).unwrap();
        assert_eq!(
            (&rotated["master"]["id"], &rotated["master"]["removed"]),
            (&json!(2), &json!([1]))
        );
        assert!(rotated["master"]["rewrapped"].as_u64().unwrap() >= ASLEEP as u64);
        serves_on(200);

        let mut newest = is_one_again(&server);
        for kill in 0..KILLS {
            let mut rotation = setup
                .lacre(["keys", "rotate", "--master"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_millis(20 + 40 * kill));
            server.kill9();
            rotation.wait().unwrap();
            server.restart();
            *load.address.lock().unwrap() = server.public;
            serves_on(50);
            let after = is_one_again(&server);
            assert!(
                (newest..=newest + 1).contains(&after),
                "{after} after {newest}"
            );
            newest = after;
            server.operator(&["keys", "rotate", "--signing"]);
            serves_on(50);
        }
        load.over.store(true, Ordering::SeqCst);
        let done = workers.into_iter().map(|worker| worker.join().unwrap());
        done.collect::<Vec<_>>()
    });
    let shown = status(&server);
    assert_eq!(
        shown["signing"].as_array().unwrap().len(),
        2 + usize::try_from(KILLS).unwrap()
    );
    assert_eq!(shown["master"][0]["records"], shown_records(&server));
    let file = std::fs::read_to_string(server.data().join("master.key")).unwrap();
    assert_eq!(file.lines().count(), 1);
    for token in asleep
        .iter()
        .chain(workers.iter().flat_map(|worker| &worker.live))
    {
        server.accepts(&token.auth);
    }
    for noise in workers.iter().flat_map(|worker| &worker.noise) {
        server.refuses(noise);
    }
    let verified = server.operator(&["keystore", "verify"]);
    assert!(
        verified.ends_with(" 0 damaged; the digest of all agrees\n"),
        "{verified}"
    );
}

fn shown_records(server: &Server) -> Value {
    let stats = server.operator(&["keystore", "stats", "--json"]);
    let stats: Value = serde_json::from_str(&stats).unwrap();
    stats["records"].clone()
}
