//! The console: the operators' pages on the management listener, made by the server, without scripts.
//!
//! | file | holds |
//! |---|---|
//! | `admission` | who is let in, and whose form counts |
//! | `address` | what an address asks for |
//! | `answered` | what every answer has: cookies, and a page |
//! | `cookies`, `sender` | the cookie and its marks; what the browser says of a form |
//! | `login`, `proof` | the log-in; the password once more |
//! | `overview`, `users`, `user`, `sessions`, `session`, `explain`, `receipts`, `keys`, `health` | a page each |
//! | `shell`, `style`, `chart`, `text`, `listing`, `reasons` | what pages are made of |
//! | `recent`, `notices` | what is kept between requests |
//! | `refused` | what is shown instead |
//!
//! A door of the operators' room: every page makes one of the requests of `ops`, in the name
//! of the administrator who asks, and shows the answer ([0049](../../docs/decisions/0049-console.md)).
//!
//! This room must never ask a store past `ops`, never write a script, and never let in by anything but the
//! guard.

mod address;
mod admission;
mod answered;
mod chart;
mod cookies;
mod desk;
mod explain;
mod health;
mod keys;
mod listing;
mod login;
mod notices;
mod overview;
mod proof;
mod reasons;
mod receipts;
mod recent;
mod refused;
mod sender;
mod session;
mod sessions;
mod shell;
mod style;
mod text;
mod user;
mod users;

use self::desk::Desk;
use self::notices::Notices;
use self::recent::Recent;
use self::refused::Refused;
use super::body::BodyLimits;
use super::management::Management;
use super::origin::TrustedProxies;
use super::routes::audited;
use crate::config::Config;
use crate::service::Service;
use actix_web::HttpResponse;
use actix_web::middleware::from_fn;
use actix_web::web::{Data, ServiceConfig, get, post, resource, scope, to};
use std::fmt;
use std::sync::Arc;

/// The pages.
#[derive(Clone)]
pub struct Console {
    service: Service,
    management: Management,
    proxies: TrustedProxies,
    body: BodyLimits,
    recent: Arc<Recent>,
    notices: Arc<Notices>,
    /// What findings are of.
    config: Option<Arc<Config>>,
}

impl Console {
    /// The pages over this service, which say what `management` says of its health.
    #[must_use]
    pub fn new(
        service: Service,
        management: Management,
        proxies: TrustedProxies,
        body: BodyLimits,
    ) -> Self {
        Self {
            service,
            management,
            proxies,
            body,
            recent: Arc::default(),
            notices: Arc::default(),
            config: None,
        }
    }

    /// The same, which shows what `lacre doctor` finds of this configuration.
    #[must_use]
    pub fn examining(self, config: Arc<Config>) -> Self {
        Self {
            config: Some(config),
            ..self
        }
    }

    /// Counts for the overview, minute by minute, for as long as it is polled.
    pub fn keep_counting(&self) -> impl Future<Output = ()> + Send + use<> {
        let (recent, service) = (Arc::clone(&self.recent), self.service.clone());
        async move { recent.keep(&service).await }
    }

    /// The routes, for one worker.
    pub fn routes(&self, config: &mut ServiceConfig) {
        let desk = Desk {
            config: self.config.clone(),
            ..Desk::new(&self.service, &self.management, &self.recent, &self.notices)
        };
        let changing = || from_fn(audited);
        let pages = scope("/console")
            .wrap(from_fn(answered::answered))
            .service(resource("").route(get().to(home)))
            .service(resource(style::name()).route(get().to(style::show)))
            .service(
                resource("/login")
                    .route(get().to(login::show))
                    .route(post().to(login::log_in).wrap(changing())),
            )
            .service(resource("/logout").route(post().to(login::log_out).wrap(changing())))
            .service(resource("/").route(get().to(overview::show)))
            .service(resource("/users").route(get().to(users::show)))
            .service(resource("/user").route(get().to(user::show)))
            .service(
                resource("/user/end")
                    .route(get().to(user::ask_to_end))
                    .route(post().to(user::end).wrap(changing())),
            )
            .service(resource("/sessions").route(get().to(sessions::show)))
            .service(resource("/session").route(get().to(session::show)))
            .service(resource("/session/end").route(post().to(session::end).wrap(changing())))
            .service(
                resource("/explain")
                    .route(get().to(explain::show))
                    .route(post().to(explain::explain)),
            )
            .service(resource("/receipts").route(get().to(receipts::show)))
            .service(resource("/keys").route(get().to(keys::show)))
            .service(
                resource("/keys/rotate")
                    .route(get().to(keys::ask_to_rotate))
                    .route(post().to(keys::rotate).wrap(changing())),
            )
            .service(resource("/health").route(get().to(health::show)))
            .service(resource("/{nowhere:.*}").route(to(nowhere)));
        config
            .app_data(Data::new(desk))
            .app_data(self.proxies.clone())
            .app_data(self.body)
            .service(pages);
    }
}

async fn home() -> HttpResponse {
    shell::see_other("/console/", Vec::new())
}

async fn nowhere() -> Result<HttpResponse, Refused> {
    Err(Refused::NoPage)
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
