//! What people do with lacre, from outside: over HTTP, against the real program.

mod abandoned;
mod admin;
mod administrators;
mod audit;
mod bad_input;
mod browser;
mod clients;
mod clock;
mod console;
mod cookies;
mod crash;
mod direct;
mod ended_while_hashed;
mod even_log_in;
mod floods;
mod full_disk;
mod gateway;
mod guards;
mod hung_up;
mod hygiene;
mod limits;
mod locations;
mod logs;
mod lost_accounts;
mod metrics;
mod origins;
mod outside;
mod own_users;
mod races;
mod refresh;
mod refusals;
mod remade;
mod restart;
pub(crate) mod revocation;
pub(crate) mod rights;
mod sessions;
mod sockets;
mod stale_rights;
mod stalled_log;
mod starting;
mod stopping;
mod story;
mod tabs;
mod tls;

/// Good enough for every account here.
const PASSWORD: &str = "correct horse battery";
