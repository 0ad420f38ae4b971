//! A reading room for people whom another service logs in: it takes that issuer's tokens as they are
//! where reading is enough, and exchanges them for sessions, which can be ended, where it isn't. Run it
//! with `cargo run --example outside --features federation`.

use actix_web::dev::Server;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Json, get, post, resource};
use actix_web::{App, HttpResponse, HttpServer};
use lacre::clock::{Clock as _, SystemClock};
use lacre::federation::{Accept, Algorithm, Federation, Issuer, KeySource};
use lacre::{
    AnySession, Code, Edge, Grant, Lacre, Occasion, Problem, Rules, Session, Subject, TokenGuard,
};
use serde_json::{Value, json};
use std::net::TcpListener;

/// An issuer of this name, whose tokens for `audience` are good for one thing.
pub(crate) fn issuer(name: &str, audience: &str, keys: KeySource, accept: Accept) -> Issuer {
    Issuer {
        name: name.to_owned(),
        issuer: format!("https://{name}.example/"),
        audience: audience.to_owned(),
        algorithms: vec![Algorithm::Rs256],
        keys,
        accept,
        make_accounts: false,
        subject_claim: "sub".to_owned(),
        roles_claim: Some("roles".to_owned()),
    }
}

/// Of what the issuer says, the roles that it may give here.
fn known(said: Vec<String>) -> Vec<String> {
    let given = ["reader", "staff"];
    let known = |role: &String| given.contains(&role.as_str());
    said.into_iter().filter(known).collect()
}

/// For a session: the subject gets an id of yours, which no user of another issuer can have.
async fn exchange(
    lacre: Data<Lacre>,
    issuers: Data<Federation>,
    sent: Json<Value>,
) -> Result<HttpResponse, Problem> {
    let token = sent["token"].as_str().ok_or(Code::BodyMissingMember)?;
    let now = SystemClock::default().now();
    let proven = issuers.verify(token, Accept::Exchange, now).await;
    let proven = proven.map_err(|_| Code::InvalidCredentials)?;
    let subject = Subject {
        id: format!("{} {}", proven.issuer_name, proven.subject),
        roles: known(proven.roles.unwrap_or_default()),
        ..Subject::default()
    };
    let occasion = Occasion::Outside {
        issuer: proven.issuer,
        subject: proven.subject,
    };
    let issued = lacre
        .issue(&Grant {
            occasion,
            ..Grant::log_in(subject)
        })
        .await?;
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(json!({ "token": issued.access.token.expose() })))
}

/// Both kinds of token: it says which one came.
async fn read(who: AnySession) -> String {
    match who {
        AnySession::Session(session) => format!("A session of {}.", session.user_id()),
        AnySession::Outside(user) => format!("{} at {}.", user.subject, user.issuer),
    }
}

/// A session alone, for there is nothing to end in an outside token.
async fn leave(lacre: Data<Lacre>, session: Session) -> Result<HttpResponse, Problem> {
    lacre.revoke(&session.key).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub(crate) fn room(
    listener: TcpListener,
    lacre: Lacre,
    issuers: Federation,
) -> std::io::Result<Server> {
    let edge = Edge::default();
    let app = move || {
        let guard = || TokenGuard::required(&lacre).direct(&issuers);
        App::new()
            .wrap(edge.clone())
            .app_data(Data::new(lacre.clone()))
            .app_data(Data::new(issuers.clone()))
            .route("/exchange", post().to(exchange))
            .service(resource("/read").wrap(guard()).route(get().to(read)))
            .service(
                resource("/staff")
                    .wrap(guard().role("staff"))
                    .route(get().to(read)),
            )
            .service(resource("/leave").wrap(guard()).route(post().to(leave)))
    };
    Ok(HttpServer::new(app).listen(listener)?.run())
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keys = |name: &str| KeySource::Url {
        url: format!("https://{name}.example/jwks.json"),
        inside: Vec::new(),
    };
    let issuers = vec![
        issuer("library", "room", keys("library"), Accept::Direct),
        issuer("staff", "room", keys("staff"), Accept::Exchange),
    ];
    let issuers = Federation::open(issuers, 0).await?;
    let lacre = Lacre::open("data", Rules::new("https://room.example", "room"))?;
    room(TcpListener::bind("127.0.0.1:8080")?, lacre, issuers)?.await?;
    Ok(())
}
