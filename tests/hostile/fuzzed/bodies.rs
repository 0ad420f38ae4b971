//! Any bytes as the body of a log-in or a sign-up, `f` before a form and anything else before JSON:
//! what is taken out of it by the routes' own questions, another reader reads the same.

use actix_web::FromRequest as _;
use actix_web::test::TestRequest;
use lacre::internals::accounts::{Email, Password, PresentedPassword};
use lacre::internals::http::body::{JsonOrForm, Members};
use lacre::internals::http::problem::Problem;
use serde_json::{Map, Value};
use tokio::runtime::{Builder, Runtime};

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().unwrap();
}

pub(crate) fn check(input: &[u8]) -> bool {
    let Some((first, body)) = input.split_first() else {
        return false;
    };
    let form = *first == b'f';
    let kind = ["application/json", "application/x-www-form-urlencoded"][usize::from(form)];
    let read = || {
        let request = TestRequest::post().insert_header(("content-type", kind));
        let (request, mut payload) = request.set_payload(body.to_vec()).to_http_parts();
        let read = JsonOrForm::from_request(&request, &mut payload);
        RUNTIME.with(|runtime| runtime.block_on(read))
    };
    let mut members = match read() {
        Ok(JsonOrForm(members)) => members,
        Err(problem) => {
            told(&problem);
            return false;
        }
    };
    let other: Value = if form {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_bytes(body).unwrap();
        let members: Map<_, _> = pairs
            .into_iter()
            .map(|(name, text)| (name, text.into()))
            .collect();
        members.into()
    } else {
        serde_json::from_slice(body).unwrap()
    };

    // As `POST /getToken` asks.
    assert_eq!(members.has("password"), !other["password"].is_null());
    for name in ["label", "user_session"] {
        same(members.optional_text(name), &other[name]);
    }
    match members.required_text_of(&["email", "id"]) {
        Ok((name, found)) => assert_eq!(Some(found.as_str()), other[name].as_str()),
        Err(problem) => told(&problem),
    }
    if let Ok(password) = members.required_secret("password") {
        assert_eq!(Some(password.as_str()), other["password"].as_str());
        assert_eq!(
            PresentedPassword::parse(&password).is_ok(),
            password.len() <= 1024
        );
        drop(Password::parse(&password));
    }
    // As `POST /signup` and `POST /refresh` ask.
    let Ok(JsonOrForm(mut members)) = read() else {
        panic!("one body is read twice in two ways")
    };
    if let Ok(email) = members.required_text("email") {
        drop(Email::parse(&email));
    }
    same(members.optional_text("name"), &other["name"]);
    let refresh = members.optional_secret("refresh");
    let refresh = refresh.map(|text| text.map(|text| text.to_string()));
    same(refresh, &other["refresh"]);
    others(&mut members, &other);
    true
}

/// As the routes for administrators ask.
fn others(members: &mut Members, other: &Value) {
    match members.optional_texts("roles") {
        Ok(Some(roles)) => assert_eq!(Value::from(roles), other["roles"]),
        Ok(None) => assert!(other["roles"].is_null()),
        Err(problem) => told(&problem),
    }
    match members.optional_flag("active") {
        Ok(Some(flag)) => assert_eq!(Value::Bool(flag), other["active"]),
        Ok(None) => assert!(other["active"].is_null()),
        Err(problem) => told(&problem),
    }
}

/// A text that is there, `null` or nothing, or a refusal of what is no text.
fn same(found: Result<Option<String>, Problem>, value: &Value) {
    match found {
        Ok(found) => assert_eq!(found.as_deref(), value.as_str()),
        Err(problem) => {
            assert!(!value.is_null() && !value.is_string());
            told(&problem);
        }
    }
}

/// A refusal is a whole problem, whatever was sent.
fn told(problem: &Problem) {
    let body: Value = serde_json::from_str(&problem.body()).unwrap();
    assert_eq!(body["code"], problem.code().as_str());
}
