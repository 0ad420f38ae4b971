//! The gateway: a listener for proxies and for back ends in any language, which ask about tokens that
//! they were sent.
//!
//! | file | holds |
//! |---|---|
//! | `asking` | the services of the configuration, each with its guard |
//! | `authz` | `/authz/{service}`: may this request go on, and whose is it |
//! | `identity` | what a service is told of who came, as header fields |
//! | `introspect`, `revoke` | a client asks about a token, or ends its session |
//! | `client`, `presented` | who asks there, and about what |
//! | `metadata` | the keys of forwarded JWTs, and what is offered |
//! | `wording` | how problems are told here |
//!
//! Every decision is that of a [`TokenGuard`](super::guard::TokenGuard), the same that stands before
//! lacre's own routes.
//!
//! This room must never let the path, the query or the body of a client's request decide anything, and
//! never set a cookie: proxies lose the second one.

mod asking;
mod authz;
mod client;
mod identity;
mod introspect;
mod metadata;
mod presented;
mod revoke;
mod wording;

use self::asking::Asking;
use self::introspect::Desk;
use self::metadata::Base;
use self::revoke::AnyKind;
use super::edge::Edge;
use super::guard::TokenGuard;
use super::origin::TrustedProxies;
use super::routes::audited;
use crate::config;
use crate::service::Service;
use actix_web::middleware::from_fn;
use actix_web::web::{Data, ServiceConfig, get, post, resource};
use std::sync::Arc;

/// What the gateway serves.
#[derive(Debug, Clone)]
pub struct Gateway {
    service: Service,
    proxies: TrustedProxies,
    asking: Arc<[Asking]>,
    base: Base,
}

impl Gateway {
    /// A gateway for these services.
    #[must_use]
    pub fn new(
        service: Service,
        proxies: TrustedProxies,
        services: &[config::ServiceConfig],
        gateway: &config::GatewayConfig,
    ) -> Self {
        let own = &service.lacre().rules().locations;
        let asking = services.iter().map(|service| Asking::new(service, own));
        Self {
            base: Base(gateway.url.clone()),
            asking: asking.collect(),
            service,
            proxies,
        }
    }

    /// The edge of this listener: what is asked here counts with the requests of the public one. A client's
    /// request may be of any size that it has come through the proxy with, so none is refused for it.
    pub(super) fn edge(public: &Edge) -> Edge {
        let edge = public.counting_into(Arc::clone(public.metrics()));
        edge.of_any_size().form(wording::form())
    }

    /// The routes, for one worker.
    pub(super) fn routes(&self, config: &mut ServiceConfig) {
        config
            .app_data(Data::new(self.service.clone()))
            .app_data(Data::new(self.service.lacre().clone()))
            .app_data(Data::new(self.base.clone()))
            .app_data(self.proxies.clone())
            .service(resource(metadata::JWKS).route(get().to(metadata::jwks)))
            .service(resource(metadata::METADATA).route(get().to(metadata::metadata)));
        let lacre = self.service.lacre();
        authz::serve(config, lacre, &self.asking);
        let services = self.asking.iter();
        let services = services.map(|asking| (asking.clone(), asking.guard(lacre)));
        let desk = Desk::new(services.collect(), TokenGuard::required(lacre));
        let any_kind = AnyKind(TokenGuard::required(lacre).any_kind());
        let ends = post().to(revoke::revoke).wrap(from_fn(audited));
        config
            .app_data(Data::new(desk))
            .app_data(Data::new(any_kind))
            .service(resource(metadata::INTROSPECT).route(post().to(introspect::introspect)))
            .service(resource(metadata::REVOKE).route(ends));
    }
}

#[cfg(test)]
mod tests;
