//! An application that says, route by route, what a token must be and where it may stand.

use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, HttpResponse, Scope, web};
use lacre::clock::FixedClock;
use lacre::internals::entropy;
use lacre::internals::sessions::keyring::Keyring;
use lacre::{Grant, Issued, Lacre, Location, Rules, Subject, TokenGuard};
use lacre_keystore::{Keystore, LocalStore, MasterKey, MasterKeyRing, MemoryEngine};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;

fn rules() -> Rules {
    Rules::new("https://shop.test", "shop")
}

async fn log_in(lacre: &Lacre, roles: &[&str], permissions: &[&str]) -> Issued {
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let subject = Subject {
        id: "u1".to_owned(),
        roles: owned(roles),
        permissions: owned(permissions),
        ..Subject::default()
    };
    lacre.issue(&Grant::log_in(subject)).await.unwrap()
}

fn route(
    path: &'static str,
    guard: TokenGuard,
) -> impl actix_web::dev::HttpServiceFactory + 'static {
    let scope: Scope = web::scope(path);
    scope.wrap(guard).route("", web::get().to(HttpResponse::Ok))
}

/// What an application with all these routes answers.
async fn answer(lacre: &Lacre, request: TestRequest) -> (u16, Value) {
    let required = || TokenGuard::required(lacre);
    let app = App::new()
        .service(route("/usual", required()))
        .service(route("/link", required().locations([Location::Query])))
        .service(route("/page", required().locations([Location::Cookie])))
        .service(route(
            "/either",
            required().locations([Location::Header, Location::Query]),
        ))
        .service(route("/refresh", required().refresh_only()))
        .service(route("/fresh", required().fresh()))
        .service(route("/till", required().role("clerk")))
        .service(route("/back", required().any_role(["clerk", "boss"])))
        .service(route(
            "/safe",
            required().permission("read").permission("write"),
        ));
    let response = call_service(&init_service(app).await, request.to_request()).await;
    let status = response.status().as_u16();
    let body = read_body(response).await;
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

fn bearer(path: &str, token: &str) -> TestRequest {
    TestRequest::get()
        .uri(path)
        .insert_header(("Authorization", format!("Bearer {token}")))
}

fn in_query(path: &str, token: &str) -> TestRequest {
    TestRequest::get().uri(&format!("{path}?token={token}"))
}

fn in_cookie(path: &str, token: &str) -> TestRequest {
    TestRequest::get()
        .uri(path)
        .insert_header(("Cookie", format!("__Host-lacre_access={token}")))
}

#[actix_web::test]
async fn a_route_names_the_places_of_its_token() {
    // The deployment's own is the header.
    let lacre = Lacre::in_memory(rules()).unwrap();
    let issued = log_in(&lacre, &[], &[]).await;
    let token = issued.access.token.expose();
    for (path, header, query, cookie) in [
        ("/usual", 200, 401, 401),
        ("/link", 401, 200, 401),
        ("/page", 401, 401, 200),
        ("/either", 200, 200, 401),
    ] {
        for (request, due) in [
            (bearer(path, token), header),
            (in_query(path, token), query),
            (in_cookie(path, token), cookie),
        ] {
            let (status, problem) = answer(&lacre, request).await;
            assert_eq!(status, due, "{path}: {problem}");
            if due == 401 {
                assert_eq!(problem["code"], "no_credentials", "{path}");
            }
        }
    }
    let two =
        in_query("/either", token).insert_header(("Authorization", format!("Bearer {token}")));
    assert_eq!(answer(&lacre, two).await.0, 400);
}

#[actix_web::test]
async fn one_role_any_role_and_every_permission() {
    let lacre = Lacre::in_memory(rules()).unwrap();
    for (roles, permissions, till, back, safe) in [
        (&["clerk"][..], &[][..], 200, 200, 403),
        (&["guest", "boss"], &["read"], 403, 200, 403),
        (&["guest"], &["write", "read"], 403, 403, 200),
        (&["Clerk", "bos"], &["read", "writer"], 403, 403, 403),
    ] {
        let issued = log_in(&lacre, roles, permissions).await;
        let token = issued.access.token.expose();
        for (path, due) in [("/till", till), ("/back", back), ("/safe", safe)] {
            let (status, problem) = answer(&lacre, bearer(path, token)).await;
            assert_eq!(
                status, due,
                "{roles:?} {permissions:?} at {path}: {problem}"
            );
        }
    }
    let issued = log_in(&lacre, &["guest"], &["read"]).await;
    for (path, missing) in [
        ("/till", json!({"role": "clerk"})),
        ("/back", json!({"any_role": ["clerk", "boss"]})),
        ("/safe", json!({"permission": "write"})),
    ] {
        let (_, problem) = answer(&lacre, bearer(path, issued.access.token.expose())).await;
        assert_eq!(problem["code"], "insufficient_scope");
        assert_eq!(problem["missing"], missing);
    }
}

#[actix_web::test]
async fn a_guard_for_refresh_tokens_takes_the_current_one_alone() {
    let lacre = Lacre::in_memory(rules()).unwrap();
    let first = log_in(&lacre, &[], &[]).await;
    let refresh = |issued: &Issued| {
        let token = issued.refresh.as_ref().unwrap();
        token.token.expose().to_owned()
    };
    let status = async |path: &str, token: &str| answer(&lacre, bearer(path, token)).await.0;
    assert_eq!(status("/refresh", &refresh(&first)).await, 200);
    assert_eq!(status("/usual", &refresh(&first)).await, 401);
    assert_eq!(status("/refresh", first.access.token.expose()).await, 401);
    assert_eq!(status("/fresh", first.access.token.expose()).await, 200);

    let who = async |id: &str| {
        let id = id.to_owned();
        Ok::<_, Infallible>(Some(Subject {
            id,
            ..Subject::default()
        }))
    };
    let second = lacre
        .refresh(refresh(&first).as_bytes(), who)
        .await
        .unwrap();
    assert_eq!(status("/refresh", &refresh(&first)).await, 401);
    assert_eq!(status("/refresh", &refresh(&second)).await, 200);
    assert_eq!(status("/usual", second.access.token.expose()).await, 200);
    assert_eq!(status("/fresh", second.access.token.expose()).await, 403);
}

#[actix_web::test]
async fn a_guard_forgives_clocks_their_leeway_and_no_second_more() {
    let mut rng = (entropy::system())();
    let ring = MasterKeyRing::new(MasterKey::generate(1, &mut rng));
    let keyring = Keyring::generate(&mut rng).unwrap();
    let random = StdRng::from_rng(&mut rng);
    let keystore = Keystore::open(
        LocalStore::open(MemoryEngine::default()).unwrap(),
        ring,
        random,
    )
    .unwrap();
    let clock = Arc::new(FixedClock::at(1_800_000_000));
    let rules = Rules {
        access_ttl: 60,
        leeway: 5,
        ..rules()
    };
    let lacre = Lacre::builder(keystore, keyring, rules)
        .clock(clock.clone())
        .build();
    let issued = log_in(&lacre, &[], &[]).await;
    let status = async || {
        let request = bearer("/usual", issued.access.token.expose());
        answer(&lacre, request).await.0
    };
    assert_eq!(issued.access.expires_in, 60);
    clock.advance(64);
    assert_eq!(status().await, 200);
    clock.advance(1);
    assert_eq!(status().await, 401);
}
