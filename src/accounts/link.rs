//! Links: which account a subject of an outside issuer is.
//!
//! A subject is told by the pair of its issuer and its name there: the same name at another issuer is
//! somebody else (threat: issuer-confusion).

use super::identity::UserId;
use crate::clock::UnixSeconds;

/// Somebody, as an outside issuer says who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutsideSubject {
    /// The `iss` of the issuer.
    pub issuer: String,
    /// Its name there.
    pub subject: String,
}

/// A subject and the account that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Who it is outside.
    pub outside: OutsideSubject,
    /// Who it is here.
    pub user: UserId,
    /// Since when.
    pub created_at: UnixSeconds,
}

/// An account to make for a subject that comes for the first time.
#[derive(Debug, Clone)]
pub struct FirstSight {
    /// The subject.
    pub outside: OutsideSubject,
    /// What its issuer is called here: the domain of its address, where it has none.
    pub issuer_name: String,
    /// An address that the issuer has verified. What is no address here counts as none.
    pub email: Option<String>,
    /// What it wants to be called. What is no name here counts as none.
    pub name: Option<String>,
    /// Its roles, as in [`NewAccount`](super::NewAccount).
    pub roles: Vec<String>,
}
