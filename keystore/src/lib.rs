//! The keystore of lacre: sealed session records, compare-and-swap, durable before the answer.
//!
//! A record holds the private half of one session's key and what is known about the session. It
//! has a name of 32 bytes, the user's tag and the session's id ([`RecordKey`]), and is kept sealed
//! with a master key under that name. This crate knows no token, no HTTP, no clock and no way from
//! a user to a tag.
//!
//! # The contract
//!
//! **Names.** [`Keystore::put_new`] stores a record where there is none and never overwrites: of
//! any number of callers with one name, one hears [`PutOutcome::Stored`] and the others
//! [`PutOutcome::Taken`].
//!
//! **Changes.** [`Keystore::get`] returns a record with its [`Version`];
//! [`Keystore::compare_and_swap`] and [`Keystore::remove_if`] change it only if it is still that
//! version. Of any number of callers with one version, one wins. No version ever comes back, not
//! even where a record is sealed again with the same contents, so a swap can't be fooled by a
//! record that was removed and put anew.
//!
//! **Ends.** After the answer of [`Keystore::remove`], [`Keystore::remove_user`],
//! [`Keystore::remove_user_but`] or [`Keystore::remove_all`] no read returns the removed record, and
//! no swap that began before brings it back. Only a `put_new` can use the name again.
//!
//! **Order.** All changes of a keystore take their turn, one after the other. A read sees the
//! changes that have had their turn, which may be before they are durable and before their caller
//! hears of it: it may find that a session has ended a moment before the end is answered. Nobody
//! should hand out a token because a *read* found its record; the answer to the put is what
//! counts.
//!
//! **Unchanged.** [`Keystore::get_if_changed`] may say that a version still stands without a look
//! into the store, where the [`Store`] can tell: one that nobody else writes to can, one that is
//! shared looks each time or says otherwise how it knows. From the answer to a change on it never says so
//! of the version before, and once the store has failed to answer a read it is asked each time.
//!
//! **Durability.** An answer other than an error means that the change survives: a crash of the
//! process with any engine but memory, and a crash of the machine where the disk does what
//! `fdatasync` demands of it. The same goes for the answers that changed nothing: a lost swap's
//! winner is durable when the loser hears of it.
//!
//! **Crash.** A change that was under way may be found done or not done afterwards, never half
//! done, also where it is one of several records: all of a user's, or a put that removes others. So
//! may a change whose caller stopped waiting: dropping the future takes nothing back. A read that
//! comes in the middle of such a change may see the first record changed and the last not yet.
//! [`Keystore::remove_all`] runs in steps; where a crash comes between them, the store is empty when
//! it is opened anew, and what was put meanwhile has gone too.
//!
//! **Failure.** When a write fails, what is on disk is unknown. From then on every change is
//! refused with `store_unavailable` and [`Keystore::health`] says so, until the store was opened
//! anew; reads go on. A local store on disk is opened anew by itself as soon as the disk takes as much as an
//! opening may write, and reads fail for as long as that takes. It holds then what a start would find: all that was
//! answered, and of the rest something or nothing. Errors have a stable [`KeystoreError::code`].
//!
//! **Damage.** Bytes that aren't what was sealed under that name are an error that names the
//! record; they are never a record and never "no record". A listing goes on past them. A folder
//! whose database has lost the latest of its durable changes, by damage or because an older copy
//! was put in its place, doesn't open: ended sessions might be back. Nor does one in which a record is
//! missing or is what it was earlier, wherever the damage is: a digest of all records, keyed, is changed
//! with each change, and computed anew at the opening. A store of before, whose digest and mark are of
//! before as well, is told where it is noted outside of the folder how far it has come ([`Epoch`]). What is
//! refused can be gone on with by [`SledEngine::accept`], which ends all sessions in it, or leaves them where somebody
//! knows that none has ended.
//!
//! **Listing.** [`Keystore::list`], [`Keystore::list_all`] and [`Keystore::sweep`] read page by
//! page. A record that is there all the while is seen once; one that comes or goes meanwhile may
//! be seen or missed.
//!
//! **Notes.** A removal through [`Keystore::noting`] leaves a sealed note of each record that goes,
//! durable with the removal and not parted from it by a crash, until it is forgotten. No note is left
//! of what an opening after a crash removes.
//!
//! **What the disk shows.** Names of records, their number and their sizes, and when those ended of
//! which there is a note; nothing of what is in them. Who has the master key reads all of it.
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
//!     last_seen_address: None,
//!     profile: None,
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
//! // The end: the key is gone, and a swap under way doesn't bring it back.
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
//! | [`store`] | what is asked of a store of sealed bytes, in prose |
//! | `key`, `record` | keys and ranges of keys; a session's record and its private scalar |
//! | `seal` | the ring of master keys; a record as sealed bytes, and back |
//! | `keystore` | the keystore above any store: get, put, swap; `removal`, `noting`, `listing`, `rewrapping`, `copying`, `decoy` |
//! | `note` | what is left of a session that ended |
//! | `moving` | records brought from one store into another |
//! | `local` | the store of one process: engines (memory, sled), the committer |
//! | `shared` | stores of several processes, on PostgreSQL and on Redis; the lease |
//! | `stamps` | whether a record may have changed since it was read |
//! | `error` | what can go wrong |
//! | `conformance` | the tests that any store has to pass; with the feature of that name |

#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod key;
mod keystore;
mod local;
pub mod moving;
mod note;
mod record;
mod seal;
#[cfg(any(feature = "postgres", feature = "redis", test))]
mod shared;
mod stamps;
pub mod store;

pub use error::KeystoreError;
pub use key::{KeyBytes, KeyRange, RecordKey, SessionId, UserTag};
pub use keystore::{
    Current, FormerRing, Keystore, Lookup, Noting, Page, PutOutcome, Rewrap, SealedPage,
    SealedUnder, Stored, Swap, SweepStep, Version,
};
pub use local::LocalStore;
pub use local::engine::{Change, Engine};
pub use local::epoch::{Epoch, EpochFile, EpochPlace, noted_at};
pub use local::memory::MemoryEngine;
pub use local::sled::accepting::{Accepted, Sessions};
pub use local::sled::digest::DigestKey;
pub use local::sled::{SledEngine, SledOptions};
pub use note::{Left, Note, NotePlace, SealedNote};
pub use record::{MAX_SEALED_RECORD, PrivateScalar, Record};
pub use seal::master_key::{MasterKey, MasterKeyRing};
#[cfg(feature = "redis")]
pub use shared::journal::{Journal, JournalOptions};
#[cfg(any(feature = "postgres", feature = "redis"))]
pub use shared::lease::RunningClock;
#[cfg(feature = "postgres")]
pub use shared::postgres::{
    Alone, Cluster, Common, LookedAt, Member, Moved, Peer, PostgresMove, PostgresOptions,
    PostgresStore, Weakness, look, says_tls,
};
#[cfg(feature = "redis")]
pub use shared::redis::{
    RedisLookedAt, RedisMove, RedisOptions, RedisStore, RedisWeakness, redis_look, redis_says_tls,
    redis_weaknesses,
};
#[cfg(all(feature = "postgres", feature = "redis"))]
pub use shared::split::SplitStore;
pub use store::{Checked, LeaseReport, Sealed, Stats, Store, Writes};
