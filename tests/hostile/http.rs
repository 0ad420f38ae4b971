//! The attacks against a running service: from outside, every cause is one answer.
//!
//! The attacker here has what nobody should: the session's private key and the signing key, taken
//! out of a stopped service with its master key. So each token is bad for its own reason only, and
//! that reason must be in the log and nowhere in the answer.

use super::attacks::{self, Case};
use super::builder::{Forge, key_of};
use crate::support::http::{Answer, Connection, Request};
use crate::support::server::{Server, Setup};
use lacre::clock::{Clock as _, SystemClock};
use lacre::data_dir::{DataDir, MasterKeyFile, read_secret};
use lacre::entropy;
use lacre::handles::Handles;
use lacre::token::Handle;
use lacre_keystore::{Keystore, MasterKey, MasterKeyRing, SledEngine};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Every case a hundred times with `LACRE_TEST_FULL=1`, else once.
fn rounds() -> usize {
    #[allow(clippy::disallowed_methods)] // how long a test may take is the tester's choice
    let full = std::env::var_os("LACRE_TEST_FULL").is_some();
    if full { 100 } else { 1 }
}

/// A service with one session, all of whose keys the attacker has.
struct Robbed {
    server: Server,
    forge: Forge,
}

impl Robbed {
    fn new() -> Self {
        let setup = Setup::new().env("RUST_LOG", "info");
        let mut server = setup.start();
        let account = server.sign_up("ada@example.com", "correct horse battery");
        let token = server.get_token("ada@example.com", "correct horse battery");
        assert!(server.stop().success());
        let forge = forge(&setup, &account.id, &token.crt);
        server.restart();
        server.accepts(&forge.token());
        Self { server, forge }
    }

    /// The attacks that a header can carry and that don't depend on this very second.
    fn attacks(&self) -> Vec<Case> {
        let mut cases = attacks::all(&self.forge);
        cases.retain(|case| {
            !case.token.is_empty()
                && case.token.len() < 60_000
                && case.token.iter().all(u8::is_ascii_graphic)
                && (case.due != "token_expired" || case.name.ends_with("in 1970"))
                && (case.due != "token_not_yet_valid" || case.name.ends_with("2^53 - 1"))
        });
        // Without a store any handle is as good as another; here no session has this one.
        let unknown = cases
            .iter_mut()
            .find(|case| case.name == "another handle outside");
        unknown.unwrap().due = "session_unknown";
        cases
    }
}

fn forge(setup: &Setup, user: &str, handle: &str) -> Forge {
    let data_dir = DataDir::open(setup.data()).unwrap();
    let mut rng = (entropy::system())();
    let master = MasterKeyFile::open(&data_dir.master_key(), &mut rng).unwrap();
    let (id, key) = master.keys().next_back().unwrap();
    let masters = MasterKeyRing::new(MasterKey::from_bytes(id, *key));
    let sealed = read_secret(&data_dir.keyring()).unwrap().unwrap();
    let keys = masters.open_bytes(b"lacre keyring v1", &sealed).unwrap();
    let (handle_secret, scalars) = keys.split_first_chunk::<32>().unwrap();

    let place = Handles::new(handle_secret).record_key(&Handle::parse(handle).unwrap());
    let engine = SledEngine::open(data_dir.keystore()).unwrap();
    let keystore = Keystore::open(engine, masters, rand::rngs::SysRng).unwrap();
    let record = keystore.get(&place.unwrap()).unwrap().unwrap().record;
    assert_eq!(record.user_id, user);
    let now = SystemClock::default().now();
    Forge::of_session(
        key_of(record.private_scalar.expose()),
        key_of(&scalars[..32]),
        json!({
            "iss": crate::support::server::ISSUER, "sub": user, "aud": "lacre", "iat": now - 10,
            "exp": now + 3600, "jti": "t1", "sid": handle, "gen": record.generation, "id": user,
            "email": "ada@example.com", "role": "user", "roles": ["user"],
            "permissions": ["read"], "fresh": true, "auth_time": now - 10,
        }),
    )
}

#[test]
fn every_cause_is_one_answer_and_the_log_has_the_true_one() {
    let mut robbed = Robbed::new();
    let cases = robbed.attacks();
    let mut connection = Connection::open(robbed.server.public).unwrap();
    let mut send = |token: &[u8]| {
        let token = std::str::from_utf8(token).unwrap();
        let request = Request::get("/me").bearer(token);
        connection.send(&request).unwrap()
    };
    let mut answers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut due: Vec<(String, &Case)> = Vec::new();
    for _ in 0..rounds() {
        for case in &cases {
            let answer = send(&case.token);
            due.push((answer.header("x-request-id").unwrap().to_owned(), case));
            let told = told(&answer);
            answers.entry(told).or_default().push(case.name.clone());
        }
    }
    assert_eq!(send(robbed.forge.token().as_bytes()).status, 200);
    assert_eq!(answers.len(), 1, "{:#?}", answers.keys());
    let (told, _) = answers.pop_first().unwrap();
    assert!(told.starts_with("401 "), "{told}");
    assert!(
        told.contains(r#"Bearer realm=\"lacre\", error=\"invalid_token\""#),
        "{told}"
    );

    assert!(robbed.server.stop().success());
    let log = robbed.server.written();
    let lines: BTreeMap<&str, &str> = log
        .lines()
        .filter_map(|line| Some((line.split_once("request_id=")?.1.split(' ').next()?, line)))
        .collect();
    for (id, case) in &due {
        let line = lines.get(id.as_str()).copied().unwrap_or_default();
        assert!(
            line.contains(&format!("code={}", case.due)),
            "{}: {line}",
            case.name
        );
    }
    let codes: BTreeSet<&str> = cases.iter().map(|case| case.due).collect();
    println!(
        "{} answers to {} attacks with {} codes: one",
        due.len(),
        cases.len(),
        codes.len()
    );
    assert!(cases.len() > 500, "only {} attacks", cases.len());
}

/// All of an answer: status, names and values of the header in their order, body. The request id
/// and the date have a fixed length, and their values are left out.
fn told(answer: &Answer) -> String {
    let id = answer.header("x-request-id").unwrap().len();
    let masked = answer.without_id();
    let length = answer.body.len();
    format!(
        "{} {id} {length} {:?} {}",
        masked.status,
        masked.headers,
        masked.text()
    )
}

#[test]
fn an_unknown_handle_is_the_same_answer_as_a_bad_tag() {
    use super::attacks::edit::{flip, set};
    use super::builder::Stage;
    let robbed = Robbed::new();
    let answer = |token: &[u8]| {
        let token = std::str::from_utf8(token).unwrap();
        told(&robbed.server.send(&Request::get("/me").bearer(token)))
    };
    let bad_tag = answer(&robbed.forge.with(Stage::Tag, flip(0)));
    for other in ["h", &"A".repeat(43), &"_".repeat(128), "not-of-our-form"] {
        let token = robbed
            .forge
            .with(Stage::Header, set("kid", &format!("{other:?}")));
        assert_eq!(answer(&token), bad_tag, "{other}");
    }
}

#[test]
fn a_token_counts_only_where_it_is_looked_for() {
    let server = Server::start();
    server.sign_up("ada@example.com", "correct horse battery");
    let token = server
        .get_token("ada@example.com", "correct horse battery")
        .auth;
    server.accepts(&token);
    let bearer = format!("Bearer {token}");
    let none = told(&server.send(&Request::get("/me")));
    assert!(
        none.contains(r#"("www-authenticate", "Bearer realm=\"lacre\"")"#),
        "{none}"
    );
    for (place, request) in [
        (
            "a cookie",
            Request::get("/me").header("Cookie", &format!("__Host-lacre_access={token}")),
        ),
        (
            "a cookie of another name",
            Request::get("/me").header("Cookie", &format!("token={token}")),
        ),
        ("the query", Request::get(&format!("/me?token={token}"))),
        (
            "the query, after RFC 6750",
            Request::get(&format!("/me?access_token={token}")),
        ),
        (
            "another header",
            Request::get("/me").header("X-Authorization", &bearer),
        ),
        (
            "the proxy's header",
            Request::get("/me").header("Proxy-Authorization", &bearer),
        ),
        (
            "another scheme",
            Request::get("/me").header("Authorization", &format!("Token {token}")),
        ),
        (
            "no scheme",
            Request::get("/me").header("Authorization", &token),
        ),
    ] {
        assert_eq!(told(&server.send(&request)), none, "{place}");
    }
    for (twice, other) in [
        ("the same", bearer.as_str()),
        ("another", "Bearer x"),
        ("Basic", "Basic YTpi"),
    ] {
        for turned in [false, true] {
            let (one, two) = if turned {
                (other, &*bearer)
            } else {
                (&*bearer, other)
            };
            let request = Request::get("/me")
                .header("Authorization", one)
                .header("Authorization", two);
            server.send(&request).refused(400, "invalid_request");
            println!("two headers, {twice}: 400");
        }
    }
}
