//! How long the two ends of the admin socket wait for each other.
//!
//! This room must never hold a wait without an end.

use std::time::Duration;

/// For a hello and a request to arrive, and for a frame to be taken.
pub(super) const PEER: Duration = Duration::from_secs(10);
/// For the next frame of an answer. Work that takes longer says how far it is meanwhile.
pub(super) const FRAME: Duration = Duration::from_mins(1);
/// How often long work says how far it is.
pub(super) const PROGRESS: Duration = Duration::from_millis(250);
/// For requests under way when the server stops.
pub(super) const DRAIN: Duration = Duration::from_secs(30);
