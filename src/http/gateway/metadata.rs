//! `/.well-known/jwks.json` and `/.well-known/oauth-authorization-server`: the public keys of the
//! forwarded JWTs, and what is offered here (RFC 7517 §5, RFC 8414).
//!
//! This room must never name what isn't served.

use crate::lacre::Lacre;
use actix_web::http::header::HOST;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::{Map, Value};

pub(super) const JWKS: &str = "/.well-known/jwks.json";
pub(super) const INTROSPECT: &str = "/oauth2/introspect";
pub(super) const REVOKE: &str = "/oauth2/revoke";
pub(super) const METADATA: &str = "/.well-known/oauth-authorization-server";

/// How a client may prove itself (RFC 6749 §2.3.1).
const AUTH_METHODS: [&str; 2] = ["client_secret_basic", "client_secret_post"];

/// The longest host of a request that is believed to be one.
const MAX_HOST: usize = 261;

/// What clients call the gateway, where an operator says it.
#[derive(Debug, Clone)]
pub(super) struct Base(pub(super) Option<String>);

#[derive(Serialize)]
struct KeySet {
    keys: Vec<Map<String, Value>>,
}

/// The keys that sign forwarded JWTs, and those that have signed some that may still be good.
pub(super) async fn jwks(lacre: Data<Lacre>) -> HttpResponse {
    let keys = lacre.forwarding_keys();
    HttpResponse::Ok().json(KeySet { keys })
}

/// RFC 8414 §2. There is neither an authorization endpoint nor a token endpoint, and so no grant.
#[derive(Serialize)]
struct Metadata<'a> {
    issuer: &'a str,
    jwks_uri: String,
    introspection_endpoint: String,
    introspection_endpoint_auth_methods_supported: [&'a str; 2],
    revocation_endpoint: String,
    revocation_endpoint_auth_methods_supported: [&'a str; 2],
    response_types_supported: [&'a str; 0],
    grant_types_supported: [&'a str; 0],
}

pub(super) async fn metadata(
    request: HttpRequest,
    lacre: Data<Lacre>,
    base: Data<Base>,
) -> HttpResponse {
    let base = base.of(&request);
    HttpResponse::Ok().json(Metadata {
        issuer: &lacre.rules().issuer,
        jwks_uri: format!("{base}{JWKS}"),
        introspection_endpoint: format!("{base}{INTROSPECT}"),
        introspection_endpoint_auth_methods_supported: AUTH_METHODS,
        revocation_endpoint: format!("{base}{REVOKE}"),
        revocation_endpoint_auth_methods_supported: AUTH_METHODS,
        response_types_supported: [],
        grant_types_supported: [],
    })
}

impl Base {
    /// What the addresses begin with: what the operator says, else the host that the request names. The
    /// answer goes to whoever named it, and nobody keeps it.
    fn of(&self, request: &HttpRequest) -> String {
        if let Some(url) = &self.0 {
            return url.clone();
        }
        let host = request.headers().get(HOST);
        let host = host.and_then(|host| host.to_str().ok());
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte);
        let is_host = |host: &&str| (1..=MAX_HOST).contains(&host.len()) && host.bytes().all(plain);
        format!("http://{}", host.filter(is_host).unwrap_or("localhost"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn addresses_begin_as_the_operator_says_or_with_the_host_that_was_asked() {
        let of = |url: Option<&str>, host: &str| {
            let request = TestRequest::default().insert_header((HOST, host));
            Base(url.map(str::to_owned)).of(&request.to_http_request())
        };
        assert_eq!(of(Some("https://g.test/a"), "other"), "https://g.test/a");
        assert_eq!(of(None, "gateway:9091"), "http://gateway:9091");
        assert_eq!(of(None, "[::1]:9091"), "http://[::1]:9091");
        for bad in ["", "a/b", "a\"b", "a b", "a@b", &"a".repeat(300)] {
            assert_eq!(of(None, bad), "http://localhost", "{bad:?}");
        }
    }
}
