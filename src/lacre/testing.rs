//! A whole deployment in memory, at a time of the test's choice.

use super::{Lacre, Rules};
use crate::clock::FixedClock;
use crate::issuer::{Grant, Issued, Occasion, Origin, Subject};
use crate::keyring::Keyring;
use lacre_keystore::{Keystore, MasterKey, MasterKeyRing, MemoryEngine};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::Map;
use std::sync::Arc;

/// When the tests begin.
pub(crate) const NOW: u64 = 1_800_000_000;

pub(crate) struct Fixture {
    pub(crate) lacre: Lacre,
    pub(crate) clock: Arc<FixedClock>,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with_rules(Rules::new("https://issuer.test", "api"))
    }

    pub(crate) fn with_rules(rules: Rules) -> Self {
        let mut rng = StdRng::seed_from_u64(1);
        let master = MasterKeyRing::new(MasterKey::generate(1, &mut rng));
        let keystore =
            Keystore::open(MemoryEngine::default(), master, StdRng::seed_from_u64(2)).unwrap();
        let clock = Arc::new(FixedClock::at(NOW));
        let lacre = Lacre::builder(keystore, Keyring::generate(&mut rng).unwrap(), rules)
            .clock(clock.clone())
            .build();
        Self { lacre, clock }
    }

    pub(crate) async fn log_in(&self, user: &str) -> Issued {
        self.lacre
            .issue(&grant(user, Occasion::LogIn))
            .await
            .unwrap()
    }
}

pub(crate) fn grant(user: &str, occasion: Occasion) -> Grant {
    Grant {
        subject: Subject {
            id: user.to_owned(),
            email: Some(format!("{user}@example.com")),
            roles: vec!["user".to_owned()],
            permissions: vec![],
        },
        occasion,
        user_session: None,
        origin: Origin::default(),
        additional: Map::new(),
    }
}

pub(crate) fn on_behalf(user: &str, user_session: &str) -> Grant {
    Grant {
        user_session: Some(user_session.to_owned()),
        ..grant(
            user,
            Occasion::OnBehalf {
                client_id: "client_a".to_owned(),
            },
        )
    }
}
