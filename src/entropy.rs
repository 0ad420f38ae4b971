//! The only maker of randomness.
//!
//! Everything that needs randomness takes it as a parameter, so that a test can repeat a run and
//! no room can fall back on a weaker source.
//!
//! This room must never seed a generator from anything but the operating system.

use rand::CryptoRng;
use std::sync::Arc;

/// Gives a generator to whoever makes keys, ids or nonces.
pub type Entropy = Arc<dyn Fn() -> Box<dyn CryptoRng> + Send + Sync>;

/// The generator of each thread, seeded and reseeded by the operating system.
#[must_use]
#[allow(clippy::disallowed_methods)] // the one place that may make a generator
pub fn system() -> Entropy {
    Arc::new(|| Box::new(rand::rng()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng as _;

    #[test]
    fn no_two_generators_say_the_same() {
        let entropy = system();
        let bytes = || {
            let mut bytes = [0; 32];
            entropy().fill_bytes(&mut bytes);
            bytes
        };
        assert_ne!(bytes(), bytes());
    }
}
