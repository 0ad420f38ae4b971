//! HTTP: the only room that knows actix.
