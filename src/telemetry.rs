//! Logs and audit: where the true reason of a refusal goes.
