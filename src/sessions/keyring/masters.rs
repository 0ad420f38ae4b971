//! What is known of the master keys besides the keys themselves: since when each seals, and which are to
//! go once nothing needs them.
//!
//! This room must never hold a key.

use crate::clock::UnixSeconds;
use serde::{Deserialize, Serialize};

/// What is known of the master keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Masters(Vec<Master>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Master {
    id: u32,
    /// Since when it seals, where that is known.
    since: Option<UnixSeconds>,
    /// Whether it is to go once nothing needs it.
    retiring: bool,
}

impl Masters {
    /// Since when this key seals.
    pub(crate) fn since(&self, id: u32) -> Option<UnixSeconds> {
        self.0.iter().find(|known| known.id == id)?.since
    }

    /// Whether this key is to go once nothing needs it.
    pub(crate) fn is_retiring(&self, id: u32) -> bool {
        let mut known = self.0.iter();
        known.any(|known| known.id == id && known.retiring)
    }

    /// The same; this key seals since then.
    #[must_use]
    pub(crate) fn sealing_since(mut self, id: u32, since: UnixSeconds) -> Self {
        self.of(id).since.get_or_insert(since);
        self
    }

    /// The same; these are to go, and no others.
    #[must_use]
    pub(crate) fn retiring(mut self, ids: &[u32]) -> Self {
        for known in &mut self.0 {
            known.retiring = false;
        }
        for id in ids {
            self.of(*id).retiring = true;
        }
        self
    }

    /// The same without those that aren't in the ring.
    #[must_use]
    pub(crate) fn within(mut self, ring: &[u32]) -> Self {
        self.0.retain(|known| ring.contains(&known.id));
        self
    }

    fn of(&mut self, id: u32) -> &mut Master {
        let place = self.0.iter().position(|known| known.id == id);
        let place = place.unwrap_or_else(|| {
            self.0.push(Master {
                id,
                since: None,
                retiring: false,
            });
            self.0.len() - 1
        });
        &mut self.0[place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_a_key_stays_until_the_key_goes() {
        let masters = Masters::default().sealing_since(1, 100).retiring(&[1]);
        let masters = masters.sealing_since(2, 200).sealing_since(1, 300);
        assert_eq!((masters.since(1), masters.since(2)), (Some(100), Some(200)));
        assert!(masters.is_retiring(1) && !masters.is_retiring(2));
        let kept = masters.clone().retiring(&[]);
        assert!(!kept.is_retiring(1));
        let gone = masters.within(&[2, 3]);
        assert_eq!((gone.since(1), gone.since(2)), (None, Some(200)));
        assert!(!gone.is_retiring(1) && !gone.is_retiring(3));
    }
}
