//! `POST /oauth2/revoke` (RFC 7009): a client ends the session of a token that it holds.
//!
//! Every client that proves itself may: who has a token can end its session by log-out as well.
//!
//! This room must never answer before the session has ended.

use super::{client, presented};
use crate::http::body::FormOnly;
use crate::http::guard::TokenGuard;
use crate::http::origin::Trail;
use crate::http::problem::Problem;
use crate::service::{Caller, Service};
use crate::telemetry::audit::Actor;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

/// The guard that takes access tokens and refresh tokens.
pub(super) struct AnyKind(pub(super) TokenGuard);

/// 200 for a token that isn't good as well: what the client wants is so already (RFC 7009 §2.2).
pub(super) async fn revoke(
    request: HttpRequest,
    service: Data<Service>,
    guard: Data<AnyKind>,
    FormOnly(mut sent): FormOnly,
) -> Result<HttpResponse, Problem> {
    let client = client::proven(&request, &service, &mut sent).await?;
    let rules = service.lacre().rules();
    let token = presented::token(&mut sent, rules.max_token_length)?;
    let trail = Trail::of(&request);
    let opened = guard.0.open(token.as_bytes()).await;
    if let Some(session) = presented::session(opened, &trail)? {
        let actor = Actor::Client(client.id.as_str().to_owned());
        let caller = Caller::new(actor, trail.origin().clone());
        service.revoke_presented(&caller, &session).await?;
    } else {
        // It may have been ended by another process that hasn't answered yet.
        service.lacre().settled().await?;
    }
    Ok(HttpResponse::Ok().finish())
}
