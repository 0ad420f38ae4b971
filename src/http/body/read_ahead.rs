//! Reads a body before the handler does, for a guard whose token may stand in it.
//!
//! This room must never take a byte from the handler: what was read is put back whole.

use super::members::Members;
use super::receive::{BodyLimits, Form, announced_length, collect, json_members, media_type};
use crate::http::problem::{Code, Problem};
use actix_web::HttpMessage as _;
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::web::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::ready;
use futures_util::stream;

/// Whether the body says of itself that it is plain JSON. Any other is never read.
pub(in crate::http) fn is_json(request: &ServiceRequest) -> bool {
    media_type(request.headers(), Form::Refused).is_ok()
}

/// The members of the JSON object in the body; none where it is empty or holds another value,
/// which is the handler's business. An object that isn't strict is refused here, for it might
/// hold two tokens.
pub(in crate::http) async fn read_ahead(request: &mut ServiceRequest) -> Result<Members, Problem> {
    let payload = request.take_payload();
    if matches!(payload, Payload::None) {
        return Ok(Members::default());
    }
    let limits = request
        .app_data::<BodyLimits>()
        .copied()
        .unwrap_or_default();
    let announced = announced_length(request.headers());
    let buffer = tokio::time::timeout(limits.read_timeout, collect(payload, announced, limits))
        .await
        .map_err(|_elapsed| Problem::new(Code::RequestTimeout))??;
    let members = match buffer.trim_ascii_start().first() {
        Some(b'{') => {
            let text = std::str::from_utf8(&buffer).map_err(|_| Code::BodyNotUtf8)?;
            json_members(text)?
        }
        _ => Members::default(),
    };
    // The bytes own the buffer, which is wiped when the last of them is gone.
    let whole = stream::once(ready(Ok(Bytes::from_owner(buffer))));
    request.set_payload(Payload::from(whole.boxed_local()));
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn request(body: &str) -> ServiceRequest {
        TestRequest::post()
            .insert_header(("content-type", "application/json"))
            .app_data(BodyLimits {
                max_bytes: 40,
                ..BodyLimits::default()
            })
            .set_payload(body.to_owned())
            .to_srv_request()
    }

    async fn left_in(mut request: ServiceRequest) -> Vec<u8> {
        let mut payload = request.take_payload();
        let mut body = Vec::new();
        while let Some(chunk) = payload.next().await {
            body.extend_from_slice(&chunk.unwrap());
        }
        body
    }

    #[actix_web::test]
    async fn the_handler_gets_every_byte() {
        for body in [
            r#" {"token": "a", "b": 1} "#,
            "[1, 2]",
            "",
            "no JSON at all",
            "\"{\"",
        ] {
            let mut request = request(body);
            read_ahead(&mut request).await.unwrap();
            assert_eq!(left_in(request).await, body.as_bytes());
        }
    }

    #[actix_web::test]
    async fn the_members_of_an_object_are_seen() {
        let mut members = read_ahead(&mut request(r#"{"token": "a"}"#)).await.unwrap();
        assert_eq!(members.required_text("token").unwrap(), "a");
        assert!(read_ahead(&mut request("[]")).await.unwrap().is_empty());
    }

    #[actix_web::test]
    async fn an_object_that_could_be_read_in_two_ways_is_refused() {
        for (body, code) in [
            (r#"{"token":"a","token":"a"}"#, Code::BodyMalformed),
            (r#"{"token":"a","\u0074oken":"b"}"#, Code::BodyMalformed),
            (r#"{"token":"a"} {"token":"b"}"#, Code::BodyMalformed),
            (r#"{"token":"a""#, Code::BodyMalformed),
            (
                r#"{"token":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}"#,
                Code::BodyTooLarge,
            ),
        ] {
            let refused = read_ahead(&mut request(body)).await.unwrap_err();
            assert_eq!(refused.code(), code, "{body}");
        }
    }

    #[actix_web::test]
    async fn a_body_that_never_ends_times_out() {
        let mut request = TestRequest::post()
            .insert_header(("content-type", "application/json"))
            .app_data(BodyLimits {
                read_timeout: std::time::Duration::from_millis(1),
                ..BodyLimits::default()
            })
            .to_srv_request();
        request.set_payload(Payload::Stream {
            payload: stream::pending().boxed_local(),
        });
        let refused = read_ahead(&mut request).await.unwrap_err();
        assert_eq!(refused.code(), Code::RequestTimeout);
    }

    #[test]
    fn only_plain_json_is_looked_at() {
        let of = |kind: &str| {
            is_json(
                &TestRequest::post()
                    .insert_header(("content-type", kind))
                    .to_srv_request(),
            )
        };
        assert!(of("application/json") && of("Application/JSON; charset=utf-8"));
        for other in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/problem+json",
            "application/json, text/plain",
        ] {
            assert!(!of(other), "{other}");
        }
        assert!(!is_json(&TestRequest::post().to_srv_request()));
    }
}
