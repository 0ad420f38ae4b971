//! Receives a body: its media type, its length and its bytes, within a limit and a timeout.
//!
//! This room must never keep more than the limit in memory, and never leave an unwiped copy behind.

use super::members::Members;
use super::{form, scan};
use crate::defaults;
use crate::http::problem::{Code, Problem};
use crate::http::visitor::verify_again;
use crate::token::json;
use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use futures_util::StreamExt as _;
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
            max_bytes: defaults::MAX_BODY,
            read_timeout: defaults::BODY_TIMEOUT,
        }
    }
}

/// Whether a route takes a form as well, or nothing else.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Taken,
    Refused,
    Only,
}

/// The media types that any route takes.
pub(super) enum MediaType {
    Json,
    Form,
}

/// Receives the whole body, has the guards of the request verify again, and parses it strictly.
///
/// Every extractor of a body comes through here, so no handler gets a member of a body by rights
/// that have gone while it came (threat: stale-rights).
pub(super) fn receive(
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
    let (request, payload) = (request.clone(), payload.take());
    let waited = !matches!(payload, Payload::None);
    async move {
        let kind = kind?;
        let buffer = tokio::time::timeout(limits.read_timeout, collect(payload, announced, limits))
            .await
            .map_err(|_elapsed| Problem::new(Code::RequestTimeout))??;
        if waited {
            verify_again(&request).await?;
        }
        let text = std::str::from_utf8(&buffer).map_err(|_| Code::BodyNotUtf8)?;
        Ok(match kind {
            MediaType::Json => json_members(text)?,
            MediaType::Form => form::object(text)?.into(),
        })
    }
}

/// The members of a JSON object that has no more of them than a body may have.
pub(super) fn json_members(text: &str) -> Result<Members, Code> {
    if !scan::is_small(text) {
        return Err(Code::BodyTooManyMembers);
    }
    let members = json::object(text.as_bytes()).ok_or(Code::BodyMalformed)?;
    Ok(Members::new(members, scan::inexact_members(text)))
}

/// Reads the payload into one buffer that never leaves a copy behind when it grows.
pub(super) async fn collect(
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

/// The `Content-Length`, as far as it is a number.
pub(super) fn announced_length(headers: &HeaderMap) -> Option<usize> {
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
pub(super) fn media_type(headers: &HeaderMap, form: Form) -> Result<MediaType, Problem> {
    let refused = || Problem::new(Code::UnsupportedMediaType);
    if headers
        .get(CONTENT_ENCODING)
        .is_some_and(|coding| !is_identity(coding.as_bytes()))
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
        Some(kind) if form != Form::Only && kind.eq_ignore_ascii_case("application/json") => {
            MediaType::Json
        }
        Some(kind)
            if form != Form::Refused
                && kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") =>
        {
            MediaType::Form
        }
        _ => return Err(refused()),
    };
    // Other parameters have no meaning for these types and are ignored (RFC 8259 §11, RFC 9110 §8.3.1).
    let charsets = parts.filter_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim_end()
            .eq_ignore_ascii_case("charset")
            .then_some(value.trim_start())
    });
    for charset in charsets {
        let utf8 = ["utf-8", "\"utf-8\"", "utf8"];
        if !utf8.iter().any(|known| charset.eq_ignore_ascii_case(known)) {
            return Err(refused());
        }
    }
    Ok(kind)
}

/// Whether a `Content-Encoding` says that nothing was encoded (RFC 9110 §8.4.1).
fn is_identity(coding: &[u8]) -> bool {
    let coding = coding.trim_ascii();
    coding.is_empty() || coding.eq_ignore_ascii_case(b"identity")
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn headers(fields: &[(&str, &str)]) -> HeaderMap {
        let mut request = TestRequest::default();
        for &field in fields {
            request = request.append_header(field);
        }
        request.to_http_request().headers().clone()
    }

    #[test]
    fn a_media_type_is_read_in_any_case_and_with_its_charset() {
        for json in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/json;",
            "application/json; v=1",
            "application/json; v=1; charset=utf-8",
            "application/json; profile=\"a b\"",
        ] {
            let headers = headers(&[("content-type", json)]);
            assert!(
                matches!(media_type(&headers, Form::Refused), Ok(MediaType::Json)),
                "{json}"
            );
        }
        for coding in ["identity", "Identity", " identity ", ""] {
            let fields = [
                ("content-type", "application/json"),
                ("content-encoding", coding),
            ];
            assert!(
                media_type(&headers(&fields), Form::Refused).is_ok(),
                "{coding:?}"
            );
        }
        let headers = headers(&[("content-type", "application/x-www-form-urlencoded")]);
        assert!(matches!(
            media_type(&headers, Form::Taken),
            Ok(MediaType::Form)
        ));
        assert!(media_type(&headers, Form::Refused).is_err());
        assert!(media_type(&headers, Form::Only).is_ok());
        let json = self::headers(&[("content-type", "application/json")]);
        assert!(media_type(&json, Form::Only).is_err());
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
            &[("content-type", "application/json; v=1; charset=latin1")],
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
}
