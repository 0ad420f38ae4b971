//! A deployment with its keystore on disk, in a folder of its own.

use crate::rules::rules;
use lacre::Lacre;
use lacre::clock::Clock;
use lacre::internals::entropy;
use lacre::internals::sessions::grant::Grant;
use lacre::internals::sessions::keyring::Keyring;
use lacre_keystore::{Keystore, LocalStore, MasterKey, MasterKeyRing, SledEngine, SledOptions};
use rand::rngs::SysRng;
use std::sync::Arc;

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
            ..SledOptions::default()
        };
        let engine = SledEngine::open_with(folder.path().join("keystore"), &options).unwrap();
        let master = MasterKeyRing::new(MasterKey::generate(1, &mut rng));
        let keystore = Keystore::open(LocalStore::open(engine).unwrap(), master, SysRng).unwrap();
        let keyring = Keyring::generate(&mut rng).unwrap();
        let lacre = Lacre::builder(keystore, keyring, rules())
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
    #[allow(dead_code)] // not every benchmark begins sessions one by one
    pub(crate) fn issue(&self, grant: &Grant) -> String {
        let issued = self.runtime.block_on(self.lacre.issue(grant));
        issued.unwrap().access.token.expose().to_owned()
    }
}
