//! Links of accounts to subjects of outside issuers, and the end of the sessions begun through them.
//!
//! This room must never answer that a link is gone before the sessions begun through it have ended.

use super::going_on::to_the_end;
use super::{Caller, Service, ServiceError};
use crate::accounts::{Link, OutsideSubject, Reach, UserId};
use crate::telemetry::audit::{Cause, Change};
use crate::token::Handle;

impl Service {
    /// The `iss` that an operator means: an issuer's name in the configuration, or an `iss` itself,
    /// also of an issuer that isn't configured any more.
    pub fn issuer_meant(&self, text: &str) -> Result<String, ServiceError> {
        match self.federation.named(text) {
            Some(issuer) => Ok(issuer.issuer.clone()),
            // Names have no colon, and every URL has one (RFC 3986 §3).
            None if text.contains(':') => Ok(text.to_owned()),
            None => Err(ServiceError::IssuerUnknown),
        }
    }

    /// The links of an account.
    pub async fn links_of(&self, user: &UserId) -> Result<Vec<Link>, ServiceError> {
        Ok(self.accounts.links_of(user).await?)
    }

    /// Links a subject to an account.
    pub async fn link_user(
        &self,
        caller: &Caller,
        user: &UserId,
        outside: OutsideSubject,
    ) -> Result<(), ServiceError> {
        let (service, caller, user) = (self.clone(), caller.clone(), user.clone());
        to_the_end(async move {
            service.accounts_for(&caller)?.link(&user, outside).await?;
            caller.changed(user.as_str(), Change::Linked);
            Ok(())
        })
        .await
    }

    /// Takes the links of an account to an issuer away and ends the sessions that were begun through
    /// them; how many links there were, and which sessions ended. Unlinking again ends what an attempt
    /// that failed half-way has left.
    pub async fn unlink_user(
        &self,
        caller: &Caller,
        user: &UserId,
        issuer: &str,
    ) -> Result<(usize, Vec<Handle>), ServiceError> {
        let (service, caller) = (self.clone(), caller.clone());
        let (user, issuer) = (user.clone(), issuer.to_owned());
        to_the_end(async move {
            let ends = service.ends(Reach::Through(issuer.clone()));
            let accounts = service.accounts_for(&caller)?;
            let (unlinked, row) = accounts.unlink(&user, &issuer, ends).await?;
            if unlinked > 0 {
                caller.changed(user.as_str(), Change::Unlinked);
            }
            let ended = service.deliver(&row, &caller, Cause::Unlinked).await?;
            caller.ended(user.as_str(), &ended, Cause::Unlinked);
            Ok((unlinked, ended))
        })
        .await
    }
}
