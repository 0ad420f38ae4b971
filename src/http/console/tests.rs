//! Sessions of the console as time goes by, which only a clock of the tests can show.

use super::*;
use crate::accounts::{ADMIN_ROLE, Email, NewAccount, Password, UserId};
use crate::http::management::StoreCheck;
use crate::http::metrics::{Measured, Metrics};
use crate::lacre::testing::Deployed;
use crate::service::Caller;
use actix_web::body::MessageBody;
use actix_web::dev::{Service as ActixService, ServiceResponse};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, Error};
use std::collections::BTreeMap;

const EMAIL: &str = "ops@example.com";
const PASSWORD: &str = "correct horse battery";

async fn deployed() -> (Deployed, UserId) {
    let deployed = Deployed::new().await;
    let new = NewAccount {
        roles: vec![ADMIN_ROLE.to_owned()],
        password: Some(Password::parse(PASSWORD).unwrap()),
        ..NewAccount::with_email(Email::parse(EMAIL).unwrap())
    };
    let made = deployed.service.create_user(&Caller::operator(), new).await;
    let id = made.unwrap().id;
    (deployed, id)
}

fn console(deployed: &Deployed) -> Console {
    let ready = || async { Vec::<StoreCheck>::new() };
    let gauges = || async { Vec::<Measured>::new() };
    let management = Management::new(Arc::<Metrics>::default(), ready, gauges);
    let (proxies, body) = (TrustedProxies::default(), BodyLimits::default());
    Console::new(deployed.service.clone(), management, proxies, body)
}

/// What a browser keeps.
#[derive(Default, Clone)]
struct Jar(BTreeMap<String, String>);

impl Jar {
    /// Sends a request with the cookies, keeps those of the answer, and says status and body.
    async fn sends<S, B>(&mut self, pages: &S, request: TestRequest) -> (u16, String)
    where
        S: ActixService<actix_http::Request, Response = ServiceResponse<B>, Error = Error>,
        B: MessageBody,
    {
        let pairs = self.0.iter().map(|(name, value)| format!("{name}={value}"));
        let request = request
            .insert_header(("cookie", pairs.collect::<Vec<_>>().join("; ")))
            .insert_header(("sec-fetch-site", "same-origin"));
        let answer = call_service(pages, request.to_request()).await;
        for line in answer.headers().get_all("set-cookie") {
            let (name, rest) = line.to_str().unwrap().split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            self.0.insert(name.to_owned(), value.to_owned());
        }
        let status = answer.status().as_u16();
        let body = read_body(answer).await;
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn looks<S, B>(&mut self, pages: &S) -> u16
    where
        S: ActixService<actix_http::Request, Response = ServiceResponse<B>, Error = Error>,
        B: MessageBody,
    {
        let request = TestRequest::get().uri("/console/health");
        self.sends(pages, request).await.0
    }

    async fn logs_in<S, B>(&mut self, pages: &S)
    where
        S: ActixService<actix_http::Request, Response = ServiceResponse<B>, Error = Error>,
        B: MessageBody,
    {
        let form = TestRequest::get().uri("/console/login");
        let form = self.sends(pages, form).await.1;
        let mark = form.split("name=\"form\" value=\"").nth(1).unwrap();
        let fields = [
            ("form", mark.split('"').next().unwrap()),
            ("user", EMAIL),
            ("password", PASSWORD),
        ];
        let sent = TestRequest::post().uri("/console/login").set_form(fields);
        assert_eq!(self.sends(pages, sent).await.0, 303);
    }
}

#[actix_web::test]
async fn a_session_of_the_console_lasts_while_it_is_used_and_twelve_hours_at_most() {
    let (deployed, id) = deployed().await;
    let console = console(&deployed);
    let pages = init_service(App::new().configure(|config| console.routes(config))).await;
    let sessions = async || {
        let lacre = &deployed.fixture.lacre;
        lacre.sessions_of(id.as_str()).await.unwrap().len()
    };
    let mut jar = Jar::default();
    jar.logs_in(&pages).await;
    let mut hours = 0;
    // A page each quarter of an hour, less a second: the life of an access token.
    while jar.looks(&pages).await == 200 {
        assert_eq!(sessions().await, 1, "it is one session");
        deployed.fixture.clock.advance(899);
        hours += 1;
        assert!(hours < 60, "it never ends");
    }
    assert_eq!(hours, 12 * 3600 / 899 + 1);
    assert_eq!(sessions().await, 0, "it has ended, not only here");

    jar.logs_in(&pages).await;
    deployed.fixture.clock.advance(900);
    assert_eq!(jar.looks(&pages).await, 303);
    assert_eq!(
        sessions().await,
        1,
        "it may lie there until the next log-in"
    );
    jar.logs_in(&pages).await;
    assert_eq!(sessions().await, 1);
}

#[actix_web::test]
async fn a_second_tab_and_a_lost_answer_are_no_theft() {
    let (deployed, id) = deployed().await;
    let console = console(&deployed);
    let pages = init_service(App::new().configure(|config| console.routes(config))).await;
    let mut jar = Jar::default();
    jar.logs_in(&pages).await;
    deployed.fixture.clock.advance(120);
    let mut tab = jar.clone();
    assert_eq!(jar.looks(&pages).await, 200, "with new tokens");
    // Long after the grace, in which a spent refresh token is answered once more.
    for _ in 0..3 {
        deployed.fixture.clock.advance(30);
        assert_eq!(tab.looks(&pages).await, 303);
    }
    assert_eq!(jar.looks(&pages).await, 200);
    let lacre = &deployed.fixture.lacre;
    assert_eq!(lacre.sessions_of(id.as_str()).await.unwrap().len(), 1);
}

#[actix_web::test]
async fn a_refusal_brings_the_tokens_that_were_renewed_with_it() {
    let (deployed, _) = deployed().await;
    let console = console(&deployed);
    let pages = init_service(App::new().configure(|config| console.routes(config))).await;
    let mut jar = Jar::default();
    jar.logs_in(&pages).await;
    for (page, due) in [
        ("/console/session?name=Zk3aPq9xNobody", 404),
        ("/console/session", 400),
        ("/console/user?id=a&id=b", 400),
        ("/console/users?after=%00", 400),
        ("/console/sessions?after=x", 400),
        ("/console/sessions?address=x", 422),
        ("/console/user/end?id=ops&keep=x", 400),
        ("/console/login?next=a&next=b", 400),
    ] {
        deployed.fixture.clock.advance(120);
        let (status, _) = jar.sends(&pages, TestRequest::get().uri(page)).await;
        assert_eq!(status, due, "{page}");
        assert_eq!(jar.looks(&pages).await, 200, "logged out by {page}");
    }
}

#[actix_web::test]
async fn whoever_asks_wrongly_is_told_so_by_a_page() {
    let (deployed, _) = deployed().await;
    let console = console(&deployed);
    let pages = init_service(App::new().configure(|config| console.routes(config))).await;
    let mut jar = Jar::default();
    let json = || TestRequest::post().insert_header(("content-type", "application/json"));
    for (request, due) in [
        (TestRequest::delete().uri("/console/users"), 405),
        (TestRequest::get().uri("/console/logout"), 405),
        (json().uri("/console/login").set_payload("{}"), 415),
        (json().uri("/console/explain").set_payload("{}"), 415),
        (TestRequest::patch().uri("/console/nowhere"), 404),
    ] {
        let (status, body) = jar.sends(&pages, request).await;
        assert_eq!(status, due, "{body}");
        assert!(body.starts_with("<!DOCTYPE html>"), "{body}");
    }
}
