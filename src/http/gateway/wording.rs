//! How problems are told at the gateway.
//!
//! To a proxy: RFC 9457, with a status that every proxy understands and one challenge. To a client of the
//! other routes: what RFC 6749 §5.2 has, whatever went wrong.
//!
//! This room must never make a 200 of a problem.

use crate::http::problem::{Code, Parts};
use crate::http::render::{Body, Form, Wording, problem_json};
use crate::http::request_id::RequestId;
use actix_web::http::StatusCode;
use serde::Serialize;

/// A denial that has no challenge of its own.
const DENIED: &str = r#"Bearer realm="lacre", error="insufficient_scope""#;
const REFUSED: &str = r#"Bearer realm="lacre", error="invalid_token""#;

/// The form of the gateway's problems.
pub(super) fn form() -> Form {
    Form::new(|problem, asked| {
        let path = asked.uri.path();
        if path
            .strip_prefix("/authz")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        {
            to_a_proxy(problem)
        } else {
            to_a_client(problem)
        }
    })
}

/// nginx makes a 500 of every status but these, and Envoy passes a redirect on.
fn to_a_proxy(problem: &Parts) -> Wording {
    let given = problem.code.status();
    let status = match given {
        StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::NOT_FOUND
        | StatusCode::SERVICE_UNAVAILABLE => given,
        _ if given.is_server_error() => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::UNAUTHORIZED,
    };
    let own = problem.challenge.is_some() && status == given;
    let challenge = match status {
        StatusCode::UNAUTHORIZED if !own => Some(REFUSED),
        StatusCode::FORBIDDEN if !own => Some(DENIED),
        _ => None,
    };
    Wording {
        status,
        body: Body::Problem(problem_json(problem, status)),
        challenge,
    }
}

#[derive(Serialize)]
struct OAuthError<'a> {
    error: &'static str,
    error_description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

fn to_a_client(problem: &Parts) -> Wording {
    let given = problem.code.status();
    let (status, error) = match problem.code {
        Code::InvalidClient => (given, "invalid_client"),
        Code::RateLimited => (given, "temporarily_unavailable"),
        // What isn't a form, or is too large to be one.
        Code::NotFound | Code::MethodNotAllowed => (given, "invalid_request"),
        _ if given.is_server_error() => match problem.code {
            Code::InternalError => (given, "server_error"),
            _ => (given, "temporarily_unavailable"),
        },
        _ => (StatusCode::BAD_REQUEST, "invalid_request"),
    };
    let told = OAuthError {
        error,
        error_description: &problem.detail,
        request_id: problem.request_id.as_ref().map(RequestId::as_str),
    };
    Wording {
        status,
        // Strings always serialise.
        body: Body::Json(serde_json::to_string(&told).unwrap_or_default()),
        challenge: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::problem::Problem;
    use serde_json::Value;

    #[test]
    fn a_proxy_gets_no_status_that_it_would_make_a_500_of() {
        for code in Code::all() {
            let problem = Problem::new(code);
            let told = to_a_proxy(problem.parts());
            let status = told.status.as_u16();
            assert!([401, 403, 404, 503].contains(&status), "{code:?}: {status}");
            let challenges = problem.parts().challenge.is_some() || told.challenge.is_some();
            assert_eq!(challenges, [401, 403].contains(&status), "{code:?}");
            let Body::Problem(body) = told.body else {
                panic!("{code:?}");
            };
            let body: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(
                (&body["status"], &body["code"]),
                (&status.into(), &code.as_str().into())
            );
        }
    }

    #[test]
    fn a_client_gets_an_error_of_rfc_6749() {
        for code in Code::all() {
            let problem = Problem::new(code);
            let told = to_a_client(problem.parts());
            let Body::Json(body) = told.body else {
                panic!("{code:?}");
            };
            let body: Value = serde_json::from_str(&body).unwrap();
            let error = body["error"].as_str().unwrap();
            let known = [
                "invalid_request",
                "invalid_client",
                "temporarily_unavailable",
                "server_error",
            ];
            assert!(known.contains(&error), "{code:?}: {error}");
            assert_eq!(error == "invalid_client", told.status == 401, "{code:?}");
            assert_eq!(
                told.status.is_server_error(),
                code.status().is_server_error()
            );
        }
        let too_large = to_a_client(Problem::new(Code::BodyTooLarge).parts());
        assert_eq!(too_large.status, 400);
    }
}
