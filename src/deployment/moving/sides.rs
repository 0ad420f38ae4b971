//! What is asked of the store that is left, and of the one that is arrived at.
//!
//! A further kind of store is a file beside this one that has both.
//!
//! This room must never do any of it.

use super::error::MoveError;
use lacre_keystore::moving::{Destination, Origin};
use std::future::Future;
use std::pin::Pin;

/// An answer to come.
pub(super) type Step<'a, T> = Pin<Box<dyn Future<Output = Result<T, MoveError>> + Send + 'a>>;

/// The side that is left.
pub(super) trait Leaving: Send + Sync {
    /// Its records.
    fn origin(&self) -> &dyn Origin;

    /// How many there are.
    fn records(&self) -> Step<'_, u64>;

    /// Takes no more changes, those of other processes included; or takes them again.
    fn hold(&self, hold: bool) -> Step<'_, ()>;

    /// The keyring, sealed, as it is while changes are held.
    fn keyring(&self) -> Step<'_, Vec<u8>>;

    /// Takes what isn't in the store along, while changes are held: how many accounts.
    fn take_along(&self) -> Step<'_, Option<u64>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Answers nothing any more, durably and for good, and says to where the sessions have gone by the move `id`. When it
    /// is answered no process uses anything of this side.
    fn leave<'a>(&'a self, id: &'a str, to: &'a str) -> Step<'a, ()>;
}

/// The side that is arrived at.
pub(super) trait Arriving: Send + Sync {
    /// Keeps everybody from using it until [`ready`](Self::ready), and gives the number of the move: `id`, or that of an
    /// earlier one of the same deployment.
    fn begin<'a>(&'a self, id: &'a str, deployment: &'a str) -> Step<'a, String>;

    /// Its records, after [`begin`](Self::begin).
    fn destination(&self) -> &dyn Destination;

    /// Keeps the keyring.
    fn furnish<'a>(&'a self, keyring: &'a [u8]) -> Step<'a, ()>;

    /// Lets it be used. Says whether this move has come; it may have been said before.
    fn ready<'a>(&'a self, id: &'a str) -> Step<'a, bool>;
}
