//! How long the two ends of the admin socket wait for each other.
//!
//! This room must never hold a wait without an end.

use std::time::Duration;

/// For a hello and a request to arrive, and for a frame to be taken.
pub(super) const PEER: Duration = Duration::from_secs(10);
/// For the next bytes from the server, which sends some every [`WORKING`] as long as it runs. Longer
/// than [`PEER`], for which one who asks nothing may keep a seat that others wait for.
pub(super) const SILENCE: Duration = Duration::from_secs(12);
/// After so much of it the person at the command is told.
pub(super) const NOTICE: Duration = Duration::from_secs(3);
/// How often the server says that it works, where it has nothing else to say.
pub(super) const WORKING: Duration = Duration::from_secs(2);
/// For the next step of an answer of a server that says that it works: its disk may hang.
pub(super) const STEP: Duration = Duration::from_mins(10);
/// How often long work says how far it is.
pub(super) const PROGRESS: Duration = Duration::from_millis(250);
/// For requests under way when the server stops.
pub(super) const DRAIN: Duration = Duration::from_secs(30);
