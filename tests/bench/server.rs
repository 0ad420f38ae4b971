//! The server that `tests/bench/guards.py` puts under load: one handler without a guard, behind
//! lacre's guard, and behind guards of signed tokens by jsonwebtoken; all else is the same.
//!
//! `server --sessions N --tokens M --out FOLDER` begins N sessions, writes the tokens of the first
//! M to FOLDER, one a line, and prints its addresses: `edge` is lacre's own stack, `bare` is an
//! actix application with nothing else in it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // not a service: it says so and stops

mod deployment;
mod filling;
mod rules;

use actix_web::dev::{Service as _, ServiceRequest};
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::{ServiceConfig, get, resource};
use actix_web::{App, HttpMessage as _, HttpResponse, HttpServer};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use clap::Parser as _;
use deployment::Deployment;
use futures_util::future::Either;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use lacre::clock::SystemClock;
use lacre::internals::http::edge::Edge;
use lacre::internals::http::guard::TokenGuard;
use lacre::internals::http::management::Management;
use lacre::internals::http::metrics::Metrics;
use lacre::internals::http::server::{Listeners, Reached, Settings};
use lacre::internals::token::TokenKind;
use rules::{AUDIENCE, ISSUER};
use serde::{Deserialize, Serialize};
use std::future::ready;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(clap::Parser)]
struct Arguments {
    /// How many sessions are live.
    #[arg(long, default_value_t = 1000)]
    sessions: usize,
    /// How many of them send requests.
    #[arg(long, default_value_t = 1)]
    tokens: usize,
    /// Where the tokens are written.
    #[arg(long)]
    out: PathBuf,
    /// The keystore's cache, in MiB.
    #[arg(long, default_value_t = 64)]
    cache_mib: u64,
}

/// The claims of lacre's own access token, for the other guards to read.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    iat: u64,
    exp: u64,
    jti: String,
    sid: String,
    r#gen: u64,
    id: String,
    email: String,
    role: String,
    roles: Vec<String>,
    fresh: bool,
    auth_time: u64,
}

/// A guard as the library's documentation has it, its keys ready and its checks on.
struct Signed {
    path: &'static str,
    key: DecodingKey,
    validation: Validation,
}

impl Signed {
    fn new(path: &'static str, algorithm: Algorithm, key: DecodingKey) -> Self {
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.leeway = 0;
        Self {
            path,
            key,
            validation,
        }
    }

    fn judge(&self, request: &ServiceRequest) -> Option<Claims> {
        let field = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
        let token = field.strip_prefix("Bearer ")?;
        decode(token, &self.key, &self.validation)
            .ok()
            .map(|data| data.claims)
    }
}

/// The one handler.
async fn handler() -> &'static str {
    "Access Granted"
}

fn routes(config: &mut ServiceConfig, lacre: &lacre::Lacre, guards: &[Arc<Signed>]) {
    config
        .service(resource("/plain").route(get().to(handler)))
        .service(
            resource("/guarded")
                .wrap(TokenGuard::required(lacre))
                .route(get().to(handler)),
        );
    for guard in guards {
        let guard = Arc::clone(guard);
        config.service(
            resource(guard.path)
                .wrap_fn(move |request, next| match guard.judge(&request) {
                    Some(claims) => {
                        request.extensions_mut().insert(claims);
                        Either::Left(next.call(request))
                    }
                    None => Either::Right(ready(Ok(
                        request.into_response(HttpResponse::Unauthorized().finish())
                    ))),
                })
                .route(get().to(handler)),
        );
    }
}

fn main() {
    let arguments =
        Arguments::parse_from(std::env::args().filter(|argument| argument != "--bench"));
    std::fs::create_dir_all(&arguments.out).unwrap();
    let deployment = Deployment::new(arguments.cache_mib << 20, Arc::new(SystemClock::default()));
    let (runtime, lacre) = (&deployment.runtime, &deployment.lacre);
    let tokens = filling::begin(runtime, lacre, arguments.tokens);
    filling::put_more(runtime, lacre, arguments.sessions - arguments.tokens);
    let write =
        |name: &str, lines: String| std::fs::write(arguments.out.join(name), lines).unwrap();
    write("guarded", tokens.join("\n"));

    let secret = [7; 32];
    let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    let pair = pair.unwrap();
    let public = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pair.as_ref()).unwrap();
    let public = public.public_key().as_ref();
    let guards = [
        Signed::new(
            "/hs256",
            Algorithm::HS256,
            DecodingKey::from_secret(&secret),
        ),
        Signed::new("/es256", Algorithm::ES256, DecodingKey::from_ec_der(public)),
    ]
    .map(Arc::new);
    let session = runtime.block_on(lacre.guard(tokens[0].as_bytes(), TokenKind::Access));
    let claims = serde_json::Value::Object(session.unwrap().claims.to_json());
    write("claims", claims.to_string());
    let claims: Claims = serde_json::from_value(claims).unwrap();
    let keys = [
        (Algorithm::HS256, EncodingKey::from_secret(&secret)),
        (Algorithm::ES256, EncodingKey::from_ec_der(pair.as_ref())),
    ];
    for ((algorithm, key), guard) in keys.iter().zip(&guards) {
        let token = encode(&Header::new(*algorithm), &claims, key).unwrap();
        write(&guard.path[1..], token);
    }
    let lacre = deployment.lacre.clone();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async move {
            let any = "127.0.0.1:0";
            let listen = any.parse().unwrap();
            let listeners = Listeners::bind(&listen, &listen).unwrap();
            let Reached::Tcp(edge_address) = listeners.public.reached().unwrap() else {
                unreachable!("an address was asked for")
            };
            let (shared, given) = (lacre.clone(), guards.clone());
            let bare = HttpServer::new(move || {
                App::new().configure(|config| routes(config, &shared, &given))
            })
            .workers(1)
            .bind(any)
            .unwrap();
            let bare_address = bare.addrs()[0];
            let metrics = Arc::new(Metrics::default());
            let edge = Edge::new(
                &mut lacre::internals::entropy::system()(),
                Arc::clone(&metrics),
            );
            let management = Management::new(metrics, || async { vec![] }, || async { vec![] });
            let settings = Settings {
                workers: 1,
                ..Settings::default()
            };
            let running = listeners
                .serve(
                    &settings,
                    &edge,
                    move |config: &mut ServiceConfig| routes(config, &lacre, &guards),
                    None,
                    management,
                )
                .unwrap();
            println!("edge {edge_address}");
            println!("bare {bare_address}");
            let stops = Box::pin(lacre::internals::http::server::stop_signals().unwrap());
            let bare = tokio::spawn(bare.disable_signals().run());
            running.until(stops).await.unwrap();
            bare.abort();
        });
}
