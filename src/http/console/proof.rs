//! The administrator's password once more, in the form of what concerns many.
//!
//! This room must never let a form be carried out whose password wasn't proven in this very request.

use super::admission::Visit;
use super::refused::Refused;
use crate::accounts::PresentedPassword;
use crate::http::body::Members;
use crate::http::problem::{Code, Problem};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use maud::{Markup, html};

/// Why a form wasn't carried out.
pub(super) struct Unproven {
    /// What the form says of it.
    pub(super) fault: &'static str,
    pub(super) status: StatusCode,
    wait: Option<u32>,
}

impl Unproven {
    fn new(fault: &'static str, status: StatusCode) -> Self {
        let wait = None;
        Self {
            fault,
            status,
            wait,
        }
    }

    /// The form once more, with what it has to say to programs.
    pub(super) fn on(&self, mut form: HttpResponse) -> HttpResponse {
        if let Some(seconds) = self.wait {
            form.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        form
    }
}

/// Proves the password of the form, with the limits and the events of every other proof.
pub(super) async fn prove(
    visit: &Visit,
    form: &mut Members,
) -> Result<Result<(), Unproven>, Refused> {
    let password = form.optional_secret("password")?.unwrap_or_default();
    if password.is_empty() {
        let empty = Unproven::new("Enter your password.", StatusCode::UNPROCESSABLE_ENTITY);
        return Ok(Err(empty));
    }
    let wrong = || {
        let fault = "This isn't your password. Nothing was done.";
        Ok(Err(Unproven::new(fault, StatusCode::FORBIDDEN)))
    };
    let Ok(password) = PresentedPassword::parse(&password) else {
        return wrong();
    };
    let service = visit.desk().service.clone();
    let owner = visit.owner();
    let proven = service.reauthenticate(&owner, &visit.session, password);
    match proven.await.map_err(Problem::from) {
        Ok(issued) => {
            visit.keeps(&issued);
            Ok(Ok(()))
        }
        Err(problem) if problem.code() == Code::InvalidCredentials => wrong(),
        Err(problem) if problem.code() == Code::RateLimited => Ok(Err(Unproven {
            fault: "Too many attempts have failed. Nothing was done. Wait a moment, then try again.",
            status: problem.code().status(),
            wait: problem.parts().retry_after,
        })),
        Err(problem) => Err(problem.into()),
    }
}

/// The field of a form.
pub(super) fn field(fault: Option<&str>) -> Markup {
    html! {
        p {
            label for="password" { "Your password" }
            input #password name="password" type="password" autocomplete="current-password" required
                aria-invalid=[fault.map(|_| "true")] aria-describedby=[fault.map(|_| "password-fault")];
            @if let Some(fault) = fault { p.fault #password-fault { (fault) } }
        }
    }
}
