//! Logs and audit: where the true reason of a refusal goes.
//!
//! One event is one line of logfmt on standard error:
//!
//! ```text
//! 2026-11-24T08:00:00.123Z WARN lacre::audit event=token_refused code=expired session=Zk3aPq9x… request_id=…
//! ```
//!
//! This room must never write a line that a value could have forged, and never write the payload
//! of a panic: both may hold what a client sent.

pub mod audit;
#[cfg(feature = "server")]
mod broken;
#[cfg(feature = "server")]
mod invisible;
#[cfg(feature = "server")]
mod line;
#[cfg(feature = "server")]
mod panic;
#[cfg(feature = "server")]
mod started;

#[cfg(feature = "server")]
pub use broken::Broken;
#[cfg(feature = "server")]
pub use invisible::is_invisible;
#[cfg(feature = "server")]
pub use started::init;

#[cfg(test)]
pub(crate) mod tests;
