//! Opening a deployment: the parts on disk, in the order that loses nothing.
//!
//! The directory is taken first, and the time goes on from the latest one that it has seen. Then the keys: where a keyring exists, the master key must open
//! it, and where sessions exist, there must be a keyring; where a keyring exists, the accounts must be
//! there and its own, and a new one is written after they were made. Only when all of that fits is the
//! keystore opened and the accounts' database brought up to date. Last, the sessions end that a
//! change of an account had to end when the process before this one died.
//!
//! This room must never make a new key, nor a new database, where an old one is missing.

#[cfg(feature = "server")]
mod accepted;
#[cfg(feature = "server")]
mod certificate;
pub mod data_dir;
mod embedded;
#[cfg(feature = "server")]
mod epoch;
mod error;
#[cfg(feature = "server")]
mod examined;
#[cfg(feature = "server")]
mod inspected;
mod kept_time;
mod key_files;
#[cfg(feature = "server")]
mod moving;
mod parts;
#[cfg(feature = "server")]
mod restored;
#[cfg(feature = "server")]
mod service;
#[cfg(feature = "server")]
mod settled;
#[cfg(feature = "server")]
mod shared;

#[cfg(feature = "server")]
pub use accepted::{AcceptedKeystore, Accepting, accept};
#[cfg(feature = "server")]
pub use certificate::{Certificate, CertificateError};
pub use error::OpenError;
#[cfg(feature = "server")]
pub use examined::{Examined, examine};
#[cfg(feature = "server")]
pub use inspected::Inspected;
#[cfg(feature = "server")]
pub use moving::{
    Heard, MoveError, MovedAll, Target, Waiting, finish, move_from_database, move_from_directory,
    move_from_redis,
};
#[cfg(feature = "server")]
pub use restored::{Given, GoneOn, RestoreError, Restored, RestoredSessions, Wanted, restore};
#[cfg(feature = "server")]
pub use service::Deployment;

#[cfg(test)]
mod tests;
