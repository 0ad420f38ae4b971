//! What the public routes need to know of the configuration.

use super::super::client_auth::ClientCredentials;
use super::super::origin::TrustedProxies;

/// What the public routes need to know of the configuration.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Whether strangers may make an account.
    pub open_signup: bool,
    /// Whose word about the client's address is taken, by the guard too.
    pub trusted_proxies: TrustedProxies,
    /// The client in whose name a request without credentials is carried out; none but for
    /// `lacre serve --dev-insecure-issue`.
    pub stand_in: Option<ClientCredentials>,
}
