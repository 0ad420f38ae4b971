//! What the public routes need to know of the configuration.

use super::super::origin::TrustedProxies;

/// What the public routes need to know of the configuration.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Whether strangers may make an account.
    pub open_signup: bool,
    /// Whose word about the client's address is taken, by the guard too.
    pub trusted_proxies: TrustedProxies,
}
