//! `POST /getToken` and `POST /login`: credentials for a token.
//!
//! This room must never tell an unknown user from a wrong password.

use super::super::body::{JsonOrForm, Members};
use super::super::cookies;
use super::super::credentials::{self, BasicCredentials};
use super::super::csrf;
use super::super::origin::{self, Trail};
use super::super::problem::{Code, Problem};
use super::Policy;
use crate::accounts::{AccountsError, PresentedPassword};
use crate::lacre::Lacre;
use crate::service::{LogIn, OnBehalf, Service};
use crate::sessions::grant::{Issued, Origin};
use crate::telemetry::audit::Event;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

/// What a client is given: RFC 6749 §5.1 with the first service's names for token and session.
#[derive(Serialize)]
struct TokenAnswer<'a> {
    /// The access token.
    auth: &'a str,
    /// The session handle.
    crt: &'a str,
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
    /// The refresh token.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh: Option<&'a str>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_expires_in: Option<u64>,
}

/// What a body asks for: a session for who proves a password, or for whom a back end names.
enum Asked {
    LogIn(LogIn),
    OnBehalf(OnBehalf),
}

impl Asked {
    fn read(
        client: Option<BasicCredentials>,
        mut body: Members,
        origin: Origin,
    ) -> Result<Self, Problem> {
        let user_session = body.optional_text("user_session")?;
        let has_password = body.has("password");
        let claims = body.optional_object("claims")?.map(Members::into_map);
        let Some(client) = client else {
            // Only a client may ask without a password.
            if user_session.is_some() && !has_password && body.has("id") {
                return Err(Problem::invalid_client());
            }
            // Passed over without a word, they would be missed when it is too late.
            if claims.is_some() {
                return Err(Problem::new(Code::InvalidRequest)
                    .detail("Only a back end may give `claims`.")
                    .field("claims"));
            }
            let (_, user) = body.required_text_of(&["email", "id"])?;
            return Ok(Self::LogIn(LogIn {
                user,
                password: presented(&body.required_secret("password")?)?,
                user_session,
                origin,
            }));
        };
        if has_password {
            return Err(Problem::two_credentials());
        }
        Ok(Self::OnBehalf(OnBehalf {
            client_id: client.id,
            client_secret: client.secret,
            user_id: body.required_text("id")?,
            user_session: user_session.ok_or_else(|| Problem::missing_member("user_session"))?,
            claims: claims.unwrap_or_default(),
            origin,
        }))
    }
}

pub(super) async fn get_token(
    request: HttpRequest,
    service: Data<Service>,
    policy: Data<Policy>,
    JsonOrForm(mut body): JsonOrForm,
) -> Result<HttpResponse, Problem> {
    let client = credentials::basic(request.headers())?;
    let label = body.optional_text("label")?;
    let origin = origin::of(&request, &policy.trusted_proxies, label.as_deref());
    let trail = Trail::of(&request, &policy.trusted_proxies);
    csrf::check_sender(&request, service.lacre()).inspect_err(|error| {
        trail.record(&Event::LoginFailed {
            code: error.code(),
            user: None,
        });
    })?;
    let asked = Asked::read(client, body, origin)?;
    let by_client = matches!(asked, Asked::OnBehalf(_));
    let limited = |problem: &Problem| {
        trail.record(&Event::LoginFailed {
            code: problem.code().as_str(),
            user: None,
        });
    };
    let (attempt, issued) = match asked {
        Asked::OnBehalf(request) => {
            let attempt = policy.limits.client(&request.client_id, trail.address());
            let attempt = attempt.inspect_err(limited)?;
            (attempt, service.on_behalf(request, trail.origin()).await)
        }
        Asked::LogIn(request) => {
            let attempt = policy.limits.log_in(&request.user, trail.address());
            let attempt = attempt.inspect_err(limited)?;
            (attempt, service.log_in(request, trail.origin()).await)
        }
    };
    attempt.ended(&issued);
    let issued = issued?;
    // A back end that keeps cookies would send one user's along with the next one's token.
    Ok(if by_client {
        tokens(&issued)
    } else {
        answer(service.lacre(), &issued, None)
    })
}

/// A password that is too long to be anybody's is a wrong one.
pub(super) fn presented(text: &str) -> Result<PresentedPassword, Problem> {
    PresentedPassword::parse(text).map_err(|error| match error {
        AccountsError::AccountInvalid { .. } => Problem::new(Code::InvalidCredentials),
        error => error.into(),
    })
}

/// The answer that gives a browser or a client its tokens, with the cookies where they are used.
/// `session_lasts`, in seconds, is needed where no refresh token says it.
pub(super) fn answer(lacre: &Lacre, issued: &Issued, session_lasts: Option<u64>) -> HttpResponse {
    let by_refresh = issued.refresh.as_ref().map(|refresh| refresh.expires_in);
    let lasts = session_lasts.or(by_refresh).unwrap_or_default();
    let mut response = tokens(issued);
    cookies::set(&mut response, lacre, issued, lasts);
    response
}

fn tokens(issued: &Issued) -> HttpResponse {
    HttpResponse::Ok().json(TokenAnswer {
        auth: issued.access.token.expose(),
        crt: issued.handle.as_str(),
        token_type: "Bearer",
        expires_in: issued.access.expires_in,
        refresh: issued
            .refresh
            .as_ref()
            .map(|refresh| refresh.token.expose()),
        refresh_expires_in: issued.refresh.as_ref().map(|refresh| refresh.expires_in),
    })
}
