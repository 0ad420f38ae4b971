//! The time of a refused log-in, over HTTP and with the hash that a service has (threat:
//! account-enumeration): the quick look of every run. `make bench-oracle` takes a thousand times as many
//! samples and sees a thousandth of the difference.

use super::PASSWORD;
use crate::support::http::{Connection, Request};
use crate::support::server::Setup;
use serde_json::json;
use std::time::{Duration, Instant};

/// Samples of each reason. As many show a difference of a twentieth of a hash where times scatter by a
/// twentieth; a hash that is left out shows at five.
const SAMPLES: usize = 80;
/// Accounts of each reason.
const ACCOUNTS: usize = 4;
/// How far apart the ranks of two sets may lie, in standard deviations: by chance alone, whatever the times
/// are like, beyond this once in two million comparisons.
const BOUND: f64 = 5.0;

/// Mann and Whitney's U in standard deviations from what is due for two sets of one kind. It asks only
/// which of two times is the longer one, so outliers of a busy machine weigh no more than others.
fn distance(one: &[Duration], two: &[Duration]) -> f64 {
    let count = |number: usize| f64::from(u32::try_from(number).unwrap());
    let longer = one
        .iter()
        .flat_map(|a| two.iter().map(move |b| (a > b, a == b)))
        .map(|(longer, equal)| f64::from(u8::from(longer)) + f64::from(u8::from(equal)) / 2.0)
        .sum::<f64>();
    let (n, m) = (count(one.len()), count(two.len()));
    (longer - n * m / 2.0) / (n * m * (n + m + 1.0) / 12.0).sqrt()
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    times[times.len() / 2]
}

#[test]
fn the_distance_tells_sets_apart_and_not_what_is_one() {
    let times = |from: u64| {
        (from..from + 100)
            .map(Duration::from_millis)
            .collect::<Vec<_>>()
    };
    assert!(distance(&times(0), &times(0)).abs() < 0.01);
    assert!(distance(&times(0), &times(10)).abs() < BOUND);
    assert!(distance(&times(0), &times(60)) < -BOUND);
    assert!(distance(&times(100), &times(0)) > 10.0);
}

#[test]
fn the_time_of_a_refused_log_in_does_not_tell_its_reason() {
    let server = Setup::new()
        .env("LACRE_LIMITS__LOGIN_PER_ADDRESS", "off")
        .env("LACRE_LIMITS__LOGIN_PER_ACCOUNT", "off")
        .start();
    let reasons = ["wrong", "unknown", "disabled"];
    let email = |reason: usize, number: usize| format!("{}{number}@example.com", reasons[reason]);
    for number in 0..ACCOUNTS {
        server.sign_up(&email(0, number), PASSWORD);
        server.sign_up(&email(2, number), PASSWORD);
        server.operator(&["users", "disable", &email(2, number)]);
    }
    let mut times = [const { Vec::new() }; 3];
    let mut connection = Connection::open(server.public).unwrap();
    for round in 0..SAMPLES {
        // In turns and each time in another order: what the machine does besides meets all of them.
        for turn in 0..3 {
            let reason = [turn, (turn + 1) % 3, (turn + 2) % 3, (4 - turn) % 3][round % 4];
            // With the right password nothing but that it is disabled refuses an account.
            let password = if reason == 2 {
                PASSWORD
            } else {
                "a wrong password"
            };
            let body = json!({"email": email(reason, round / 4 % ACCOUNTS), "password": password});
            let request = Request::post("/getToken").json(body);
            let begun = Instant::now();
            let answer = connection.send(&request).unwrap();
            let taken = begun.elapsed();
            answer.refused(401, "invalid_credentials");
            times[reason].push(taken);
        }
    }
    for (one, two) in [(0, 1), (0, 2), (1, 2)] {
        let apart = distance(&times[one], &times[two]);
        let said = format!(
            "{} {:?} | {} {:?}: {apart:.1}",
            reasons[one],
            median(&times[one]),
            reasons[two],
            median(&times[two])
        );
        println!("{said}");
        assert!(apart.abs() < BOUND, "{said}");
    }
}
