//! The guard in front of actix handlers: [`TokenGuard`] lets a request in, [`Session`] tells the
//! handler who came.
//!
//! Every bad token gets one answer, whatever is wrong with it; the true reason goes to the log. A
//! store that can't be asked is 503, never 401 and never 200.
//!
//! This room must never let a request through that [`Lacre::guard`] hasn't verified.

mod after;
mod demands;
mod service;

pub use after::VerifiedAfter;
pub use service::GuardedService;

use self::demands::{Demands, Users};
use super::body;
use super::cookies;
use super::csrf::{self, CsrfError, Methods};
use super::locations::{LocatedToken, Location, TokenField, TokenLocations};
use super::origin::{Trail, TrustedProxies};
use super::outside::{self, Issuers, OutsideUser};
use super::problem::{Code, Missing, Problem};
use super::token_kinds::TokenKinds;
use super::turns::{next_turn, next_turn_to_read};
use super::visitor::{Found, Verified, Verifier, Visitor};
use crate::lacre::Lacre;
use crate::sessions::guard::{LiveSession, Refusal};
use crate::telemetry::audit::{Event, MaskedHandle, UserId};
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::{FutureExt as _, LocalBoxFuture};
use std::future::{Ready, ready};
use std::rc::Rc;
use zeroize::Zeroizing;

/// Middleware that lets in what carries a good access token.
///
/// ```
/// use actix_web::{App, HttpResponse, web};
/// use lacre::TokenGuard;
///
/// # fn app(lacre: &lacre::Lacre) {
/// let app = App::new().service(
///     web::scope("/reports")
///         .wrap(TokenGuard::required(lacre).role("auditor"))
///         .route("", web::get().to(HttpResponse::Ok)),
/// );
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct TokenGuard {
    lacre: Lacre,
    demands: Rc<Demands>,
    /// The outside issuers whose tokens it takes as they are.
    issuers: Option<Issuers>,
}

impl TokenGuard {
    /// Lets in only who has a good token.
    pub fn required(lacre: &Lacre) -> Self {
        Self {
            lacre: lacre.clone(),
            demands: Rc::new(Demands {
                locations: lacre.rules().locations.clone(),
                ..Demands::default()
            }),
            issuers: None,
        }
    }

    /// Lets in who has a good token and who has none; a bad one is refused all the same.
    pub fn optional(lacre: &Lacre) -> Self {
        Self::required(lacre).with(|demands| demands.optional = true)
    }

    /// Demands a token that was made by proving a password, not by a refresh.
    pub fn fresh(self) -> Self {
        self.with(|demands| demands.fresh = true)
    }

    /// Takes a refresh token and no access token.
    pub fn refresh_only(self) -> Self {
        self.with(|demands| demands.kinds = TokenKinds::Refresh)
    }

    /// Takes an access token or a refresh token of the current generation: for log-out. Where the token
    /// stands in a cookie and is good no more, the 401 takes the cookies of the session back.
    pub fn any_kind(self) -> Self {
        self.with(|demands| demands.kinds = TokenKinds::Any)
    }

    /// Takes tokens of outside issuers as well, those that are configured with
    /// [`Accept::Direct`](crate::federation::Accept::Direct). A handler tells by
    /// [`AnySession`] who came; one that asks for a [`Session`] isn't called for such a token. They have
    /// the roles of the configured claim but `admin`, no permissions, and are never fresh. They aren't
    /// taken from cookies, nor by a guard for refresh tokens or for any kind.
    ///
    /// Such a token can't be revoked here: it is good until it expires.
    #[cfg(feature = "federation")]
    pub fn direct(self, issuers: &crate::federation::Federation) -> Self {
        let accepts = issuers.accepts(crate::federation::Accept::Direct);
        Self {
            issuers: accepts.then(|| issuers.clone()),
            ..self
        }
    }

    /// Looks for the token in these places only, whatever the rules of the deployment say. Cookies
    /// are set by log-in and refresh only where the rules have [`Location::Cookie`].
    pub fn locations(self, locations: impl IntoIterator<Item = Location>) -> Self {
        let locations = locations.into_iter().collect();
        self.with(|demands| demands.locations = locations)
    }

    /// Looks for the token in this header field.
    #[cfg(feature = "server")]
    pub(super) fn field(self, field: TokenField) -> Self {
        self.with(|demands| demands.field = field)
    }

    /// Demands this role.
    pub fn role(self, role: impl Into<String>) -> Self {
        self.any_role([role])
    }

    /// Demands at least one of these roles.
    pub fn any_role<R: Into<String>>(self, roles: impl IntoIterator<Item = R>) -> Self {
        let roles: Vec<String> = roles.into_iter().map(Into::into).collect();
        self.with(|demands| demands.any_role = roles)
    }

    /// Demands this permission, besides those demanded before.
    pub fn permission(self, permission: impl Into<String>) -> Self {
        let permission = permission.into();
        self.with(|demands| demands.permissions.push(permission))
    }

    /// Lets in the users of these clients as well, by the ids of the clients or their names. Without this and
    /// [`everybody`](Self::everybody), it lets in accounts alone.
    #[cfg(feature = "server")]
    pub(super) fn users_of(self, clients: Vec<String>) -> Self {
        self.with(|demands| demands.users = Users::AccountsAnd(clients))
    }

    /// Lets in the users of every client as well.
    #[cfg(feature = "server")]
    pub(super) fn everybody(self) -> Self {
        self.with(|demands| demands.users = Users::Everybody)
    }

    /// Stands behind a proxy that asks about a request of another method than its own: with a cookie,
    /// every method that the proxy may have named counts.
    #[cfg(feature = "server")]
    pub(super) fn asked_by_proxies(self) -> Self {
        self.with(|demands| demands.methods = Methods::Hinted)
    }

    /// Whether a session has what is asked of it besides that it is good.
    #[cfg(feature = "server")]
    pub(super) fn admits(&self, session: &LiveSession) -> bool {
        self.demands.check(session).is_ok()
    }

    /// Verifies a token that another service was sent and asks about, as one of a request of its own
    /// would be: without what is asked of the session besides.
    #[cfg(feature = "server")]
    pub(super) async fn open(&self, token: &[u8]) -> Result<LiveSession, Refusal> {
        match self.known(token).await {
            Some(session) => Ok(session),
            None => self.unknown(token).await,
        }
    }

    /// The session of a token that was good before, if it is still.
    async fn known(&self, token: &[u8]) -> Option<LiveSession> {
        self.lacre
            .guard_known(token, self.demands.kinds.kept()?)
            .await
    }

    /// The session of a token that has to be opened anew, for which it waits for its turn.
    async fn unknown(&self, token: &[u8]) -> Result<LiveSession, Refusal> {
        let turn = next_turn_to_read(self.lacre.keystore()).await;
        let opened = self.demands.kinds.open(&self.lacre, token).await;
        drop(turn);
        opened
    }

    fn with(self, change: impl FnOnce(&mut Demands)) -> Self {
        let mut demands = Demands::clone(&self.demands);
        change(&mut demands);
        Self {
            demands: Rc::new(demands),
            ..self
        }
    }

    /// Whether the token may stand in the body of this request.
    fn looks_into_body_of(&self, request: &ServiceRequest) -> bool {
        self.demands.locations.contains(&Location::Json) && body::is_json(request)
    }

    /// The token of a request, or nothing of a visitor whom an optional guard lets in. `member` is
    /// the token of its body.
    fn token<'r>(
        &self,
        request: &'r HttpRequest,
        member: Option<Zeroizing<String>>,
    ) -> Result<Option<LocatedToken<'r>>, Problem> {
        let places = TokenLocations {
            enabled: &self.demands.locations,
            cookies: self.demands.kinds.cookies(),
            field: self.demands.field,
        };
        match places.find(request, member)? {
            None if !self.demands.optional => Err(Problem::no_credentials()),
            found => Ok(found),
        }
    }

    /// Verifies a request whose token was good before, without waiting; `None` where that can't tell.
    fn verify_at_once(&self, request: &HttpRequest) -> Option<Verified> {
        let token = match self.token(request, None) {
            Ok(Some(token)) => token,
            Ok(None) => return Some(Ok(None)),
            Err(problem) => return Some(Err(problem)),
        };
        let known = self.demands.kinds.kept()?;
        let session = self.lacre.guard_at_once(token.text.as_bytes(), known)?;
        let checked = self.check(request, token.location, session);
        Some(checked.map(|session| Some(ours(session))))
    }

    /// Verifies a request; what it leaves in the request is the session, or nothing for a visitor
    /// whom an optional guard lets in. Only a token that has to be opened anew waits for its turn.
    async fn verify(&self, request: &HttpRequest, member: Option<Zeroizing<String>>) -> Verified {
        let Some(token) = self.token(request, member)? else {
            return Ok(None);
        };
        let bytes = token.text.as_bytes();
        let session = if let Some(session) = self.known(bytes).await {
            session
        } else if let Some(issuers) = self.takes_directly(&token) {
            return self.verify_outside(request, issuers, bytes).await;
        } else {
            self.unknown(bytes).await.map_err(|refusal| {
                let problem = refused(request, &refusal);
                self.without_cookies(request, token.location, problem)
            })?
        };
        let checked = self.check(request, token.location, session)?;
        Ok(Some(ours(checked)))
    }

    /// The issuers, if this token may be one of theirs that is taken as it is.
    fn takes_directly(&self, token: &LocatedToken<'_>) -> Option<&Issuers> {
        let issuers = self.issuers.as_ref()?;
        // What another site makes a browser send, no double submit would guard: it has no session.
        let good = self.demands.kinds == TokenKinds::Access && token.location != Location::Cookie;
        (good && outside::is_jws(token.text.as_bytes())).then_some(issuers)
    }

    /// Verifies a token of an outside issuer. It waits for a turn, and not with one: the issuer's keys
    /// may have to be fetched first.
    async fn verify_outside(
        &self,
        request: &HttpRequest,
        issuers: &Issuers,
        token: &[u8],
    ) -> Verified {
        drop(next_turn().await);
        let verified = outside::verify(issuers, token, self.lacre.now()).await;
        let user = verified.map_err(|refused| {
            if refused.problem.code() == Code::InvalidToken {
                let (code, session) = (refused.code, None);
                Trail::of(request).record(&Event::TokenRefused { code, session });
            }
            refused.problem
        })?;
        self.demands
            .check_rights(&user.roles, &[], false)
            .map_err(|missing| {
                let event = Event::OutsideAccessDenied {
                    code: code_of(&missing),
                    issuer: UserId::new(&user.issuer_name),
                    subject: UserId::new(&user.subject),
                };
                Trail::of(request).record(&event);
                Problem::insufficient_scope(missing)
            })?;
        Ok(Some(Found::Outside(Rc::new(user))))
    }

    /// The refusal of a token. A browser that logs out with a cookie whose token is good no more is to
    /// drop the cookies: the answer takes them back, unless another site had the request sent.
    fn without_cookies(
        &self,
        request: &HttpRequest,
        location: Location,
        problem: Problem,
    ) -> Problem {
        let logs_out = self.demands.kinds == TokenKinds::Any && location == Location::Cookie;
        let refused = problem.code() == Code::InvalidToken;
        if logs_out && refused && csrf::check_sender(request, &self.lacre).is_ok() {
            return problem.cookies(cookies::clearing_lines(&self.lacre));
        }
        problem
    }

    /// What is asked of a session besides that it is good.
    fn check(
        &self,
        request: &HttpRequest,
        location: Location,
        session: LiveSession,
    ) -> Result<LiveSession, Problem> {
        // The browser sends a cookie with whatever another site makes it send.
        if location == Location::Cookie {
            csrf::check(request, self.demands.methods, &self.lacre, session.handle())
                .map_err(|error| forged(request, &session, error))?;
        }
        if session.is_behind
            && let Some(address) = TrustedProxies::sender(request)
        {
            self.lacre.note_address(&session.key, address);
        }
        self.demands
            .check(&session)
            .map_err(|missing| denied(request, &session, missing))?;
        Ok(session)
    }
}

impl Verifier for TokenGuard {
    fn verify_again<'r>(&'r self, request: &'r HttpRequest) -> LocalBoxFuture<'r, Verified> {
        async move {
            match self.verify_at_once(request) {
                Some(verified) => verified,
                None => self.verify(request, None).await,
            }
        }
        .boxed_local()
    }
}

fn ours(session: LiveSession) -> Found {
    Found::Session(Rc::new(session))
}

/// One answer for every bad token; the reason is for the log alone.
fn refused(request: &HttpRequest, refusal: &Refusal) -> Problem {
    match refusal {
        Refusal::Token(error) => {
            let event = Event::TokenRefused {
                code: error.code(),
                session: None,
            };
            Trail::of(request).record(&event);
            (*error).into()
        }
        Refusal::Store(error) => error.clone().into(),
    }
}

/// A good token that isn't enough: the log says who came, and what was missing.
fn denied(request: &HttpRequest, session: &LiveSession, missing: Missing) -> Problem {
    let event = Event::AccessDenied {
        code: code_of(&missing),
        user: UserId::new(session.user_id()),
        session: MaskedHandle::of(session.handle().as_str()),
    };
    Trail::of(request).record(&event);
    Problem::insufficient_scope(missing)
}

fn code_of(missing: &Missing) -> &'static str {
    match missing {
        Missing::Role(_) | Missing::AnyRole(_) => "role_missing",
        Missing::Permission(_) => "permission_missing",
        Missing::FreshLogin => "token_not_fresh",
        Missing::Account => "account_missing",
    }
}

/// One answer for everything that another site may have sent.
fn forged(request: &HttpRequest, session: &LiveSession, error: CsrfError) -> Problem {
    let event = Event::AccessDenied {
        code: error.code(),
        user: UserId::new(session.user_id()),
        session: MaskedHandle::of(session.handle().as_str()),
    };
    Trail::of(request).record(&event);
    error.into()
}

/// The session of a guarded request, as a handler's parameter: `Session` behind a required
/// guard, `Option<Session>` behind an optional one.
///
/// It is a session of this deployment, always: behind a guard that takes tokens of outside issuers
/// [directly](TokenGuard::direct), such a token is refused here like any bad one, and a handler that
/// is to be called for it asks for [`AnySession`].
///
/// Without a guard in front of the route the answer is 500: a handler that wants a session must
/// not run because somebody forgot the guard.
#[derive(Debug, Clone)]
pub struct Session(Rc<LiveSession>);

impl std::ops::Deref for Session {
    type Target = LiveSession;

    fn deref(&self) -> &LiveSession {
        &self.0
    }
}

impl FromRequest for Session {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(found(request).and_then(|found| match found {
            Found::Session(session) => Ok(Self(session)),
            Found::Outside(_) => {
                Trail::of(request).record(&Event::TokenRefused {
                    code: "outside_token_no_session",
                    session: None,
                });
                Err(Problem::invalid_token())
            }
        }))
    }
}

/// Who asks, as a parameter of a handler that is also called for tokens of outside issuers
/// ([`TokenGuard::direct`]): a session of this deployment, or somebody whom an issuer vouches for.
#[derive(Debug, Clone)]
pub enum AnySession {
    /// A session of this deployment.
    Session(Session),
    /// The bearer of an outside token, which has no handle and can't be revoked here.
    Outside(Rc<OutsideUser>),
}

impl FromRequest for AnySession {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(found(request).map(|found| match found {
            Found::Session(session) => Self::Session(Session(session)),
            Found::Outside(user) => Self::Outside(user),
        }))
    }
}

/// Whom the guards found.
fn found(request: &HttpRequest) -> Result<Found, Problem> {
    match Visitor::found(request) {
        Some(Some(found)) => Ok(found),
        Some(None) => Err(Problem::no_credentials()),
        None => {
            log::error!("a handler asks for a session and no guard stands before it");
            Err(Problem::new(Code::InternalError))
        }
    }
}
