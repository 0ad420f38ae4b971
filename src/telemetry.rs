//! Logs and audit: where the true reason of a refusal goes.
//!
//! One event is one line of logfmt on standard error:
//!
//! ```text
//! 2026-11-24T08:00:00.123Z WARN lacre::audit event=token_refused code=expired session=Zk3aPq9x… request_id=…
//! ```
//!
//! A command writes each line where it happens. A server puts it into a queue of bounded size, which one
//! thread writes, so that no worker waits for whoever reads (`docs/decisions/0030-log-queue.md`).
//!
//! This room must never write a line that a value could have forged, and never write the payload
//! of a panic: both may hold what a client sent.

pub mod audit;
#[cfg(feature = "server")]
mod broken;
pub mod histogram;
#[cfg(feature = "server")]
mod invisible;
#[cfg(feature = "server")]
mod line;
#[cfg(feature = "server")]
mod panic;
#[cfg(feature = "server")]
pub mod process;
#[cfg(feature = "server")]
mod queue;
#[cfg(feature = "server")]
mod standard_error;
#[cfg(feature = "server")]
mod started;
#[cfg(feature = "server")]
mod writer;

#[cfg(feature = "server")]
pub use broken::Broken;
#[cfg(feature = "server")]
pub use invisible::is_invisible;
#[cfg(feature = "server")]
pub use queue::{Counts, Trouble};
#[cfg(feature = "server")]
pub use standard_error::{LeadsNowhere, is_discarded, leads_somewhere};
#[cfg(feature = "server")]
pub use started::{counts, finish, has_room, init, never_wait, trouble, written};

#[cfg(test)]
pub(crate) mod tests;
