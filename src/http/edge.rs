//! The first and the last thing that a request meets.
//!
//! On the way in: a fresh id, and caps on the target and the header fields. On the way out: a
//! panic becomes an answer and the worker lives (ASVS 16.5.4), actix's own errors become problems
//! without its texts, and every answer carries the standing headers.
//!
//! A middleware below should refuse with `request.error_response(problem)`; an `Err` is answered
//! as well, but its route is lost to the metrics.
//!
//! This room must never let an error through that it hasn't looked at.

use super::cors::{Cors, Met};
use super::metrics::{Metrics, UNMATCHED};
use super::problem::{Code, Problem};
use super::render::{self, Form, stamp};
use super::request_id::RequestId;
use super::request_line;
use crate::telemetry::RequestLines;
use crate::web_origin::{NotAnOrigin, WebOrigin};
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{RequestHead, Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER,
};
use actix_web::{Error, HttpMessage as _, HttpResponse, ResponseError as _};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use rand::rngs::StdRng;
use rand::{CryptoRng, SeedableRng};
use std::cell::RefCell;
use std::future::{Ready, ready};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// The longest target (path and query, in bytes) that is routed: room for a token in the query.
pub const MAX_TARGET: usize = 16 * 1024;

/// The most bytes that the names and values of all header fields may have: two tokens and what
/// browsers and proxies add. actix itself reads at most 96 fields in 128 KiB.
pub const MAX_HEADERS: usize = crate::defaults::MAX_HEADER;

/// Over how many seconds those are spread who find the queue of passwords full: they came together, and would come
/// again together.
const SPREAD: u8 = 4;

/// The longest that an answer waits which sends somebody away.
const LONGEST_WAIT: Duration = Duration::from_millis(255);

/// The outermost middleware of every listener.
#[derive(Clone)]
pub struct Edge {
    /// Seeds one generator of ids for each worker.
    seeds: Arc<Mutex<StdRng>>,
    metrics: Arc<Metrics>,
    max_target: usize,
    max_headers: usize,
    origins: Arc<[WebOrigin]>,
    form: Form,
    lines: RequestLines,
}

impl Edge {
    /// An edge that counts into `metrics` and draws its ids from a generator seeded by `rng`.
    pub fn new(rng: &mut impl CryptoRng, metrics: Arc<Metrics>) -> Self {
        Self {
            seeds: Arc::new(Mutex::new(StdRng::from_rng(rng))),
            metrics,
            max_target: MAX_TARGET,
            max_headers: MAX_HEADERS,
            origins: Arc::default(),
            form: Form::default(),
            lines: RequestLines::Off,
        }
    }

    /// Lets pages of these origins read every answer (CORS), errors included: the token in
    /// `Authorization`, and no cookies, which are neither read nor set for them. Preflights are
    /// answered with 204 before any guard. Without this, pages of this service's own origin alone
    /// can read its answers.
    ///
    /// [`NotAnOrigin`] where one isn't spelled as browsers send it, such as
    /// `https://app.example.org` or `http://localhost:3000`; `*` and `null` are none.
    pub fn origins<'a>(
        self,
        origins: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, NotAnOrigin> {
        let origins: Result<_, _> = origins.into_iter().map(str::parse).collect();
        Ok(Self {
            origins: origins?,
            ..self
        })
    }

    /// Takes header fields of so many bytes together instead of [`MAX_HEADERS`].
    #[must_use]
    pub fn max_headers(self, bytes: usize) -> Self {
        Self {
            max_headers: bytes,
            ..self
        }
    }

    /// Refuses no request for the size of its target or its header fields.
    #[cfg(feature = "server")]
    pub(super) fn of_any_size(self) -> Self {
        Self {
            max_target: usize::MAX,
            max_headers: usize::MAX,
            ..self
        }
    }

    /// Tells problems in this form.
    #[must_use]
    pub fn form(self, form: Form) -> Self {
        Self { form, ..self }
    }

    /// Writes a line to the log for these requests.
    #[must_use]
    pub fn lines(self, lines: RequestLines) -> Self {
        Self { lines, ..self }
    }

    /// The same edge for a listener that isn't the public one: in lacre's own form, with other counters,
    /// and for pages of no other origin.
    #[must_use]
    pub fn counting_into(&self, metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            form: Form::default(),
            origins: Arc::default(),
            ..self.clone()
        }
    }

    /// Where this edge counts.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }
}

impl Default for Edge {
    /// An edge with randomness of the system and counters of its own, for an application that
    /// carries the guard itself. Make one before the workers start and clone it into each.
    fn default() -> Self {
        Self::new(&mut (crate::entropy::system())(), Arc::default())
    }
}

impl<S, B> Transform<S, ServiceRequest> for Edge
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse;
    type Error = Error;
    type Transform = EdgeService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, next: S) -> Self::Future {
        let mut seeds = self.seeds.lock().unwrap_or_else(PoisonError::into_inner);
        ready(Ok(EdgeService {
            inner: Rc::new((next, self.form.clone())),
            ids: RefCell::new(StdRng::from_rng(&mut *seeds)),
            metrics: Arc::clone(&self.metrics),
            max_target: self.max_target,
            max_headers: self.max_headers,
            lines: self.lines,
            cors: (!self.origins.is_empty()).then(|| Cors::new(&self.origins)),
        }))
    }
}

/// An [`Edge`] in front of one worker's routes.
pub struct EdgeService<S> {
    inner: Rc<(S, Form)>,
    ids: RefCell<StdRng>,
    metrics: Arc<Metrics>,
    max_target: usize,
    max_headers: usize,
    lines: RequestLines,
    cors: Option<Cors>,
}

impl<S, B> Service<ServiceRequest> for EdgeService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<ServiceResponse, Error>>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.0.poll_ready(context)
    }

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let began = Instant::now();
        let id = RequestId::fresh(&mut *self.ids.borrow_mut());
        let (inner, metrics) = (Rc::clone(&self.inner), Arc::clone(&self.metrics));
        let too_large = too_large(&request, self.max_target, self.max_headers);
        let met = self.cors.as_ref().map(|cors| cors.meet(&mut request));
        let preflight = met.as_ref().and_then(Met::preflight);
        let in_flight = metrics.enter();
        let lines = self.lines;
        Box::pin(async move {
            let _in_flight = in_flight;
            let method = request.method().clone();
            let (next, form) = &*inner;
            let answered = match preflight {
                Some(answer) if too_large.is_none() => {
                    let answer = finish(answer, id, form, request.head());
                    Ok(request.into_response(answer))
                }
                _ => answer(next, form, request, too_large, id, &metrics).await,
            };
            let (route, status) = match &answered {
                Ok(response) => (response.request().match_pattern(), response.status()),
                Err(problem) => (None, problem.status_code()),
            };
            let route = route.as_deref().unwrap_or(UNMATCHED);
            let took = began.elapsed();
            metrics.answered(route, &method, status, took);
            if lines.wants(status.as_u16()) {
                request_line::write(id, &method, &answered, took);
            }
            match (answered, met) {
                (answered, None) => answered.map_err(|problem| form.error(problem)),
                (Ok(mut response), Some(met)) => {
                    met.write(response.headers_mut());
                    Ok(response)
                }
                (Err(problem), Some(met)) => Err(met.on(form.error(problem))),
            }
        })
    }
}

async fn answer<S, B>(
    next: &S,
    form: &Form,
    request: ServiceRequest,
    too_large: Option<Code>,
    id: RequestId,
    metrics: &Metrics,
) -> Result<ServiceResponse, Problem>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody + 'static,
{
    if let Some(code) = too_large {
        let problem = Problem::new(code).with_request_id(id);
        return Ok(request.error_response(form.error(problem)));
    }
    request.extensions_mut().insert(id);
    // Nothing that outlives a panic is left half changed: what a handler shares is behind locks
    // that recover, or in a store.
    let call = AssertUnwindSafe(async move { next.call(request).await });
    match call.catch_unwind().await {
        Ok(Ok(response)) => {
            let (request, response) = response.into_parts();
            if let Some(wait) = wait(&response, id) {
                sleep(wait).await;
            }
            let response = finish(response.map_into_boxed_body(), id, form, request.head());
            Ok(ServiceResponse::new(request, response))
        }
        Ok(Err(error)) => Err(problem_of(&error, id).with_request_id(id)),
        Err(_panic) => {
            // The panic hook has told where; its payload may hold anything and stays there.
            log::error!(request_id = id.as_str(); "a handler panicked");
            metrics.panicked();
            Err(Problem::new(Code::InternalError).with_request_id(id))
        }
    }
}

/// How long an answer waits before it leaves: that to somebody who found the queue of passwords full, or whose attempts are
/// too many, for a moment that is nobody else's. Those who came together and ask again at once, whatever `Retry-After` says, then don't come together
/// again (`docs/decisions/0066-held-refusals.md`).
fn wait<B>(response: &HttpResponse<B>, id: RequestId) -> Option<Duration> {
    let problem = response.error()?.as_error::<Problem>()?;
    let sent_away = matches!(problem.code(), Code::HashingBusy | Code::RateLimited);
    sent_away.then(|| LONGEST_WAIT * u32::from(id.number()) / u32::from(u8::MAX))
}

fn too_large(request: &ServiceRequest, max_target: usize, max_headers: usize) -> Option<Code> {
    let target = request
        .uri()
        .path_and_query()
        .map_or(0, |target| target.as_str().len());
    if target > max_target {
        return Some(Code::UriTooLong);
    }
    let fields = request.headers().iter();
    let total: usize = fields
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    (total > max_headers).then_some(Code::HeaderTooLarge)
}

/// The problem that an error is answered with. What isn't a problem keeps its class and loses its
/// text, which goes to the log.
fn problem_of(error: &Error, id: RequestId) -> Problem {
    if let Some(problem) = error.as_error::<Problem>() {
        return problem.clone();
    }
    let status = error.as_response_error().status_code();
    let code = Code::for_status(status);
    if code == Code::InternalError {
        log::error!(request_id = id.as_str(); "unforeseen error: {error}");
    } else {
        log::debug!(request_id = id.as_str(); "refused by actix: {error}");
    }
    Problem::new(code)
}

fn finish(
    mut response: HttpResponse,
    id: RequestId,
    form: &Form,
    asked: &RequestHead,
) -> HttpResponse {
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        if let Some(problem) = response
            .error()
            .and_then(|error| error.as_error::<Problem>())
        {
            let problem = problem.clone().with_request_id(id);
            if problem.code() == Code::HashingBusy {
                let seconds = HeaderValue::from(u16::from(1 + id.number() % SPREAD));
                response.headers_mut().insert(RETRY_AFTER, seconds);
            }
            response = if form.is_dialect() {
                form.apply(response, &problem, asked)
            } else {
                response.set_body(BoxBody::new(problem.body()))
            };
        } else if is_bare(&response) {
            let problem = match response.error() {
                Some(error) => problem_of(error, id),
                None => Problem::new(Code::for_status(status)),
            };
            let problem = problem.with_request_id(id);
            response = form.apply(replace(response, &problem), &problem, asked);
        }
    }
    stamp(response.headers_mut(), Some(id));
    if !status.is_success() {
        let ordered = in_one_order(response.headers());
        *response.headers_mut() = ordered;
    }
    response
}

/// The same fields in an order that depends on their names alone.
///
/// A header map keeps its fields in the order of a hash that is seeded anew for each map. A clone
/// has the seed of its original, so maps that begin as clones of one list alike: two refusals
/// differ in nothing but the request id.
fn in_one_order(headers: &HeaderMap) -> HeaderMap {
    static ORDER: LazyLock<HeaderMap> = LazyLock::new(|| HeaderMap::with_capacity(32));
    let mut fields: Vec<_> = headers.iter().collect();
    fields.sort_by_key(|(name, _)| name.as_str());
    let mut ordered = ORDER.clone();
    for (name, value) in fields {
        ordered.append(name.clone(), value.clone());
    }
    ordered
}

/// Whether an error answer says nothing, or says it in somebody else's words. One in JSON was
/// made on purpose.
fn is_bare(response: &HttpResponse) -> bool {
    let kind = response.headers().get(CONTENT_TYPE);
    matches!(response.body().size(), BodySize::None | BodySize::Sized(0))
        || kind.is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"))
}

/// Turns `response` into `problem` and keeps its other headers, `Allow` above all.
fn replace(response: HttpResponse, problem: &Problem) -> HttpResponse {
    let told = render::response(problem);
    let mut response = response.set_body(BoxBody::new(problem.body()));
    *response.status_mut() = told.status();
    let headers = response.headers_mut();
    for name in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING] {
        headers.remove(name);
    }
    for (name, value) in told.headers() {
        if !headers.contains_key(name) {
            headers.insert(name.clone(), value.clone());
        }
    }
    response
}

#[cfg(test)]
mod tests;
