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

/// How far a side has been left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gone {
    /// It takes changes, or does so once they aren't held any more.
    No,
    /// Its sessions aren't used there any more, and not all has been left: the keyring may have changed since it was taken.
    Partly,
    /// It answers nothing any more.
    Wholly,
}

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
    /// is answered no process uses anything of this side. What has been left of it before stays so.
    fn leave<'a>(&'a self, id: &'a str, to: &'a str) -> Step<'a, ()>;

    /// Connects anew after a failure, while changes are taken, and says how far the move `id` has left it all the same.
    /// Nothing that was read or held before counts any more.
    fn again<'a>(&'a self, id: &'a str) -> Step<'a, Gone>;
}

/// The side that is arrived at.
pub(super) trait Arriving: Send + Sync {
    /// Keeps everybody from using it until [`ready`](Self::ready), and gives the number of the move: `id`, or that of an
    /// earlier one of the same deployment. It may be begun once more while the other side isn't left.
    fn begin<'a>(&'a self, id: &'a str, deployment: &'a str) -> Step<'a, String>;

    /// Its records, after [`begin`](Self::begin).
    fn destination(&self) -> &dyn Destination;

    /// Keeps the keyring.
    fn furnish<'a>(&'a self, keyring: &'a [u8]) -> Step<'a, ()>;

    /// Lets it be used. Says whether this move has come; it may have been said before.
    fn ready<'a>(&'a self, id: &'a str) -> Step<'a, bool>;

    /// Connects anew after a failure.
    fn again(&self) -> Step<'_, ()>;
}
