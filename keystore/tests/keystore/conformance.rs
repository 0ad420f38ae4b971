//! The suite that any store has to pass, on the stores of this crate.

use std::sync::Arc;

use lacre_keystore::LocalStore;
use lacre_keystore::conformance::Fixture;

use crate::support::{Home, Kind, Memory, Sled};

/// A local store on an engine of some kind.
struct Local<K> {
    store: Arc<LocalStore>,
    // Goes after the store.
    _home: Home,
    _kind: std::marker::PhantomData<K>,
}

impl<K: Kind + 'static> Fixture for Local<K> {
    type Store = LocalStore;
    const KEEPS_NOTES: bool = true;

    async fn new() -> Self {
        let home = Home::new();
        Self {
            store: Arc::new(LocalStore::open(K::engine(&home)).unwrap()),
            _home: home,
            _kind: std::marker::PhantomData,
        }
    }

    fn store(&self) -> Arc<LocalStore> {
        Arc::clone(&self.store)
    }
}

mod memory {
    lacre_keystore::conformance_suite!(super::Local<super::Memory>);
}

mod sled {
    lacre_keystore::conformance_suite!(super::Local<super::Sled>);
}

/// A store with two writers, one of which overtakes the other's removals.
mod shared {
    lacre_keystore::conformance_suite!(crate::shared::Shared);
}

/// The list of the suite's macro names every test that its modules have.
#[test]
fn no_test_of_the_suite_is_left_out() {
    let source = |name: &str| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/");
        std::fs::read_to_string(format!("{folder}{name}.rs")).unwrap()
    };
    let suite = source("conformance");
    let mut count = 0;
    for module in [
        "raw",
        "records",
        "removals",
        "pages",
        "freshness",
        "notes",
        "races",
        "closing",
    ] {
        let text = source(&format!("conformance/{module}"));
        for line in text.lines() {
            let named = line.strip_prefix("pub async fn ");
            if let Some((name, _)) = named.and_then(|named| named.split_once("<F: Fixture>")) {
                assert!(suite.contains(&format!(" {name},\n")), "{module}::{name}");
                count += 1;
            }
        }
    }
    assert!(count > 40, "{count}");
}
