//! What the issuer says in a token, and for whom.

use super::*;

/// A token that was given for a session is no key to the guard, nor the other way round.
#[tokio::test]
async fn a_token_is_good_for_what_its_issuer_is_configured_for_alone() {
    let mut corp = Corp::new();
    let token = corp.rsa().token(&header("RS256", "rsa"), &claims());
    let other = with(|claims| claims["iss"] = json!("https://elsewhere.example/"));
    let misnamed = corp.rsa().token(&header("RS256", "rsa"), &other);
    for (configured, other) in [
        (Accept::Exchange, Accept::Direct),
        (Accept::Direct, Accept::Exchange),
    ] {
        corp.issuer.accept = configured;
        let federation = corp.open().await;
        assert!(federation.accepts(configured) && !federation.accepts(other));
        assert!(federation.verify(&token, configured, NOW).await.is_ok());
        let refused =
            async |token, accept| federation.verify(token, accept, NOW).await.unwrap_err();
        assert_eq!(refused(&token, other).await, FederationError::NotAccepted);
        assert_eq!(
            refused(&misnamed, configured).await,
            FederationError::Issuer
        );
        assert_eq!(
            refused(&misnamed, other).await,
            FederationError::IssuerUnknown
        );
    }
}

#[tokio::test]
async fn an_issuer_is_found_by_its_exact_name_only() {
    let corp = Corp::new();
    for iss in [
        json!("https://issuer.example"),
        json!("https://ISSUER.example/"),
        json!("https://issuer.example//"),
        json!("corp"),
        json!(["https://issuer.example/"]),
        json!(null),
    ] {
        let claims = with(|claims| claims["iss"] = iss.clone());
        let error = corp
            .verify(&corp.rsa().token(&header("RS256", "rsa"), &claims))
            .await;
        // The key is the issuer's: it has signed another name than it is configured with.
        let due = if iss.is_string() {
            FederationError::Issuer
        } else {
            FederationError::IssuerUnknown
        };
        assert_eq!(error.unwrap_err(), due, "{iss}");
    }
    let elsewhere = with(|claims| claims["iss"] = json!("https://elsewhere.example/"));
    let stranger = KeyPair::rsa("rsa", 2048).token(&header("RS256", "rsa"), &elsewhere);
    let error = corp.verify(&stranger).await.unwrap_err();
    assert_eq!(error, FederationError::IssuerUnknown);
    assert!(Federation::default().is_empty());
    let token = corp.rsa().token(&header("RS256", "rsa"), &claims());
    let error = Federation::default()
        .verify(&token, USE, NOW)
        .await
        .unwrap_err();
    assert_eq!(error, FederationError::IssuerUnknown);
}

#[tokio::test]
async fn a_claim_that_is_wrong_missing_or_of_another_type_is_refused() {
    use FederationError::{Audience, Claims, Expired, NotYetValid};
    let corp = Corp::new();
    let federation = corp.open().await;
    let absent = Value::Null;
    for (name, value, expected) in [
        ("aud", json!("lacre2"), Audience),
        ("aud", json!("Lacre"), Audience),
        ("aud", json!("lacr"), Audience),
        ("aud", json!([]), Audience),
        ("aud", json!(["other"]), Audience),
        ("aud", json!(["lacre", 1]), Claims),
        ("aud", json!({"lacre": true}), Claims),
        ("aud", absent.clone(), Claims),
        ("exp", absent.clone(), Claims),
        ("exp", json!((NOW + 600).to_string()), Claims),
        ("exp", json!(-1), Claims),
        ("exp", json!(1e300), Claims),
        ("exp", json!([NOW + 600]), Claims),
        ("exp", json!(true), Claims),
        ("exp", json!(NOW), Expired),
        ("exp", json!(NOW - 1), Expired),
        ("exp", json!(0), Expired),
        ("exp", json!(1_800_000_000.9), Expired),
        ("nbf", json!(NOW + 1), NotYetValid),
        ("nbf", json!(1_800_000_000.1), NotYetValid),
        ("nbf", json!("0"), Claims),
        ("nbf", json!(-5), Claims),
        ("iat", json!(NOW + 1), NotYetValid),
        ("iat", json!(u64::MAX), NotYetValid),
        ("iat", json!({}), Claims),
        ("sub", absent.clone(), Claims),
        ("sub", json!(""), Claims),
        ("sub", json!(7), Claims),
        ("sub", json!("a\nb"), Claims),
        ("sub", json!("\u{0}"), Claims),
        ("sub", json!("x".repeat(256)), Claims),
    ] {
        let claims = with(|claims| {
            let claims = claims.as_object_mut().unwrap();
            match &value {
                Value::Null => drop(claims.remove(name)),
                value => drop(claims.insert(name.to_owned(), value.clone())),
            }
        });
        let token = corp.rsa().token(&header("RS256", "rsa"), &claims);
        let error = federation.verify(&token, USE, NOW).await.unwrap_err();
        assert_eq!(error, expected, "{name}: {value}");
    }
    for (name, value) in [
        ("aud", json!(["other", "lacre"])),
        ("exp", json!(NOW + 1)),
        ("exp", json!(1_800_000_001.5)),
        ("nbf", json!(NOW)),
        ("iat", json!(NOW)),
        ("sub", json!("auth0|5f7c8ec7c33c6c004bbafe82")),
    ] {
        let claims = with(|claims| claims[name] = value.clone());
        let token = corp.rsa().token(&header("RS256", "rsa"), &claims);
        assert!(
            federation.verify(&token, USE, NOW).await.is_ok(),
            "{name}: {value}"
        );
    }
}

#[tokio::test]
async fn clocks_may_differ_by_the_leeway_and_no_more() {
    let corp = Corp::new();
    let federation = Federation::open(vec![corp.issuer.clone()], 5)
        .await
        .unwrap();
    let token = corp.rsa().token(&header("RS256", "rsa"), &claims());
    for (now, good) in [
        (NOW - 6, true),
        (NOW - 7, false),
        (NOW + 604, true),
        (NOW + 605, false),
    ] {
        let verified = federation.verify(&token, USE, now).await;
        assert_eq!(verified.is_ok(), good, "{now}");
    }
}

/// An error about a claim concerns only tokens that the issuer has made: who forges one learns
/// nothing about the claims that would do.
#[tokio::test]
async fn the_signature_comes_before_the_claims() {
    let corp = Corp::new();
    let stranger = KeyPair::rsa("rsa", 2048);
    for (name, value) in [
        ("aud", json!("other")),
        ("exp", json!(0)),
        ("sub", json!(1)),
    ] {
        let claims = with(|claims| claims[name] = value);
        let token = stranger.token(&header("RS256", "rsa"), &claims);
        let error = corp.verify(&token).await.unwrap_err();
        assert_eq!(error, FederationError::Signature, "{name}");
    }
}

#[tokio::test]
async fn roles_are_what_the_named_claim_says() {
    let mut corp = Corp::new();
    let claims = with(|claims| {
        claims["roles"] = json!(["clerk", "auditor"]);
        claims["scope"] = json!("read  write");
        claims["https://issuer.example/roles"] = json!(["spaced name", "x"]);
        claims["realm_access"] = json!({"roles": ["inner"], "a/b": "slash"});
        claims["number"] = json!(1);
        claims["mixed"] = json!(["a", 1]);
        claims["nothing"] = json!(null);
        claims["many"] = json!(vec!["r"; 257]);
    });
    let token = corp.rsa().token(&header("RS256", "rsa"), &claims);
    for (claim, expected) in [
        ("roles", Some(vec!["clerk", "auditor"])),
        ("scope", Some(vec!["read", "write"])),
        (
            "https://issuer.example/roles",
            Some(vec!["spaced name", "x"]),
        ),
        ("/realm_access/roles", Some(vec!["inner"])),
        ("/realm_access/a~1b", Some(vec!["slash"])),
        ("/roles", Some(vec!["clerk", "auditor"])),
        ("absent", Some(vec![])),
        ("/absent/inner", Some(vec![])),
        ("nothing", Some(vec![])),
        ("number", None),
        ("mixed", None),
        ("many", None),
    ] {
        corp.issuer.roles_claim = Some(claim.to_owned());
        let verified = corp.verify(&token).await;
        match expected {
            Some(roles) => assert_eq!(verified.unwrap().roles.unwrap(), roles, "{claim}"),
            None => assert_eq!(verified.unwrap_err(), FederationError::Claims, "{claim}"),
        }
    }
}

#[tokio::test]
async fn another_claim_can_say_who_it_is_and_an_unverified_e_mail_says_nothing() {
    let mut corp = Corp::new();
    corp.issuer.subject_claim = "oid".to_owned();
    let token = |claims: &Value| corp.rsa().token(&header("RS256", "rsa"), claims);
    let without = corp.verify(&token(&claims())).await.unwrap_err();
    assert_eq!(without, FederationError::Claims);
    for verified in [json!(false), json!("true"), json!(1), json!(null)] {
        let claims = with(|claims| {
            claims["oid"] = json!("7");
            claims["email_verified"] = verified;
        });
        let identity = corp.verify(&token(&claims)).await.unwrap();
        assert_eq!((&*identity.subject, identity.email), ("7", None));
    }
}
