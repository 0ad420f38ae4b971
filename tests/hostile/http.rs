//! The attacks against a running service: from outside, every cause is one answer.
//!
//! The attacker here has what nobody should: the session's private key and the signing key, taken
//! out of a stopped service with its master key. So each token is bad for its own reason only, and
//! that reason must be in the log and nowhere in the answer.

use super::attacks::{self, Case};
use super::builder::{Forge, key_of};
use crate::support::http::{Answer, Connection, Request};
use crate::support::robbed::Robbed;
use crate::support::server::{Server, Setup};
use lacre::clock::{Clock as _, SystemClock};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// How often each of thirty causes is compared.
const ROUNDS: usize = 100;

/// What is ahead of the session's record says that the record is of before, and ends the session.
const AHEAD: [&str; 2] = ["generation 2", "generation 9007199254740991"];

/// Every case a hundred times with `LACRE_TEST_FULL=1`, else once.
fn rounds() -> usize {
    #[allow(clippy::disallowed_methods)] // how long a test may take is the tester's choice
    let full = std::env::var_os("LACRE_TEST_FULL").is_some();
    if full { ROUNDS } else { 1 }
}

/// A service with one session, all of whose keys the attacker has.
pub(crate) struct Service {
    pub(crate) server: Server,
    forge: Forge,
}

impl Service {
    fn new() -> Self {
        Self::on(|setup| setup)
    }

    /// The same, started again in another way once the session has begun.
    pub(crate) fn on(again: impl FnOnce(Setup) -> Setup) -> Self {
        let setup = Setup::new()
            .env("RUST_LOG", "info")
            .env("LACRE_TOKEN__LOCATIONS", "header,cookie");
        let mut server = setup.start();
        let account = server.sign_up("ada@example.com", "correct horse battery");
        let token = server.get_token("ada@example.com", "correct horse battery");
        assert!(server.stop().success());
        let forge = forge(&setup, &account.id, &token.crt);
        server.restart();
        server.accepts(&forge.token());
        assert!(server.stop().success());
        let server = again(setup).start();
        Self { server, forge }
    }

    /// The attacks that a header can carry and that don't depend on this very second, and after which the session
    /// is as it was before.
    pub(crate) fn attacks(&self) -> Vec<Case> {
        let mut cases = attacks::all(&self.forge);
        cases.retain(|case| !AHEAD.contains(&case.name.as_str()));
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

pub(crate) fn forge(setup: &Setup, user: &str, handle: &str) -> Forge {
    let robbed = Robbed::of(setup);
    let record = robbed.record(handle);
    assert_eq!(record.user_id, user);
    let now = SystemClock::default().now();
    Forge::of_session(
        key_of(record.private_scalar.expose()),
        key_of(&robbed.signers[0]),
        json!({
            "iss": crate::support::server::ISSUER, "sub": user, "aud": "lacre", "iat": now - 10,
            "exp": now + 3600, "jti": "t1", "sid": handle, "gen": record.generation, "id": user,
            "email": "ada@example.com", "role": "user", "roles": ["user"],
            "permissions": ["read"], "fresh": true, "auth_time": now - 10,
        }),
    )
}

/// One bad token in the header.
fn in_header(token: &str) -> Request {
    Request::get("/me").bearer(token)
}

/// The same as a browser would send it. A cookie ends at `;`, so nothing with one in it gets here.
fn in_cookie(token: &str) -> Request {
    Request::get("/me").header("Cookie", &format!("__Host-lacre_access={token}"))
}

/// Sends each case in `request`'s way and sorts the answers by all that they tell; gives the ids of
/// the requests beside their cases.
fn ask<'a>(
    connection: &mut Connection,
    cases: impl Iterator<Item = &'a Case>,
    request: impl Fn(&str) -> Request,
) -> (BTreeMap<String, usize>, Vec<(String, &'a Case)>) {
    let (mut answers, mut asked) = (BTreeMap::new(), Vec::new());
    for case in cases {
        let token = str::from_utf8(&case.token).unwrap();
        let answer = connection.send(&request(token)).unwrap();
        asked.push((answer.header("x-request-id").unwrap().to_owned(), case));
        *answers.entry(told(&answer)).or_default() += 1;
    }
    (answers, asked)
}

/// The one answer of these.
fn only(answers: &BTreeMap<String, usize>) -> &str {
    assert_eq!(answers.len(), 1, "{:#?}", answers.keys());
    answers.keys().next().unwrap()
}

#[test]
fn every_cause_is_one_answer_and_the_log_has_the_true_one() {
    let service = Service::new();
    let cases = service.attacks();
    let mut server = service.server;
    let mut connection = Connection::open(server.public).unwrap();
    let repeated = || (0..rounds()).flat_map(|_| &cases);
    let (answers, mut due) = ask(&mut connection, repeated(), in_header);
    let told = only(&answers);
    assert!(told.starts_with("401 "), "{told}");
    assert!(
        told.contains(r#"Bearer realm=\"lacre\", error=\"invalid_token\""#),
        "{told}"
    );
    // As a cookie: what can't stand in one is cut off there, and then it is another bad token.
    let whole = |case: &&Case| !case.token.contains(&b';');
    let (in_cookies, asked) = ask(&mut connection, repeated().filter(whole), in_cookie);
    assert_eq!(
        only(&in_cookies),
        told,
        "a cookie is answered like the header"
    );
    due.extend(asked);

    assert!(server.stop().success());
    let log = server.written();
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
        "{} answers to {} attacks with {} codes, in the header and as cookies: one",
        due.len(),
        cases.len(),
        codes.len()
    );
    assert!(cases.len() > 500, "only {} attacks", cases.len());
}

/// Nobody but the service itself makes such a token, unless its keys were stolen.
#[test]
fn a_token_that_is_ahead_of_its_record_is_the_same_answer_and_ends_the_session() {
    for name in AHEAD {
        let service = Service::new();
        let cases = attacks::all(&service.forge);
        let ahead = cases.iter().find(|case| case.name == name).unwrap();
        let other = cases.iter().find(|case| case.name == "generation 0");
        let mut server = service.server;
        server.accepts(&service.forge.token());
        let mut connection = Connection::open(server.public).unwrap();
        let asked = [other.unwrap(), ahead, ahead].into_iter();
        let (answers, asked) = ask(&mut connection, asked, in_header);
        assert!(only(&answers).starts_with("401 "));
        server.refuses(&service.forge.token());
        assert!(server.stop().success());
        let log = server.written();
        for ((id, _), code) in
            asked
                .iter()
                .zip(["token_generation", "token_generation", "session_unknown"])
        {
            let line = log.lines().find(|line| line.contains(id.as_str()));
            assert!(line.unwrap().contains(&format!("code={code}")), "{log}");
        }
    }
}

#[test]
fn thirty_causes_a_hundred_times_each_are_one_answer() {
    let service = Service::new();
    let attacks = service.attacks();
    // One for each threat and reason, so that no two are of one kind.
    let mut causes: BTreeMap<(u8, &str), &Case> = BTreeMap::new();
    for case in &attacks {
        causes.entry((case.threat, case.due)).or_insert(case);
    }
    assert!(causes.len() >= 30, "only {} causes", causes.len());
    let mut connection = Connection::open(service.server.public).unwrap();
    let repeated = (0..ROUNDS).flat_map(|_| causes.values().copied());
    let (answers, asked) = ask(&mut connection, repeated, in_header);
    println!(
        "{} causes, {} answers: {}",
        causes.len(),
        asked.len(),
        only(&answers)
    );
    assert!(only(&answers).starts_with("401 "));
}

/// A proxy hears no more than anybody else: one answer, that of a route of our own.
#[test]
fn every_cause_is_one_answer_at_the_gateway() {
    let service = Service::on(|setup| setup.gateway("[service.wiki]"));
    let cases = service.attacks();
    let mut connection = Connection::open(service.server.gateway()).unwrap();
    let at_gateway = |token: &str| Request::get("/authz/wiki").bearer(token);
    let (answers, asked) = ask(&mut connection, cases.iter(), at_gateway);
    let mut connection = Connection::open(service.server.public).unwrap();
    let (direct, _) = ask(&mut connection, cases.iter().take(1), in_header);
    assert_eq!(only(&answers), only(&direct));
    assert!(asked.len() > 500, "only {} attacks", asked.len());
}

/// Nor does a client that introspects: none of them is active, and that is all.
#[test]
fn every_cause_is_inactive_to_a_client() {
    let service = Service::on(|setup| setup.gateway(""));
    let client = service.server.add_client("api");
    let good = service.forge.token();
    let cases = service.attacks();
    let mut connection = Connection::open(service.server.gateway()).unwrap();
    let asked = |token: &str| {
        let request = Request::post("/oauth2/introspect").form(&[("token", token)]);
        request.basic(&client.id, &client.secret)
    };
    let live = connection.send(&asked(&good)).unwrap();
    assert_eq!(live.expect(200).json()["active"], true);
    // What is longer than any token is a malformed question, whatever it holds.
    let short = cases.iter().filter(|case| case.token.len() <= 8192);
    let (answers, asked) = ask(&mut connection, short, asked);
    let told = only(&answers);
    assert!(told.starts_with("200 "), "{told}");
    assert!(
        told.contains(r#"{\"active\":false}"#) || told.contains(r#"{"active":false}"#),
        "{told}"
    );
    assert!(asked.len() > 500, "only {} attacks", asked.len());
}

/// A request with a bad token and a good one.
type Way<'a> = &'a dyn Fn(&str) -> Request;

/// Two tokens are no question of which is good: nobody is let in, not even by the good one.
#[test]
fn a_doubled_token_is_one_answer_whatever_the_other_is() {
    let service = Service::new();
    let good = service.forge.token();
    let cases = service.attacks();
    let cookie = format!("__Host-lacre_access={good}");
    let mut connection = Connection::open(service.server.public).unwrap();
    let bare = |case: &&Case| !case.token.contains(&b';');
    let ways: [(&str, Way<'_>); 5] = [
        ("two headers", &|token| in_header(token).bearer(&good)),
        ("two headers, the good one first", &|token| {
            in_header(&good).bearer(token)
        }),
        ("header and cookie", &|token| {
            in_header(token).header("Cookie", &cookie)
        }),
        ("cookie and header", &|token| in_cookie(token).bearer(&good)),
        ("two cookies", &|token| {
            in_cookie(token).header("Cookie", &cookie)
        }),
    ];
    let mut all = BTreeMap::new();
    for (way, request) in ways {
        let (answers, asked) = ask(&mut connection, cases.iter().filter(bare), request);
        println!("{way}: {} answers", asked.len());
        all.extend(answers);
    }
    let told = only(&all);
    assert!(
        told.starts_with("400 ") && told.contains("invalid_request"),
        "{told}"
    );
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
    let robbed = Service::new();
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

/// Keys and addresses of keys in a token are never followed, in neither header.
#[test]
fn no_address_in_a_token_is_ever_called() {
    use super::attacks::edit::add;
    use super::builder::Stage;
    let service = Service::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    for name in ["\"jku\"", "\"x5u\""] {
        for stage in [Stage::Header, Stage::InnerHeader] {
            let url = format!("\"http://{address}/keys.json\"");
            let token = service.forge.with(stage, add(name, &url));
            service.server.refuses(str::from_utf8(&token).unwrap());
        }
    }
    listener.set_nonblocking(true).unwrap();
    let called = listener.accept();
    assert_eq!(called.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
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
