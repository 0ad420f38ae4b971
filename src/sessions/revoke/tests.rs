use crate::lacre::testing::{Fixture, at_once, on_behalf};
use crate::sessions::rules::Rules;
use crate::token::TokenKind;

async fn is_good(deployment: &Fixture, issued: &crate::sessions::grant::Issued) -> bool {
    deployment
        .lacre
        .guard(issued.access.token.expose().as_bytes(), TokenKind::Access)
        .await
        .is_ok()
}

#[tokio::test]
async fn a_user_sees_own_live_sessions_the_newest_first() {
    let deployment = Fixture::new();
    let first = deployment.log_in("u1").await;
    deployment.clock.advance(10);
    let second = deployment.log_in("u1").await;
    deployment.log_in("u2").await;
    let sessions = deployment.lacre.sessions_of("u1").await.unwrap();
    let handles: Vec<_> = sessions.iter().map(|session| &session.handle).collect();
    assert_eq!(handles, [&second.handle, &first.handle]);
    deployment.clock.advance(91 * 24 * 3600);
    assert_eq!(
        deployment.lacre.sessions_of("u1").await.unwrap(),
        [],
        "expired ones are gone"
    );
}

#[tokio::test]
async fn more_sessions_than_a_page_are_all_listed() {
    let deployment = Fixture::with_rules(Rules {
        max_per_user: super::super::list::PAGE + 3,
        ..Rules::new("https://issuer.test", "api")
    });
    for name in 0..super::super::list::PAGE + 3 {
        deployment
            .lacre
            .issue(&on_behalf("u1", &name.to_string()))
            .await
            .unwrap();
    }
    assert_eq!(
        deployment.lacre.sessions_of("u1").await.unwrap().len(),
        super::super::list::PAGE + 3
    );
}

#[tokio::test]
async fn what_is_ended_is_ended_alone() {
    let deployment = Fixture::new();
    let [a, b, c] = [
        deployment.log_in("u1").await,
        deployment.log_in("u1").await,
        deployment.log_in("u2").await,
    ];
    assert!(deployment.lacre.revoke(&a.key).await.unwrap());
    assert!(
        !deployment.lacre.revoke(&a.key).await.unwrap(),
        "gone already"
    );
    assert_eq!(
        [&a, &b, &c].map(|issued| at_once(is_good(&deployment, issued))),
        [false, true, true]
    );
}

#[tokio::test]
async fn all_all_but_one_and_everything() {
    let deployment = Fixture::new();
    let mut mine = Vec::new();
    for _ in 0..5 {
        mine.push(deployment.log_in("u1").await);
    }
    let other = deployment.log_in("u2").await;
    assert_eq!(
        deployment
            .lacre
            .revoke_user_but("u1", &mine[2].key)
            .await
            .unwrap()
            .len(),
        4
    );
    let good: Vec<_> = mine
        .iter()
        .map(|issued| at_once(is_good(&deployment, issued)))
        .collect();
    assert_eq!(good, [false, false, true, false, false]);
    assert_eq!(deployment.lacre.revoke_user("u1").await.unwrap().len(), 1);
    assert!(!is_good(&deployment, &mine[2]).await && is_good(&deployment, &other).await);
    assert_eq!(deployment.lacre.revoke_all().await.unwrap(), 1);
    assert!(!is_good(&deployment, &other).await);
}

#[tokio::test]
async fn all_but_one_are_the_expired_and_the_damaged_too_and_nobody_elses() {
    let deployment = Fixture::with_a_damaged_record("u1").await;
    let (kept, other) = (deployment.log_in("u1").await, deployment.log_in("u2").await);
    let ended = deployment
        .lacre
        .revoke_user_but("u1", &kept.key)
        .await
        .unwrap();
    assert_eq!(ended.len(), 2);
    assert!(!ended.contains(&kept.handle));
    assert_eq!(
        deployment.lacre.all_of("u1").await.unwrap(),
        std::slice::from_ref(&kept.handle)
    );
    assert!(is_good(&deployment, &kept).await && is_good(&deployment, &other).await);
    deployment
        .clock
        .advance(deployment.lacre.rules().absolute_ttl);
    let fresh = deployment.log_in("u1").await;
    let ended = deployment
        .lacre
        .revoke_user_but("u1", &fresh.key)
        .await
        .unwrap();
    assert_eq!(ended, [kept.handle]);
    assert!(is_good(&deployment, &fresh).await);
}

#[tokio::test]
async fn a_handle_belongs_to_its_user_only() {
    let deployment = Fixture::new();
    let issued = deployment.log_in("u1").await;
    assert_eq!(
        deployment.lacre.owns("u1", &issued.handle),
        Some(issued.key)
    );
    assert_eq!(deployment.lacre.owns("u2", &issued.handle), None);
}

#[tokio::test]
async fn an_operator_walks_all_sessions_page_by_page() {
    let deployment = Fixture::new();
    for user in ["a", "b", "c", "d", "e"] {
        deployment.log_in(user).await;
    }
    let (mut users, mut after) = (Vec::new(), None);
    loop {
        let page = deployment.lacre.all_sessions(after, 2).await.unwrap();
        users.extend(page.sessions.into_iter().map(|session| session.user_id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    users.sort();
    assert_eq!(users, ["a", "b", "c", "d", "e"]);
}
