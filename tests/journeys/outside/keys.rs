//! The issuer's keys: where they are, and when they can't be had.

use super::*;

#[test]
fn an_issuer_that_was_never_reached_is_503_and_not_a_refusal() {
    let key = SigningKey::new("k1");
    let site = Site::new(Published::Head("500 No"));
    let mut server = believing(&format!("{}{MAKE}", site.keys())).start();
    for _ in 0..3 {
        let answer = exchange(&server, &key.token(&claims("ada")));
        answer.refused(503, "store_unavailable");
        assert!(answer.header("retry-after").is_some());
    }
    assert_eq!(site.asked(), 1, "once in 30 seconds");
    server.sign_up("ada@example.com", "correct horse battery");
    server.get_token("ada@example.com", "correct horse battery");
    assert!(server.stop().success());
    let log = server.written();
    assert_eq!(log.matches("code=keys_status").count(), 1, "{log}");
}

/// Over HTTPS by a name, as in earnest: the certificate has to be trusted, and the name must not lead
/// inside the network unless that is named.
#[test]
fn keys_are_fetched_over_https_from_whom_the_certificate_is_trusted() {
    let key = SigningKey::new("k1");
    let Published::Body(keys) = set(&[&key]) else {
        unreachable!("a set is a body")
    };
    let site = Https::serving(&keys);
    let url = format!("jwks_url = \"https://localhost:{}/jwks\"\n", site.port);
    let named = "networks = [\"127.0.0.0/8\", \"::1\"]\n";
    let trust = |setup: Setup| {
        let path = setup.home().join("authority.pem");
        std::fs::write(&path, site.authority()).unwrap();
        setup.env("SSL_CERT_FILE", path.to_str().unwrap())
    };
    let server = trust(believing(&format!("{url}{named}{MAKE}"))).start();
    session(&server, &key.token(&claims("ada")));

    for (setup, code) in [
        (
            believing(&format!("{url}{named}{MAKE}")),
            "keys_unreachable",
        ),
        (
            trust(believing(&format!("{url}{MAKE}"))),
            "keys_address_refused",
        ),
    ] {
        let mut server = setup.start();
        exchange(&server, &key.token(&claims("ada"))).refused(503, "store_unavailable");
        assert!(server.stop().success());
        let log = server.written();
        assert!(log.contains(&format!("code={code}")), "no {code}: {log}");
    }
}

/// Keys in a file: no network, and read again when a token names a new one.
#[test]
fn keys_may_be_in_a_file_and_a_bad_one_stops_the_start() {
    let key = SigningKey::new("k1");
    let setup = Setup::new();
    std::fs::write(setup.home().join("corp.pem"), key.public_pem()).unwrap();
    configure(&setup, "pem_file = \"corp.pem\"\nmake_accounts = true");
    let mut server = setup.start();
    session(&server, &key.token(&claims("ada")));
    // As PyJWT signs where nobody names a key.
    let header = json!({"alg": "RS256", "typ": "JWT"});
    session(&server, &key.token_with(&header, &claims("bob")));
    assert!(server.stop().success());

    let weak = SigningKey::with_bits("k1", 1024);
    std::fs::write(setup.home().join("corp.pem"), weak.public_pem()).unwrap();
    setup.start_refused().with(78, "keys_weak_rsa");
    std::fs::remove_file(setup.home().join("corp.pem")).unwrap();
    setup.start_refused().with(78, "keys_file_unreadable");
    configure(&setup, "jwks_url = \"http://corp.example/jwks\"");
    setup.start_refused().with(78, "config_issuer_unusable");
}

/// A set that never comes to its end leaves the keys of before, and a key that has been rotated in is
/// found. What is waited for is the half minute between two fetches.
#[test]
fn keys_are_rotated_while_a_broken_set_holds_up_nobody() {
    let (old, new) = (SigningKey::new("old"), SigningKey::new("new"));
    let site = Site::new(set(&[&old]));
    let mut server = believing(&format!("{}{MAKE}", site.keys())).start();
    session(&server, &old.token(&claims("ada")));

    site.publish(Published::Slow);
    std::thread::sleep(Duration::from_secs(31));
    let began = Instant::now();
    exchange(&server, &new.token(&claims("ada"))).refused(401, "invalid_credentials");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    let began = Instant::now();
    session(&server, &old.token(&claims("ada")));
    exchange(&server, &new.token(&claims("ada"))).refused(401, "invalid_credentials");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(site.asked(), 2);

    site.publish(set(&[&new]));
    std::thread::sleep(Duration::from_secs(31));
    session(&server, &new.token(&claims("ada")));
    exchange(&server, &old.token(&claims("ada"))).refused(401, "invalid_credentials");
    assert_eq!(site.asked(), 3);
    assert!(server.stop().success());
    let log = server.written();
    assert_eq!(log.matches("code=keys_timeout").count(), 1, "{log}");
    assert!(log.contains("can be read again"), "{log}");
}

/// Fifty megabytes, a redirect, two keys of one name: a server that finds one of them at its start has no
/// keys, and says which fault it is.
#[test]
fn each_bad_set_is_named_in_the_log_and_gives_nobody_a_session() {
    let key = SigningKey::new("k1");
    let weak = SigningKey::with_bits("k2", 1024);
    let secret = r#"{"keys":[{"kty":"oct","kid":"k1","k":"AAAA"}]}"#;
    for (published, code) in [
        (Published::Endless, "keys_too_large"),
        (Published::Body(String::new()), "keys_no_set"),
        (Published::Body("<html>".to_owned()), "keys_no_set"),
        (set(&[]), "keys_none_usable"),
        (set(&[&key, &key]), "keys_kid_twice"),
        (set(&[&key, &weak]), "keys_weak_rsa"),
        (Published::Body(secret.to_owned()), "keys_symmetric"),
        (
            Published::Head("302 Found\r\nLocation: /other"),
            "keys_status",
        ),
        (Published::Head("502 Bad Gateway"), "keys_status"),
    ] {
        let site = Site::new(published);
        let mut server = believing(&format!("{}{MAKE}", site.keys())).start();
        let answer = exchange(&server, &key.token(&claims("ada")));
        answer.refused(503, "store_unavailable");
        assert_eq!(site.asked(), 1, "{code}: no redirect is followed");
        assert!(server.stop().success());
        let log = server.written();
        assert!(log.contains(&format!("code={code}")), "no {code}: {log}");
    }
}
