//! The dialect `jwe-flask`: an encrypted token that a Flask application asks for by the user's id and
//! the user's session, and a resource whose path names both.
//!
//! The middle part of `user_session` is the session's name, as the application had it in a file's
//! name. Here it is never part of a path: the service makes an HMAC of it.
//!
//! This room must never give a token to whom the service doesn't.

use super::super::answer::Answer;
use super::super::body::{Json, JsonOrForm, Members};
use super::super::guard::Session;
use super::super::problem::{Code, Parts, Problem};
use super::super::render::Wording;
use super::super::routes::answers::TokenText;
use super::super::routes::contract::{
    Access, BodyInfo, Contract, Media, Part, Success, SuccessContent,
};
use super::super::routes::table::{RouteInfo, row};
use super::super::routes::{Policy, login, sessions};
use super::super::schema::{Kind, Member, Presence, Shape as _, answer};
use super::wording::text;
use crate::service::Service;
use crate::token::json;
use actix_web::HttpRequest;
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Data, Path};
use serde_json::Value;

/// The routes of this dialect.
pub(super) const ROUTES: &[RouteInfo] = {
    use Access::{AnyKind, Guarded, Open};
    &[
        row(Method::POST, "/getToken", Open, GET_TOKEN, |r| {
            r.to(get_token)
        }),
        row(Method::GET, "/user/{id}", Guarded, USER, |r| r.to(user)),
        row(Method::POST, "/logout", AnyKind, sessions::LOG_OUT, |r| {
            r.to(sessions::log_out)
        })
        .and_own_users(),
    ]
};

/// Tells a problem. Every token that isn't let in is one answer.
pub(super) fn words(problem: &Parts) -> Wording {
    match problem.code {
        Code::InvalidToken | Code::CsrfFailed | Code::InsufficientScope => {
            text(StatusCode::FORBIDDEN, "FAILED - Decryption failed")
        }
        Code::NoCredentials => text(StatusCode::UNAUTHORIZED, "FAILED - Token missing"),
        Code::InvalidCredentials => text(StatusCode::UNAUTHORIZED, "Incorrect user"),
        Code::InvalidClient => text(StatusCode::UNAUTHORIZED, "Incorrect client"),
        code => text(code.status(), problem.detail.clone()),
    }
}

const GET_TOKEN: Contract = Contract {
    summary: "Begins a session of a user for a back end, named by the middle part of `user_session`.",
    body: Some(BodyInfo {
        media: Media::Json,
        required: true,
        variants: &[&[SENT]],
    }),
    success: Success {
        status: 200,
        content: SuccessContent::Json(Given::kind),
        headers: &[],
    },
    ..login::GET_TOKEN
};

const SENT: Part = || {
    let member = |name| Member {
        name,
        kind: Kind::Text,
        presence: Presence::Required,
    };
    vec![member("id"), member("user_session")]
};

answer! {
    /// What the application is given.
    struct Given {
        auth: TokenText,
        /// The middle part of the `user_session`.
        crt: String,
    }
}

async fn get_token(
    request: HttpRequest,
    service: Data<Service>,
    policy: Data<Policy>,
    Json(sent): Json,
) -> Result<Answer<Given>, Problem> {
    let (members, crt) = translated(sent)?;
    let given = login::get_token(request, service, policy, JsonOrForm(members)).await?;
    Ok(given.map(|given| Given {
        auth: given.auth,
        crt,
    }))
}

/// The body of lacre's own route, and the session's name.
fn translated(mut sent: Members) -> Result<(Members, String), Problem> {
    let id = sent.required_text_or_number("id")?;
    let name = middle(&sent.required_text("user_session")?)
        .ok_or_else(|| {
            Problem::new(Code::BodyWrongType)
                .field("user_session")
                .detail(
                    "`user_session` must have parts of letters, digits, `-` and `_` between dots, \
                     and at most 4096 characters.",
                )
        })?
        .to_owned();
    let members = [("id", id), ("user_session", name.clone())];
    let members = members.map(|(member, text)| (member.to_owned(), Value::String(text)));
    Ok((Members::from_iter(members), name))
}

/// The longest `user_session`, as the service has it.
const MAX_USER_SESSION: usize = 4096;

/// The part between the first two dots. Only the first part may be empty, as in the cookie of a Flask
/// session that is compressed.
fn middle(user_session: &str) -> Option<&str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let fits = user_session.len() <= MAX_USER_SESSION
        && user_session.bytes().all(plain)
        && !user_session.contains("..");
    let middle = user_session.split('.').nth(1);
    middle.filter(|middle| fits && !middle.is_empty())
}

const USER: Contract = Contract {
    summary: "The user of a token, where the path names the same user and session.",
    body: None,
    query: &[],
    success: Success {
        status: 200,
        content: SuccessContent::Json(User::kind),
        headers: &[],
    },
    codes: &[Code::InvalidRequest],
};

answer! {
    /// What the token says of its user.
    struct User {
        id: String,
        email: Option<String>,
        role: Option<String>,
    }
}

async fn user(
    session: Session,
    service: Data<Service>,
    path: Path<String>,
) -> Result<Answer<User>, Problem> {
    let (id, name) = named(&path).ok_or_else(|| {
        Problem::new(Code::InvalidRequest)
            .detail("The path must end in the JSON object {\"id\", \"user_session\"}, encoded.")
    })?;
    if id != session.user_id() || !service.lacre().is_called(&session, &name) {
        return Err(Problem::invalid_token());
    }
    let claims = &session.claims;
    Ok(Answer::ok(User {
        id,
        email: claims.email.clone(),
        role: claims.role.clone(),
    }))
}

/// The user and the session that a path names. A client may send the whole `user_session` or, as the
/// first service had it, the `crt` that it was given.
fn named(path: &str) -> Option<(String, String)> {
    let mut sent = Members::from(json::object(path.as_bytes())?);
    let id = sent.required_text_or_number("id").ok()?;
    let session = sent.required_text("user_session").ok()?;
    let name = if session.contains('.') {
        middle(&session)?.to_owned()
    } else {
        session
    };
    Some((id, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_session_is_the_middle_part() {
        for (sent, name) in [
            ("a.b.c", "b"),
            ("eyJ0.eyJpZCI6MX0.c2ln", "eyJpZCI6MX0"),
            (".eJyrVg.Z9xA.sig", "eJyrVg"),
            ("a.b", "b"),
        ] {
            assert_eq!(middle(sent), Some(name), "{sent}");
        }
    }

    #[test]
    fn what_was_a_path_or_nothing_is_no_name() {
        let long = format!("a.{}.c", "b".repeat(64 << 10));
        for bad in [
            "",
            "a",
            ".",
            "..",
            "a..c",
            "a.",
            "a.b..c",
            "a.../../etc/passwd.c",
            "a.b/c.d",
            "a.%2e%2e.c",
            "a.b\0.c",
            "a.b c.d",
            "a.é.c",
            "a.\n.c",
            &long,
        ] {
            assert_eq!(middle(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_path_names_a_user_and_a_session() {
        let pair = |id: &str, name: &str| Some((id.to_owned(), name.to_owned()));
        assert_eq!(named(r#"{"id":"u1","user_session":"b"}"#), pair("u1", "b"));
        assert_eq!(named(r#"{"id":7,"user_session":"a.b.c"}"#), pair("7", "b"));
        for bad in [
            "",
            "u1",
            "[]",
            r#"{"id":"u1"}"#,
            r#"{"id":"u1","user_session":1}"#,
            r#"{"id":"u1","id":"u2","user_session":"b"}"#,
            r#"{"id":"u1","user_session":"a..c"}"#,
        ] {
            assert_eq!(named(bad), None, "{bad}");
        }
    }
}
