use super::*;
use crate::lacre::testing::{Fixture, grant};
use crate::sessions::grant::{IssueError, Issued, Occasion};
use crate::sessions::rules::Rules;
use crate::token::base64url;
use lacre_keystore::Swap;

async fn guard(deployment: &Fixture, token: &str) -> Result<LiveSession, Refusal> {
    deployment
        .lacre
        .guard(token.as_bytes(), TokenKind::Access)
        .await
}

async fn code(deployment: &Fixture, token: &str) -> &'static str {
    guard(deployment, token).await.unwrap_err().code()
}

#[tokio::test]
async fn an_ended_session_is_unknown_from_the_next_call_on() {
    let deployment = Fixture::new();
    let issued = deployment.log_in("u1").await;
    assert!(
        guard(&deployment, issued.access.token.expose())
            .await
            .is_ok()
    );
    assert!(
        deployment
            .lacre
            .revoke_handle(&issued.handle)
            .await
            .unwrap()
    );
    assert_eq!(
        code(&deployment, issued.access.token.expose()).await,
        "session_unknown"
    );
}

#[tokio::test]
async fn from_the_second_of_expiry_on_a_token_is_refused() {
    let deployment = Fixture::new();
    let issued = deployment.log_in("u1").await;
    deployment.clock.advance(899);
    assert!(
        guard(&deployment, issued.access.token.expose())
            .await
            .is_ok()
    );
    deployment.clock.advance(1);
    assert_eq!(
        code(&deployment, issued.access.token.expose()).await,
        "token_expired"
    );
}

#[tokio::test]
async fn an_access_token_is_no_refresh_token() {
    let deployment = Fixture::new();
    let issued = deployment.log_in("u1").await;
    let refused = deployment
        .lacre
        .guard(issued.access.token.expose().as_bytes(), TokenKind::Refresh)
        .await;
    assert_eq!(refused.unwrap_err().code(), "token_kind");
}

#[tokio::test]
async fn another_generation_or_ended_access_is_refused() {
    let deployment = Fixture::new();
    for ends in [
        |record: &mut Record| record.generation = 2,
        |record: &mut Record| record.access_ended = true,
    ] {
        let issued = deployment.log_in("u1").await;
        change(&deployment, &issued, ends).await;
        let token = issued.access.token.expose();
        assert_eq!(code(&deployment, token).await, "token_generation");
    }
}

#[tokio::test]
async fn a_record_of_another_user_opens_nothing() {
    let deployment = Fixture::new();
    let issued = deployment.log_in("u1").await;
    change(&deployment, &issued, |record| record.user_id = "u2".into()).await;
    let token = issued.access.token.expose();
    assert_eq!(code(&deployment, token).await, "token_session_mismatch");
}

#[tokio::test]
async fn the_handle_of_one_session_with_the_content_of_another_is_refused() {
    let deployment = Fixture::new();
    let (one, two) = (deployment.log_in("u1").await, deployment.log_in("u2").await);
    let (one, two) = (one.access.token.expose(), two.access.token.expose());
    let (_, content) = one.split_once('.').unwrap();
    let (header, _) = two.split_once('.').unwrap();
    assert_eq!(
        code(&deployment, &format!("{header}.{content}")).await,
        "token_not_authentic"
    );
}

#[tokio::test]
async fn a_handle_that_was_never_given_out_is_unknown() {
    let deployment = Fixture::new();
    let issued = deployment.log_in("u1").await;
    let (header, rest) = issued.access.token.expose().split_once('.').unwrap();
    let header = String::from_utf8(base64url::decode(header.as_bytes()).unwrap()).unwrap();
    for other in ["never-given-out", &"A".repeat(43), &"_".repeat(128)] {
        let header = base64url::encode(header.replace(issued.handle.as_str(), other));
        assert_eq!(
            code(&deployment, &format!("{header}.{rest}")).await,
            "session_unknown",
            "{other}"
        );
    }
}

#[tokio::test]
async fn a_deployment_may_take_shorter_tokens_only() {
    let rules = Rules {
        max_token_length: 1500,
        ..Rules::new("https://issuer.test", "api")
    };
    let fixture = Fixture::with_rules(rules);
    let issued = fixture.log_in("u1").await;
    assert!(guard(&fixture, issued.access.token.expose()).await.is_ok());
    assert_eq!(code(&fixture, &"A".repeat(1501)).await, "token_too_long");
    let mut long = grant("u1", Occasion::LogIn);
    long.additional
        .insert("note".into(), "x".repeat(400).into());
    assert_eq!(
        fixture.lacre.issue(&long).await.unwrap_err(),
        IssueError::TooLong
    );
}

#[tokio::test]
async fn what_is_no_token_is_refused_before_the_keystore_is_asked() {
    let deployment = Fixture::new();
    assert_eq!(code(&deployment, "").await, "token_malformed");
    assert_eq!(code(&deployment, &"A".repeat(9000)).await, "token_too_long");
}

/// Changes the record of a session and demands that the change took place.
async fn change(
    fixture: &Fixture,
    issued: &crate::sessions::grant::Issued,
    change: impl Fn(&mut Record),
) {
    let stored = fixture
        .lacre
        .keystore()
        .get(&issued.key)
        .await
        .unwrap()
        .unwrap();
    let mut record = stored.record.clone();
    change(&mut record);
    let swapped = fixture
        .lacre
        .keystore()
        .compare_and_swap(&issued.key, &stored, &record)
        .await;
    assert_eq!(swapped.unwrap(), Swap::Won);
}

fn kept(fixture: &Fixture) -> usize {
    fixture.lacre.content_keys().len()
}

#[tokio::test]
async fn a_known_token_is_let_in_again_and_changes_of_its_record_are_seen() {
    let fixture = Fixture::new();
    let issued = fixture.log_in("u1").await;
    let token = issued.access.token.expose();
    let first = guard(&fixture, token).await.unwrap();
    assert_eq!(kept(&fixture), 1);
    assert_eq!(guard(&fixture, token).await.unwrap().claims, first.claims);
    change(&fixture, &issued, |record| {
        record.label = Some("phone".into());
    })
    .await;
    assert!(
        guard(&fixture, token).await.is_ok(),
        "the same key, another version"
    );
    assert_eq!(kept(&fixture), 1);
    change(&fixture, &issued, |record| record.access_ended = true).await;
    assert_eq!(code(&fixture, token).await, "token_generation");
    change(&fixture, &issued, |record| record.access_ended = false).await;
    assert!(guard(&fixture, token).await.is_ok());
    change(&fixture, &issued, |record| record.generation = 2).await;
    assert_eq!(code(&fixture, token).await, "token_generation");
    fixture.lacre.revoke(&issued.key).await.unwrap();
    assert_eq!(kept(&fixture), 0);
}

#[tokio::test]
async fn a_known_token_expires_with_its_claims_and_with_its_session() {
    let fixture = Fixture::new();
    let issued = fixture.log_in("u1").await;
    let token = issued.access.token.expose();
    guard(&fixture, token).await.unwrap();
    fixture.clock.advance(900);
    assert_eq!(code(&fixture, token).await, "token_expired");

    let issued = fixture.log_in("u1").await;
    let token = issued.access.token.expose();
    guard(&fixture, token).await.unwrap();
    change(&fixture, &issued, |record| {
        record.expires_at = record.created_at + 1;
    })
    .await;
    fixture.clock.advance(1);
    assert_eq!(code(&fixture, token).await, "session_unknown");
}

#[tokio::test]
async fn a_known_token_with_one_character_changed_is_refused() {
    let fixture = Fixture::new();
    let issued = fixture.log_in("u1").await;
    let token = issued.access.token.expose();
    guard(&fixture, token).await.unwrap();
    for position in 0..token.len() {
        let mut bad = token.as_bytes().to_vec();
        bad[position] = if bad[position] == b'A' { b'B' } else { b'A' };
        assert!(
            fixture.lacre.guard(&bad, TokenKind::Access).await.is_err(),
            "position {position}"
        );
    }
    assert!(guard(&fixture, token).await.is_ok());
}

#[tokio::test]
async fn a_known_token_of_another_kind_or_of_a_replaced_key_is_refused() {
    let fixture = Fixture::new();
    let issued = fixture
        .lacre
        .issue(&crate::lacre::testing::on_behalf("u1", "s"))
        .await
        .unwrap();
    let token = issued.access.token.expose().to_owned();
    guard(&fixture, &token).await.unwrap();
    let refused = fixture
        .lacre
        .guard(token.as_bytes(), TokenKind::Refresh)
        .await;
    assert_eq!(refused.unwrap_err().code(), "token_kind");
    fixture
        .lacre
        .issue(&crate::lacre::testing::on_behalf("u1", "s"))
        .await
        .unwrap();
    assert_eq!(code(&fixture, &token).await, "token_not_authentic");
}

#[tokio::test]
async fn nothing_is_kept_of_a_session_whose_end_was_answered() {
    let fixture = Fixture::new();
    let [one, two, three] = [
        fixture.log_in("u1").await,
        fixture.log_in("u1").await,
        fixture.log_in("u2").await,
    ];
    for issued in [&one, &two, &three] {
        guard(&fixture, issued.access.token.expose()).await.unwrap();
    }
    assert_eq!(kept(&fixture), 3);
    fixture.lacre.revoke(&one.key).await.unwrap();
    assert_eq!(kept(&fixture), 2);
    fixture.lacre.revoke_user("u1").await.unwrap();
    assert_eq!(kept(&fixture), 1);
    fixture.lacre.revoke_all().await.unwrap();
    assert_eq!(kept(&fixture), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_entry_outlives_its_session_whoever_comes_first() {
    let fixture = Fixture::new();
    for _ in 0..200 {
        let issued = fixture.log_in("u1").await;
        let guards: Vec<_> = (0..3)
            .map(|_| {
                let (lacre, token) = (
                    fixture.lacre.clone(),
                    issued.access.token.expose().to_owned(),
                );
                std::thread::spawn(move || {
                    while futures_util::FutureExt::now_or_never(
                        lacre.guard(token.as_bytes(), TokenKind::Access),
                    )
                    .expect("a local store answers at once")
                    .is_ok()
                    {}
                })
            })
            .collect();
        fixture.lacre.revoke(&issued.key).await.unwrap();
        for guard in guards {
            guard.join().unwrap();
        }
        assert_eq!(kept(&fixture), 0);
    }
}

#[tokio::test]
async fn what_is_kept_is_bounded_and_nothing_is_refused_for_it() {
    let fixture = Fixture::with_content_key_bytes(20_000);
    let mut tokens = Vec::new();
    for user in 0..60 {
        tokens.push(
            fixture
                .log_in(&format!("u{user}"))
                .await
                .access
                .token
                .expose()
                .to_owned(),
        );
    }
    for token in tokens.iter().chain(&tokens) {
        assert!(guard(&fixture, token).await.is_ok());
    }
    assert!(kept(&fixture) < 20, "{} entries", kept(&fixture));
}

#[tokio::test]
async fn a_session_says_whose_it_is_and_whether_the_password_was_proven_for_it() {
    let deployment = Fixture::new();
    let issued = deployment.log_in("u1").await;
    let session = guard(&deployment, issued.access.token.expose())
        .await
        .unwrap();
    assert_eq!((session.user_id(), session.is_fresh()), ("u1", true));
    let by_client = Occasion::OnBehalf {
        client_id: "c1".to_owned(),
    };
    let issued = deployment.lacre.issue(&grant("u2", by_client)).await;
    let session = guard(&deployment, issued.unwrap().access.token.expose())
        .await
        .unwrap();
    assert_eq!((session.user_id(), session.is_fresh()), ("u2", false));
}

/// The shorter way is there, lets in what the whole way has let in, and nothing else.
#[tokio::test]
async fn a_token_in_use_is_verified_at_once() {
    let deployment = Fixture::new();
    let (one, other) = (deployment.log_in("u1").await, deployment.log_in("u1").await);
    let at_once = |issued: &Issued, kind| {
        let token = issued.access.token.expose().as_bytes();
        deployment.lacre.guard_at_once(token, kind)
    };
    assert!(at_once(&one, TokenKind::Access).is_none(), "not in use yet");
    guard(&deployment, one.access.token.expose()).await.unwrap();
    let session = at_once(&one, TokenKind::Access).unwrap();
    assert_eq!(session.handle(), &one.handle);
    assert!(at_once(&one, TokenKind::Refresh).is_none());
    assert!(at_once(&other, TokenKind::Access).is_none());

    // A record that was written anew and says the same is as good; one with another key isn't.
    change(&deployment, &one, |record| {
        record.label = Some("phone".into());
    })
    .await;
    assert!(
        at_once(&one, TokenKind::Access).is_none(),
        "it may be another"
    );
    let token = one.access.token.expose().as_bytes();
    let known = deployment.lacre.guard_known(token, TokenKind::Access);
    assert!(known.await.is_some());
    assert!(at_once(&one, TokenKind::Access).is_some(), "read once more");
    change(&deployment, &one, |record| {
        record.private_scalar = lacre_keystore::PrivateScalar::new([7; 32]);
    })
    .await;
    assert!(at_once(&one, TokenKind::Access).is_none());

    deployment.lacre.forget_content_keys();
    guard(&deployment, other.access.token.expose())
        .await
        .unwrap();
    assert!(at_once(&other, TokenKind::Access).is_some());
    deployment.lacre.forget_content_keys();
    assert!(at_once(&other, TokenKind::Access).is_none());
}
