//! The listener itself: where it is, and what it says.

use super::*;

#[test]
fn the_gateway_is_told_before_the_last_line_and_may_be_a_socket_file() {
    let (mut server, token) = start("[service.wiki]");
    let printed = server.written();
    let lines: Vec<_> = printed
        .lines()
        .filter(|line| line.contains(" on "))
        .collect();
    let at = |text: &str| {
        lines
            .iter()
            .position(|line| line.starts_with(text))
            .unwrap()
    };
    assert!(at("management on http://") < at("gateway on http://"));
    assert!(at("gateway on http://") < at("listening on http://"));
    assert!(server.stop().success());
    let path = server.setup().home().join("gateway.sock");
    let listen = format!("unix:{}", path.display());
    let mut server = server
        .setup()
        .clone()
        .env("LACRE_GATEWAY__LISTEN", &listen)
        .start();
    assert!(server.written().contains(&format!("gateway on {listen}\n")));
    let mut stream = UnixStream::connect(&path).unwrap();
    let request = Request::get("/authz/wiki")
        .bearer(&token.auth)
        .header("Connection", "close");
    stream.write_all(&request.bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(
        answer.contains("\r\nremote-email: ada@example.com\r\n"),
        "{answer}"
    );
    assert!(server.stop().success());
    assert!(!path.exists());
}

#[test]
fn without_an_address_there_is_no_gateway() {
    let server = Setup::new().config("[service.wiki]").start();
    assert!(!server.written().contains("gateway on"));
    server.is_well();
}

#[test]
fn a_gateway_that_browsers_could_reach_is_refused_unless_it_is_said_twice() {
    let public = Setup::new()
        .without_dev()
        .env("LACRE_GATEWAY__LISTEN", "0.0.0.0:0");
    public
        .start_refused()
        .with(78, "config_gateway_public")
        .saying("gateway.public = true");
    let server = public.env("LACRE_GATEWAY__PUBLIC", "true").start();
    assert!(server.written().contains("gateway on http://0.0.0.0:"));
    let dev = Setup::new().env("LACRE_GATEWAY__LISTEN", "0.0.0.0:0");
    dev.start_refused().with(78, "config_dev_not_loopback");
    Setup::new()
        .config("[service.a]\n[service.b]\naudience = \"a\"")
        .start_refused()
        .with(78, "config_service_unusable")
        .saying("service.b: its audience `a` is that of service.a");
}

#[test]
fn what_the_gateway_answers_is_counted_and_logged_like_every_request() {
    let (mut server, token) = start("[service.wiki]");
    lets_in(&ask(&server, "wiki", &token.auth));
    denies(&ask(&server, "wiki", "nonsense"), 401, BAD_TOKEN);
    let page = server.manage("/metrics").expect(200);
    for (status, count) in [("200", 1), ("401", 1)] {
        let line = page.text().lines().find(|line| {
            line.starts_with("lacre_http_requests_total{")
                && line.contains("/authz/wiki")
                && line.contains(status)
        });
        let line = line.unwrap_or_else(|| panic!("{}", page.text()));
        assert!(line.ends_with(&format!(" {count}")), "{line}");
    }
    server.manage("/readyz").expect(200);
    assert!(server.stop().success());
    assert!(server.written().contains("token_refused"));
}

#[test]
fn the_metadata_names_what_is_served_and_no_more() {
    let (server, _) = start("");
    let target = "/.well-known/oauth-authorization-server";
    let said = server.ask(&Request::get(target)).expect(200).json();
    assert_eq!(said["issuer"], crate::support::server::ISSUER);
    for (name, value) in said.as_object().unwrap() {
        if let Some(path) = value
            .as_str()
            .and_then(|url| url.strip_prefix("http://lacre.test/"))
        {
            let status = server.ask(&Request::get(&format!("/{path}"))).status;
            assert!([200, 405].contains(&status), "{name}: {status}");
        }
    }
    assert_eq!(
        said["response_types_supported"].as_array().unwrap().len(),
        0
    );
    assert_eq!(said["grant_types_supported"].as_array().unwrap().len(), 0);
    assert_eq!(said["token_endpoint"], Value::Null);
}
