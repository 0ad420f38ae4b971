use super::*;
use crate::lacre::testing::{Fixture, at_once, grant};
use crate::sessions::grant::Occasion;
use crate::sessions::rules::Rules;
use serde_json::json;
use std::convert::Infallible;

async fn subject(id: &str) -> Result<Option<Subject>, Infallible> {
    Ok(Some(Subject {
        id: id.to_owned(),
        roles: vec!["user".into()],
        ..Subject::default()
    }))
}

async fn refresh(fixture: &Fixture, issued: &Issued) -> Result<Issued, RefreshError<Infallible>> {
    let token = issued.refresh.as_ref().unwrap().token.expose().as_bytes();
    fixture.lacre.refresh(token, subject).await
}

async fn access_is_good(fixture: &Fixture, issued: &Issued) -> bool {
    fixture
        .lacre
        .guard(issued.access.token.expose().as_bytes(), TokenKind::Access)
        .await
        .is_ok()
}

#[tokio::test]
async fn a_refresh_makes_the_earlier_tokens_noise() {
    let fixture = Fixture::new();
    let first = fixture.log_in("u1").await;
    let second = refresh(&fixture, &first).await.unwrap();
    assert_eq!((&first.handle, first.key), (&second.handle, second.key));
    assert!(!access_is_good(&fixture, &first).await && access_is_good(&fixture, &second).await);
    let token = second.access.token.expose().as_bytes();
    assert!(
        !fixture
            .lacre
            .guard(token, TokenKind::Access)
            .await
            .unwrap()
            .is_fresh()
    );
}

#[tokio::test]
async fn within_the_grace_the_earlier_token_brings_the_current_generation() {
    let fixture = Fixture::new();
    let first = fixture.log_in("u1").await;
    let second = refresh(&fixture, &first).await.unwrap();
    fixture.clock.advance(9);
    let again = refresh(&fixture, &first).await.unwrap();
    assert!(
        access_is_good(&fixture, &second).await,
        "nobody loses what was given out"
    );
    assert!(access_is_good(&fixture, &again).await);
    let third = refresh(&fixture, &again).await.unwrap();
    assert!(access_is_good(&fixture, &third).await && !access_is_good(&fixture, &second).await);
}

#[tokio::test]
async fn after_the_grace_a_spent_token_ends_the_session() {
    let fixture = Fixture::new();
    let first = fixture.log_in("u1").await;
    let second = refresh(&fixture, &first).await.unwrap();
    fixture.clock.advance(10);
    let theft = refresh(&fixture, &first).await.unwrap_err();
    assert!(matches!(theft, RefreshError::Reused { ref user_id, .. } if user_id == "u1"));
    assert!(!access_is_good(&fixture, &second).await);
    assert!(
        refresh(&fixture, &second).await.is_err(),
        "the whole session has ended"
    );
}

#[tokio::test]
async fn a_token_two_generations_old_is_spent_even_within_the_grace() {
    let fixture = Fixture::new();
    let first = fixture.log_in("u1").await;
    let second = refresh(&fixture, &first).await.unwrap();
    refresh(&fixture, &second).await.unwrap();
    assert!(matches!(
        refresh(&fixture, &first).await,
        Err(RefreshError::Reused { .. })
    ));
}

#[tokio::test]
async fn without_grace_a_second_use_is_theft_at_once() {
    let rules = Rules {
        refresh_grace: 0,
        ..Rules::new("https://issuer.test", "api")
    };
    let fixture = Fixture::with_rules(rules);
    let first = fixture.log_in("u1").await;
    refresh(&fixture, &first).await.unwrap();
    assert!(matches!(
        refresh(&fixture, &first).await,
        Err(RefreshError::Reused { .. })
    ));
}

#[tokio::test]
async fn idle_and_absolute_lifetimes_both_hold() {
    let rules = Rules {
        refresh_ttl: 100,
        absolute_ttl: 250,
        ..Rules::new("https://issuer.test", "api")
    };
    let fixture = Fixture::with_rules(rules);
    let idle = fixture.log_in("u2").await;
    let mut issued = fixture.log_in("u1").await;
    for (wait, lasts) in [(90, 100), (90, 70), (60, 10)] {
        fixture.clock.advance(wait);
        issued = refresh(&fixture, &issued).await.unwrap();
        assert_eq!(issued.refresh.as_ref().unwrap().expires_in, lasts);
    }
    assert!(refresh(&fixture, &idle).await.is_err(), "idle for too long");
    fixture.clock.advance(10);
    assert!(
        refresh(&fixture, &issued).await.is_err(),
        "at its absolute end"
    );
}

#[tokio::test]
async fn an_access_token_buys_nothing() {
    let fixture = Fixture::new();
    let issued = fixture.log_in("u1").await;
    let token = issued.access.token.expose().as_bytes();
    let refused = fixture.lacre.refresh(token, subject).await.unwrap_err();
    let RefreshError::Refused(refusal) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(refusal.code(), "token_kind");
}

#[tokio::test]
async fn additional_claims_stay_and_rights_are_looked_up() {
    let fixture = Fixture::new();
    let mut grant = grant("u1", Occasion::LogIn);
    grant.subject.roles = vec!["admin".into()];
    grant.additional.insert("theme".into(), json!("dark"));
    let first = fixture.lacre.issue(&grant).await.unwrap();
    let second = refresh(&fixture, &first).await.unwrap();
    let token = second.access.token.expose().as_bytes();
    let claims = fixture
        .lacre
        .guard(token, TokenKind::Access)
        .await
        .unwrap()
        .claims;
    assert_eq!(claims.additional["theme"], "dark");
    assert_eq!(claims.roles, ["user"]);
}

#[tokio::test]
async fn a_session_whose_user_is_gone_ends() {
    let fixture = Fixture::new();
    let issued = fixture.log_in("u1").await;
    let token = issued.refresh.as_ref().unwrap().token.expose().as_bytes();
    let gone = fixture
        .lacre
        .refresh(token, async |_: &str| Ok::<_, Infallible>(None))
        .await;
    assert!(matches!(gone, Err(RefreshError::UserGone { .. })));
    assert!(!access_is_good(&fixture, &issued).await);
}

#[tokio::test]
async fn ended_access_comes_back_with_the_next_refresh_even_in_the_grace() {
    let fixture = Fixture::new();
    let first = fixture.log_in("u1").await;
    let second = refresh(&fixture, &first).await.unwrap();
    fixture.lacre.revoke_access_of("u1").await.unwrap();
    assert!(!access_is_good(&fixture, &second).await);
    let third = refresh(&fixture, &first).await.unwrap();
    assert!(access_is_good(&fixture, &third).await);
    assert!(
        !access_is_good(&fixture, &second).await,
        "with the old rights it stays ended"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_refresh_at_once_all_hold_one_generation() {
    let fixture = Fixture::new();
    let mut current = fixture.log_in("u1").await;
    for _ in 0..20 {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let lacre = fixture.lacre.clone();
            let token = current.refresh.as_ref().unwrap().token.expose().to_owned();
            tasks.spawn(async move { lacre.refresh(token.as_bytes(), subject).await });
        }
        let mut answers: Vec<Issued> = tasks
            .join_all()
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert!(
            answers
                .iter()
                .all(|issued| at_once(access_is_good(&fixture, issued)))
        );
        current = answers.remove(0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_refresh_brings_an_ended_session_back() {
    let fixture = Fixture::new();
    for _ in 0..50 {
        let issued = fixture.log_in("u1").await;
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let lacre = fixture.lacre.clone();
            let token = issued.refresh.as_ref().unwrap().token.expose().to_owned();
            tasks.spawn(async move { lacre.refresh(token.as_bytes(), subject).await });
        }
        fixture.lacre.revoke(&issued.key).await.unwrap();
        let answers = tasks.join_all().await;
        let good = answers
            .iter()
            .flatten()
            .filter(|issued| at_once(access_is_good(&fixture, issued)));
        assert_eq!(good.count(), 0);
    }
}

#[test]
fn what_a_token_is_worth() {
    let record = |generation, access_ended| Record {
        private_scalar: lacre_keystore::PrivateScalar::new([1; 32]),
        user_id: "u1".into(),
        created_at: 0,
        authenticated_at: 0,
        expires_at: 1000,
        ends_at: 1000,
        last_seen_at: 0,
        generation,
        rotated_at: 100,
        access_ended,
        label: None,
        address: None,
        user_agent: None,
        client_id: None,
        last_seen_address: None,
        profile: None,
    };
    let rules = Rules::new("https://issuer.test", "api");
    let step = |generation, now| Step::of(&record(5, false), generation, now, &rules);
    let renewed = |step| match step {
        Some(Step::Renew(record)) => (record.generation, record.rotated_at, record.access_ended),
        other => panic!("{other:?}"),
    };
    assert_eq!(renewed(step(5, 500)), (6, 500, false));
    assert_eq!(step(4, 109), Some(Step::Repeat));
    assert_eq!(step(4, 110), Some(Step::End));
    assert_eq!(step(3, 100), Some(Step::End));
    assert_eq!(step(6, 100), None);
    let without_access = |now| Step::of(&record(5, true), 4, now, &rules);
    assert_eq!(renewed(without_access(105)), (6, 105, false));
    assert_eq!(without_access(110), Some(Step::End));
}
