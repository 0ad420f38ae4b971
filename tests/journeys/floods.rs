//! Requests that anybody can make without end, beside honest ones: they take their own time, not
//! everybody else's.
//!
//! The bounds compare medians of one run, so that a slow or busy machine changes both sides.

use super::PASSWORD;
use crate::support::http::{Connection, Request};
use crate::support::server::{Server, Setup};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Requests of a flood that wait for an answer at any time.
const AT_ONCE: usize = THREADS * EACH;
const THREADS: usize = 4;
const EACH: usize = 8;
/// Honest calls that are timed.
const CALLS: usize = 300;
/// The same where each waits for whole bodies.
const FEW_CALLS: usize = 50;

/// One worker, so that a flood can't leave another one free.
fn one_worker() -> Setup {
    Setup::new().env("LACRE_SERVER__WORKERS", "1")
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Requests that are refused, always as many on their way.
struct Flood {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<Duration>>>,
}

impl Flood {
    fn of(address: SocketAddr, request: &Request, status: u16) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let thread = |_| {
            let (stop, bytes) = (Arc::clone(&stop), request.bytes());
            std::thread::spawn(move || flood(address, &bytes, status, &stop))
        };
        Self {
            threads: (0..THREADS).map(thread).collect(),
            stop,
        }
    }

    /// How long each of its requests has taken.
    fn ended(self) -> Vec<Duration> {
        self.stop.store(true, Ordering::Relaxed);
        let threads = self.threads.into_iter();
        threads.flat_map(|thread| thread.join().unwrap()).collect()
    }
}

fn flood(address: SocketAddr, bytes: &[u8], status: u16, stop: &AtomicBool) -> Vec<Duration> {
    let open = |_| Connection::open(address).unwrap();
    let mut connections: Vec<_> = (0..EACH).map(open).collect();
    let mut times = Vec::new();
    let mut begun = [Instant::now(); EACH];
    for connection in &mut connections {
        connection.write(bytes).unwrap();
    }
    while !stop.load(Ordering::Relaxed) {
        for (connection, begun) in connections.iter_mut().zip(&mut begun) {
            let answer = connection.answer(false).unwrap();
            assert_eq!(answer.status, status, "{answer:?}");
            times.push(begun.elapsed());
            *begun = Instant::now();
            connection.write(bytes).unwrap();
        }
    }
    times
}

/// The median of honest calls on a connection that is kept open.
fn honest(server: &Server, call: &Request, calls: usize) -> Duration {
    let mut connection = Connection::open(server.public).unwrap();
    let time = |_| {
        let begun = Instant::now();
        connection.send(call).unwrap().expect(200);
        begun.elapsed()
    };
    median((0..calls).map(time).collect())
}

/// What honest calls take beside a flood, and what the requests of the flood take; both are medians.
fn beside(
    server: &Server,
    (call, calls): (&Request, usize),
    request: &Request,
    status: u16,
) -> [Duration; 2] {
    let flood = Flood::of(server.public, request, status);
    // Until all of them are on their way.
    std::thread::sleep(Duration::from_millis(300));
    let during = honest(server, call, calls);
    let times = flood.ended();
    assert!(times.len() > AT_ONCE, "{}", times.len());
    [during, median(times)]
}

/// A guarded call with a token in use, and a refresh token of the same session with another tag.
fn honest_and_forged(server: &Server) -> (Request, String) {
    server.sign_up("ada@example.com", PASSWORD);
    let token = server.get_token("ada@example.com", PASSWORD);
    let mut forged = token.refresh.unwrap();
    let other = if forged.ends_with('A') { 'B' } else { 'A' };
    let tag = forged.rfind('.').unwrap() + 1;
    forged.replace_range(tag..=tag, &other.to_string());
    (Request::get("/headers").bearer(&token.auth), forged)
}

/// Without turns, a call waits for as many openings as there are forged tokens on their way: fifty times as
/// long as in quiet, and a third of what these themselves take. With them it is four times as long, and a
/// twentieth. Either is proof enough, for a busy machine may spoil one of the two.
#[test]
fn honest_calls_do_not_wait_for_a_flood_of_forged_refresh_tokens() {
    let server = one_worker().start();
    let (call, forged) = honest_and_forged(&server);
    let quiet = honest(&server, &call, CALLS);
    for (method, target) in [
        ("POST", "/refresh"),
        ("POST", "/logout"),
        ("GET", "/headers"),
    ] {
        let request = Request::new(method, target).bearer(&forged);
        let [during, forged] = beside(&server, (&call, CALLS), &request, 401);
        println!("{target}: quiet {quiet:?}, during {during:?}, forged ones {forged:?}");
        assert!(
            during < quiet * 20 || during * 10 < forged,
            "{target}: {quiet:?} {during:?} {forged:?}"
        );
    }
    server.is_well();
}

/// Six thousand members in a form, of which all but the first are not looked at, cost less than one member of
/// the same length: less than half of it by measurement.
#[test]
fn a_form_of_many_members_costs_no_more_than_its_bytes() {
    let server = one_worker().start();
    let (call, _) = honest_and_forged(&server);
    let form = |body: String| {
        Request::post("/getToken")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body)
    };
    let many = |name: &str, value: &str| {
        let mut body = String::new();
        for number in 0.. {
            let member = format!("{name}{number}={value}&");
            if body.len() + member.len() > 58_000 {
                break;
            }
            body.push_str(&member);
        }
        body.pop();
        form(body)
    };
    // One member of the same length, which a log-in doesn't take.
    let one = form(format!("m={}", "x".repeat(57_998)));
    let [beside_one, each] = beside(&server, (&call, FEW_CALLS), &one, 400);
    for request in [many("m", "1"), many("%6d", "%C3%A9"), many("m", "")] {
        let answer = server.send(&request);
        answer.refused(400, "body_too_many_members");
        let [during, many] = beside(&server, (&call, FEW_CALLS), &request, 400);
        println!(
            "one {each:?}, many {many:?}; honest beside one {beside_one:?}, beside many {during:?}"
        );
        assert!(many < each, "{many:?} {each:?}");
        assert!(during < beside_one, "{during:?} {beside_one:?}");
    }
    server.is_well();
}
