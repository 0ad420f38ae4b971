//! Who waits for a turn: whatever opens a token that a worker doesn't know yet.

use crate::http::origin::TrustedProxies;
use crate::http::routes::{Policy, routes};
use crate::http::turns::next_turn;
use crate::lacre::testing::Deployed;
use crate::sessions::grant::Issued;
use actix_web::App;
use actix_web::dev::Service as _;
use actix_web::http::{Method, StatusCode};
use actix_web::test::{TestRequest, init_service};
use futures_util::FutureExt as _;
use serde_json::json;
use std::task::{Context, Waker};
use tokio::task::yield_now;

/// A token of good form whose last character is another.
fn forged(token: &str) -> String {
    let (rest, last) = token.split_at(token.len() - 1);
    format!("{rest}{}", if last == "A" { "Q" } else { "A" })
}

fn refresh_token(issued: &Issued) -> &str {
    issued.refresh.as_ref().unwrap().token.expose()
}

#[actix_web::test]
async fn whatever_opens_an_unknown_token_waits_for_its_turn_and_who_is_known_does_not() {
    let deployed = Deployed::new().await;
    let issued = deployed.fixture.log_in("u1").await;
    let policy = Policy {
        stand_in: None,
        open_signup: false,
        trusted_proxies: TrustedProxies::default(),
    };
    let app = init_service(App::new().configure(routes(deployed.service.clone(), policy))).await;
    let access = issued.access.token.expose();
    let request = |method: &Method, target: &str, token: &str| {
        let request = TestRequest::with_uri(target).method(method.clone());
        let bearer = ("authorization", format!("Bearer {token}"));
        request
            .insert_header(bearer)
            .set_json(json!({}))
            .to_request()
    };
    let known = || app.call(request(&Method::GET, "/headers", access));
    assert_eq!(known().await.unwrap().status(), StatusCode::OK);

    let turn = next_turn().await;
    let unknown = [
        (Method::POST, "/refresh", forged(refresh_token(&issued))),
        (Method::POST, "/logout", forged(refresh_token(&issued))),
        (Method::POST, "/reauth", forged(access)),
        (Method::PUT, "/me/password", forged(access)),
        (Method::GET, "/headers", forged(access)),
        (Method::GET, "/open", forged(access)),
        (Method::GET, "/admin/users", forged(access)),
    ];
    let mut waiting: Vec<_> = unknown
        .iter()
        .map(|(method, target, token)| {
            let answer = app.call(request(method, target, token));
            (*target, Box::pin(answer))
        })
        .collect();
    for _ in 0..20 {
        for (target, answer) in &mut waiting {
            let mut context = Context::from_waker(Waker::noop());
            assert!(answer.poll_unpin(&mut context).is_pending(), "{target}");
        }
        yield_now().await;
        let answer = known().now_or_never().expect("it waits for nothing");
        assert_eq!(answer.unwrap().status(), StatusCode::OK);
    }
    drop(turn);
    for (target, answer) in waiting {
        let status = answer.await.unwrap().status();
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{target}");
    }
}
