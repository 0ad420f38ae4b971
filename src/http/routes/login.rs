//! `POST /getToken` and `POST /login`: credentials for a token.
//!
//! This room must never tell an unknown user from a wrong password.

use super::super::answer::Answer;
use super::super::body::{Body as _, JsonOrForm, Members};
use super::super::client_auth::{self, ClientCredentials};
use super::super::cookies;
use super::super::credentials::CredentialError;
use super::super::csrf;
use super::super::origin::{self, Trail};
use super::super::problem::{Code, Problem};
use super::super::request_line;
use super::super::schema::Shape as _;
use super::answers::TokenAnswer;
use super::bodies::{
    ExchangeRequest, Label, LogInRequest, OnBehalfRequest, SessionRequest, VouchRequest,
};
use super::contract::{BodyInfo, Contract, Media, Success, SuccessContent, SuccessHeader};
use super::policy::Policy;
use crate::accounts::ClientId;
use crate::federation::Federation;
use crate::lacre::Lacre;
use crate::service::{Exchange, LogIn, OnBehalf, Service};
use crate::sessions::grant::{Issued, Origin};
use crate::telemetry::audit::{Event, UserId};
use actix_web::HttpRequest;
use actix_web::web::Data;

/// Who asks for a session: a user who proves a password or brings the token of an outside issuer, or a
/// back end in the name of one.
enum TokenRequest {
    LogIn(LogIn),
    OnBehalf(OnBehalf),
    Exchange(Exchange),
}

impl TokenRequest {
    fn read(
        client: Option<ClientCredentials>,
        mut sent: Members,
        origin: Origin,
        federation: &Federation,
    ) -> Result<Self, Problem> {
        let names_somebody = ["password", "id", "email", "claims"];
        let names_somebody = names_somebody.iter().any(|name| sent.has(name));
        let is_token_alone = client.is_none() && sent.has("user_session") && !names_somebody;
        if is_token_alone && !federation.is_empty() {
            let ExchangeRequest {
                user_session: token,
            } = ExchangeRequest::read(&mut sent)?;
            return Ok(Self::Exchange(Exchange { token, origin }));
        }
        let session = SessionRequest::read(&mut sent)?;
        let has_password = sent.has("password");
        let Some(client) = client else {
            // Only a client may ask without a password.
            if session.user_session.is_some() && !has_password && sent.has("id") {
                return Err(Problem::invalid_client());
            }
            // Ignored, they would be missed only when the token is used.
            if session.claims.is_some() {
                return Err(Problem::new(Code::InvalidRequest)
                    .detail("Only a back end may give `claims`.")
                    .field("claims"));
            }
            let LogInRequest { user, password } = LogInRequest::read(&mut sent)?;
            return Ok(Self::LogIn(LogIn {
                user,
                password,
                user_session: session.user_session,
                origin,
            }));
        };
        if has_password {
            return Err(Problem::two_credentials());
        }
        let OnBehalfRequest { id } = OnBehalfRequest::read(&mut sent)?;
        let VouchRequest { said, fresh } = VouchRequest::read(&mut sent)?;
        Ok(Self::OnBehalf(OnBehalf {
            client_id: client.id,
            client_secret: client.secret,
            user_id: id,
            user_session: session.user_session,
            said,
            fresh,
            claims: session.claims.unwrap_or_default(),
            origin,
        }))
    }
}

pub(in crate::http) const GET_TOKEN: Contract = Contract {
    summary: "Begins a session: for a user by a password or a token of an outside issuer, for a back end \
              (HTTP Basic) by an id, that of an account or of a user of its own.",
    body: Some(BodyInfo {
        media: Media::JsonOrForm,
        required: true,
        variants: &[
            &[
                Label::members,
                SessionRequest::members,
                LogInRequest::members,
            ],
            &[
                Label::members,
                SessionRequest::members,
                OnBehalfRequest::members,
            ],
            &[
                Label::members,
                SessionRequest::members,
                OnBehalfRequest::members,
                VouchRequest::members,
            ],
            &[Label::members, ExchangeRequest::members],
        ],
    }),
    query: &[],
    success: Success {
        status: 200,
        content: SuccessContent::Json(TokenAnswer::kind),
        headers: &[SuccessHeader::Cookies],
    },
    codes: &[
        Code::InvalidRequest,
        Code::CsrfFailed,
        Code::InvalidClient,
        Code::InvalidCredentials,
        Code::UserInvalid,
        Code::ClaimsInvalid,
        Code::RateLimited,
        Code::HashingBusy,
        Code::StoreUnavailable,
    ],
};

pub(in crate::http) async fn get_token(
    request: HttpRequest,
    service: Data<Service>,
    policy: Data<Policy>,
    JsonOrForm(sent): JsonOrForm,
) -> Result<Answer<TokenAnswer>, Problem> {
    let begun = begin(&request, &service, &policy, sent).await?;
    // A back end that keeps cookies would send one user's along with the next one's token.
    Ok(if begun.by_client {
        Answer::ok(begun.issued.into())
    } else {
        answer(service.lacre(), begun.issued, None)
    })
}

/// A session that has just begun.
pub(in crate::http) struct Begun {
    pub(in crate::http) issued: Issued,
    by_client: bool,
}

/// Begins the session that a body asks for.
pub(in crate::http) async fn begin(
    request: &HttpRequest,
    service: &Service,
    policy: &Policy,
    mut sent: Members,
) -> Result<Begun, Problem> {
    let trail = Trail::of(request);
    let failed = |code, client: Option<&ClientId>| {
        let client = client.map(|id| UserId::new(id.as_str()));
        let user = None;
        trail.record(&Event::LoginFailed { code, user, client });
    };
    let client = client_auth::credentials(request.headers()).inspect_err(|error| {
        if *error == CredentialError::BadBasic {
            failed(error.code(), None);
        }
    })?;
    let client = client.or_else(|| policy.stand_in.clone());
    // What has no form of an id isn't logged: it may be a secret in the wrong place.
    let named = client.as_ref();
    let named = named.and_then(|client| ClientId::parse(&client.id).ok());
    let Label { label } = Label::read(&mut sent)?;
    let origin = origin::of(request, label.as_deref());
    csrf::check_sender(request, service.lacre())
        .inspect_err(|error| failed(error.code(), named.as_ref()))?;
    let token_request = TokenRequest::read(client, sent, origin, service.federation())
        .inspect_err(|problem| {
            if problem.code() == Code::InvalidClient {
                failed(problem.code().as_str(), None);
            }
        })?;
    let by_client = matches!(token_request, TokenRequest::OnBehalf(_));
    let issued = match token_request {
        TokenRequest::OnBehalf(request) => service.on_behalf(request, trail.origin()).await,
        TokenRequest::Exchange(request) => service.exchange(request, trail.origin()).await,
        TokenRequest::LogIn(request) => service.log_in(request, trail.origin()).await,
    }?;
    request_line::given(request, &issued);
    Ok(Begun { issued, by_client })
}

/// The answer that gives a browser or a client its tokens, with the cookies where they are used.
/// `session_lasts`, in seconds, is needed where no refresh token says it.
pub(in crate::http) fn answer(
    lacre: &Lacre,
    issued: Issued,
    session_lasts: Option<u64>,
) -> Answer<TokenAnswer> {
    let by_refresh = issued.refresh.as_ref().map(|refresh| refresh.expires_in);
    let lasts = session_lasts.or(by_refresh).unwrap_or_default();
    let cookies = cookies::lines_of(lacre, &issued, lasts);
    Answer::ok(TokenAnswer::from(issued)).cookies(cookies)
}
