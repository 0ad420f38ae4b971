//! Who is let in: the session of the console's cookie, verified by the guard for every page, of an account
//! that has the role `admin`, and not too old. A form is looked at when its body has come, so that what
//! was taken meanwhile is gone (threat: stale-rights).
//!
//! The access token is good for `token.access_ttl`, and a page that comes in time brings a new one. So
//! whoever leaves a browser alone is logged out after that time.
//!
//! This room must never let in by anything but the guard.

use super::answered::Kept;
use super::cookies::{self, Purpose};
use super::desk::Desk;
use super::notices::Notice;
use super::refused::Refused;
use super::sender;
use super::shell::Viewer;
use crate::http::body::{FormOnly, Members};
use crate::http::csrf::CsrfError;
use crate::http::origin::{Trail, TrustedProxies};
use crate::http::problem::{Code, Problem};
use crate::http::turns::next_turn_to_read;
use crate::ops::{self, Answer, OpsError, Request};
use crate::service::Caller;
use crate::sessions::grant::Issued;
use crate::sessions::guard::{LiveSession, Refusal};
use crate::sessions::refresh::RefreshError;
use crate::telemetry::audit::{Actor, Event, MaskedHandle, UserId};
use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::HeaderValue;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;

/// A session of the console ends after so many seconds, however busy it is.
const LONGEST: u64 = 12 * 3600;
/// An access token that is older than this, or than a quarter of its life, is renewed with the next page.
const RENEWED_AFTER: u64 = 60;

/// An administrator who was let in.
pub(super) struct Visit {
    pub(super) session: LiveSession,
    desk: Data<Desk>,
    trail: Trail,
    kept: Kept,
}

/// A form of an administrator, sent by a page of ours.
pub(super) struct Posted {
    pub(super) visit: Visit,
    pub(super) form: Members,
}

impl Visit {
    /// Asks the operators' room in the name of the administrator.
    pub(super) async fn ask(&self, request: Request) -> Result<Answer, OpsError> {
        ops::perform(&self.desk.service, &self.caller(), request).await
    }

    /// The administrator, where others' sessions are concerned.
    pub(super) fn caller(&self) -> Caller {
        let actor = Actor::Admin(self.session.user_id().to_owned());
        let caller = Caller::new(actor, self.trail.origin().clone());
        caller.in_session(self.session.handle())
    }

    /// The administrator, where its own session is concerned.
    pub(super) fn owner(&self) -> Caller {
        let owner = Caller::new(Actor::Owner, self.trail.origin().clone());
        owner.in_session(self.session.handle())
    }

    pub(super) fn desk(&self) -> &Desk {
        &self.desk
    }

    pub(super) fn now(&self) -> u64 {
        self.desk.service.lacre().now()
    }

    /// Has the next page say this.
    pub(super) fn leave(&self, notice: Notice) {
        self.desk.notices.leave(self.session.handle(), notice);
    }

    /// Has the answer, whatever it is, set what was issued for this session.
    pub(super) fn keeps(&self, issued: &Issued) {
        self.kept.set(lines_of(&self.desk, issued));
    }

    /// For whom a page is made.
    pub(super) fn viewer(&self) -> Viewer {
        let lacre = self.desk.service.lacre();
        let (session, claims) = (self.session.handle(), &self.session.claims);
        let name = claims.email.as_deref();
        Viewer {
            name: name.unwrap_or(self.session.user_id()).to_owned(),
            form: cookies::mark(lacre, Purpose::Form, session.as_str()),
            notice: self.desk.notices.take(session),
        }
    }
}

/// The lines of `Set-Cookie` for what was issued. They go when nobody can use them any more: the access
/// token when it expires, and what a later log-in ends when it would be too old.
pub(super) fn lines_of(desk: &Desk, issued: &Issued) -> Vec<HeaderValue> {
    let mark = cookies::mark(desk.service.lacre(), Purpose::Door, issued.handle.as_str());
    let access = format!("{}.{mark}", issued.access.token.expose());
    let refresh = issued.refresh.as_ref();
    let lines = [
        cookies::line(cookies::ACCESS, &access, issued.access.expires_in),
        refresh
            .and_then(|refresh| cookies::line(cookies::REFRESH, refresh.token.expose(), LONGEST)),
    ];
    lines.into_iter().flatten().collect()
}

impl FromRequest for Visit {
    type Error = Refused;
    type Future = LocalBoxFuture<'static, Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { admit(&request).await })
    }
}

impl FromRequest for Posted {
    type Error = Refused;
    type Future = LocalBoxFuture<'static, Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let form = FormOnly::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let FormOnly(mut form) = form.await?;
            let visit = admit(&request).await?;
            let mark = form.optional_text("form")?.unwrap_or_default();
            let (lacre, session) = (visit.desk.service.lacre(), visit.session.handle());
            let error = if !sender::is_own(&request) {
                Some(CsrfError::OtherSite)
            } else if cookies::is_marked(lacre, Purpose::Form, session.as_str(), mark.as_bytes()) {
                None
            } else {
                Some(CsrfError::Forged)
            };
            match error {
                None => Ok(Self { visit, form }),
                Some(error) => {
                    visit.trail.record(&denied(&visit.session, error.code()));
                    Err(Refused::Forged)
                }
            }
        })
    }
}

/// Lets the administrator in whose cookie came with this request.
async fn admit(request: &HttpRequest) -> Result<Visit, Refused> {
    let Some(desk) = request.app_data::<Data<Desk>>() else {
        return Err(Problem::new(Code::InternalError).into());
    };
    let trail = Trail::of(request);
    let Some(cookie) = cookies::only(request.headers(), cookies::ACCESS) else {
        return Err(to_log_in(request));
    };
    let (token, mark) = cookie.rsplit_once('.').unwrap_or_default();
    let refuse = |code| {
        let session = None;
        trail.record(&Event::TokenRefused { code, session });
        to_log_in(request)
    };
    let session = match desk.guard.open(token.as_bytes()).await {
        Ok(session) => session,
        Err(Refusal::Token(error)) => return Err(refuse(error.code())),
        Err(Refusal::Store(error)) => return Err(Problem::from(error).into()),
    };
    let lacre = desk.service.lacre();
    let name = session.handle().as_str();
    if !cookies::is_marked(lacre, Purpose::Door, name, mark.as_bytes()) {
        return Err(refuse("console_cookie_forged"));
    }
    if !desk.guard.admits(&session) {
        trail.record(&denied(&session, "role_missing"));
        return Err(to_log_in(request));
    }
    let visit = Visit {
        session,
        desk: desk.clone(),
        trail,
        kept: Kept::of(request),
    };
    let age = visit.now().saturating_sub(visit.session.created_at);
    if age >= LONGEST {
        let ended = desk.service.log_out(&visit.owner(), &visit.session).await;
        ended.map_err(Problem::from)?;
        return Err(to_log_in(request));
    }
    if visit.session.is_behind
        && let Some(address) = TrustedProxies::sender(request)
    {
        lacre.note_address(&visit.session.key, address);
    }
    renew(request, &visit).await?;
    Ok(visit)
}

/// Renews the tokens with a page, so that a busy administrator stays logged in. It is tried with a good
/// access token alone: then the refresh token of the same answer is of the same generation, and an answer that
/// was lost is never taken for a theft.
async fn renew(request: &HttpRequest, visit: &Visit) -> Result<(), Refused> {
    let claims = &visit.session.claims;
    let life = claims.expires_at.saturating_sub(claims.issued_at);
    let age = visit.now().saturating_sub(claims.issued_at);
    let is_due = age >= RENEWED_AFTER.min(life / 4);
    let token = cookies::only(request.headers(), cookies::REFRESH);
    let (Some(token), true) = (token, is_due && request.method() == Method::GET) else {
        return Ok(());
    };
    let service = &visit.desk.service;
    let turn = next_turn_to_read(service.lacre().keystore()).await;
    let refreshed = service.refresh(token.as_bytes(), visit.trail.origin(), turn);
    match refreshed.await {
        Ok(issued) if issued.handle == *visit.session.handle() => visit.keeps(&issued),
        // The session has ended, or its user may not log in any more.
        Err(RefreshError::Reused { .. } | RefreshError::UserGone { .. }) => {
            return Err(to_log_in(request));
        }
        // What was let in is good as long as its access token is.
        Ok(_) | Err(_) => {}
    }
    Ok(())
}

fn denied<'a>(session: &'a LiveSession, code: &'static str) -> Event<'a> {
    Event::AccessDenied {
        code,
        user: UserId::new(session.user_id()),
        session: MaskedHandle::of(session.handle().as_str()),
    }
}

/// To the log-in, and from there back to the page; a form that was sent is lost.
fn to_log_in(request: &HttpRequest) -> Refused {
    if request.method() == Method::GET {
        let path = request.uri().path_and_query();
        let path = path.map(|path| path.as_str().to_owned());
        let next = path.filter(|path| path != "/console/");
        Refused::LogIn { next }
    } else {
        Refused::Ended
    }
}
