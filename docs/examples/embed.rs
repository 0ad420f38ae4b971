//! A shop that guards its own routes with lacre: it knows its customers itself and takes only the
//! sessions from the library. Run it with `cargo run --example embed`.

use actix_web::dev::Server;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{self, Data, Json, get, post, resource};
use actix_web::{App, HttpResponse, HttpServer};
use lacre::{Code, Edge, Grant, Lacre, Problem, Rules, Session, Subject, TokenGuard};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::time::Duration;

/// Whatever proves your users to you: a password, a passkey, another service's word.
fn proven(who: &Value) -> Option<Subject> {
    let roles = match (who["name"].as_str()?, who["card"].as_str()?) {
        ("grace", "1906") => vec!["customer".to_owned(), "clerk".to_owned()],
        ("alan", "1912") => vec!["customer".to_owned()],
        _ => return None,
    };
    Some(Subject {
        id: who["name"].as_str()?.to_owned(),
        roles,
        ..Subject::default()
    })
}

async fn log_in(lacre: Data<Lacre>, who: Json<Value>) -> Result<HttpResponse, Problem> {
    let subject = proven(&who).ok_or(Code::InvalidCredentials)?;
    let issued = lacre.issue(&Grant::log_in(subject)).await?;
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(json!({ "token": issued.access.token.expose(), "expires_in": issued.access.expires_in })))
}

async fn log_out(lacre: Data<Lacre>, session: Session) -> Result<HttpResponse, Problem> {
    lacre.revoke(&session.key).await?; // durable: from here on the token is noise
    Ok(HttpResponse::NoContent().finish())
}

async fn shelf(session: Option<Session>) -> String {
    session.map_or("Books.".to_owned(), |who| {
        format!("Books for {}.", who.user_id())
    })
}

async fn till(session: Session) -> String {
    format!("{} is at the till.", session.user_id())
}

pub(crate) fn shop(listener: TcpListener, lacre: Lacre) -> std::io::Result<Server> {
    let edge = Edge::default(); // an id for each request, and no library's words in an error
    let app = move || {
        let guard = || TokenGuard::required(&lacre);
        App::new()
            .wrap(edge.clone())
            .app_data(Data::new(lacre.clone()))
            .route("/", get().to(async || "The shop is open."))
            .route("/log-in", post().to(log_in))
            .service(resource("/log-out").wrap(guard()).route(post().to(log_out)))
            .service(
                resource("/shelf")
                    .wrap(TokenGuard::optional(&lacre))
                    .route(get().to(shelf)),
            )
            .service(
                web::scope("/till")
                    .wrap(guard().role("clerk"))
                    .route("", get().to(till)),
            )
    };
    Ok(HttpServer::new(app).listen(listener)?.run())
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let lacre = Lacre::open("data", Rules::new("https://shop.example", "shop"))?;
    actix_web::rt::spawn(lacre.clone().sweep_every(Duration::from_mins(1)));
    actix_web::rt::spawn(lacre.keep_last_seen());
    shop(TcpListener::bind("127.0.0.1:8080")?, lacre)?.await?;
    Ok(())
}
