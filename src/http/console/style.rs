//! The one stylesheet: part of the program, named by its digest, so that browsers keep it until another
//! program has another one.
//!
//! This room must never name an address that isn't this service's own.

use crate::token::base64url;
use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use aws_lc_rs::digest::{SHA256, digest};
use std::sync::LazyLock;

const TEXT: &str = include_str!("style.css");

/// A part of its digest, enough to tell two of them apart.
static NAME: LazyLock<String> = LazyLock::new(|| {
    let digest = digest(&SHA256, TEXT.as_bytes());
    base64url::encode(&digest.as_ref()[..12])
});

static PATH: LazyLock<String> = LazyLock::new(|| format!("/console/style-{}.css", &*NAME));

/// Where it is.
pub(super) fn path() -> &'static str {
    &PATH
}

/// The same among the pages.
pub(super) fn name() -> &'static str {
    path().strip_prefix("/console").unwrap_or_default()
}

pub(super) async fn show() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/css; charset=utf-8"))
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .insert_header((ETAG, format!("\"{}\"", &*NAME)))
        .body(TEXT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_loads_nothing_and_is_named_by_what_it_says() {
        for loading in ["url(", "@import", "http:", "https:", "//"] {
            assert!(!TEXT.contains(loading), "{loading}");
        }
        assert_eq!(path().len(), "/console/style-.css".len() + 16);
    }
}
