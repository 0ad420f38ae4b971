use super::*;
use std::net::IpAddr;

const NOW: Duration = Duration::from_secs(1000);

fn limits(per_address: u32, per_account: u32) -> Limits {
    Limits::new(&LimitSettings {
        login_per_address: minutely(per_address),
        login_per_account: minutely(per_account),
        signup_per_address: minutely(2),
    })
}

fn minutely(count: u32) -> Option<Rate> {
    let period = Duration::from_mins(1);
    (count > 0).then_some(Rate { count, period })
}

fn at(text: &str) -> Subscriber {
    Some(text.parse::<IpAddr>().unwrap()).into()
}

fn begin(
    limits: &Limits,
    now: Duration,
    account: &str,
    address: &str,
) -> Result<Counted, Duration> {
    let mut counted = limits.user_at(now, at(address))?;
    match limits.account_at(now, &mut counted, account, at(address)) {
        Ok(()) => Ok(counted),
        Err(wait) => {
            counted.give_back();
            Err(wait)
        }
    }
}

/// Whether a wrong password was looked at.
fn guess(limits: &Limits, account: &str, address: &str) -> bool {
    begin(limits, NOW, account, address).is_ok()
}

/// Whether the right password was looked at.
fn log_in(limits: &Limits, account: &str, address: &str) -> bool {
    let begun = begin(limits, NOW, account, address);
    begun.map(Counted::give_back).is_ok()
}

fn guesses(limits: &Limits, account: &str, address: &str) -> usize {
    (0..200)
        .take_while(|_| guess(limits, account, address))
        .count()
}

#[test]
fn right_passwords_are_never_held_up() {
    let limits = limits(5, 3);
    assert!((0..1000).all(|_| log_in(&limits, "ada", "192.0.2.1")));
}

#[test]
fn what_is_under_way_counts_until_it_is_given_back() {
    let limits = limits(5, 3);
    let mut under_way: Vec<_> = (0..3)
        .map(|_| begin(&limits, NOW, "ada", "192.0.2.1").unwrap())
        .collect();
    assert!(!guess(&limits, "ada", "192.0.2.1"));
    assert!(log_in(&limits, "bob", "192.0.2.1"));
    under_way.pop().unwrap().give_back();
    assert!(guess(&limits, "ada", "192.0.2.1"));
    assert!(!guess(&limits, "ada", "192.0.2.1"));
}

#[test]
fn guesses_at_one_account_end_at_the_count_of_the_pair() {
    let limits = limits(50, 10);
    assert_eq!(guesses(&limits, "ada", "192.0.2.1"), 10);
    assert!(!log_in(&limits, "ada", "192.0.2.1"));
    assert!(log_in(&limits, "ada", "192.0.2.2"), "the user elsewhere");
    assert!(log_in(&limits, "bob", "192.0.2.1"), "others at the address");
    let later = NOW + Duration::from_secs(6);
    assert!(begin(&limits, later, "ada", "192.0.2.1").is_ok());
}

#[test]
fn guesses_at_many_accounts_end_at_the_count_of_the_address() {
    let limits = limits(50, 10);
    assert!(log_in(&limits, "colleague", "192.0.2.1"));
    let tried = (0..200).filter(|n| guess(&limits, &format!("u{n}"), "192.0.2.1"));
    assert_eq!(tried.count(), 50);
    for name in ["newcomer", "colleague"] {
        assert!(!log_in(&limits, name, "192.0.2.1"), "nobody is exempt");
        assert!(log_in(&limits, name, "192.0.2.2"));
    }
}

#[test]
fn what_was_refused_for_one_account_does_not_use_up_the_address() {
    let limits = limits(50, 10);
    assert_eq!(guesses(&limits, "ada", "192.0.2.1"), 10);
    assert!((0..200).all(|_| !guess(&limits, "ada", "192.0.2.1")));
    let tried = (0..200).filter(|n| guess(&limits, &format!("u{n}"), "192.0.2.1"));
    assert_eq!(tried.count(), 40);
}

#[test]
fn an_ipv6_subscriber_counts_together() {
    let limits = limits(0, 10);
    assert_eq!(guesses(&limits, "ada", "2001:db8::1"), 10);
    assert!(!guess(&limits, "ada", "2001:db8::ffff:1"));
    assert!(guess(&limits, "ada", "2001:db8:0:1::1"));
    assert_eq!(guesses(&limits, "ada", "::ffff:192.0.2.1"), 10);
    assert!(!guess(&limits, "ada", "192.0.2.1"));
}

#[test]
fn many_addresses_get_one_guess_each_and_the_user_gets_in() {
    let limits = limits(0, 10);
    let tried: Vec<_> = (0..30)
        .map(|n| guesses(&limits, "ada", &format!("192.0.2.{n}")))
        .collect();
    assert_eq!(tried[..10], [10; 10], "up to ten times the count");
    assert_eq!(tried[10..], [1; 20]);
    assert!((0..100).all(|_| log_in(&limits, "ada", "203.0.113.1")));
    assert!(guess(&limits, "ada", "203.0.113.1"), "a slip");
    assert!(!log_in(&limits, "ada", "203.0.113.1"), "for a minute");
}

#[test]
fn clients_are_counted_by_address_and_apart_from_users() {
    let limits = limits(5, 1);
    let address = at("192.0.2.1");
    for _ in 0..100 {
        limits.client(address).unwrap().give_back();
    }
    for n in 0..5 {
        assert!(guess(&limits, &format!("u{n}"), "192.0.2.1"));
    }
    let under_way: Vec<_> = (0..100).map(|_| limits.client(address).unwrap()).collect();
    for (n, counted) in under_way.into_iter().enumerate() {
        if n < 5 {
            drop(counted);
        } else {
            counted.give_back();
        }
    }
    assert!(limits.client(address).is_err(), "five have failed");
    limits
        .client(at("192.0.2.2"))
        .expect("another address")
        .give_back();
}

#[test]
fn sign_ups_are_counted_by_address() {
    let limits = limits(1, 1);
    let address = at("192.0.2.1");
    assert!(limits.sign_up_at(NOW, address).is_ok() && limits.sign_up_at(NOW, address).is_ok());
    assert!(limits.sign_up_at(NOW, address).is_err());
    assert!(limits.sign_up_at(NOW, at("192.0.2.2")).is_ok());
    assert!(guess(&limits, "ada", "192.0.2.1"), "log-ins count apart");
}

#[test]
fn off_is_off() {
    let limits = limits(0, 0);
    assert_eq!(guesses(&limits, "ada", "192.0.2.1"), 200);
    assert!((0..200).all(|_| limits.client(None.into()).is_ok()));
}
