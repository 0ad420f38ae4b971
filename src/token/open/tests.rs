use super::super::claims::tests::good;
use super::super::seal::tests::{sealed, sealed_with, session_key, signing_key};
use super::*;
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};

fn expected() -> Expected<'static> {
    Expected {
        now: 150,
        leeway: 0,
        issuer: "https://issuer.test",
        audience: "api",
        kind: TokenKind::Access,
        user: Some("u1"),
        generation: 1,
    }
}

fn open(token: &str) -> Result<OpenedToken, TokenError> {
    let signers = VerifyingKeys::new(vec![signing_key().verifying_key().unwrap()]);
    UnopenedToken::parse(token.as_bytes())?.open(&session_key(), &signers)
}

fn result(claims: &Value, expected: &Expected<'_>) -> Result<Box<Claims>, TokenError> {
    open(&sealed_with(TokenKind::Access, claims, 5)).and_then(|opened| opened.check(expected))
}

#[test]
fn what_was_sealed_opens() {
    let claims = open(&sealed()).unwrap().check(&expected()).unwrap();
    assert_eq!(Value::Object(claims.to_json()), good());
}

#[test]
fn another_sessions_key_opens_nothing() {
    let signers = VerifyingKeys::new(vec![signing_key().verifying_key().unwrap()]);
    let other = SessionKey::generate(&mut StdRng::seed_from_u64(99));
    let token = sealed();
    let opened = UnopenedToken::parse(token.as_bytes())
        .unwrap()
        .open(&other, &signers);
    assert_eq!(opened.unwrap_err(), TokenError::NotAuthentic);
}

#[test]
fn a_stranger_who_knows_the_public_half_can_seal_and_is_refused() {
    let strangers = VerifyingKeys::new(vec![
        crate::token::SigningKey::generate(&mut StdRng::seed_from_u64(77))
            .unwrap()
            .verifying_key()
            .unwrap(),
    ]);
    let token = sealed();
    let opened = UnopenedToken::parse(token.as_bytes())
        .unwrap()
        .open(&session_key(), &strangers);
    assert_eq!(opened.unwrap_err(), TokenError::UnknownSigner);
}

#[test]
fn no_token_with_one_character_changed_opens() {
    let token = sealed();
    for position in 0..token.len() {
        let mut bad = token.clone().into_bytes();
        bad[position] = if bad[position] == b'A' { b'B' } else { b'A' };
        let bad = String::from_utf8(bad).unwrap();
        assert!(open(&bad).is_err(), "position {position}");
    }
}

#[test]
fn each_expectation_has_its_own_code() {
    let base = expected();
    let cases = [
        (
            Expected {
                kind: TokenKind::Refresh,
                ..base
            },
            TokenError::Kind,
        ),
        (
            Expected {
                issuer: "https://issuer.test/",
                ..base
            },
            TokenError::Issuer,
        ),
        (
            Expected {
                audience: "API",
                ..base
            },
            TokenError::Audience,
        ),
        (
            Expected {
                audience: "ap",
                ..base
            },
            TokenError::Audience,
        ),
        (
            Expected {
                user: Some("u2"),
                ..base
            },
            TokenError::SessionMismatch,
        ),
        (
            Expected {
                generation: 2,
                ..base
            },
            TokenError::Generation,
        ),
        (
            Expected {
                generation: 0,
                ..base
            },
            TokenError::Generation,
        ),
        (Expected { now: 200, ..base }, TokenError::Expired),
        (Expected { now: 99, ..base }, TokenError::NotYetValid),
    ];
    for (expected, code) in cases {
        assert_eq!(open(&sealed()).unwrap().check(&expected).unwrap_err(), code);
    }
}

#[test]
fn the_first_and_the_last_second() {
    for (now, leeway, good) in [
        (100, 0, true),
        (199, 0, true),
        (200, 0, false),
        (99, 0, false),
        (99, 1, true),
        (200, 1, true),
        (201, 1, false),
        (98, 1, false),
        (u64::MAX, u64::MAX, false),
    ] {
        let result = open(&sealed()).unwrap().check(&Expected {
            now,
            leeway,
            ..expected()
        });
        // With a leeway beyond all bounds `exp` saturates as well, and "from exp on" still refuses.
        assert_eq!(result.is_ok(), good, "now {now}, leeway {leeway}");
    }
}

#[test]
fn not_before_counts_where_it_is_given() {
    let mut claims = good();
    claims["nbf"] = json!(151);
    assert_eq!(result(&claims, &expected()), Err(TokenError::NotYetValid));
    claims["nbf"] = json!(150);
    assert!(result(&claims, &expected()).is_ok());
}

#[test]
fn the_handle_outside_is_the_session_inside() {
    let mut claims = good();
    claims["sid"] = json!("h2");
    assert_eq!(
        result(&claims, &expected()),
        Err(TokenError::SessionMismatch)
    );
}

#[test]
fn one_of_several_audiences_is_enough() {
    let mut claims = good();
    claims["aud"] = json!(["other", "api"]);
    assert!(result(&claims, &expected()).is_ok());
    claims["aud"] = json!(["other"]);
    assert_eq!(result(&claims, &expected()), Err(TokenError::Audience));
}

proptest! {
    #[test]
    fn any_claims_survive_the_way(note in any::<String>(), seed in any::<u64>()) {
        prop_assume!(note.len() < 1500);
        let mut claims = good();
        claims["note"] = json!(note);
        let opened = open(&sealed_with(TokenKind::Access, &claims, seed)).unwrap();
        prop_assert_eq!(Value::Object(opened.check(&expected()).unwrap().to_json()), claims);
    }

    #[test]
    fn no_mutation_opens(position in 0_usize..1200, byte in any::<u8>()) {
        let token = sealed();
        let mut bad = token.clone().into_bytes();
        let position = position % bad.len();
        prop_assume!(bad[position] != byte);
        bad[position] = byte;
        let signers = VerifyingKeys::new(vec![signing_key().verifying_key().unwrap()]);
        let opened = UnopenedToken::parse(&bad).and_then(|token| token.open(&session_key(), &signers));
        prop_assert!(opened.is_err());
    }
}

/// Else a key that was taken out of the keyring would live on in what is kept.
#[test]
fn a_known_token_of_a_signer_that_is_gone_is_unknown() {
    let key = signing_key().verifying_key().unwrap();
    let ours = VerifyingKeys::new(vec![key.clone()]);
    let token = sealed();
    let unopened = || UnopenedToken::parse(token.as_bytes()).unwrap();
    let known = unopened().open_and_keep(&session_key(), &ours).unwrap().1;
    let segments = Segments::split(token.as_bytes()).unwrap();
    assert!(known.open(&segments).is_some());
    key.drop_for_good();
    assert!(known.open(&segments).is_none());
    let anew = unopened().open(&session_key(), &ours).unwrap_err();
    assert_eq!(anew, TokenError::UnknownSigner);
}
