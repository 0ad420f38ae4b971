use super::*;

const NOW: Duration = Duration::from_secs(1000);

fn limits(per_address: u32, per_account: u32) -> Limits {
    let config = crate::config::Config::resolve(crate::config::Sources {
        file: None,
        env: std::iter::empty(),
        flags: [
            ("limits.login_per_address", per_address),
            ("limits.login_per_account", per_account),
            ("limits.signup_per_address", 2),
        ]
        .map(|(key, count)| (key.to_owned(), rate(count)))
        .into(),
        dev: false,
    });
    Limits::new(&config.unwrap().limits)
}

fn rate(count: u32) -> String {
    match count {
        0 => "off".to_owned(),
        count => format!("{count}/1m"),
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Whether a wrong password was looked at.
fn guess(limits: &Limits, name: &str, address: &str) -> bool {
    let attempt = limits.log_in_at(NOW, name, Some(ip(address)));
    attempt.map(|attempt| attempt.failed_at(NOW)).is_ok()
}

/// Whether the right password was looked at.
fn log_in(limits: &Limits, name: &str, address: &str) -> bool {
    let attempt = limits.log_in_at(NOW, name, Some(ip(address)));
    attempt.map(|attempt| attempt.succeeded()).is_ok()
}

fn guesses(limits: &Limits, name: &str, address: &str) -> usize {
    (0..200)
        .take_while(|_| guess(limits, name, address))
        .count()
}

#[test]
fn right_passwords_are_never_held_up() {
    let limits = limits(5, 3);
    assert!((0..1000).all(|_| log_in(&limits, "ada", "192.0.2.1")));
}

#[test]
fn guesses_at_one_account_end_at_the_count_of_the_pair() {
    let limits = limits(50, 10);
    assert_eq!(guesses(&limits, "ada", "192.0.2.1"), 10);
    assert!(!log_in(&limits, "ada", "192.0.2.1"));
    assert!(log_in(&limits, "ada", "192.0.2.2"), "the user elsewhere");
    assert!(log_in(&limits, "bob", "192.0.2.1"), "others at the address");
    let later = NOW + Duration::from_secs(6);
    assert!(
        limits
            .log_in_at(later, "ada", Some(ip("192.0.2.1")))
            .is_ok()
    );
}

#[test]
fn guesses_at_many_accounts_end_at_the_count_of_the_address() {
    let limits = limits(50, 10);
    assert!(log_in(&limits, "colleague", "192.0.2.1"));
    let tried = (0..200).filter(|n| guess(&limits, &format!("u{n}"), "192.0.2.1"));
    assert_eq!(tried.count(), 50);
    assert!(!log_in(&limits, "newcomer", "192.0.2.1"));
    assert!(log_in(&limits, "colleague", "192.0.2.1"), "known here");
    assert!(log_in(&limits, "newcomer", "192.0.2.2"));
}

#[test]
fn a_name_is_counted_once_however_it_is_spelled() {
    let limits = limits(0, 10);
    assert_eq!(guesses(&limits, "Ada@Example.com", "192.0.2.1"), 10);
    assert!(!guess(&limits, "ada@example.COM", "192.0.2.1"));
    assert!(guess(&limits, "ada", "192.0.2.1"));
}

#[test]
fn an_ipv6_address_is_its_64_and_a_mapped_one_is_ipv4() {
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
    assert!(log_in(&limits, "ada", "198.51.100.1"));
    let tried: Vec<_> = (0..30)
        .map(|n| guesses(&limits, "ada", &format!("192.0.2.{n}")))
        .collect();
    assert_eq!(tried[..10], [10; 10], "up to ten times the count");
    assert_eq!(tried[10..], [1; 20]);
    assert!(log_in(&limits, "ada", "203.0.113.1"), "from a new address");
    assert!(guess(&limits, "ada", "198.51.100.1"), "a slip at home");
    assert!(log_in(&limits, "ada", "198.51.100.1"));
}

#[test]
fn clients_are_counted_by_address_when_they_fail() {
    let limits = limits(5, 1);
    let address = Some(ip("192.0.2.1"));
    for _ in 0..100 {
        limits.client("shop", address).unwrap().succeeded();
    }
    for _ in 0..5 {
        limits.client("other", address).unwrap().failed();
    }
    let refused = limits.client("other", address).err().unwrap();
    assert_eq!(refused.code(), Code::RateLimited);
    assert!(limits.client("shop", address).is_ok(), "known here");
    assert!(limits.client("other", Some(ip("192.0.2.2"))).is_ok());
}

#[test]
fn sign_ups_are_counted_by_address() {
    let limits = limits(1, 1);
    let address = Some(ip("192.0.2.1"));
    assert!(limits.sign_up(address).is_ok() && limits.sign_up(address).is_ok());
    assert_eq!(
        limits.sign_up(address).unwrap_err().code(),
        Code::RateLimited
    );
    assert!(limits.sign_up(Some(ip("192.0.2.2"))).is_ok());
    assert!(limits.log_in("ada", address).is_ok(), "log-ins count apart");
}

#[test]
fn off_is_off() {
    let limits = limits(0, 0);
    assert_eq!(guesses(&limits, "ada", "192.0.2.1"), 200);
    assert!((0..200).all(|_| {
        limits
            .client("shop", None)
            .map(|try_| try_.failed())
            .is_ok()
    }));
}

#[test]
fn the_wait_is_told_in_whole_seconds() {
    use actix_web::ResponseError as _;
    for (milliseconds, seconds) in [(1, "1"), (1000, "1"), (1001, "2"), (59_999, "60")] {
        let answer = too_many(Duration::from_millis(milliseconds)).error_response();
        assert_eq!(answer.status(), 429);
        assert_eq!(answer.headers().get("retry-after").unwrap(), seconds);
    }
}
