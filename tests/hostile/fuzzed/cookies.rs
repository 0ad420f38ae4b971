//! Any lines as the `Cookie` header of a guarded request, `$` standing for a good token: the guard
//! answers as who reads the lines by RFC 6265 §4.2 would say.

use actix_web::body::MessageBody as _;
use actix_web::http::header::{COOKIE, HeaderValue, WWW_AUTHENTICATE};
use actix_web::rt::System;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, HttpResponse, web};
use lacre::{Grant, Lacre, Location, Rules, Subject, TokenGuard};

const ACCESS: &str = "__Host-lacre_access";

/// Status and error code of the answer to these `Cookie` lines.
type Ask = dyn Fn(Vec<HeaderValue>) -> (u16, Option<String>);

thread_local! {
    // Never dropped: actix looks for its own thread's pool when a service goes.
    static GUARDED: &'static (String, Box<Ask>) = Box::leak(Box::new(guarded()));
}

fn guarded() -> (String, Box<Ask>) {
    let system = System::new();
    // Who asks for hours must not find it expired.
    let rules = Rules {
        access_ttl: 86_400,
        ..Rules::new("https://issuer.test", "api")
    };
    let lacre = Lacre::in_memory(rules).unwrap();
    let grant = Grant::log_in(Subject {
        id: "u1".to_owned(),
        ..Subject::default()
    });
    let issued = system.block_on(lacre.issue(&grant)).unwrap();
    let token = issued.access.token.expose().to_owned();
    let service = system.block_on(init_service(
        App::new().service(
            web::scope("")
                .wrap(TokenGuard::required(&lacre).locations([Location::Cookie]))
                .route("/", web::get().to(HttpResponse::Ok)),
        ),
    ));
    let ask = move |lines: Vec<HeaderValue>| {
        let mut request = TestRequest::get().uri("/").to_request();
        for line in lines {
            request.headers_mut().append(COOKIE, line);
        }
        let answer = system.block_on(call_service(&service, request));
        let status = answer.status().as_u16();
        let error = answer.headers().get(WWW_AUTHENTICATE).and_then(|value| {
            let (_, code) = value.to_str().unwrap().split_once("error=\"")?;
            Some(code.split('"').next()?.to_owned())
        });
        drop(answer.into_body().try_into_bytes());
        (status, error)
    };
    (token, Box::new(ask))
}

pub(crate) fn check(input: &[u8]) -> bool {
    GUARDED.with(|(token, ask)| {
        let lines: Vec<Vec<u8>> = input
            .split(|byte| *byte == b'\n')
            .map(|line| line.split(|byte| *byte == b'$').collect::<Vec<_>>())
            .map(|parts| parts.join(token.as_bytes()))
            .collect();
        let values: Result<Vec<_>, _> = lines
            .iter()
            .map(|line| HeaderValue::from_bytes(line))
            .collect();
        // What no header can hold doesn't get here.
        let Ok(values) = values else {
            return false;
        };
        let ours: Vec<&[u8]> = lines
            .iter()
            .flat_map(|line| line.split(|byte| *byte == b';'))
            .filter_map(|pair| {
                let at = pair.iter().position(|byte| *byte == b'=')?;
                let name = pair[..at].trim_ascii_start();
                (name == ACCESS.as_bytes()).then(|| pair[at + 1..].trim_ascii_end())
            })
            .collect();
        let (status, error) = match ours[..] {
            [] => (401, None),
            [one] if one == token.as_bytes() => (200, None),
            [_] => (401, Some("invalid_token")),
            _ => (400, Some("invalid_request")),
        };
        assert_eq!(ask(values), (status, error.map(str::to_owned)));
        status == 200
    })
}
