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
mod peek;

pub use members::Members;
pub(super) use peek::{is_json, peek};

use super::problem::{Code, Problem};
use crate::token::json;
use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use std::time::Duration;
use zeroize::Zeroizing;

/// How much body a route reads, and for how long. Set with `app_data`; the default holds without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimits {
    /// The most bytes that a body may have.
    pub max_bytes: usize,
    /// How long the whole body may take to arrive: actix itself would wait for ever.
    pub read_timeout: Duration,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self {
            max_bytes: 64 * 1024,
            read_timeout: Duration::from_secs(10),
        }
    }
}

/// A body that is one JSON object.
#[derive(Debug)]
pub struct Json(pub Members);

/// A body that is one JSON object or one form.
#[derive(Debug)]
pub struct JsonOrForm(pub Members);

/// A body that is one JSON object, or no body at all.
#[derive(Debug)]
pub struct OptionalJson(pub Members);

impl FromRequest for Json {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let members = read(request, payload, Form::Refused);
        Box::pin(async move { Ok(Self(members.await?)) })
    }
}

impl FromRequest for JsonOrForm {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let members = read(request, payload, Form::Taken);
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
        let members = read(request, payload, Form::Refused);
        Box::pin(async move { Ok(Self(members.await?)) })
    }
}

/// Whether a route takes a form as well.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Taken,
    Refused,
}

enum MediaType {
    Json,
    Form,
}

fn read(
    request: &HttpRequest,
    payload: &mut Payload,
    form: Form,
) -> impl Future<Output = Result<Members, Problem>> + use<> {
    let limits = request
        .app_data::<BodyLimits>()
        .copied()
        .unwrap_or_default();
    let kind = media_type(request.headers(), form);
    let announced = announced_length(request.headers());
    let payload = payload.take();
    async move {
        let kind = kind?;
        let buffer = tokio::time::timeout(limits.read_timeout, collect(payload, announced, limits))
            .await
            .map_err(|_elapsed| Problem::new(Code::RequestTimeout))??;
        let text = std::str::from_utf8(&buffer).map_err(|_| Code::BodyNotUtf8)?;
        let members = match kind {
            MediaType::Json => json::object(text.as_bytes()),
            MediaType::Form => form::object(text),
        };
        Ok(Members::from(members.ok_or(Code::BodyMalformed)?))
    }
}

/// Reads the payload into one buffer that never leaves a copy behind when it grows.
async fn collect(
    mut payload: Payload,
    announced: Option<usize>,
    limits: BodyLimits,
) -> Result<Zeroizing<Vec<u8>>, Problem> {
    if announced.is_some_and(|length| length > limits.max_bytes) {
        return Err(Code::BodyTooLarge.into());
    }
    let mut buffer = Zeroizing::new(Vec::with_capacity(announced.unwrap_or(4096)));
    while let Some(chunk) = payload.next().await {
        // A connection that broke or a chunk that isn't one: nobody is left to read the answer.
        let chunk = chunk.map_err(|_broken| Code::BodyMalformed)?;
        let length = buffer.len() + chunk.len();
        if length > limits.max_bytes {
            return Err(Code::BodyTooLarge.into());
        }
        if length > buffer.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(length.next_power_of_two()));
            larger.extend_from_slice(&buffer);
            buffer = larger;
        }
        buffer.extend_from_slice(&chunk);
    }
    Ok(buffer)
}

fn announced_length(headers: &HeaderMap) -> Option<usize> {
    headers
        .get(CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// The media type of RFC 9110 §8.3, where the route takes it. The only parameter that is known is
/// `charset=utf-8`.
fn media_type(headers: &HeaderMap, form: Form) -> Result<MediaType, Problem> {
    let refused = || Problem::new(Code::UnsupportedMediaType);
    if headers
        .get(CONTENT_ENCODING)
        .is_some_and(|coding| !coding.as_bytes().is_empty())
    {
        return Err(refused());
    }
    let mut values = headers.get_all(CONTENT_TYPE);
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(refused());
    };
    let mut parts = value
        .to_str()
        .map_err(|_| refused())?
        .split(';')
        .map(str::trim);
    let kind = match parts.next() {
        Some(kind) if kind.eq_ignore_ascii_case("application/json") => MediaType::Json,
        Some(kind)
            if form == Form::Taken
                && kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") =>
        {
            MediaType::Form
        }
        _ => return Err(refused()),
    };
    for parameter in parts.filter(|parameter| !parameter.is_empty()) {
        let utf8 = ["charset=utf-8", "charset=\"utf-8\"", "charset=utf8"];
        if !utf8
            .iter()
            .any(|known| parameter.eq_ignore_ascii_case(known))
        {
            return Err(refused());
        }
    }
    Ok(kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::StatusCode;
    use actix_web::test::TestRequest;
    use actix_web::web::Bytes;

    fn headers(fields: &[(&str, &str)]) -> HeaderMap {
        let mut request = TestRequest::default();
        for &field in fields {
            request = request.append_header(field);
        }
        request.to_http_request().headers().clone()
    }

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

    #[test]
    fn a_media_type_is_read_in_any_case_and_with_its_charset() {
        for json in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/json;",
        ] {
            let headers = headers(&[("content-type", json)]);
            assert!(
                matches!(media_type(&headers, Form::Refused), Ok(MediaType::Json)),
                "{json}"
            );
        }
        let headers = headers(&[("content-type", "application/x-www-form-urlencoded")]);
        assert!(matches!(
            media_type(&headers, Form::Taken),
            Ok(MediaType::Form)
        ));
        assert!(media_type(&headers, Form::Refused).is_err());
    }

    #[test]
    fn other_media_types_are_refused() {
        for fields in [
            &[][..],
            &[("content-type", "")],
            &[("content-type", "text/plain")],
            &[("content-type", "application/jsonp")],
            &[("content-type", "application/problem+json")],
            &[("content-type", "multipart/form-data; boundary=x")],
            &[("content-type", "application/json; charset=utf-16")],
            &[("content-type", "application/json, text/plain")],
            &[
                ("content-type", "application/json"),
                ("content-type", "application/json"),
            ],
            &[
                ("content-type", "application/json"),
                ("content-encoding", "gzip"),
            ],
        ] {
            let refused = media_type(&headers(fields), Form::Taken).err().unwrap();
            assert_eq!(refused.code(), Code::UnsupportedMediaType, "{fields:?}");
        }
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
