//! A deployment with its keystore on disk, in a folder of its own.

use lacre::clock::Clock;
use lacre::entropy;
use lacre::issuer::{Grant, Occasion, Origin, Subject};
use lacre::keyring::Keyring;
use lacre::{Lacre, Rules};
use lacre_keystore::{Keystore, MasterKey, MasterKeyRing, SledEngine, SledOptions};
use rand::rngs::SysRng;
use serde_json::Map;
use std::sync::Arc;

pub(crate) const ISSUER: &str = "http://127.0.0.1:8080";
pub(crate) const AUDIENCE: &str = "lacre";

pub(crate) struct Deployment {
    pub(crate) lacre: Lacre,
    pub(crate) runtime: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

impl Deployment {
    /// A keystore on disk with `cache` bytes of cache, and guards that live by `clock`.
    pub(crate) fn new(cache: u64, clock: Arc<dyn Clock>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut rng = (entropy::system())();
        let options = SledOptions {
            cache_capacity: cache,
        };
        let engine = SledEngine::open_with(folder.path().join("keystore"), options).unwrap();
        let master = MasterKeyRing::new(MasterKey::generate(1, &mut rng));
        let keystore = Keystore::open(engine, master, SysRng).unwrap();
        let keyring = Keyring::generate(&mut rng).unwrap();
        let lacre = Lacre::builder(keystore, keyring, Rules::new(ISSUER, AUDIENCE))
            .clock(clock)
            .build();
        Self {
            lacre,
            runtime: tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap(),
            _folder: folder,
        }
    }

    /// Begins a session and returns its token.
    #[allow(dead_code)] // one of the two benchmarks fills its keystore otherwise
    pub(crate) fn issue(&self, user: usize) -> String {
        let issued = self.runtime.block_on(self.lacre.issue(&grant(user)));
        issued.unwrap().access.token.expose().to_owned()
    }
}

pub(crate) fn grant(user: usize) -> Grant {
    Grant {
        subject: Subject {
            id: format!("{user:_>22}"),
            email: Some(format!("{user}@example.com")),
            roles: vec!["user".to_owned()],
            permissions: vec![],
        },
        occasion: Occasion::LogIn,
        user_session: None,
        origin: Origin {
            label: None,
            address: Some("192.0.2.1".to_owned()),
            user_agent: Some("Mozilla/5.0 (X11; Linux x86_64)".to_owned()),
        },
        additional: Map::new(),
    }
}
