use super::*;
use crate::lacre::testing::{Fixture, NOW, at_once, grant, on_behalf};
use crate::sessions::grant::Occasion;
use crate::sessions::guard::Refusal;
use crate::sessions::rules::Rules;
use crate::token::{TokenError, TokenKind};
use serde_json::json;

async fn open(
    deployment: &Fixture,
    issued: &Issued,
) -> Result<crate::sessions::guard::LiveSession, Refusal> {
    deployment
        .lacre
        .guard(issued.access.token.expose().as_bytes(), TokenKind::Access)
        .await
}

#[tokio::test]
async fn an_issued_token_is_good_at_once_and_says_who() {
    let deployment = Fixture::new();
    let mut grant = grant("u1", Occasion::LogIn);
    grant.subject.roles = vec!["admin".into(), "user".into()];
    grant
        .additional
        .insert("theme".into(), json!({"dark": true}));
    let issued = deployment.lacre.issue(&grant).await.unwrap();
    assert_eq!(issued.access.expires_in, 900);
    let session = open(&deployment, &issued).await.unwrap();
    assert_eq!(session.user_id(), "u1");
    assert_eq!(session.handle(), &issued.handle);
    assert!(session.is_fresh());
    assert_eq!(session.claims.role.as_deref(), Some("admin"));
    assert_eq!(session.claims.additional["theme"], json!({"dark": true}));
    assert_eq!(
        (session.claims.issued_at, session.claims.expires_at),
        (NOW, NOW + 900)
    );
}

#[tokio::test]
async fn a_session_that_a_client_asked_for_says_of_no_time_that_a_password_was_proven() {
    let deployment = Fixture::new();
    let issued = deployment.lacre.issue(&on_behalf("u1", "s")).await.unwrap();
    let session = open(&deployment, &issued).await.unwrap();
    assert_eq!(session.claims.authenticated_at, None);
    assert!(!session.is_fresh());
    // Until the user proves one: then and after a refresh.
    deployment.clock.advance(7);
    let subject = grant("u1", Occasion::LogIn).subject;
    let proven = deployment.lacre.renew_access(&session, &subject).await;
    let proven = open(&deployment, &proven.unwrap().unwrap()).await.unwrap();
    assert_eq!(proven.claims.authenticated_at, Some(NOW + 7));
    assert!(proven.is_fresh());
    let refresh = issued.refresh.unwrap();
    let who = async |_: &str| Ok::<_, std::convert::Infallible>(Some(subject.clone()));
    let refreshed = deployment
        .lacre
        .refresh(refresh.token.expose().as_bytes(), who);
    let refreshed = open(&deployment, &refreshed.await.unwrap()).await.unwrap();
    assert_eq!(refreshed.claims.authenticated_at, Some(NOW + 7));
    assert!(!refreshed.is_fresh());
}

#[tokio::test]
async fn each_log_in_is_a_session_of_its_own() {
    let deployment = Fixture::new();
    let (one, two) = (deployment.log_in("u1").await, deployment.log_in("u1").await);
    assert_ne!(one.handle, two.handle);
    deployment.lacre.revoke(&one.key).await.unwrap();
    assert!(open(&deployment, &one).await.is_err());
    assert!(open(&deployment, &two).await.is_ok());
}

#[tokio::test]
async fn asking_again_for_the_same_pair_replaces_the_key() {
    let deployment = Fixture::new();
    let first = deployment.lacre.issue(&on_behalf("u1", "s")).await.unwrap();
    assert!(
        open(&deployment, &first)
            .await
            .is_ok_and(|session| !session.is_fresh())
    );
    let second = deployment.lacre.issue(&on_behalf("u1", "s")).await.unwrap();
    assert_eq!(first.handle, second.handle);
    assert_eq!(
        open(&deployment, &first).await.unwrap_err(),
        TokenError::NotAuthentic.into()
    );
    assert!(open(&deployment, &second).await.is_ok());
    let other = deployment.lacre.issue(&on_behalf("u1", "t")).await.unwrap();
    assert!(open(&deployment, &second).await.is_ok() && open(&deployment, &other).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_replace_at_once_one_token_stays_good() {
    let deployment = Fixture::new();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let lacre = deployment.lacre.clone();
        tasks.spawn(async move { lacre.issue(&on_behalf("u1", "s")).await });
    }
    let issued = tasks.join_all().await;
    let good = issued
        .iter()
        .flatten()
        .filter(|issued| at_once(open(&deployment, issued)).is_ok())
        .count();
    assert_eq!(good, 1);
}

#[tokio::test]
async fn nothing_is_stored_where_no_token_can_be_made() {
    let deployment = Fixture::new();
    let mut reserved = grant("u1", Occasion::LogIn);
    reserved.additional.insert("sid".into(), json!("x"));
    let refused = deployment.lacre.issue(&reserved).await.unwrap_err();
    assert_eq!(refused, IssueError::ReservedClaim("sid".into()));
    let mut long = grant("u1", Occasion::LogIn);
    long.additional
        .insert("note".into(), json!("x".repeat(9000)));
    assert_eq!(
        deployment.lacre.issue(&long).await.unwrap_err(),
        IssueError::TooLong
    );
    assert_eq!(deployment.lacre.sessions_of("u1").await.unwrap(), []);
}

#[tokio::test]
async fn no_access_token_outlives_its_session() {
    let rules = Rules {
        absolute_ttl: 60,
        ..Rules::new("https://issuer.test", "api")
    };
    let deployment = Fixture::with_rules(rules);
    let issued = deployment.log_in("u1").await;
    assert_eq!(issued.access.expires_in, 60);
    deployment.clock.advance(59);
    assert!(open(&deployment, &issued).await.is_ok());
    deployment.clock.advance(1);
    assert!(open(&deployment, &issued).await.is_err());
}

#[tokio::test]
async fn jitter_shortens_a_life_and_lengthens_none() {
    let lives = |access_ttl, access_ttl_jitter| async move {
        let rules = Rules {
            access_ttl,
            access_ttl_jitter,
            ..Rules::new("https://issuer.test", "api")
        };
        let deployment = Fixture::with_rules(rules);
        let mut lives = Vec::new();
        for _ in 0..200 {
            let issued = deployment.log_in("u1").await;
            let claims = open(&deployment, &issued).await.unwrap().claims;
            assert_eq!(claims.expires_at, NOW + issued.access.expires_in);
            lives.push(issued.access.expires_in);
        }
        lives.sort_unstable();
        (
            lives[0],
            lives[199],
            lives
                .into_iter()
                .collect::<std::collections::HashSet<_>>()
                .len(),
        )
    };
    assert_eq!(
        lives(900, 0).await,
        (900, 900, 1),
        "none unless it is asked for"
    );
    let (shortest, longest, different) = lives(900, 20).await;
    assert!((720..750).contains(&shortest), "{shortest}");
    assert!((870..=900).contains(&longest), "{longest}");
    assert!(different > 50, "only {different} different lives");
    let (shortest, longest, _) = lives(900, 50).await;
    assert!(shortest >= 450 && longest <= 900, "{shortest} to {longest}");
    let (shortest, longest, _) = lives(900, u32::MAX).await;
    assert!(shortest >= 450 && longest <= 900, "{shortest} to {longest}");
    assert_eq!(lives(1, 50).await, (1, 1, 1), "never nothing");
}

/// A clock on which a second passes at each look.
struct Ticking(std::sync::atomic::AtomicU64);

impl crate::clock::Clock for Ticking {
    fn now(&self) -> UnixSeconds {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    }

    fn raise_to(&self, time: UnixSeconds) {
        self.0.fetch_max(time, std::sync::atomic::Ordering::Relaxed);
    }
}

#[tokio::test]
async fn no_second_is_lost_between_the_record_and_its_tokens() {
    let rules = Rules::new("https://issuer.test", "api");
    let deployment = Fixture::build(rules, |builder| {
        builder.clock(std::sync::Arc::new(Ticking(NOW.into())))
    });
    let issued = deployment.log_in("u1").await;
    assert_eq!(issued.access.expires_in, 900);
    assert_eq!(issued.refresh.unwrap().expires_in, 30 * 24 * 3600);
}

#[tokio::test]
async fn the_longest_token_is_remembered() {
    let deployment = Fixture::new();
    assert_eq!(deployment.lacre.largest_token(), 0);
    let mut long = grant("u1", Occasion::LogIn);
    long.additional
        .insert("note".into(), json!("x".repeat(500)));
    let issued = deployment.lacre.issue(&long).await.unwrap();
    deployment.log_in("u1").await;
    let longest = issued.access.token.expose().len();
    assert_eq!(deployment.lacre.largest_token(), longest);
}

#[tokio::test]
async fn a_token_prints_nothing() {
    let issued = Fixture::new().log_in("u1").await;
    assert_eq!(format!("{:?}", issued.access.token), "IssuedToken(..)");
}

#[tokio::test]
async fn a_damaged_record_of_a_name_is_replaced_by_the_next_of_that_name() {
    let deployment = Fixture::new();
    let mut grant = grant("u1", Occasion::LogIn);
    grant.user_session = Some("tab-1".to_owned());
    let before = deployment.lacre.issue(&grant).await.unwrap();
    let another = lacre_keystore::MasterKey::from_bytes(2, [7; 32]);
    let keystore = deployment.lacre.keystore();
    keystore.set_ring(lacre_keystore::MasterKeyRing::new(another));
    assert!(keystore.get(&before.key).await.is_err(), "it opens no more");
    let after = deployment.lacre.issue(&grant).await.unwrap();
    assert_eq!(after.key, before.key);
    assert!(after.replaced, "the audit log is told that one ended");
    assert!(open(&deployment, &after).await.is_ok());
    assert!(open(&deployment, &before).await.is_err());
}
