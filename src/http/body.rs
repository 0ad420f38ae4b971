//! Bodies: read within a limit and a time, then parsed strictly into [`Members`].
//!
//! A route says with its extractor what it takes: [`Json`], [`JsonOrForm`] or [`OptionalJson`].
//! Unknown members are ignored, so that clients may be newer than the service; a member that
//! occurs twice is refused, so that no two readers see two values. The buffer is wiped after the
//! parse (what actix itself has read from the socket isn't in our hands).
//!
//! This room must never keep more than the limit in memory, and never echo what was sent.

mod form;
mod members;
mod read_ahead;
mod receive;
mod scan;
#[cfg(feature = "server")]
mod typed;

#[cfg(feature = "server")]
pub(super) use form::decode as form_decoded;
pub use members::Members;
pub(super) use read_ahead::{is_json, read_ahead};
pub use receive::BodyLimits;
#[cfg(feature = "server")]
pub(super) use typed::{Body, Field, body};

use super::problem::Problem;
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use receive::{Form, receive};

/// A body that is one JSON object.
#[derive(Debug)]
pub struct Json(pub Members);

/// A body that is one JSON object or one form.
#[derive(Debug)]
pub struct JsonOrForm(pub Members);

/// A body that is one form.
#[cfg(feature = "server")]
#[derive(Debug)]
pub(super) struct FormOnly(pub(super) Members);

/// A body that is one JSON object, or no body at all.
#[derive(Debug)]
pub struct OptionalJson(pub Members);

impl FromRequest for Json {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let members = receive(request, payload, Form::Refused);
        Box::pin(async move { Ok(Self(members.await?)) })
    }
}

impl FromRequest for JsonOrForm {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let members = receive(request, payload, Form::Taken);
        Box::pin(async move { Ok(Self(members.await?)) })
    }
}

#[cfg(feature = "server")]
impl FromRequest for FormOnly {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let members = receive(request, payload, Form::Only);
        Box::pin(async move { Ok(Self(members.await?)) })
    }
}

impl FromRequest for OptionalJson {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        // actix gives a request without a body, or with an empty one, no payload.
        if matches!(payload, Payload::None) {
            return Box::pin(async { Ok(Self(Members::default())) });
        }
        let members = receive(request, payload, Form::Refused);
        Box::pin(async move { Ok(Self(members.await?)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::problem::Code;
    use actix_web::http::StatusCode;
    use actix_web::test::TestRequest;
    use actix_web::web::Bytes;
    use futures_util::StreamExt as _;
    use std::time::Duration;

    async fn json(body: impl Into<Bytes>) -> Result<Members, Code> {
        let request = TestRequest::post()
            .insert_header(("content-type", "application/json"))
            .app_data(BodyLimits {
                max_bytes: 100,
                ..BodyLimits::default()
            })
            .set_payload(body);
        let (request, mut payload) = request.to_http_parts();
        let read = Json::from_request(&request, &mut payload).await;
        read.map(|Json(members)| members)
            .map_err(|problem| problem.code())
    }

    #[actix_web::test]
    async fn a_body_up_to_the_limit_is_read() {
        let exactly = format!(r#"{{"a":"{}"}}"#, "x".repeat(92));
        assert_eq!(exactly.len(), 100);
        assert!(json(exactly).await.is_ok());
        let more = format!(r#"{{"a":"{}"}}"#, "x".repeat(93));
        assert_eq!(json(more).await.unwrap_err(), Code::BodyTooLarge);
    }

    #[actix_web::test]
    async fn what_is_not_one_strict_object_is_malformed() {
        for bad in [
            "",
            " ",
            "null",
            "[]",
            "\"a\"",
            "{",
            "{}x",
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            "\u{feff}{}",
        ] {
            assert_eq!(json(bad).await.unwrap_err(), Code::BodyMalformed, "{bad:?}");
        }
        assert_eq!(
            json(&b"{\"a\":\"\xff\"}"[..]).await.unwrap_err(),
            Code::BodyNotUtf8
        );
        assert_eq!(
            json(&b"\xff\xfe{\0}\0"[..]).await.unwrap_err(),
            Code::BodyNotUtf8
        );
    }

    #[actix_web::test]
    async fn an_announced_length_is_refused_before_the_body_is_read() {
        let request = TestRequest::post()
            .insert_header(("content-type", "application/json"))
            .insert_header(("content-length", "65537"))
            .to_http_request();
        // A payload that never comes: reading it would hang.
        let mut payload = Payload::Stream {
            payload: futures_util::stream::pending().boxed_local(),
        };
        let refused = Json::from_request(&request, &mut payload)
            .await
            .unwrap_err();
        assert_eq!(
            actix_web::ResponseError::status_code(&refused),
            StatusCode::PAYLOAD_TOO_LARGE
        );
    }

    #[actix_web::test]
    async fn a_body_that_never_ends_times_out() {
        let request = TestRequest::post()
            .insert_header(("content-type", "application/json"))
            .app_data(BodyLimits {
                read_timeout: Duration::from_millis(1),
                ..BodyLimits::default()
            })
            .to_http_request();
        let mut payload = Payload::Stream {
            payload: futures_util::stream::pending().boxed_local(),
        };
        let refused = Json::from_request(&request, &mut payload)
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::RequestTimeout);
    }

    #[actix_web::test]
    async fn no_body_is_fine_where_it_is_optional() {
        let request = TestRequest::post().to_http_request();
        let read = OptionalJson::from_request(&request, &mut Payload::None)
            .await
            .unwrap();
        assert!(read.0.is_empty());
        let request = TestRequest::post().set_payload("{}");
        let (request, mut payload) = request.to_http_parts();
        let refused = OptionalJson::from_request(&request, &mut payload)
            .await
            .unwrap_err();
        assert_eq!(
            refused.code(),
            Code::UnsupportedMediaType,
            "a body needs its type"
        );
    }
}
