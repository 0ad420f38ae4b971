//! The file of a backup: encrypted, and written and read as a stream.
//!
//! The file has the form of age v1 (<https://age-encryption.org/v1>, C2SP): a header that says under
//! what the file's own key is sealed, then chunks of 64 KiB under ChaCha20-Poly1305, of which the last one
//! says that it is the last. So a cut, a changed bit or chunks in another order are noticed, and no more
//! than one chunk is in memory. A file under a passphrase opens with any age program; one under the master key has a
//! stanza of our own. `docs/decisions/0047-backup.md` says why the format is written here.
//!
//! Inside are lines of JSON ([`Entry`]): what this is, the keys, the rows of the accounts, the sessions,
//! and at last how many of each there were.
//!
//! This room must never hand out a chunk that wasn't authenticated, and never print a key.

mod entry;
mod error;
mod header;
mod payload;
mod reading;

pub use entry::{About, End, Entry, Holds, SecretText, VERSION};
pub use error::ArchiveError;
pub use header::{FileKey, Lock, under_master_key, under_passphrase};
pub use payload::Sealer;
pub use reading::{Entries, Unlock};

#[cfg(test)]
mod tests;
