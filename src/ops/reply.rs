//! What one frame of an answer holds.
//!
//! This room must never be sent to anybody but the peer that asked.

use super::answer::{Answer, Step};
use super::error::AdminError;
use serde::{Deserialize, Serialize};

/// The content of a frame from the server.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    /// More frames come.
    Step(Step),
    /// More frames come; there is nothing to say yet.
    Working,
    /// The last frame.
    Answer(Result<Answer, AdminError>),
}
