//! Tokens of outside issuers: whose they are, and whether they may be believed.
//!
//! An operator configures each issuer with its keys, its algorithms and the audience that its tokens
//! must name. A compact JWS (RFC 7515) of such an issuer is verified to an [`Identity`], the pair of
//! issuer and subject (threat: issuer-confusion). What an identity may do here is for the service to
//! say.
//!
//! The signature is verified by josekit, with keys that this room has checked; the claims are
//! checked here.
//!
//! This room must never fetch what a token names, use a key that a token carries, or take a key of
//! one issuer for the token of another.

mod addresses;
mod cache;
mod claims;
mod error;
mod fetch;
mod issuer;
mod keys;
mod status;
mod unverified;

pub use claims::Identity;
pub use error::{FederationError, KeysError};
pub use issuer::{Accept, Algorithm, Issuer, KeySource};
pub use status::{IssuerStatus, PublicKeyInfo};

use crate::clock::UnixSeconds;
use cache::Keys;
use std::fmt;
use std::sync::Arc;
use unverified::Unverified;

/// The issuers of one deployment and their keys. Cheap to clone.
#[derive(Clone, Default)]
pub struct Federation(Arc<Inner>);

#[derive(Default)]
struct Inner {
    issuers: Vec<Known>,
    leeway: u64,
}

/// An issuer and the keys that it has now.
struct Known {
    issuer: Arc<Issuer>,
    keys: Keys,
}

impl Federation {
    /// The issuers, no two of one name or one `issuer`; their clocks may differ from ours by `leeway`
    /// seconds. Keys in files are read now; keys at addresses when the first token comes.
    pub async fn open(issuers: Vec<Issuer>, leeway: u64) -> Result<Self, KeysError> {
        let mut known = Vec::with_capacity(issuers.len());
        for issuer in issuers {
            let issuer = Arc::new(issuer);
            let keys = Keys::new(Arc::clone(&issuer))?;
            if issuer.keys.is_local() {
                keys.load().await?;
            }
            known.push(Known { issuer, keys });
        }
        let inner = Inner {
            issuers: known,
            leeway,
        };
        Ok(Self(Arc::new(inner)))
    }

    /// Whether no issuer is configured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.issuers.is_empty()
    }

    /// The issuer that the configuration calls `name`.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Issuer> {
        let mut issuers = self.0.issuers.iter().map(|known| &*known.issuer);
        issuers.find(|issuer| issuer.name == name)
    }

    /// The issuer whose tokens have this `iss`.
    #[must_use]
    pub fn issuing(&self, iss: &str) -> Option<&Issuer> {
        self.known(iss).map(|known| &*known.issuer)
    }

    /// Whether an issuer is configured whose tokens are good for this.
    #[must_use]
    pub fn accepts(&self, accept: Accept) -> bool {
        let mut issuers = self.0.issuers.iter();
        issuers.any(|known| known.issuer.accept == accept)
    }

    /// The issuers in their order, each with the keys that its tokens are verified with now. Fetches
    /// nothing.
    #[must_use]
    pub fn status(&self) -> Vec<IssuerStatus> {
        let issuers = self.0.issuers.iter();
        let status = |known: &Known| {
            let issuer = &known.issuer;
            let (held, failing) = known.keys.status();
            let keys = held.iter().flat_map(|(set, _)| set.infos());
            IssuerStatus {
                name: issuer.name.clone(),
                issuer: issuer.issuer.clone(),
                accept: issuer.accept,
                source: issuer.keys.to_string(),
                failing,
                keys: keys.cloned().collect(),
                read_ago: held.map(|(_, ago)| ago),
            }
        };
        issuers.map(status).collect()
    }

    /// Verifies a token that is to be good for `accept`: whose it is, at `now`.
    ///
    /// The claims are looked at only once the signature is verified, so that an error about a claim
    /// concerns a token that the issuer has made.
    pub async fn verify(
        &self,
        token: &str,
        accept: Accept,
        now: UnixSeconds,
    ) -> Result<Identity, FederationError> {
        let unverified = Unverified::parse(token)?;
        let Some(known) = self.known(unverified.claimed_issuer()) else {
            return Err(self.stranger(&unverified, accept));
        };
        if known.issuer.accept != accept {
            return Err(FederationError::NotAccepted);
        }
        let algorithm = unverified.algorithm(&known.issuer)?;
        let keys = known.keys.with(unverified.kid()).await?;
        let claims = unverified.verify(&keys, algorithm)?;
        claims::check(&known.issuer, &claims, now, self.0.leeway)
    }

    /// Why a token is refused whose `iss` is of no configured issuer. If an issuer's key has signed it all the same,
    /// the configuration or the token has the name wrong, by a slash at its end for instance. Only keys
    /// that are held already are tried, and nothing is fetched.
    fn stranger(&self, token: &Unverified<'_>, accept: Accept) -> FederationError {
        let issuers = self.0.issuers.iter();
        let mut fitting = issuers.filter(|known| known.issuer.accept == accept);
        let signed = fitting.any(|known| {
            let held = known.keys.held_with(token.kid());
            let algorithm = token.algorithm(&known.issuer);
            matches!((held, algorithm), (Ok(keys), Ok(algorithm))
                if token.check_signature(&keys, algorithm).is_ok())
        });
        if signed {
            FederationError::Issuer
        } else {
            FederationError::IssuerUnknown
        }
    }

    fn known(&self, iss: &str) -> Option<&Known> {
        let mut issuers = self.0.issuers.iter();
        issuers.find(|known| known.issuer.issuer == iss)
    }
}

impl fmt::Debug for Federation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.issuers.iter().map(|known| &known.issuer.name);
        f.debug_list().entries(names).finish()
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
