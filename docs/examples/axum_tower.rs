//! A shop on axum that guards its own routes with lacre: the guard is a layer of tower, so it stands as well before
//! any other service of tower, hyper and tonic among them. Run it with `cargo run --example axum_tower`.

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, Request, Response, StatusCode};
use axum::response::{IntoResponse as _, Response as Answer};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use lacre::errors::Refusal;
use lacre::{Grant, Lacre, LiveSession, Rules, Subject, TokenKind};
use serde_json::{Value, json};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tower::{Layer, Service};

/// Lets in who brings a good access token, with the role where one is named. The session is an extension of the request.
#[derive(Clone)]
pub(crate) struct Guarded {
    lacre: Lacre,
    role: Option<&'static str>,
}

impl<S> Layer<S> for Guarded {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        let guarded = self.clone();
        Guard { guarded, inner }
    }
}

/// A [`Guarded`] before a service.
#[derive(Clone)]
pub(crate) struct Guard<S> {
    guarded: Guarded,
    inner: S,
}

impl<S, B> Service<Request<B>> for Guard<S>
where
    S: Service<Request<B>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The service that was asked whether it is ready, and not a copy of it, takes the request.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let guarded = self.guarded.clone();
        Box::pin(async move {
            match guarded.session(request.headers()).await {
                Ok(session) => {
                    request.extensions_mut().insert(Arc::new(session));
                    inner.call(request).await
                }
                Err(refused) => Ok(refused),
            }
        })
    }
}

impl Guarded {
    /// The session of a request, or the answer that refuses it (RFC 6750 §3).
    async fn session(&self, headers: &HeaderMap) -> Result<LiveSession, Answer> {
        let token = bearer(headers).ok_or_else(|| refusal(StatusCode::UNAUTHORIZED, ""))?;
        let session = self.lacre.guard(token, TokenKind::Access).await;
        let session = session.map_err(|refused| match refused {
            // Nobody knows: neither in nor out.
            Refusal::Store(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")]).into_response()
            }
            // One answer, whatever is wrong with it.
            _ => refusal(StatusCode::UNAUTHORIZED, r#", error="invalid_token""#),
        })?;
        let roles = &session.claims.roles;
        let may = |role: &str| roles.iter().any(|has| has == role);
        if self.role.is_some_and(|role| !may(role)) {
            let error = r#", error="insufficient_scope""#;
            return Err(refusal(StatusCode::FORBIDDEN, error));
        }
        Ok(session)
    }
}

/// The token of the one `Authorization: Bearer`.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let (line, None) = (lines.next()?.as_bytes(), lines.next()) else {
        return None;
    };
    let (scheme, token) = line.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}

fn refusal(status: StatusCode, error: &str) -> Answer {
    let challenge = format!(r#"Bearer realm="shop"{error}"#);
    let fields = [
        (WWW_AUTHENTICATE, challenge.as_str()),
        (CACHE_CONTROL, "no-store"),
    ];
    (status, fields).into_response()
}

/// Whatever proves your users to you: a password, a passkey, another service's word.
fn proven(who: &Value) -> Option<Subject> {
    let roles = match (who["name"].as_str()?, who["card"].as_str()?) {
        ("grace", "1906") => vec!["customer".to_owned(), "clerk".to_owned()],
        ("alan", "1912") => vec!["customer".to_owned()],
        _ => return None,
    };
    Some(Subject {
        id: who["name"].as_str()?.to_owned(),
        roles,
        ..Subject::default()
    })
}

async fn log_in(State(lacre): State<Lacre>, Json(who): Json<Value>) -> Result<Answer, StatusCode> {
    let subject = proven(&who).ok_or(StatusCode::UNAUTHORIZED)?;
    let issued = lacre.issue(&Grant::log_in(subject)).await;
    let issued = issued.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let said =
        json!({ "token": issued.access.token.expose(), "expires_in": issued.access.expires_in });
    Ok(([(CACHE_CONTROL, "no-store")], Json(said)).into_response())
}

async fn log_out(
    State(lacre): State<Lacre>,
    Extension(session): Extension<Arc<LiveSession>>,
) -> StatusCode {
    match lacre.revoke(&session.key).await {
        Ok(_) => StatusCode::NO_CONTENT, // durable: from here on the token is noise
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

async fn till(Extension(session): Extension<Arc<LiveSession>>) -> String {
    format!("{} is at the till.", session.user_id())
}

pub(crate) fn shop(lacre: Lacre) -> Router {
    let guard = |role| Guarded {
        lacre: lacre.clone(),
        role,
    };
    Router::new()
        .route("/log-in", post(log_in))
        .route("/log-out", post(log_out).layer(guard(None)))
        .route("/till", get(till).layer(guard(Some("clerk"))))
        .with_state(lacre)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let lacre = Lacre::open("data", Rules::new("https://shop.example", "shop"))?;
    tokio::spawn(lacre.clone().sweep_every(Duration::from_mins(1)));
    tokio::spawn(lacre.keep_last_seen());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    axum::serve(listener, shop(lacre)).await?;
    Ok(())
}
