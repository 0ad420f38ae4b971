//! `/console/login` and `/console/logout`.
//!
//! The log-in is that of the service, with its limits, for accounts with the role `admin`: who is none is
//! answered like a wrong password, in the same time. Its form is bound to a name that lies in a cookie and
//! becomes no session (threat: console-log-in).
//!
//! This room must never lead anywhere but to a page of the console.

use super::address::Address;
use super::admission::{Posted, Visit, lines_of};
use super::cookies::{self, Purpose};
use super::desk::Desk;
use super::refused::Refused;
use super::sender;
use super::shell::{Page, bare, see_other};
use crate::accounts::{ADMIN_ROLE, PresentedPassword};
use crate::http::body::FormOnly;
use crate::http::origin::{self, Trail};
use crate::http::problem::{Code, Problem};
use crate::service::{Caller, LogIn};
use crate::telemetry::audit::{Actor, Event};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, ResponseError as _};
use maud::html;
use serde::Deserialize;

/// What sessions of the console are called in listings.
const LABEL: &str = "console";
/// How long a form may lie open, in seconds.
const FORM_LASTS: u64 = 3600;
/// The characters of a form's name.
const NAME: usize = 64;
/// The longest path that a log-in leads to.
const MAX_NEXT: usize = 1024;

#[derive(Deserialize)]
pub(super) struct Asked {
    next: Option<String>,
    ended: Option<String>,
}

/// The form, as it is shown.
#[derive(Default)]
struct Form {
    user: String,
    next: Option<String>,
    /// Said above the form.
    said: Option<&'static str>,
    user_at_fault: Option<&'static str>,
    password_at_fault: Option<&'static str>,
}

pub(super) async fn show(
    request: HttpRequest,
    desk: Data<Desk>,
    Address(asked): Address<Asked>,
    visit: Result<Visit, Refused>,
) -> Result<HttpResponse, Refused> {
    let asked = asked?;
    let next = asked.next.as_deref().and_then(leads_to);
    match visit {
        Ok(_) => return Ok(see_other(next.unwrap_or("/console/"), Vec::new())),
        // Where the store can't be asked, a log-in would be refused as well.
        Err(Refused::Problem(problem)) => return Err(problem.into()),
        Err(_) => {}
    }
    if !sender::is_private(&request) {
        return Ok(not_private());
    }
    let ended = asked.ended.is_some();
    let form = Form {
        next: next.map(str::to_owned),
        said: ended.then_some("Your session had ended, and nothing was done. Log in again."),
        ..Form::default()
    };
    Ok(shown(&request, &desk, StatusCode::OK, &form))
}

pub(super) async fn log_in(
    request: HttpRequest,
    desk: Data<Desk>,
    sent: Result<FormOnly, Problem>,
) -> Result<HttpResponse, Refused> {
    let FormOnly(mut sent) = sent?;
    let (service, trail) = (&desk.service, Trail::of(&request));
    let failed = |code| {
        let (user, client) = (None, None);
        trail.record(&Event::LoginFailed { code, user, client });
    };
    if !sender::is_own(&request) {
        failed("csrf_other_site");
        return Err(Refused::Forged);
    }
    let user = sent.optional_text("user")?.unwrap_or_default();
    let password = sent.optional_secret("password")?.unwrap_or_default();
    let next = sent.optional_text("next")?;
    let mut form = Form {
        next: next.as_deref().and_then(leads_to).map(str::to_owned),
        ..Form::default()
    };
    let mark = sent.optional_text("form")?.unwrap_or_default();
    let name = cookies::only(request.headers(), cookies::FORM).unwrap_or_default();
    if !cookies::is_marked(service.lacre(), Purpose::LogIn, name, mark.as_bytes()) {
        failed("csrf_forged");
        form.said = Some(
            "The form was too old, or the browser kept no cookie: it does over TLS, or for an address of its \
             own machine, such as localhost at the end of a tunnel. Log in again.",
        );
        return Ok(shown(&request, &desk, StatusCode::FORBIDDEN, &form));
    }
    form.user_at_fault = user
        .trim()
        .is_empty()
        .then_some("Enter an e-mail or an id.");
    form.password_at_fault = password.is_empty().then_some("Enter the password.");
    form.user = user;
    if form.user_at_fault.is_some() || form.password_at_fault.is_some() {
        return Ok(shown(
            &request,
            &desk,
            StatusCode::UNPROCESSABLE_ENTITY,
            &form,
        ));
    }
    let Ok(password) = PresentedPassword::parse(&password) else {
        failed(Code::InvalidCredentials.as_str());
        return Ok(refused(
            &request,
            &desk,
            form,
            Problem::new(Code::InvalidCredentials),
        ));
    };
    let log_in = LogIn {
        user: form.user.trim().to_owned(),
        password,
        user_session: None,
        origin: origin::of(&request, Some(LABEL)),
    };
    let begun = service.log_in_with_role(log_in, ADMIN_ROLE, trail.origin());
    match begun.await {
        Ok(issued) => {
            end_earlier(&request, &desk, &trail).await;
            let mut lines = lines_of(&desk, &issued);
            lines.extend(cookies::line(cookies::FORM, "", 0));
            let next = form.next.as_deref().unwrap_or("/console/");
            Ok(see_other(next, lines))
        }
        Err(error) => Ok(refused(&request, &desk, form, error.into())),
    }
}

pub(super) async fn log_out(posted: Posted) -> Result<HttpResponse, Refused> {
    let visit = posted.visit;
    let service = &visit.desk().service;
    let ended = service.log_out(&visit.owner(), &visit.session).await;
    ended.map_err(Problem::from)?;
    Ok(see_other("/console/login", cookies::cleared()))
}

/// Ends what is left in this browser of an earlier session (ASVS 7.2.4).
async fn end_earlier(request: &HttpRequest, desk: &Desk, trail: &Trail) {
    let Some(token) = cookies::only(request.headers(), cookies::REFRESH) else {
        return;
    };
    if let Ok(session) = desk.any_kind.open(token.as_bytes()).await {
        let owner = Caller::new(Actor::Owner, trail.origin().clone());
        // What stays expires; the log-in stands in any case.
        if let Err(error) = desk.service.log_out(&owner, &session).await {
            log::warn!(code = error.code(); "an earlier session of the console wasn't ended");
        }
    }
}

/// The path of a page of the console, and nothing else.
fn leads_to(next: &str) -> Option<&str> {
    let rest = next.strip_prefix("/console/")?;
    let (path, _) = rest.split_once('?').unwrap_or((rest, ""));
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'/';
    let good = path.bytes().all(plain) && !path.contains("//");
    let visible = rest
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    (good && visible && next.len() <= MAX_NEXT).then_some(next)
}

fn refused(request: &HttpRequest, desk: &Desk, form: Form, problem: Problem) -> HttpResponse {
    let said = match problem.code() {
        Code::InvalidCredentials => {
            "This e-mail and password open nothing here: one of them is wrong, or the account is no \
             administrator's."
        }
        Code::RateLimited => "Too many attempts have failed. Wait a moment, then try again.",
        Code::HashingBusy => "Too many log-ins are under way. Wait a moment, then try again.",
        _ => return Refused::from(problem).error_response(),
    };
    let status = match problem.code() {
        Code::InvalidCredentials => StatusCode::FORBIDDEN,
        code => code.status(),
    };
    let said = Some(said);
    let mut response = shown(request, desk, status, &Form { said, ..form });
    if let Some(seconds) = problem.parts().retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// The name of this browser's form: the one that it has, or a new one, which it is to keep.
fn named(request: &HttpRequest, desk: &Desk) -> (String, Option<HeaderValue>) {
    let lacre = desk.service.lacre();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let own = cookies::only(request.headers(), cookies::FORM);
    let own = own.filter(|name| name.len() == NAME && name.bytes().all(plain));
    // What is made for it has random bytes enough to be a name itself.
    let made = || cookies::mark(lacre, Purpose::LogIn, "name");
    let name = own.map_or_else(made, str::to_owned);
    let line = cookies::line(cookies::FORM, &name, FORM_LASTS);
    (name, line)
}

fn shown(request: &HttpRequest, desk: &Desk, status: StatusCode, form: &Form) -> HttpResponse {
    let (name, line) = named(request, desk);
    let mark = cookies::mark(desk.service.lacre(), Purpose::LogIn, &name);
    let fault = |id: &str, text: Option<&'static str>| {
        html! { @if let Some(text) = text { p.fault id=(id) { (text) } } }
    };
    let content = html! {
        @if let Some(said) = form.said { p.fault role="alert" { (said) } }
        form.card method="post" action="/console/login" {
            input type="hidden" name="form" value=(mark);
            @if let Some(next) = &form.next { input type="hidden" name="next" value=(next); }
            p {
                label for="user" { "E-mail or id" }
                input #user name="user" type="text" value=(form.user) autocomplete="username"
                    autocapitalize="none" spellcheck="false" required
                    aria-invalid=[form.user_at_fault.map(|_| "true")]
                    aria-describedby=[form.user_at_fault.map(|_| "user-fault")];
                (fault("user-fault", form.user_at_fault))
            }
            p {
                label for="password" { "Password" }
                input #password name="password" type="password" autocomplete="current-password" required
                    aria-invalid=[form.password_at_fault.map(|_| "true")]
                    aria-describedby=[form.password_at_fault.map(|_| "password-fault")];
                (fault("password-fault", form.password_at_fault))
            }
            p { button.main { "Log in" } }
        }
        p.hint { "For accounts with the role " code { "admin" } "." }
    };
    let page = Page {
        title: "Log in",
        place: None,
        content,
    };
    bare(status, &page, line.into_iter().collect())
}

/// Where others on the way could read the password, none is asked for.
fn not_private() -> HttpResponse {
    let content = html! {
        p {
            "This address isn't private: whoever is on the way could read your password. Reach the console over \
             TLS, or through a tunnel to your own machine:"
        }
        pre { code { "ssh -L 9090:127.0.0.1:9090 HOST" } }
        p { "and then open " code { "http://lacre.localhost:9090/console/" } "." }
    };
    let page = Page {
        title: "Not by this way",
        place: None,
        content,
    };
    bare(StatusCode::FORBIDDEN, &page, Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_in_leads_to_a_page_of_the_console_and_nowhere_else() {
        for good in [
            "/console/",
            "/console/users",
            "/console/user?id=client_a%2F7",
            "/console/session?handle=Zk3aPq9x&x=//evil.example",
        ] {
            assert_eq!(leads_to(good), Some(good));
        }
        for bad in [
            "",
            "/",
            "/console",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example/console/",
            "/console/../../evil",
            "/console//evil.example",
            "/console/\\evil",
            "/console/users?x=\r\nSet-Cookie: a=b",
            "/console/users#x y",
            "/consoleevil/",
            &format!("/console/users?{}", "x".repeat(MAX_NEXT)),
        ] {
            assert_eq!(leads_to(bad), None, "{bad:?}");
        }
    }
}
