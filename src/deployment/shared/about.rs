//! What a node says of itself to the others.
//!
//! This room must never let out a key.

use crate::deployment::error::OpenError;
use crate::token::base64url;
use lacre_keystore::{MasterKey, MasterKeyRing, Peer};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A machine of which no more is known.
const UNNAMED: &str = "a machine that doesn't say its name";

/// What tokens are written with, and where this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct About {
    /// The name of the machine.
    host: String,
    /// The version of the program.
    version: String,
    issuer: String,
    audience: String,
    /// The master keys by id, each by what tells it from others.
    keys: BTreeMap<u32, String>,
}

impl About {
    pub(super) fn new(issuer: String, audience: String, ring: &MasterKeyRing) -> Self {
        let host = rustix::system::uname();
        Self {
            host: host.nodename().to_string_lossy().into_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            issuer,
            audience,
            keys: keys(ring),
        }
    }

    /// As the others see it, with the master keys of now.
    pub(super) fn text(&self, ring: &MasterKeyRing) -> String {
        let now = Self {
            keys: keys(ring),
            ..self.clone()
        };
        serde_json::to_string(&now).unwrap_or_default()
    }

    /// Fails where tokens of this node would be refused by one that is at work. What a later version says in another way is
    /// that version's to check.
    pub(super) fn check_beside(&self, peer: &Peer) -> Result<(), OpenError> {
        let Some(other) = of(peer) else {
            return Ok(());
        };
        let pairs = [
            ("token.issuer", &self.issuer, &other.issuer),
            ("token.audience", &self.audience, &other.audience),
        ];
        for (key, ours, theirs) in pairs {
            if ours != theirs {
                return Err(OpenError::NodesDiffer {
                    key,
                    ours: ours.clone(),
                    host: other.host,
                    theirs: theirs.clone(),
                });
            }
        }
        Ok(())
    }

    /// Which machine a node is on.
    pub(super) fn host(peer: &Peer) -> String {
        of(peer).map_or_else(|| UNNAMED.to_owned(), |other| other.host)
    }

    /// Which machine a node is on that doesn't say that it has this key.
    pub(super) fn lacks(peer: &Peer, key: &MasterKey) -> Option<String> {
        let Some(other) = of(peer) else {
            return Some(UNNAMED.to_owned());
        };
        let has = other.keys.get(&key.id()) == Some(&check(key));
        (!has).then_some(other.host)
    }
}

fn of(peer: &Peer) -> Option<About> {
    serde_json::from_str(&peer.about).ok()
}

fn keys(ring: &MasterKeyRing) -> BTreeMap<u32, String> {
    ring.keys().map(|key| (key.id(), check(key))).collect()
}

fn check(key: &MasterKey) -> String {
    base64url::encode(key.check())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(id: u32, byte: u8) -> MasterKeyRing {
        MasterKeyRing::new(MasterKey::from_bytes(id, [byte; 32]))
    }

    fn about(issuer: &str, audience: &str) -> About {
        About::new(issuer.to_owned(), audience.to_owned(), &ring(1, 1))
    }

    fn peer(about: String) -> Peer {
        Peer { node: 1, about }
    }

    #[test]
    fn a_node_beside_another_has_its_issuer_and_audience() {
        let ours = about("https://a.test", "api");
        let beside = |other: &About| ours.check_beside(&peer(other.text(&ring(1, 1))));
        assert!(beside(&ours).is_ok());
        for other in [about("https://b.test", "api"), about("https://a.test", "b")] {
            let refused = beside(&other).unwrap_err();
            assert_eq!(refused.code(), "node_settings_differ");
            let text = refused.to_string();
            assert!(text.contains("token."), "{text}");
        }
        assert!(ours.check_beside(&peer("who knows".to_owned())).is_ok());
    }

    #[test]
    fn a_node_has_the_keys_that_it_says_and_says_none() {
        let text = about("i", "a").text(&ring(2, 7));
        let lacks = |id, byte| {
            let key = MasterKey::from_bytes(id, [byte; 32]);
            About::lacks(&peer(text.clone()), &key)
        };
        assert_eq!(lacks(2, 7), None);
        assert!(lacks(2, 8).is_some() && lacks(1, 7).is_some());
        assert!(About::lacks(&peer(String::new()), &MasterKey::from_bytes(1, [1; 32])).is_some());
        let key = base64url::encode([7; 32]);
        assert!(!text.contains(&key), "{text}");
    }
}
