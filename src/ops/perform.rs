//! Does what is asked, for whichever door.
//!
//! This room must never give up what it has begun, and never begin a change that could not be recorded.

use super::answer::{Answer, Step};
use super::error::OpsError;
use super::request::{KeystoreRequest, Request};
use super::steps::Steps;
use super::{backup, clients, explain, keys, keystore, moving, receipts, sessions, users};
use crate::accounts::AccountsError;
use crate::service::{Caller, Service};
use crate::telemetry;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;

/// Does what is asked. When it returns, what was done is durable and in the audit trail.
///
/// The answer has one page, of at most [`MAX_PAGE`](super::MAX_PAGE).
pub async fn perform(
    service: &Service,
    caller: &Caller,
    request: Request,
) -> Result<Answer, OpsError> {
    answer(service, caller, request, &Steps::none()).await
}

/// A request under way, which goes on to its end also where this is dropped.
#[derive(Debug)]
pub struct Running {
    steps: Receiver<Step>,
    answer: JoinHandle<Result<Answer, OpsError>>,
}

/// Begins to do what is asked as [`perform`] does, in steps: all pages but the last, and how far it
/// is. Needs a tokio runtime.
#[must_use]
pub fn begin(service: &Service, caller: Caller, request: Request) -> Running {
    let service = service.clone();
    let (sender, steps) = Steps::channel();
    let work = async move { answer(&service, &caller, request, &sender).await };
    Running {
        steps,
        answer: tokio::spawn(work),
    }
}

impl Running {
    /// The next step; `None` when there are no more, and the answer is there.
    pub async fn step(&mut self) -> Option<Step> {
        self.steps.recv().await
    }

    /// The answer.
    pub async fn answer(self) -> Result<Answer, OpsError> {
        drop(self.steps);
        match self.answer.await {
            Ok(answer) => answer,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The process is stopping.
                Err(_) => Err(AccountsError::AccountsUnavailable.into()),
            },
        }
    }
}

async fn answer(
    service: &Service,
    caller: &Caller,
    request: Request,
    steps: &Steps,
) -> Result<Answer, OpsError> {
    if !request.changes() {
        return act(service, caller, request, steps).await;
    }
    if !telemetry::has_room() {
        return Err(OpsError::AuditUnavailable);
    }
    let answer = act(service, caller, request, steps).await;
    telemetry::written().await;
    answer
}

async fn act(
    service: &Service,
    caller: &Caller,
    request: Request,
    steps: &Steps,
) -> Result<Answer, OpsError> {
    match request {
        Request::Users(request) => users::perform(service, caller, request, steps).await,
        Request::Clients(request) => clients::perform(service, caller, request).await,
        Request::Keystore(KeystoreRequest::Migrate { to, dry_run }) => {
            moving::perform(service, &to, dry_run, steps).await
        }
        Request::Keystore(request) => keystore::perform(service, request, steps).await,
        Request::Keys(request) => keys::perform(service, caller, &request, steps).await,
        Request::Sessions(request) => sessions::perform(service, caller, request, steps).await,
        Request::Backup(request) => backup::perform(service, caller, request, steps).await,
        Request::Receipts(request) => receipts::perform(service, request, steps).await,
        Request::Explain(request) => explain::perform(service, request).await,
    }
}
