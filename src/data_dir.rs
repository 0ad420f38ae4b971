//! The data directory: one server at a time, private files.
