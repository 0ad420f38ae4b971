//! An authorization server as one builds it of actix-session: it looks the session of the request's cookie up
//! in Redis, and answers 200 with who it is, or 401. A guarded route by the same session, and one route that lets
//! everybody in without looking.
//!
//! `lacre-bench-actix-session REDIS_URL` prints its address as `listening A`.

use actix_session::storage::RedisSessionStore;
use actix_session::{Session, SessionMiddleware};
use actix_web::cookie::Key;
use actix_web::{App, HttpResponse, HttpServer, Responder, web};

async fn log_in(session: Session) -> impl Responder {
    let said = session
        .insert("user", "ada")
        .and_then(|()| session.insert("email", "ada@example.com"))
        .and_then(|()| session.insert("roles", ["user"]));
    match said {
        Ok(()) => HttpResponse::Ok().finish(),
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}

async fn authz(session: Session) -> HttpResponse {
    let told = |name| session.get::<String>(name).ok().flatten();
    match (told("user"), told("email")) {
        (Some(user), Some(email)) => HttpResponse::Ok()
            .insert_header(("Remote-User", user))
            .insert_header(("Remote-Email", email))
            .finish(),
        _ => HttpResponse::Unauthorized().finish(),
    }
}

async fn log_out(session: Session) -> impl Responder {
    session.purge();
    HttpResponse::Ok().finish()
}

async fn guarded(session: Session) -> HttpResponse {
    match session.get::<String>("user") {
        Ok(Some(_)) => HttpResponse::Ok()
            .content_type("text/plain; charset=utf-8")
            .body("Access Granted"),
        _ => HttpResponse::Unauthorized().finish(),
    }
}

/// For `/authz/all/…`: what asking costs where nothing is asked.
async fn everybody() -> HttpResponse {
    HttpResponse::Ok().finish()
}

/// The service behind the proxy.
async fn service() -> &'static str {
    "Access Granted"
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let redis = std::env::args().nth(1).unwrap_or_default();
    let store = RedisSessionStore::new(redis).await;
    let store = store.map_err(|error| std::io::Error::other(error.to_string()))?;
    let key = Key::from(&[7; 64]);
    let server = HttpServer::new(move || {
        let sessions = SessionMiddleware::builder(store.clone(), key.clone());
        App::new()
            .route("/authz/all", web::route().to(everybody))
            .route("/service", web::get().to(service))
            .service(
                web::scope("")
                    .wrap(sessions.cookie_secure(false).build())
                    .route("/log-in", web::post().to(log_in))
                    .route("/log-out", web::post().to(log_out))
                    .route("/guarded", web::get().to(guarded))
                    .route("/authz/redis", web::route().to(authz)),
            )
    })
    .workers(1)
    .bind("127.0.0.1:0")?;
    for address in server.addrs() {
        println!("listening http://{address}");
    }
    server.run().await
}
