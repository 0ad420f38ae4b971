//! What the pages of one worker work with: the service, the guard before every page, and what is kept
//! between two requests.
//!
//! This room must never hold what belongs to one administrator, but for a notice until its page.

use super::notices::Notices;
use super::recent::Recent;
use crate::accounts::ADMIN_ROLE;
use crate::config::Config;
use crate::http::guard::TokenGuard;
use crate::http::management::Management;
use crate::service::Service;
use std::sync::Arc;

/// What the pages of one worker work with.
pub(super) struct Desk {
    pub(super) service: Service,
    pub(super) management: Management,
    pub(super) recent: Arc<Recent>,
    pub(super) notices: Arc<Notices>,
    /// What findings are of, where they are to be shown.
    pub(super) config: Option<Arc<Config>>,
    /// Takes access tokens of accounts with the role `admin`.
    pub(super) guard: TokenGuard,
    /// Takes what is left of an earlier session, so that a log-in ends it.
    pub(super) any_kind: TokenGuard,
}

impl Desk {
    pub(super) fn new(
        service: &Service,
        management: &Management,
        recent: &Arc<Recent>,
        notices: &Arc<Notices>,
    ) -> Self {
        let guard = TokenGuard::required(service.lacre());
        Self {
            service: service.clone(),
            management: management.clone(),
            recent: Arc::clone(recent),
            notices: Arc::clone(notices),
            config: None,
            any_kind: guard.clone().any_kind(),
            // Of users who are no accounts, nobody's.
            guard: guard.role(ADMIN_ROLE).users_of(Vec::new()),
        }
    }
}
