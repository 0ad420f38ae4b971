//! The keystore of lacre: sealed session records, compare-and-swap, durable before the answer.
//!
//! A record holds the private half of one session's key and what is known about the session. It is
//! stored under a record key of 32 bytes, the user's tag and the session's id ([`RecordKey`]), and
//! sealed with a master key, bound to that record key. This crate knows no token, no HTTP and no
//! clock, and can't derive a tag from a user.
//!
//! # The contract
//!
//! **Puts.** [`Keystore::put_new`] stores a record where there is none and never overwrites: of
//! any number of callers with one record key, one gets [`PutOutcome::Stored`] and the others
//! [`PutOutcome::Taken`].
//!
//! **Changes.** [`Keystore::get`] returns a record with its [`Version`];
//! [`Keystore::compare_and_swap`] and [`Keystore::remove_if`] change it only if it is still that
//! version. Of any number of callers with one version, one wins; the others lost to a conflict and
//! read again. No version ever comes back, not even where a record is sealed again with the same
//! contents, so a swap doesn't mistake a record that was removed and put anew for the one that was
//! read.
//!
//! **Removals.** After the answer of [`Keystore::remove`], [`Keystore::remove_user`],
//! [`Keystore::remove_user_but`] or [`Keystore::remove_all`] no read returns the removed record, and
//! no swap that began before brings it back. Only a `put_new` can use the record key again.
//!
//! **Order.** All changes of a store are made one after the other. A read sees every change that
//! was answered before the read began. It may also see a change before that is durable and
//! answered, and so find that a session has ended a moment before the removal is answered. A
//! token must therefore never be issued because a *read* found its record, only after the put was
//! answered.
//!
//! **Current.** [`Keystore::is_current`] and [`Keystore::get_if_changed`] may say that a version
//! still stands without reading the store, where the store knows that nothing can have changed the
//! record. From the answer to a removal, or to a change that [ends
//! tokens](Record::ends_tokens_of), on they never say so of the version before; and once the store
//! has failed to answer a read they ask it each time.
//!
//! **Conflicts.** Where other writers of a shared store come first in every attempt, a change is
//! answered with `store_contended`. Nothing was changed then, and the next change is taken.
//!
//! **Durability.** An answer other than an error means that the change survives: a crash of the
//! process with any engine but memory, and a crash of the machine where the disk does what
//! `fdatasync` demands of it. The same holds for answers that changed nothing: when a swap is
//! answered as lost, the change that it lost to is durable.
//!
//! **Crash.** A change that was under way may be found made or not made afterwards, never half
//! made, also where it changes several records: the removal of all of a user's, or a put that
//! removes others. The same holds for a change whose caller stopped waiting: dropping the future
//! doesn't cancel the change. A read during such a change may see the first record changed and the
//! last not yet. [`Keystore::remove_all`] runs in steps; after a crash between two of them, a local
//! store is emptied when it is opened anew, of records that were put meanwhile as well.
//!
//! **Failure.** When a write of a [`LocalStore`] fails, what is on disk is unknown. From then on
//! every change is refused with `store_unavailable` and [`Keystore::health`] says so, until the
//! process opens the store anew; reads still work. Errors have a stable [`KeystoreError::code`].
//!
//! **Damage.** Bytes that aren't what was sealed under their record key are an error with that key;
//! they are never a record and never "no record". A listing goes on past them. A folder
//! whose database has lost the latest of its durable changes, by damage or because an older copy
//! was put in its place, doesn't open: it may hold the records of ended sessions. Damage in the
//! middle of sled's
//! file isn't always noticed: sled may drop a segment of its log and show fewer records, or earlier
//! states of some. A file system with checksums notices it.
//!
//! **Listing.** [`Keystore::list`], [`Keystore::list_all`] and [`Keystore::sweep`] read page by
//! page. A record that is there from the first page to the last is seen once; one that is put or
//! removed meanwhile may be seen or missed.
//!
//! **What the disk shows.** Record keys, the number of records and their sizes; nothing of their
//! contents. Whoever has the master key can read everything.
//!
//! # Example
//!
//! ```
//! use lacre_keystore::{
//!     Keystore, LocalStore, MasterKey, MasterKeyRing, MemoryEngine, PrivateScalar, PutOutcome,
//!     Record, RecordKey, SessionId, Swap, UserTag,
//! };
//! use rand::rngs::SysRng;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), lacre_keystore::KeystoreError> {
//! let ring = MasterKeyRing::new(MasterKey::from_bytes(1, [7; 32]));
//! let keystore = Keystore::open(LocalStore::open(MemoryEngine::new())?, ring, SysRng)?;
//!
//! let key = RecordKey::new(UserTag::from_bytes([1; 16]), SessionId::from_bytes([2; 16]));
//! let record = Record {
//!     private_scalar: PrivateScalar::new([3; 32]),
//!     user_id: "alice".to_owned(),
//!     created_at: 1_000,
//!     authenticated_at: 1_000,
//!     expires_at: 2_000,
//!     ends_at: 9_000,
//!     last_seen_at: 1_000,
//!     generation: 1,
//!     rotated_at: 1_000,
//!     access_ended: false,
//!     label: None,
//!     address: None,
//!     user_agent: None,
//!     client_id: None,
//! };
//! assert_eq!(keystore.put_new(&key, &record).await?, PutOutcome::Stored);
//! assert_eq!(keystore.put_new(&key, &record).await?, PutOutcome::Taken);
//!
//! // A refresh: two at once have one winner.
//! let seen = keystore.get(&key).await?.expect("it was put");
//! let refreshed = Record { generation: 2, ..seen.record.clone() };
//! assert_eq!(keystore.compare_and_swap(&key, &seen, &refreshed).await?, Swap::Won);
//! assert_eq!(keystore.compare_and_swap(&key, &seen, &refreshed).await?, Swap::Lost);
//!
//! // The session is revoked: its record is gone, and a swap under way doesn't bring it back.
//! let seen = keystore.get(&key).await?.expect("it was swapped");
//! assert!(keystore.remove(&key).await?);
//! assert_eq!(keystore.compare_and_swap(&key, &seen, &refreshed).await?, Swap::Lost);
//! assert!(keystore.get(&key).await?.is_none());
//! # Ok(())
//! # }
//! ```
//!
//! # Map
//!
//! | file | holds |
//! |---|---|
//! | [`store`] | the trait of a store of sealed bytes, and how to write one |
//! | `key`, `record` | keys and ranges of keys; a session's record and its private scalar |
//! | `seal` | the ring of master keys; a record as sealed bytes, and back |
//! | `keystore` | the keystore above any store: get, put, swap; `removal`, `listing`, `copying`, `decoy` |
//! | `local` | the store of one process: engines (memory, sled), the committer, stamps |
//! | `error` | the errors and their codes |
//! | `conformance` | the tests that any store has to pass; with the feature of that name |

#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod key;
mod keystore;
mod local;
mod record;
mod seal;
pub mod store;

pub use error::KeystoreError;
pub use key::{KeyBytes, KeyRange, RecordKey, SessionId, UserTag};
pub use keystore::{
    Current, Keystore, Lookup, Page, PutOutcome, Rewrap, SealedPage, Stored, Swap, SweepStep,
    Version,
};
pub use local::LocalStore;
pub use local::engine::{Change, Engine};
pub use local::memory::MemoryEngine;
pub use local::sled::{SledEngine, SledOptions};
pub use record::{PrivateScalar, Record};
pub use seal::codec::MAX_SEALED_RECORD;
pub use seal::master_key::{MasterKey, MasterKeyRing};
pub use store::{Stats, Store};
