//! What accounts promise, checked on every engine: `SQLite` always, `PostgreSQL` where
//! `LACRE_TEST_POSTGRES` holds the URL of a server that may be filled with schemas.

mod changing;
mod clients;
mod credentials;
mod engine;
mod lasting;
mod listing;

use engine::{Engine, email, on_every_engine, password, presented};

use super::*;
