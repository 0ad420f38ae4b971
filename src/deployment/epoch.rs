//! Where it is noted outside of the data directory how far the keystore has come.
//!
//! This room must never choose a place by itself.

use crate::config::Config;
use crate::entropy::Entropy;
use lacre_keystore::{Epoch, EpochFile};
use rand::Rng as _;
use std::sync::Arc;

/// The place that the configuration names.
pub(super) fn epoch(config: &Config, entropy: &Entropy) -> Epoch {
    let Some(file) = &config.keystore.epoch_file else {
        return Epoch::Nowhere;
    };
    let mut fresh = [0; 16];
    (entropy)().fill_bytes(&mut fresh);
    Epoch::At {
        place: Arc::new(EpochFile::new(file)),
        fresh,
    }
}
