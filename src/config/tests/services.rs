//! The gateway and the services that ask there.

use super::*;

fn with(lines: &str) -> Setup {
    Setup::nothing().file(lines)
}

fn said(lines: &str, code: &str) -> String {
    let error = with(lines).problem();
    assert_eq!(error.code(), code, "{lines}: {error}");
    error.to_string()
}

#[test]
fn the_gateway_is_off_unless_it_has_an_address() {
    let config = Setup::nothing().config();
    assert_eq!(config.gateway.listen, None);
    assert!(!config.gateway.public && config.gateway.url.is_none());
    assert!(config.services.is_empty());
    let config =
        with("[gateway]\nlisten = \"unix:gateway.sock\"\nurl = \"https://g.test/\"").config();
    assert_eq!(config.gateway.listen, "unix:gateway.sock".parse().ok());
    assert_eq!(config.gateway.url.as_deref(), Some("https://g.test"));
}

#[test]
fn a_public_gateway_is_said_twice() {
    for address in [
        "0.0.0.0:9091",
        "[::]:9091",
        "192.0.2.1:9091",
        "10.0.0.1:9091",
    ] {
        let once = Setup::nothing().flag("gateway.listen", address);
        let error = once.problem();
        assert_eq!(error.code(), "config_gateway_public", "{address}");
        assert!(
            error.to_string().contains("gateway.public = true"),
            "{error}"
        );
        let twice = once.env("LACRE_GATEWAY__PUBLIC", "true");
        assert_eq!(twice.config().gateway.listen, address.parse().ok());
        let dev = Setup::nothing().flag("gateway.listen", address).dev();
        let dev = dev.env("LACRE_GATEWAY__PUBLIC", "true");
        assert_eq!(dev.problem().code(), "config_dev_not_loopback");
    }
    for address in [
        "127.0.0.1:9091",
        "[::1]:9091",
        "unix:gateway.sock",
        "systemd",
    ] {
        let config = Setup::nothing().flag("gateway.listen", address).config();
        assert_eq!(config.gateway.listen, address.parse().ok());
    }
}

#[test]
fn the_gateway_has_an_address_of_its_own() {
    for (address, other) in [
        ("127.0.0.1:8080", "listen"),
        ("127.0.0.1:9090", "management_listen"),
    ] {
        let error = Setup::nothing().flag("gateway.listen", address).problem();
        assert_eq!(
            error.to_string(),
            format!(
                "gateway.listen = `{address}` and {other} = `{address}` are the same address: give \
                 one of them another"
            )
        );
    }
    let socket = Setup::nothing().flag("listen", "unix:a.sock");
    let socket = socket.flag("gateway.listen", "unix:a.sock");
    assert_eq!(socket.problem().code(), "config_same_address");
}

#[test]
fn a_service_is_read_with_its_defaults_and_shown() {
    let config = with("[service.wiki]").config();
    let [service] = config.services.as_slice() else {
        panic!("{:?}", config.services);
    };
    assert_eq!((&*service.name, &*service.audience), ("wiki", "wiki"));
    assert!(!service.fresh && !service.optional && !service.jwt);
    assert!(service.roles.is_empty() && service.clients.is_empty());
    assert_eq!(service.locations, None);
    assert_eq!(service.headers.len(), 4);
    assert_eq!(setting(&config, "service.wiki.audience").value, "wiki");
    let shown = config.settings().iter();
    let shown = shown.filter(|setting| setting.key.starts_with("service.wiki."));
    assert_eq!(shown.count(), 9);
}

#[test]
fn a_service_is_read_as_it_is_written() {
    let config = with(
        "[service.a]\naudience = \"https://a.test\"\nclients = [\"shop\"]\nroles = [\"clerk\", \"auditor\"]\n\
         permissions = [\"read\"]\nfresh = true\nlocations = [\"cookie\"]\nheaders = [\"X-User=user\"]\njwt = true\n\
         [service.b]\noptional = true\nheaders = []",
    )
    .config();
    let [a, b] = config.services.as_slice() else {
        panic!("{:?}", config.services);
    };
    assert_eq!(a.audience, "https://a.test");
    assert_eq!(
        (a.clients.join(" "), a.roles.join(" ")),
        ("shop".into(), "clerk auditor".into())
    );
    assert!(a.fresh && a.jwt && a.permissions == ["read"]);
    assert_eq!(a.locations, Some(vec![Location::Cookie]));
    assert_eq!(a.headers[0].name, "X-User");
    assert!(b.optional && b.headers.is_empty());
}

#[test]
fn services_that_could_be_taken_for_one_another_are_refused() {
    let same = said(
        "[service.wiki]\n[service.Wiki]\naudience = \"w\"",
        "config_service_unusable",
    );
    assert!(same.contains("another service has the same name"), "{same}");
    said("[service.wiki]\n[service.wiki]", "config_file_invalid");
    let same = said(
        "[service.a]\n[service.b]\naudience = \"a\"",
        "config_service_unusable",
    );
    assert_eq!(same, "service.b: its audience `a` is that of service.a");
    let own = said("[service.lacre]", "config_service_unusable");
    assert!(own.contains("token.audience"), "{own}");
    with("[token]\naudience = \"api\"\n[service.lacre]").config();
}

#[test]
fn a_service_that_says_nothing_sensible_is_refused() {
    for lines in ["roles = [\"a\"]", "permissions = [\"a\"]", "fresh = true"] {
        let said = said(
            &format!("[service.a]\noptional = true\n{lines}"),
            "config_service_unusable",
        );
        assert!(
            said.starts_with("service.a: optional lets everybody in"),
            "{said}"
        );
    }
    for lines in [
        "locations = [\"query\"]",
        "locations = [\"json\"]",
        "locations = []",
        "headers = [\"Set-Cookie=user\"]",
        "roles = [\"a\", \"a\"]",
        "roles = \"\\u0000\"",
        "jwt = \"yes\"",
    ] {
        said(&format!("[service.a]\n{lines}"), "config_bad_value");
    }
    said("[service.a]\nrole = [\"a\"]", "config_unknown_key");
    said("[service]\nroles = [\"a\"]", "config_bad_value");
    said("[service.\"a/b\"]", "config_bad_value");
}
