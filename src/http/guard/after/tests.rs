use super::super::TokenGuard;
use super::*;
use crate::http::locations::Location;
use crate::lacre::Lacre;
use crate::lacre::testing::{Fixture, grant};
use crate::sessions::grant::{Issued, Occasion};
use actix_web::test::{TestRequest, init_service};
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpResponse};
use futures_util::{StreamExt as _, stream};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What happens while the body comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meanwhile {
    Nothing,
    Revoked,
    RightsChanged,
}

async fn happens(meanwhile: Meanwhile, lacre: &Lacre, issued: &Issued) {
    match meanwhile {
        Meanwhile::Nothing => {}
        Meanwhile::Revoked => assert!(lacre.revoke(&issued.key).await.unwrap()),
        Meanwhile::RightsChanged => drop(lacre.revoke_access_of("u1").await.unwrap()),
    }
}

async fn handler(handled: Data<AtomicUsize>, request: VerifiedAfter<Bytes>) -> HttpResponse {
    handled.fetch_add(1, Ordering::Relaxed);
    let VerifiedAfter { session, content } = request;
    assert_eq!((session.user_id(), content.is_empty()), ("u1", false));
    HttpResponse::Ok().finish()
}

/// The status of a POST whose body comes after what happens meanwhile, and how often it was handled.
async fn post(target: &str, meanwhile: Meanwhile) -> (u16, usize) {
    let lacre = Fixture::new().lacre;
    let issued = lacre.issue(&grant("u1", Occasion::LogIn)).await.unwrap();
    let token = issued.access.token.expose().to_owned();
    let request = TestRequest::post()
        .uri(target)
        .insert_header(("content-type", "application/json"));
    let (request, body) = if target == "/in-body" {
        (request, format!(r#"{{"token":"{token}"}}"#))
    } else {
        (
            request.insert_header(("authorization", format!("Bearer {token}"))),
            "{}".to_owned(),
        )
    };
    let mut request = request.to_request();
    let during = lacre.clone();
    let comes = stream::once(async move {
        happens(meanwhile, &during, &issued).await;
        Ok(Bytes::from(body))
    });
    *request.payload() = Payload::Stream {
        payload: comes.boxed_local(),
    };

    let required = || TokenGuard::required(&lacre);
    let refused_if_asked_again = required().role("nobody has it");
    let handled = Data::new(AtomicUsize::new(0));
    let resource = |path: &'static str| web::resource(path).route(web::post().to(handler));
    let app = App::new()
        .app_data(handled.clone())
        .service(resource("/bare"))
        .service(resource("/one").wrap(required().role("user").fresh()))
        // Where there are two, both are asked.
        .service(
            resource("/two")
                .wrap(TokenGuard::optional(&lacre))
                .wrap(required()),
        )
        .service(resource("/optional").wrap(TokenGuard::optional(&lacre)))
        .service(resource("/in-body").wrap(required().locations([Location::Json])))
        .service(resource("/never").wrap(refused_if_asked_again));
    let app = init_service(app).await;
    let answer = actix_web::test::call_service(&app, request).await;
    (answer.status().as_u16(), handled.load(Ordering::Relaxed))
}

#[actix_web::test]
async fn a_handler_with_a_body_runs_only_if_the_guards_let_the_request_in_after_it() {
    for target in ["/one", "/two", "/optional", "/in-body"] {
        assert_eq!(post(target, Meanwhile::Nothing).await, (200, 1), "{target}");
        for meanwhile in [Meanwhile::Revoked, Meanwhile::RightsChanged] {
            let refused = post(target, meanwhile).await;
            assert_eq!(refused, (401, 0), "{target} {meanwhile:?}");
        }
    }
    assert_eq!(post("/never", Meanwhile::Nothing).await, (403, 0));
}

#[actix_web::test]
async fn without_a_guard_there_is_no_session_after_a_body() {
    assert_eq!(post("/bare", Meanwhile::Nothing).await, (500, 0));
}
