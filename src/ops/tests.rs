//! Requests of operators, as the socket takes them.

mod accounts;
mod ends;
mod explained;
mod window;

use super::*;
use crate::lacre::testing::{Deployed, grant, on_behalf};
use crate::service::Caller;
use crate::sessions::grant::{Grant, Occasion, Origin};
use crate::token::Handle;
use serde_json::Value;

impl Deployed {
    async fn ask(&self, request: Request) -> Result<Answer, AdminError> {
        // Over the wire and back, as the socket does it.
        let wire = serde_json::to_vec(&request).unwrap();
        let request = serde_json::from_slice(&wire).unwrap();
        let answer = perform(&self.service, &Caller::operator(), request).await;
        let answer = answer.map_err(AdminError::from);
        let wire = serde_json::to_vec(&answer).unwrap();
        serde_json::from_slice(&wire).unwrap()
    }

    async fn refusal(&self, request: Request) -> (u8, String) {
        let error = self.ask(request).await.unwrap_err();
        (error.kind.exit_status(), error.code.into_owned())
    }

    async fn add(&self, email: &str) -> User {
        let new = NewUser {
            email: email.to_owned(),
            password: Some(Secret::new("correct horse battery".to_owned())),
            ..NewUser::default()
        };
        match self
            .ask(Request::Users(UsersRequest::Add(new)))
            .await
            .unwrap()
        {
            Answer::User(user) => user,
            other => panic!("{other:?}"),
        }
    }

    async fn sessions(&self, user: Option<&str>, after: Option<String>, limit: usize) -> Sessions {
        let user = user.map(str::to_owned);
        let limit = Some(limit);
        let request = Request::Keystore(KeystoreRequest::List {
            user,
            last_use: LastUse::default(),
            after,
            limit,
        });
        match self.ask(request).await.unwrap() {
            Answer::Sessions(sessions) => sessions,
            other => panic!("{other:?}"),
        }
    }

    async fn revoke(&self, which: Which, dry_run: bool) -> (u64, Option<Vec<String>>) {
        let request = Request::Sessions(SessionsRequest::Revoke { which, dry_run });
        match self.ask(request).await.unwrap() {
            Answer::Revoked { count, handles, .. } => (count, handles),
            other => panic!("{other:?}"),
        }
    }

    async fn live(&self) -> usize {
        self.sessions(None, None, MAX_PAGE).await.sessions.len()
    }
}

#[test]
fn no_request_and_no_answer_shows_a_secret() {
    let secret = || Secret::new("hunter2!hunter2!".to_owned());
    let to = UserChange {
        password: Some(secret()),
        ..UserChange::default()
    };
    let request = change_user("a".to_owned(), to);
    let answer = Answer::NewClient {
        id: "a".to_owned(),
        secret: secret(),
    };
    for shown in [format!("{request:?}"), format!("{answer:?}")] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

fn show_user(user: String) -> Request {
    Request::Users(UsersRequest::Show { user })
}

fn list_users(after: Option<String>) -> Request {
    let (limit, text) = (None, None);
    Request::Users(UsersRequest::List { after, limit, text })
}

fn change_user(user: String, to: UserChange) -> Request {
    Request::Users(UsersRequest::Change { user, to })
}

fn to_active(active: bool) -> UserChange {
    UserChange {
        active: Some(active),
        ..UserChange::default()
    }
}
