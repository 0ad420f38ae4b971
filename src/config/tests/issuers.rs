//! Outside issuers.

use super::*;

const ISSUER: &str = "[[issuer]]\nname = \"corp\"\nissuer = \"https://corp.example/\"\naudience = \"lacre\"\n\
     algorithms = [\"RS256\"]\n";

fn with_issuer(lines: &str) -> Setup {
    Setup::nothing().file(&format!("{ISSUER}{lines}\n"))
}

#[test]
fn an_issuer_is_read_with_its_defaults_and_shown() {
    let config = with_issuer("jwks_url = \"https://corp.example/jwks\"").config();
    let [issuer] = config.issuers.as_slice() else {
        panic!("{:?}", config.issuers);
    };
    assert_eq!((&*issuer.name, &*issuer.subject_claim), ("corp", "sub"));
    assert!(!issuer.make_accounts && issuer.roles_claim.is_none());
    assert_eq!(issuer.algorithms, [crate::federation::Algorithm::Rs256]);
    let url = setting(&config, "issuer[0].jwks_url");
    assert_eq!(url.value, "https://corp.example/jwks");
    assert_eq!(setting(&config, "issuer[0].accept").value, "exchange");
    let shown = config.settings().iter();
    let shown = shown.filter(|setting| setting.key.starts_with("issuer[0]."));
    assert_eq!(shown.count(), 12);
    assert!(Setup::nothing().config().issuers.is_empty());
}

#[test]
fn an_issuer_that_could_not_be_believed_is_refused_by_name() {
    let set = "jwks_file = \"keys\"\n";
    let twice = format!("{set}{ISSUER}{set}");
    let other = "[[issuer]]\nname = \"other\"\nissuer = \"https://corp.example/\"\n\
        audience = \"lacre\"\nalgorithms = [\"RS256\"]\npem_file = \"keys\"";
    let other = format!("{set}{other}");
    for (lines, code, part) in [
        ("", "config_issuer_unusable", "issuer[0]: give one of"),
        (
            "jwks_file = \"a\"\npem_file = \"b\"",
            "config_issuer_unusable",
            "only one",
        ),
        (
            "jwks_url = \"http://corp.example/\"",
            "config_issuer_unusable",
            "none of https",
        ),
        (
            "jwks_url = \"https://10.0.0.1/\"",
            "config_issuer_unusable",
            "inside the network",
        ),
        (
            "jwks_url = \"http://127.0.0.1/\"",
            "config_issuer_unusable",
            "inside the network",
        ),
        (
            "jwks_url = \"file:///keys\"",
            "config_bad_value",
            "issuer[0].jwks_url",
        ),
        (
            twice.as_str(),
            "config_issuer_unusable",
            "issuer[1]: an issuer before it has the same name",
        ),
        (
            other.as_str(),
            "config_issuer_unusable",
            "issuer[1]: an issuer before it has the same issuer",
        ),
        (
            "jwks_file = \"k\"\nmake_accounts = \"yes\"",
            "config_bad_value",
            "`true` or `false`",
        ),
        (
            "jwks_file = \"k\"\naccept = \"direct\"\nmake_accounts = true",
            "config_issuer_unusable",
            "leave make_accounts out",
        ),
        (
            "jwks_file = \"k\"\naccept = \"directly\"",
            "config_bad_value",
            "`exchange` or `direct`",
        ),
        (
            "jwks_file = \"k\"\njwks_uri = \"x\"",
            "config_unknown_key",
            "did you mean `issuer.jwks_url`",
        ),
        (
            "jwks_file = \"k\"\nroles_claim = 1",
            "config_bad_value",
            "issuer[0].roles_claim",
        ),
    ] {
        let error = with_issuer(lines).problem();
        assert_eq!(error.code(), code, "{lines}: {error}");
        assert!(error.to_string().contains(part), "{lines}: {error}");
    }
    let own = with_issuer(set).env("LACRE_TOKEN__ISSUER", "https://corp.example/");
    assert!(own.problem().to_string().contains("this deployment's own"));
    for algorithms in [
        "[]",
        "[\"none\"]",
        "[\"HS256\"]",
        "[\"rs256\"]",
        "[\"RS256\", \"RS256\"]",
    ] {
        let text = ISSUER.replace("[\"RS256\"]", algorithms);
        let error = Setup::nothing().file(&format!("{text}{set}")).problem();
        assert_eq!(error.code(), "config_bad_value", "{algorithms}");
    }
    for name in ["", "Corp", "-corp", "corp-", "a.b", "a b"] {
        let text = ISSUER.replace("\"corp\"", &format!("{name:?}"));
        let error = Setup::nothing().file(&format!("{text}{set}")).problem();
        assert_eq!(error.code(), "config_bad_value", "{name}");
    }
}

#[test]
fn what_makes_an_issuer_believable_has_no_default() {
    let errors = Setup::nothing().file("[[issuer]]\n").resolve().unwrap_err();
    let all = errors.to_string();
    for key in ["name", "issuer", "audience", "algorithms"] {
        assert!(
            all.contains(&format!("issuer[0].{key} is not set")),
            "{all}"
        );
    }
    assert!(all.contains("give one of jwks_url"), "{all}");
}

#[test]
fn an_issuer_inside_the_network_is_taken_where_it_is_named() {
    let url = "jwks_url = \"http://127.0.0.1:8000/jwks\"\nnetworks = [\"127.0.0.1\"]\nmake_accounts = true";
    let config = with_issuer(url).config();
    assert!(config.issuers[0].make_accounts);
}
