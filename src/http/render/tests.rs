use super::*;
use crate::http::credentials::CredentialError;
use crate::http::problem::{Code, Reason};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

/// The status, the headers and the body that a problem is sent with.
fn sent(problem: &Problem) -> (u16, HeaderMap, Value) {
    let response = problem.error_response();
    let headers = response.headers().clone();
    (
        response.status().as_u16(),
        headers,
        serde_json::from_str(&problem.body()).unwrap(),
    )
}

fn challenge(problem: &Problem) -> Option<String> {
    let (_, headers, _) = sent(problem);
    headers
        .get(WWW_AUTHENTICATE)
        .map(|value| value.to_str().unwrap().to_owned())
}

#[test]
fn every_code_makes_a_whole_problem() {
    let id = RequestId::fresh(&mut StdRng::seed_from_u64(1));
    for code in Code::all() {
        let (status, headers, body) = sent(&Problem::new(code).with_request_id(id));
        assert_eq!(body["type"], format!("urn:lacre:error:{}", code.as_str()));
        assert_eq!(body["status"], status);
        assert_eq!(body["code"], code.as_str());
        assert_eq!(body["title"], code.title());
        assert_eq!(body["detail"], code.detail());
        assert_eq!(body["request_id"], id.as_str());
        assert_eq!(*headers.get(X_REQUEST_ID).unwrap(), id.header_value());
        assert_eq!(
            *headers.get(CONTENT_TYPE).unwrap(),
            "application/problem+json"
        );
        assert_eq!(*headers.get(CACHE_CONTROL).unwrap(), "no-store");
        assert_eq!(*headers.get(X_CONTENT_TYPE_OPTIONS).unwrap(), "nosniff");
        assert_eq!(
            headers.contains_key(WWW_AUTHENTICATE),
            [401, 403].contains(&status)
                && ![Code::SignupClosed, Code::CsrfFailed, Code::NoOwnUsers].contains(&code),
            "{code:?}"
        );
        assert_eq!(
            headers.contains_key(RETRY_AFTER),
            [429, 503].contains(&status),
            "{code:?}"
        );
    }
}

#[test]
fn the_challenges_are_those_of_rfc_6750() {
    let bearer = |rest: &str| Some(format!("Bearer realm=\"lacre\"{rest}"));
    assert_eq!(challenge(&Problem::no_credentials()), bearer(""));
    assert_eq!(
        challenge(&Problem::invalid_token()),
        bearer(r#", error="invalid_token""#)
    );
    assert_eq!(
        challenge(&Problem::two_credentials()),
        bearer(r#", error="invalid_request""#)
    );
    assert_eq!(sent(&Problem::two_credentials()).0, 400);
    assert_eq!(
        challenge(&Problem::new(Code::InvalidRequest)),
        None,
        "not a protected resource"
    );
    assert!(
        challenge(&Problem::invalid_client())
            .unwrap()
            .starts_with("Basic realm=\"lacre\"")
    );
}

#[test]
fn a_refused_token_is_byte_identical_whatever_the_cause() {
    let id = RequestId::fresh(&mut StdRng::seed_from_u64(1));
    let constant = Problem::invalid_token().with_request_id(id);
    let from_header = Problem::from(CredentialError::BadToken).with_request_id(id);
    assert_eq!(constant.body(), from_header.body());
    assert_eq!(
        format!("{:?}", constant.error_response().headers()),
        format!("{:?}", from_header.error_response().headers())
    );
}

#[test]
fn a_missing_right_is_named() {
    let role = Problem::insufficient_scope(Missing::Role("admin".into()));
    assert_eq!(sent(&role).2["missing"], json!({"role": "admin"}));
    let roles = Problem::insufficient_scope(Missing::AnyRole(vec!["a".into(), "b".into()]));
    assert_eq!(sent(&roles).2["missing"], json!({"any_role": ["a", "b"]}));
    let fresh = Problem::insufficient_scope(Missing::FreshLogin);
    assert_eq!(sent(&fresh).2["missing"], json!("fresh_login"));
    let permission = Problem::insufficient_scope(Missing::Permission("users:read".into()));
    assert_eq!(
        challenge(&permission).unwrap(),
        r#"Bearer realm="lacre", error="insufficient_scope", scope="users:read""#
    );
}

#[test]
fn a_permission_can_not_break_out_of_the_header() {
    for name in ["a\"b", "a\\b", "a b", "a\r\nb", "é"] {
        let problem = Problem::insufficient_scope(Missing::Permission(name.into()));
        assert_eq!(
            challenge(&problem).unwrap(),
            r#"Bearer realm="lacre", error="insufficient_scope""#,
            "{name:?}"
        );
        assert_eq!(
            sent(&problem).2["missing"]["permission"],
            name,
            "the body can carry it"
        );
    }
}

#[test]
fn a_detail_a_field_and_a_wait_replace_those_of_the_table() {
    let problem = Problem::new(Code::AccountInvalid)
        .field("email")
        .detail("No `@` in it.");
    let (status, _, body) = sent(&problem);
    assert_eq!(
        (status, &body["field"], &body["detail"]),
        (422, &json!("email"), &json!("No `@` in it."))
    );
    let (_, headers, _) = sent(&Problem::new(Code::RateLimited).retry_after(42));
    assert_eq!(*headers.get(RETRY_AFTER).unwrap(), "42");
    let (_, _, body) = sent(&Problem::missing_member("password"));
    assert_eq!(
        (&body["code"], &body["field"]),
        (&json!("body_missing_member"), &json!("password"))
    );
}

#[test]
fn absent_members_are_left_out() {
    let (_, headers, body) = sent(&Problem::new(Code::NotFound));
    let members: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
    assert_eq!(members.len(), 5, "{members:?}");
    assert!(!headers.contains_key(X_REQUEST_ID));
}

#[test]
fn what_a_handler_has_set_is_not_overwritten() {
    let mut headers = HeaderMap::new();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
    headers.insert(X_REQUEST_ID, HeaderValue::from_static("theirs"));
    let id = RequestId::fresh(&mut StdRng::seed_from_u64(1));
    stamp(&mut headers, Some(id));
    assert_eq!(*headers.get(CACHE_CONTROL).unwrap(), "max-age=60");
    assert_eq!(*headers.get(X_REQUEST_ID).unwrap(), id.header_value());
}

/// The status, the headers and the body that an answer is sent with.
async fn answered<T: Serialize>(answer: Answer<T>) -> (u16, HeaderMap, String) {
    let request = actix_web::test::TestRequest::default().to_http_request();
    let response = answer.respond_to(&request);
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = actix_web::body::to_bytes(response.into_body()).await.ok();
    let body = String::from_utf8(body.unwrap().to_vec()).unwrap();
    (status, headers, body)
}

#[actix_web::test]
async fn an_answer_is_written_with_its_type() {
    let (status, headers, body) = answered(Answer::ok(vec![1_u64])).await;
    assert_eq!((status, body.as_str()), (200, "[1]"));
    assert_eq!(*headers.get(CONTENT_TYPE).unwrap(), "application/json");
    let (status, headers, body) = answered(Answer::text("Access Granted")).await;
    assert_eq!((status, body.as_str()), (200, "Access Granted"));
    assert_eq!(
        *headers.get(CONTENT_TYPE).unwrap(),
        "text/plain; charset=utf-8"
    );
    let (status, headers, body) = answered(Answer::nothing()).await;
    assert_eq!((status, body.as_str()), (204, ""));
    assert!(headers.is_empty(), "{headers:?}");
}

#[actix_web::test]
async fn an_answer_names_what_was_made_and_sets_cookies_in_order() {
    let cookies = ["a=1", "b=2"].map(HeaderValue::from_static).to_vec();
    let answer = Answer::created("made").at("/made".into()).cookies(cookies);
    let (status, headers, body) = answered(answer).await;
    assert_eq!((status, body.as_str()), (201, "\"made\""));
    assert_eq!(*headers.get(LOCATION).unwrap(), "/made");
    let cookies: Vec<_> = headers.get_all(SET_COOKIE).collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
}

#[test]
fn a_dialect_words_a_problem_and_its_headers_stay() {
    let form = Form::new(|problem, _| Wording {
        status: StatusCode::IM_A_TEAPOT,
        body: Body::Text(problem.detail.clone()),
        challenge: None,
    });
    let problem = Problem::new(Code::RateLimited).retry_after(7);
    let answer = form.error(problem).error_response();
    assert_eq!(answer.status(), StatusCode::IM_A_TEAPOT);
    let header = |name: HeaderName| {
        answer
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap())
    };
    assert_eq!(header(CONTENT_TYPE), Some("text/plain; charset=utf-8"));
    assert_eq!(header(RETRY_AFTER), Some("7"));
    let ours = Form::default()
        .error(Problem::invalid_token())
        .error_response();
    assert_eq!(ours.status(), 401);
}

#[test]
fn our_own_form_tells_no_reason() {
    let plain = sent(&Problem::invalid_token());
    let fields = |headers: &HeaderMap| {
        let mut fields: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.clone()))
            .collect();
        fields.sort();
        fields
    };
    for reason in [
        Reason::Expired,
        Reason::Claims,
        Reason::Superseded,
        Reason::Reused,
        Reason::UserGone,
    ] {
        let found = sent(&Problem::proven(reason));
        assert_eq!((found.0, &found.2), (plain.0, &plain.2));
        assert_eq!(fields(&found.1), fields(&plain.1));
    }
}
