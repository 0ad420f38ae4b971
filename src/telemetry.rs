//! Logs and audit: where the true reason of a refusal goes.
//!
//! One event is one line of logfmt or JSON on standard error; events of the audit may have a stream of their
//! own:
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
mod batch;
#[cfg(feature = "server")]
mod broken;
#[cfg(feature = "server")]
mod format;
pub mod histogram;
mod invisible;
#[cfg(feature = "server")]
mod json;
#[cfg(feature = "server")]
mod line;
#[cfg(feature = "server")]
mod panic;
#[cfg(feature = "server")]
pub mod process;
#[cfg(feature = "server")]
mod queue;
mod requests;
#[cfg(feature = "server")]
mod standard_error;
#[cfg(feature = "server")]
mod started;
#[cfg(feature = "server")]
mod stream;
#[cfg(feature = "server")]
mod writer;

#[cfg(feature = "server")]
pub use broken::Broken;
#[cfg(feature = "server")]
pub use format::{Format, set_format};
pub use invisible::is_invisible;
#[cfg(feature = "server")]
pub use queue::{Counts, Trouble};
pub use requests::{RequestLines, Requested};
#[cfg(feature = "server")]
pub use standard_error::{LeadsNowhere, leads_somewhere};
#[cfg(feature = "server")]
pub use started::{
    audit_trouble, counts, finish, has_room, init, never_wait, together, trouble, written,
};
#[cfg(feature = "server")]
pub use stream::{
    AuditStream, audit_has_standard_output, audit_is_kept, is_discarded, reopen_audit,
    set_audit_stream,
};

#[cfg(test)]
pub(crate) mod tests;
