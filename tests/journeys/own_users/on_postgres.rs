//! All of this with accounts and clients in `PostgreSQL`.

use crate::support::postgres::Schema;
use std::process::Command;

/// The journeys once more, by this program of tests itself, each deployment in a schema of its own.
#[test]
fn every_journey_of_own_users_is_the_same_with_clients_in_postgresql() {
    if Schema::new().is_none() {
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "journeys::own_users",
            "client_gone",
            "--skip",
            "on_postgres",
            "--test-threads",
            "2",
        ])
        .env("LACRE_TEST_ACCOUNTS", "postgres")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    let last = said
        .lines()
        .rfind(|line| line.starts_with("test result: "))
        .unwrap();
    let count = |what: &str| {
        let before = last.split(what).next().unwrap().trim_end();
        let number = before.rsplit(' ').next().unwrap();
        number.parse::<usize>().unwrap()
    };
    println!("{last}");
    assert!(count(" passed") >= 20 && count(" ignored") == 0, "{said}");
}
