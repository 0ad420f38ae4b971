//! What a thief of a stopped service finds who has its master key as well: all of its secrets.

use super::server::Setup;
use futures_util::FutureExt as _;
use lacre::internals::deployment::data_dir::{DataDir, MasterKeyFile, read_secret};
use lacre::internals::entropy;
use lacre::internals::sessions::handles::Handles;
use lacre::internals::token::Handle;
use lacre_keystore::{
    DigestKey, Keystore, LocalStore, MasterKey, MasterKeyRing, Record, SledEngine, SledOptions,
};
use rand::rngs::SysRng;

/// The secrets of a service that was stopped. Holds its data directory: it must go before the
/// service starts again.
pub(crate) struct Robbed {
    /// The bytes of the master keys.
    pub(crate) master_keys: Vec<[u8; 32]>,
    /// The secret behind the handles.
    pub(crate) handle_secret: [u8; 32],
    /// The scalars of the signing keys.
    pub(crate) signers: Vec<[u8; 32]>,
    keystore: Keystore,
    _data_dir: DataDir,
}

impl Robbed {
    pub(crate) fn of(setup: &Setup) -> Self {
        let data_dir = DataDir::open(setup.data()).unwrap();
        let mut random = (entropy::system())();
        let master = MasterKeyFile::open(&data_dir.master_key(), &mut random).unwrap();
        let mut keys = master.keys().rev();
        let (id, newest) = keys.next().unwrap();
        let mut ring = MasterKeyRing::new(MasterKey::from_bytes(id, *newest));
        for (id, key) in keys {
            ring = ring.with_older(MasterKey::from_bytes(id, *key)).unwrap();
        }
        let sealed = read_secret(&data_dir.keyring()).unwrap().unwrap();
        let keys = ring.open_bytes(b"lacre keyring v2", &sealed).unwrap();
        let (keys, _) = keys[1..=32 * usize::from(keys[0])].as_chunks::<32>();
        let options = SledOptions {
            digest_key: DigestKey::derived(&keys[0]),
            ..SledOptions::default()
        };
        let engine = SledEngine::open_with(data_dir.keystore(), &options).unwrap();
        Self {
            master_keys: master.keys().map(|(_, key)| *key).collect(),
            handle_secret: keys[0],
            signers: keys[1..].to_vec(),
            keystore: Keystore::open(LocalStore::open(engine).unwrap(), ring, SysRng).unwrap(),
            _data_dir: data_dir,
        }
    }

    /// The record of the session with this handle.
    pub(crate) fn record(&self, handle: &str) -> Record {
        let handles = Handles::new(&self.handle_secret);
        let place = handles.record_key(&Handle::parse(handle).unwrap());
        let stored = self.keystore.get(&place.unwrap()).now_or_never();
        let stored = stored.unwrap().unwrap();
        stored.unwrap().record
    }

    /// The private halves of all sessions' keys.
    pub(crate) fn scalars(&self) -> Vec<[u8; 32]> {
        let page = self.keystore.list_all(None, 1000).now_or_never();
        let page = page.unwrap().unwrap();
        let records = page.entries.iter();
        records
            .map(|(_, record)| *record.private_scalar.expose())
            .collect()
    }
}
