//! The names of the two algorithms of the outer token: there is nothing to negotiate (RFC 8725 §3.1).

/// The one key management algorithm (RFC 7518 §4.6).
pub(super) const ALG: &str = "ECDH-ES+A256KW";
/// The one content encryption (RFC 7518 §5.2.5).
pub(super) const ENC: &str = "A256CBC-HS512";
