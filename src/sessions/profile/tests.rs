use super::*;
use crate::lacre::testing::{Fixture, NOW, grant};
use crate::sessions::grant::{Issued, Lasting, Origin};
use crate::sessions::guard::{LiveSession, Refusal};
use crate::sessions::refresh::RefreshError;
use crate::token::{OwnUser, TokenKind};
use lacre_keystore::Swap;
use std::convert::Infallible;

const SHOP: &str = "client_AAAAAAAAAAAAAAAA";
const DESK: &str = "client_BBBBBBBBBBBBBBBB";

fn vouched(client: &str, id: &str) -> Grant {
    let occasion = Occasion::OwnUser {
        client_id: client.to_owned(),
        client_name: "shop".to_owned(),
        name: Some("Ada".to_owned()),
        fresh: false,
    };
    grant(id, occasion)
}

fn user(client: &str, id: &str) -> String {
    OwnUser::new(client, id).unwrap().user()
}

async fn opened(fixture: &Fixture, lasting: &Lasting) -> Result<LiveSession, Refusal> {
    let token = lasting.token.expose().as_bytes();
    fixture.lacre.guard(token, TokenKind::Access).await
}

async fn refreshed(
    fixture: &Fixture,
    issued: &Issued,
    answer: Option<Subject>,
) -> Result<Issued, RefreshError<Infallible>> {
    let refresh = issued.refresh.as_ref().unwrap();
    let who = async |_: &str| Ok(answer.clone());
    let token = refresh.token.expose().as_bytes();
    fixture.lacre.refresh(token, who).await
}

#[tokio::test]
async fn a_session_says_whose_it_is() {
    let fixture = Fixture::new();
    let issued = fixture.lacre.issue(&vouched(SHOP, "ada")).await.unwrap();
    assert_eq!(issued.user_id, user(SHOP, "ada"));
    // The first time and from then on.
    for _ in 0..2 {
        let session = opened(&fixture, &issued.access).await.unwrap();
        assert_eq!(session.user_id(), user(SHOP, "ada"));
        assert_eq!(
            (session.subject(), session.client_id()),
            ("ada", Some(SHOP))
        );
        assert_eq!(session.claims.client_name.as_deref(), Some("shop"));
        assert_eq!(session.claims.additional["name"], "Ada");
        assert_eq!(session.claims.authenticated_at, None);
    }
    let account = fixture.log_in("ada").await;
    let session = opened(&fixture, &account.access).await.unwrap();
    assert_eq!((session.user_id(), session.subject()), ("ada", "ada"));
    assert_eq!(session.client_id(), None);
    let of = async |user: &str| fixture.lacre.sessions_of(user).await.unwrap().len();
    assert_eq!((of("ada").await, of(&user(SHOP, "ada")).await), (1, 1));
}

#[tokio::test]
async fn a_client_says_whether_a_password_was_proven() {
    let fixture = Fixture::new();
    let mut fresh = vouched(SHOP, "ada");
    if let Occasion::OwnUser { fresh, .. } = &mut fresh.occasion {
        *fresh = true;
    }
    let issued = fixture.lacre.issue(&fresh).await.unwrap();
    let session = opened(&fixture, &issued.access).await.unwrap();
    assert!(session.is_fresh());
    assert_eq!(session.claims.authenticated_at, Some(NOW));
    let issued = refreshed(&fixture, &issued, Some(Subject::default())).await;
    let session = opened(&fixture, &issued.unwrap().access).await.unwrap();
    assert!(!session.is_fresh());
    assert_eq!(session.claims.authenticated_at, Some(NOW));
}

#[tokio::test]
async fn no_account_is_begun_under_the_text_of_a_clients_user() {
    let fixture = Fixture::new();
    for occasion in [
        Occasion::LogIn,
        Occasion::OnBehalf {
            client_id: SHOP.to_owned(),
        },
    ] {
        let forged = grant(&user(SHOP, "ada"), occasion);
        let refused = fixture.lacre.issue(&forged).await.unwrap_err();
        assert_eq!(refused, IssueError::UserId);
    }
    for (client, id) in [
        (SHOP, ""),
        (SHOP, "a/b"),
        (SHOP, ".."),
        ("shop", "ada"),
        ("", "ada"),
    ] {
        let refused = fixture.lacre.issue(&vouched(client, id)).await;
        assert_eq!(
            refused.unwrap_err(),
            IssueError::UserId,
            "{client:?} {id:?}"
        );
    }
    assert_eq!(fixture.lacre.keystore().stats().await.unwrap().records, 0);
}

/// A record that names another user than the token opens nothing, whichever half differs.
#[tokio::test]
async fn the_record_and_the_token_name_one_user() {
    let fixture = Fixture::new();
    let issued = fixture.lacre.issue(&vouched(SHOP, "ada")).await.unwrap();
    let keystore = fixture.lacre.keystore();
    for other in ["ada".to_owned(), user(DESK, "ada"), user(SHOP, "bea")] {
        let stored = keystore.get(&issued.key).await.unwrap().unwrap();
        let record = Record {
            user_id: other.clone(),
            ..stored.record.clone()
        };
        let swap = keystore.compare_and_swap(&issued.key, &stored, &record);
        assert_eq!(swap.await.unwrap(), Swap::Won);
        assert!(opened(&fixture, &issued.access).await.is_err(), "{other}");
    }
}

#[tokio::test]
async fn a_refresh_takes_what_the_record_says_and_asks_whether_there_is_a_user() {
    let fixture = Fixture::new();
    let mut grant = vouched(SHOP, "ada");
    grant.subject.roles = vec!["buyer".to_owned()];
    let issued = fixture.lacre.issue(&grant).await.unwrap();
    let asked = Subject {
        id: "root".to_owned(),
        roles: vec!["admin".to_owned()],
        ..Subject::default()
    };
    let issued = refreshed(&fixture, &issued, Some(asked)).await.unwrap();
    let session = opened(&fixture, &issued.access).await.unwrap();
    assert_eq!(
        (session.subject(), &*session.claims.roles),
        ("ada", &["buyer".to_owned()][..])
    );
    // Nobody proves a password here.
    let subject = Subject::default();
    let renewed = fixture.lacre.renew_access(&session, &subject).await;
    assert!(renewed.unwrap().is_none());
    let gone = refreshed(&fixture, &issued, None).await.unwrap_err();
    let of_ada = |gone: &RefreshError<Infallible>| matches!(gone, RefreshError::UserGone { user_id, .. } if *user_id == user(SHOP, "ada"));
    assert!(of_ada(&gone), "{gone:?}");
    assert!(opened(&fixture, &issued.access).await.is_err());
}

#[tokio::test]
async fn what_is_said_anew_is_said_in_every_session_of_that_user_alone() {
    let fixture = Fixture::new();
    let begin = async |client: &str, id: &str| {
        let issued = fixture.lacre.issue(&vouched(client, id)).await;
        issued.unwrap()
    };
    let [one, two] = [begin(SHOP, "ada").await, begin(SHOP, "ada").await];
    let others = [
        begin(DESK, "ada").await,
        begin(SHOP, "bea").await,
        fixture.log_in("ada").await,
    ];
    let change = ProfileChange {
        roles: Some(vec!["vip".to_owned()]),
        email: Some(String::new()),
        ..ProfileChange::default()
    };
    let told = fixture.lacre.tell(&user(SHOP, "ada"), &change).await;
    assert_eq!(told.unwrap().len(), 2);
    for other in &others {
        assert!(opened(&fixture, &other.access).await.is_ok());
    }
    for issued in [one, two] {
        assert!(opened(&fixture, &issued.access).await.is_err());
        let issued = refreshed(&fixture, &issued, Some(Subject::default())).await;
        let session = opened(&fixture, &issued.unwrap().access).await.unwrap();
        assert_eq!(session.claims.roles, ["vip"]);
        assert_eq!(session.claims.email, None);
        assert_eq!(session.claims.additional["name"], "Ada");
    }
    // Of an account nobody says anything.
    let told = fixture.lacre.tell("ada", &change).await;
    assert!(told.unwrap().is_empty());
    assert!(opened(&fixture, &others[2].access).await.is_ok());
}

#[tokio::test]
async fn where_one_session_can_not_say_it_none_does() {
    let fixture = Fixture::new();
    let begin = async |name: usize| {
        let mut grant = vouched(SHOP, "ada");
        grant.occasion = match grant.occasion {
            Occasion::OwnUser {
                client_id,
                client_name,
                fresh,
                ..
            } => Occasion::OwnUser {
                client_id,
                client_name,
                name: Some("x".repeat(name)),
                fresh,
            },
            other => other,
        };
        fixture.lacre.issue(&grant).await.unwrap()
    };
    let sessions = [begin(1).await, begin(MAX_PROFILE / 2).await, begin(1).await];
    let mut change = ProfileChange {
        email: Some("x".repeat(MAX_PROFILE / 2)),
        ..ProfileChange::default()
    };
    let refused = fixture.lacre.tell(&user(SHOP, "ada"), &change).await;
    assert_eq!(refused.unwrap_err(), IssueError::ProfileTooLong);
    for issued in &sessions {
        assert!(opened(&fixture, &issued.access).await.is_ok());
    }
    change.email = Some("x@example.org".to_owned());
    let told = fixture.lacre.tell(&user(SHOP, "ada"), &change).await;
    assert_eq!(told.unwrap().len(), 3);
}

#[tokio::test]
async fn the_longest_profile_fits_beside_the_longest_of_everything_else() {
    let fixture = Fixture::new();
    let text = |bytes: usize| "x".repeat(bytes);
    let wide = || Some("\u{10000}".repeat(200));
    let mut grant = vouched(SHOP, &text(255));
    grant.origin = Origin {
        label: wide(),
        user_agent: wide(),
        address: Some(text(45)),
    };
    grant.subject.permissions = Vec::new();
    let room = MAX_PROFILE - Profile::said(&grant).unwrap().text().unwrap().len();
    grant.subject.email = Some(text(room + grant.subject.email.unwrap_or_default().len()));
    let issued = fixture.lacre.issue(&grant).await.unwrap();
    let keystore = fixture.lacre.keystore();
    let stored = keystore.get(&issued.key).await.unwrap().unwrap();
    assert_eq!(stored.record.profile.as_ref().unwrap().len(), MAX_PROFILE);
    let record = Record {
        created_at: u64::MAX,
        authenticated_at: u64::MAX,
        expires_at: u64::MAX,
        ends_at: u64::MAX,
        last_seen_at: u64::MAX,
        generation: u64::MAX,
        rotated_at: u64::MAX,
        last_seen_address: Some(text(45)),
        ..stored.record.clone()
    };
    let swap = keystore.compare_and_swap(&issued.key, &stored, &record);
    assert_eq!(swap.await.unwrap(), Swap::Won);
    let email = grant.subject.email.as_mut().unwrap();
    email.push('x');
    let refused = fixture.lacre.issue(&grant).await.unwrap_err();
    assert_eq!(refused, IssueError::ProfileTooLong);
}
