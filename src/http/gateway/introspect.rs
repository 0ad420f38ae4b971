//! `POST /oauth2/introspect` (RFC 7662): a client asks whether a token is good now, and whose.
//!
//! This room must never say more of a token that isn't active than that it isn't.

use super::asking::Asking;
use super::{client, presented};
use crate::accounts::Client;
use crate::http::body::FormOnly;
use crate::http::guard::TokenGuard;
use crate::http::origin::Trail;
use crate::http::problem::Problem;
use crate::service::Service;
use crate::sessions::forward::OWN_CLIENT;
use crate::sessions::guard::LiveSession;
use crate::token::RESERVED_CLAIMS;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Whom the services of the configuration would let in: on one worker, each with its guard.
pub(super) struct Desk {
    services: Vec<(Asking, TokenGuard)>,
    /// Takes every access token that is good.
    guard: TokenGuard,
}

/// RFC 7662 §2.2, all that there is to say.
#[derive(Serialize)]
struct Told<'a> {
    active: bool,
    scope: String,
    client_id: &'a str,
    username: &'a str,
    token_type: &'static str,
    exp: u64,
    iat: u64,
    sub: &'a str,
    aud: Audience<'a>,
    iss: &'a str,
    jti: &'a str,
    sid: &'a str,
    roles: &'a [String],
    fresh: bool,
    /// Further members, that the asking client itself has said of its own user (RFC 7662 §2.2).
    #[serde(flatten)]
    said: BTreeMap<&'a str, &'a Value>,
}

/// Names that an introspection gives a meaning to, besides those that no client's claim has
/// ([`RESERVED_CLAIMS`]): a claim of that name would be taken for lacre's own word.
const TOLD: [&str; 8] = [
    "active",
    "scope",
    "username",
    "token_type",
    "cnf",
    "act",
    "may_act",
    "authorization_details",
];

/// RFC 7519 §4.1.3.
#[derive(Serialize)]
#[serde(untagged)]
enum Audience<'a> {
    One(&'a str),
    Several(&'a [String]),
}

#[derive(Serialize)]
struct Inactive {
    active: bool,
}

pub(super) async fn introspect(
    request: HttpRequest,
    service: Data<Service>,
    desk: Data<Desk>,
    FormOnly(mut sent): FormOnly,
) -> Result<HttpResponse, Problem> {
    let client = client::proven(&request, &service, &mut sent).await?;
    let rules = service.lacre().rules();
    let token = presented::token(&mut sent, rules.max_token_length)?;
    let opened = desk.guard.open(token.as_bytes()).await;
    let found = presented::session(opened, &Trail::of(&request))?;
    let mut response = HttpResponse::Ok();
    let told = found.as_ref().and_then(|session| {
        let audience = desk.audience(&client, session)?;
        Some(Told::of(session, audience, client.id.as_str()))
    });
    Ok(match told {
        Some(told) => response.json(told),
        None => response.json(Inactive { active: false }),
    })
}

impl Desk {
    pub(super) fn new(services: Vec<(Asking, TokenGuard)>, guard: TokenGuard) -> Self {
        Self { services, guard }
    }

    /// The audience in which a client sees this session as active: that of the first of its services which
    /// would let it in, or the token's own where the client is bound to none.
    fn audience<'a>(&'a self, client: &Client, session: &'a LiveSession) -> Option<Audience<'a>> {
        if client.services.is_empty() {
            let own = session
                .client_id()
                .is_none_or(|id| id == client.id.as_str());
            return own.then_some(match session.claims.audience.as_slice() {
                [one] => Audience::One(one),
                several => Audience::Several(several),
            });
        }
        let named = |name: &String| {
            let mut services = self.services.iter();
            services.find(|(asking, _)| asking.rules.name == *name)
        };
        let mut letting_in = client
            .services
            .iter()
            .filter_map(named)
            .filter(|(_, guard)| guard.admits(session));
        let (asking, _) = letting_in.next()?;
        Some(Audience::One(&asking.rules.audience))
    }
}

impl<'a> Told<'a> {
    fn of(session: &'a LiveSession, aud: Audience<'a>, asking: &str) -> Self {
        let claims = &session.claims;
        let said = if session.client_id() == Some(asking) {
            said(&claims.additional)
        } else {
            BTreeMap::new()
        };
        Self {
            active: true,
            scope: claims.permissions.join(" "),
            client_id: session.client_id().unwrap_or(OWN_CLIENT),
            username: claims.email.as_deref().unwrap_or(session.subject()),
            token_type: "Bearer",
            exp: claims.expires_at,
            iat: claims.issued_at,
            sub: session.subject(),
            aud,
            iss: &claims.issuer,
            jti: &claims.token_id,
            sid: session.handle().as_str(),
            roles: &claims.roles,
            fresh: session.is_fresh(),
            said,
        }
    }
}

/// The claims under names that nothing else has.
fn said(claims: &Map<String, Value>) -> BTreeMap<&str, &Value> {
    let named = claims.iter().map(|(name, value)| (name.as_str(), value));
    named
        .filter(|(name, _)| !TOLD.contains(name) && !RESERVED_CLAIMS.contains(name))
        .collect()
}
