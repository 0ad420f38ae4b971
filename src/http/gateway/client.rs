//! Who asks at `/oauth2/…`: a client with `client_secret_basic` or `client_secret_post` (RFC 6749 §2.3.1).
//!
//! A wrong secret counts as it does where a client asks for a token, and is in the log.
//!
//! This room must never take two ways at once for one.

use crate::accounts::Client;
use crate::http::body::Members;
use crate::http::client_auth::{self, ClientCredentials};
use crate::http::credentials::CredentialError;
use crate::http::origin::Trail;
use crate::http::problem::{Code, Problem};
use crate::service::Service;
use crate::telemetry::audit::Event;
use actix_web::HttpRequest;

const ID: &str = "client_id";
const SECRET: &str = "client_secret";

/// The client that the request proves to come from.
pub(super) async fn proven(
    request: &HttpRequest,
    service: &Service,
    sent: &mut Members,
) -> Result<Client, Problem> {
    let trail = Trail::of(request);
    let failed = |code| {
        let (user, client) = (None, None);
        trail.record(&Event::LoginFailed { code, user, client });
    };
    let basic = client_auth::credentials(request.headers()).map_err(|error| match error {
        CredentialError::BadBasic => {
            failed(error.code());
            Problem::invalid_client()
        }
        _ => two_ways(),
    })?;
    let credentials = match (basic, posted(sent)?) {
        (Some(basic), Posted { id, secret: None }) => {
            // Some clients send the id in either place.
            if id.is_some_and(|id| id != basic.id) {
                return Err(two_ways());
            }
            basic
        }
        (
            Some(_),
            Posted {
                secret: Some(_), ..
            },
        ) => return Err(two_ways()),
        (
            None,
            Posted {
                id: Some(id),
                secret: Some(secret),
            },
        ) => ClientCredentials { id, secret },
        (None, _) => {
            failed(Code::InvalidClient.as_str());
            return Err(Problem::invalid_client());
        }
    };
    let ClientCredentials { id, secret } = credentials;
    Ok(service.client(&id, &secret, trail.origin()).await?)
}

/// What the form says of the client.
struct Posted {
    id: Option<String>,
    secret: Option<zeroize::Zeroizing<String>>,
}

/// A parameter without a value counts as left out (RFC 6749 §3.1).
fn posted(sent: &mut Members) -> Result<Posted, Problem> {
    Ok(Posted {
        id: sent.optional_text(ID)?.filter(|id| !id.is_empty()),
        secret: sent
            .optional_secret(SECRET)?
            .filter(|secret| !secret.is_empty()),
    })
}

fn two_ways() -> Problem {
    Problem::new(Code::InvalidRequest).detail("The client proves itself in more than one way.")
}
