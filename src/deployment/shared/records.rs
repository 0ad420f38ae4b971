//! Where the records of a deployment of several nodes are: in the database that the nodes share, or on Redis.
//!
//! That database says where, and which store on Redis it is. So no node uses another one than the rest, whatever its
//! configuration leads to; nor an empty one where there were records.
//!
//! This room must never have two nodes use two stores.

use super::{Weak, drawn};
use crate::clock;
use crate::config::{Config, SecretText};
use crate::deployment::error::OpenError;
use crate::entropy::Entropy;
use crate::token::base64url;
use lacre_keystore::{
    Cluster, Journal, JournalOptions, Keystore, KeystoreError, LookedAt, MasterKeyRing, Moved,
    PostgresStore, RedisOptions, RedisStore, SplitStore, redis_look,
};
use std::sync::Arc;

/// What is before the name of a store on Redis.
const REDIS: &str = "redis:";

/// What is behind it while the store isn't made.
const UNMADE: &str = "?";

/// Where the records are.
pub(in crate::deployment) enum Records {
    /// With everything else.
    Database,
    /// On the servers of this URL.
    Redis(SecretText),
}

impl Records {
    /// As the configuration says.
    pub(in crate::deployment) fn of(config: &Config) -> Self {
        config.redis_url().map_or(Self::Database, Self::Redis)
    }

    fn engine(&self) -> &'static str {
        match self {
            Self::Database => "postgres",
            Self::Redis(_) => "redis",
        }
    }

    /// Whether the database's own store leaves the notes of ends: a journal does for records that are elsewhere.
    pub(super) fn writes_notes_here(&self) -> bool {
        matches!(self, Self::Database)
    }

    /// Fails where the deployment's records are by another engine.
    pub(in crate::deployment) fn check(&self, looked: &LookedAt) -> Result<(), OpenError> {
        let theirs = match &looked.elsewhere {
            Some(_) => "redis",
            None => "postgres",
        };
        // Where there is no deployment yet, nobody has used what was written down.
        if looked.common.is_none() || theirs == self.engine() {
            return Ok(());
        }
        Err(OpenError::RecordsElsewhere {
            ours: self.engine(),
            theirs,
        })
    }

    /// What the servers of the records don't keep, or why a start on them would be refused.
    pub(in crate::deployment) async fn examine(
        &self,
        looked: &LookedAt,
    ) -> Result<Vec<Weak>, OpenError> {
        let Self::Redis(url) = self else {
            return Ok(Vec::new());
        };
        let found = redis_look(url.expose()).await?;
        let forbidding = found.weaknesses.iter();
        let forbidding = forbidding.filter(|weakness| weakness.forbids_serving());
        let reasons: Vec<_> = forbidding.map(|weakness| weakness.advice()).collect();
        if !reasons.is_empty() {
            return Err(KeystoreError::StoreUnfit {
                reason: reasons.join("; ").into(),
            }
            .into());
        }
        let place = looked.elsewhere.as_deref().and_then(Place::read);
        let is_ours = place.as_ref().map(|place| &place.name) == found.deployment.as_ref();
        match found.moved {
            Some(Moved::Left { about, .. }) if is_ours => {
                return Err(KeystoreError::StoreMoved { to: about.into() }.into());
            }
            Some(Moved::Coming { .. }) if is_ours => {
                return Err(KeystoreError::StoreUnfinished.into());
            }
            _ => {}
        }
        match (place, found.deployment) {
            (Some(place), Some(name)) if place.name != name => {
                return Err(KeystoreError::StoreForeign.into());
            }
            (Some(place), None) if place.made => return Err(KeystoreError::StoreEmptied.into()),
            (None, Some(_)) => return Err(KeystoreError::StoreForeign.into()),
            _ => {}
        }
        let weak = found.weaknesses.iter();
        Ok(weak
            .map(|weakness| ("store_alone", weakness.advice()))
            .collect())
    }

    /// What the database says of the store of this name that the first node is to make; nothing where it has the records.
    pub(in crate::deployment) fn to_make(&self, name: &str) -> Option<String> {
        let Self::Redis(_) = self else {
            return None;
        };
        let place = Place {
            name: name.to_owned(),
            made: false,
        };
        Some(place.text())
    }

    /// Writes down a store that is to be made on Redis, while this node has the database to itself.
    pub(super) async fn begin_anew(
        cluster: &Cluster,
        entropy: &Entropy,
    ) -> Result<Place, KeystoreError> {
        let place = Place {
            name: base64url::encode(drawn::<16>(entropy)),
            made: false,
        };
        cluster.put_elsewhere(Some(place.text())).await?;
        Ok(place)
    }

    /// The keystore, while this node has the store to itself. What there is once for all is made.
    pub(super) async fn open(
        &self,
        (rest, cluster): (PostgresStore, &Cluster),
        (ring, writer): (MasterKeyRing, String),
        (config, entropy): (&Config, &Entropy),
    ) -> Result<Keystore, OpenError> {
        let elsewhere = cluster.elsewhere().await?;
        let Self::Redis(url) = self else {
            // A first start that was killed may have written down another place.
            if elsewhere.is_some() {
                cluster.put_elsewhere(None).await?;
            }
            return Ok(Keystore::open(rest, ring, rand::rngs::SysRng)?);
        };
        let place = if let Some(place) = elsewhere.as_deref().and_then(Place::read) {
            place
        } else {
            Self::begin_anew(cluster, entropy).await?
        };
        let ends = JournalOptions {
            node: cluster.node(),
            writer: Some(writer),
            longest: config.session.absolute_ttl,
        };
        let journal = Journal::open(config.shared_url(), ends).await?;
        let options = RedisOptions {
            lease: config.keystore.lease,
            node: cluster.node(),
            deployment: place.name.clone(),
            make: !place.made,
        };
        let running = Arc::new(clock::running);
        let records = RedisStore::open(url.expose(), options, journal, running).await?;
        if !place.made {
            let made = Place {
                made: true,
                ..place
            };
            cluster.put_elsewhere(Some(made.text())).await?;
        }
        cluster.lengthen().await?;
        let store = SplitStore::new(records, rest);
        Ok(Keystore::open(store, ring, rand::rngs::SysRng)?)
    }
}

/// What the database says of the store on Redis of this name, once it is made.
pub(in crate::deployment) fn on_redis(name: &str) -> String {
    let name = name.to_owned();
    Place { name, made: true }.text()
}

/// Which store on Redis the database names.
pub(in crate::deployment) fn name_on_redis(elsewhere: &str) -> Option<String> {
    Place::read(elsewhere).map(|place| place.name)
}

/// Whether the database names the same place twice, made by now or not.
pub(super) fn is_same(one: Option<&str>, other: Option<&str>) -> bool {
    let place = |text: Option<&str>| text.map(|text| text.trim_end_matches(UNMADE).to_owned());
    place(one) == place(other)
}

/// A store on Redis, as the database names it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// What the store says that it is.
    name: String,
    /// Whether it was made: from then on an empty one is another one.
    made: bool,
}

impl Place {
    fn read(text: &str) -> Option<Self> {
        let name = text.strip_prefix(REDIS)?;
        let unmade = name.strip_suffix(UNMADE);
        Some(Self {
            name: unmade.unwrap_or(name).to_owned(),
            made: unmade.is_none(),
        })
    }

    fn text(&self) -> String {
        let unmade = if self.made { "" } else { UNMADE };
        format!("{REDIS}{}{unmade}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_read_as_it_was_written_down() {
        for (text, made) in [("redis:abc", true), ("redis:abc?", false)] {
            let place = Place::read(text).unwrap();
            assert_eq!((&*place.name, place.made), ("abc", made));
            assert_eq!(place.text(), text);
        }
        assert_eq!(Place::read("another kind"), None);
    }
}
