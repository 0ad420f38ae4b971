//! A whole deployment in memory, at a time of the test's choice.

use super::{Lacre, LacreBuilder};
use crate::accounts::{Accounts, HashingSettings};
use crate::clock::FixedClock;
use crate::service::{Limits, Service};
use crate::sessions::content_keys::ContentKeys;
use crate::sessions::grant::{Grant, Issued, Occasion, Origin, Subject};
use crate::sessions::keyring::Keyring;
use crate::sessions::last_seen::LastSeen;
use crate::sessions::records::Records;
use crate::sessions::rules::Rules;
use lacre_keystore::{Engine, Keystore, LocalStore, MasterKey, MasterKeyRing, MemoryEngine};
use rand::rngs::StdRng;
use rand::{CryptoRng, SeedableRng as _};
use serde_json::Map;
use std::sync::Arc;
use tempfile::TempDir;

#[path = "../../tests/support/skipped.rs"]
pub(crate) mod skipped;

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
        Self::build(rules, |builder| builder)
    }

    pub(crate) fn with_content_key_bytes(bytes: u64) -> Self {
        let rules = Rules::new("https://issuer.test", "api");
        Self::build(rules, |builder| builder.content_key_memory(bytes))
    }

    /// On a store of the test's own.
    pub(crate) fn on(engine: impl Engine, rules: Rules) -> Self {
        Self::build_on(engine, rules, |builder| builder)
    }

    pub(crate) fn build(rules: Rules, more: impl FnOnce(LacreBuilder) -> LacreBuilder) -> Self {
        Self::build_on(MemoryEngine::default(), rules, more)
    }

    fn build_on(
        engine: impl Engine,
        rules: Rules,
        more: impl FnOnce(LacreBuilder) -> LacreBuilder,
    ) -> Self {
        let mut rng = StdRng::seed_from_u64(1);
        let master = MasterKeyRing::new(MasterKey::generate(1, &mut rng));
        let keystore = Keystore::open(
            LocalStore::open(engine).unwrap(),
            master,
            StdRng::seed_from_u64(2),
        )
        .unwrap();
        let clock = Arc::new(FixedClock::at(NOW));
        let builder = Lacre::builder(keystore, Keyring::generate(&mut rng).unwrap(), rules)
            .clock(clock.clone());
        Self {
            lacre: more(builder).build(),
            clock,
        }
    }

    /// Two sessions of this user, one of them sealed with a master key that is gone.
    pub(crate) async fn with_a_damaged_record(user: &str) -> Self {
        let fixture = Self::new();
        fixture.log_in(user).await;
        let another = MasterKey::generate(2, &mut StdRng::seed_from_u64(5));
        let keystore = fixture.lacre.keystore();
        keystore.set_ring(MasterKeyRing::new(another));
        fixture.log_in(user).await;
        fixture
    }

    pub(crate) async fn log_in(&self, user: &str) -> Issued {
        self.lacre
            .issue(&grant(user, Occasion::LogIn))
            .await
            .unwrap()
    }
}

/// The same with accounts, in a real database.
pub(crate) struct Deployed {
    pub(crate) fixture: Fixture,
    pub(crate) service: Service,
    _temp: TempDir,
}

impl Deployed {
    pub(crate) async fn new() -> Self {
        Self::of(Fixture::new()).await
    }

    pub(crate) async fn with_a_damaged_record(user: &str) -> Self {
        Self::of(Fixture::with_a_damaged_record(user).await).await
    }

    pub(crate) async fn of(fixture: Fixture) -> Self {
        let temp = TempDir::new().unwrap();
        let accounts = Accounts::open(
            &Accounts::sqlite_url(&temp.path().join("accounts.sqlite")),
            HashingSettings {
                memory_kib: 64,
                iterations: 1,
                threads: 1,
                ..HashingSettings::default()
            },
            fixture.clock.clone(),
            Box::new(StdRng::seed_from_u64(4)),
        )
        .await
        .unwrap();
        Self {
            service: Service::new(fixture.lacre.clone(), accounts, Limits::off()),
            fixture,
            _temp: temp,
        }
    }
}

pub(crate) fn grant(user: &str, occasion: Occasion) -> Grant {
    Grant {
        subject: Subject {
            id: user.to_owned(),
            email: Some(format!("{user}@example.com")),
            roles: vec!["user".to_owned()],
            ..Subject::default()
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

/// What a part's own tests look into.
impl Lacre {
    pub(crate) fn content_keys(&self) -> &ContentKeys {
        &self.0.content_keys
    }

    pub(crate) fn last_seen(&self) -> &LastSeen {
        &self.0.last_seen
    }

    pub(crate) fn records(&self) -> &Records {
        &self.0.records
    }

    pub(crate) fn rng(&self) -> Box<dyn CryptoRng> {
        (self.0.entropy)()
    }
}

/// The result of a future over a local store, which never waits: for closures.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
    use futures_util::FutureExt as _;
    future
        .now_or_never()
        .expect("a local store answers at once")
}
