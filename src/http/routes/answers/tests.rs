//! Every type of answers, to the byte, and against its own description.

use super::*;
use crate::accounts::{Email, UserId};
use crate::lacre::testing::Fixture;
use serde_json::{json, to_string};

/// What is sent, after checking that the type describes it.
fn sent<T: Serialize + Shape>(answer: &T) -> String {
    let text = to_string(answer).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    assert!(T::kind().describes(&value), "{:?}: {text}", T::kind());
    text
}

fn account(name: Option<&str>) -> Account {
    Account {
        id: UserId::parse("u1").unwrap(),
        email: Email::parse("ada@example.com").unwrap(),
        name: name.map(str::to_owned),
        roles: vec!["clerk".into(), "user".into()],
        permissions: vec!["users:read".into()],
        active: true,
        created_at: 0,
        updated_at: 60,
        revision: 2,
    }
}

fn user(name: Option<&str>) -> ops::User {
    let account = account(name);
    ops::User {
        id: account.id.as_str().to_owned(),
        email: account.email.as_str().to_owned(),
        name: account.name,
        roles: account.roles,
        permissions: account.permissions,
        active: account.active,
        created_at: account.created_at,
        updated_at: account.updated_at,
    }
}

#[tokio::test]
async fn tokens_are_answered_as_rfc_6749_has_it() {
    let issued = Fixture::new().log_in("u1").await;
    let refresh = issued.refresh.as_ref().unwrap();
    let expected = format!(
        r#"{{"auth":"{}","crt":"{}","token_type":"Bearer","expires_in":900,"refresh":"{}","refresh_expires_in":{}}}"#,
        issued.access.token.expose(),
        issued.handle.as_str(),
        refresh.token.expose(),
        refresh.expires_in,
    );
    assert_eq!(sent(&TokenAnswer::from(issued)), expected);
}

#[tokio::test]
async fn where_no_refresh_token_was_made_its_members_are_left_out() {
    let mut issued = Fixture::new().log_in("u1").await;
    issued.refresh = None;
    let text = sent(&TokenAnswer::from(issued));
    assert!(text.ends_with(r#","expires_in":900}"#), "{text}");
}

#[tokio::test]
async fn an_answer_with_tokens_prints_none() {
    let issued = Fixture::new().log_in("u1").await;
    let token = issued.access.token.expose().to_owned();
    let printed = format!("{:?}", TokenAnswer::from(issued));
    assert!(!printed.contains(&token), "{printed}");
}

#[test]
fn an_account_is_shown_without_its_times_to_its_owner() {
    let shown = r#"{"id":"u1","email":"ada@example.com","name":"Ada","role":"clerk","roles":["clerk","user"],"permissions":["users:read"],"active":true"#;
    let own = sent(&AccountAnswer::from(&account(Some("Ada"))));
    assert_eq!(own, format!("{shown}}}"));
    let user = sent(&UserAnswer::from(user(Some("Ada"))));
    let times = r#""created_at":"1970-01-01T00:00:00Z","updated_at":"1970-01-01T00:01:00Z""#;
    assert_eq!(user, format!("{shown},{times}}}"));
    let nameless = sent(&AccountAnswer::from(&account(None)));
    assert!(nameless.contains(r#""name":null,"#), "{nameless}");
}

#[test]
fn a_page_names_the_next_one() {
    let page = |next: Option<&str>| UsersAnswer {
        users: vec![user(None).into()],
        next: next.map(str::to_owned),
    };
    assert!(sent(&page(Some("u1"))).ends_with(r#"}],"next":"u1"}"#));
    assert!(sent(&page(None)).ends_with(r#"}],"next":null}"#));
}

#[tokio::test]
async fn who_asks_is_told_of_account_and_session() {
    let me = |claims: Map<String, Value>| MeAnswer {
        account: (&account(None)).into(),
        session: OwnSession {
            crt: "handle".into(),
            created_at: Time(0),
            expires_at: Time(60),
            fresh: true,
            claims,
        },
    };
    let text = sent(&me(Map::new()));
    let session = r#""session":{"crt":"handle","created_at":"1970-01-01T00:00:00Z","expires_at":"1970-01-01T00:01:00Z","fresh":true"#;
    assert!(
        text.ends_with(&format!(r#""active":true,{session}}}}}"#)),
        "{text}"
    );
    let claims = json!({"shop": [1]}).as_object().unwrap().clone();
    let text = sent(&me(claims));
    assert!(
        text.ends_with(&format!(r#"{session},"claims":{{"shop":[1]}}}}}}"#)),
        "{text}"
    );
}

#[test]
fn a_visitor_is_nobody_or_what_the_token_says() {
    assert_eq!(sent(&VisitorAnswer { user: None }), r#"{"user":null}"#);
    let user = VisitorUser {
        id: "u1".into(),
        issuer: None,
        email: None,
        role: Some("clerk".into()),
        roles: vec!["clerk".into()],
        permissions: vec![],
    };
    assert_eq!(
        sent(&VisitorAnswer { user: Some(user) }),
        r#"{"user":{"id":"u1","email":null,"role":"clerk","roles":["clerk"],"permissions":[]}}"#
    );
}

#[test]
fn a_session_is_listed_with_null_for_what_is_not_known() {
    let answer = SessionAnswer {
        crt: "handle".into(),
        created_at: Time(0),
        last_seen_at: Time(0),
        expires_at: Time(60),
        ip: Some("192.0.2.1".into()),
        user_agent: None,
        label: None,
        current: false,
    };
    assert_eq!(
        sent(&vec![answer]),
        r#"[{"crt":"handle","created_at":"1970-01-01T00:00:00Z","last_seen_at":"1970-01-01T00:00:00Z","expires_at":"1970-01-01T00:01:00Z","ip":"192.0.2.1","user_agent":null,"label":null,"current":false}]"#
    );
}

#[test]
fn what_was_revoked_is_counted() {
    assert_eq!(sent(&RevokedAnswer { revoked: 3 }), r#"{"revoked":3}"#);
}
