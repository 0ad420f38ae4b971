//! The public routes, one file a group.
//!
//! This room must never have a route without a decision: open, optional or guarded.

mod account;
mod admin;
mod login;
mod renew;
mod sessions;
mod visit;

use super::guard::TokenGuard;
use super::origin::TrustedProxies;
use crate::service::Service;
use actix_web::web::{Data, ServiceConfig, delete, get, post, put, resource, scope};

/// What the public routes need to know of the configuration.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Whether strangers may make an account.
    pub open_signup: bool,
    /// Whose word about the client's address is taken.
    pub trusted_proxies: TrustedProxies,
}

/// Puts the public routes of `service` into an application.
pub fn routes(service: Service, policy: Policy) -> impl Fn(&mut ServiceConfig) + Clone {
    move |config: &mut ServiceConfig| {
        let guard = || TokenGuard::required(service.lacre());
        config
            .app_data(Data::new(service.clone()))
            .app_data(Data::new(policy.clone()))
            .service(resource("/signup").route(post().to(account::sign_up)))
            .service(resource("/getToken").route(post().to(login::get_token)))
            .service(resource("/login").route(post().to(login::get_token)))
            .service(
                resource("/open")
                    .wrap(TokenGuard::optional(service.lacre()))
                    .route(get().to(visit::open)),
            )
            .service(
                resource("/headers")
                    .wrap(guard())
                    .route(get().to(visit::headers)),
            )
            .service(resource("/me").wrap(guard()).route(get().to(account::me)))
            .service(resource("/refresh").route(post().to(renew::refresh)))
            .service(
                resource("/reauth")
                    .wrap(guard())
                    .route(post().to(renew::reauthenticate)),
            )
            .service(
                resource("/me/password")
                    .wrap(guard().fresh())
                    .route(put().to(renew::change_password)),
            )
            .service(
                resource("/logout")
                    .wrap(guard().any_kind())
                    .route(post().to(sessions::log_out)),
            )
            .service(
                scope("/sessions")
                    .wrap(guard())
                    .service(
                        resource("")
                            .route(get().to(sessions::list))
                            .route(delete().to(sessions::end_several)),
                    )
                    .service(resource("/{crt}").route(delete().to(sessions::end_one))),
            )
            .service(
                scope("/admin/users")
                    .wrap(guard().role(admin::ROLE))
                    .service(
                        resource("")
                            .route(get().to(admin::list))
                            .route(post().to(admin::make)),
                    )
                    .service(
                        resource("/{id}")
                            .route(get().to(admin::show))
                            .route(put().to(admin::change))
                            .route(delete().to(admin::delete)),
                    )
                    .service(
                        resource("/{id}/sessions")
                            .route(get().to(admin::sessions))
                            .route(delete().to(admin::end_sessions)),
                    ),
            );
    }
}
