//! HTTP: the only room that knows actix.
//!
//! A request passes the [`edge`] first (an id, hard caps, the last resort for panics, the headers
//! that every answer carries), then a resource reads what it needs with [`body`] and
//! [`credentials`] (in the [`locations`] where a token may stand), and whatever goes wrong leaves as a [`problem`].
//!
//! This room must never decide whether a token is good, and never put a cause of refusal, a path
//! or a library's text into an answer.

mod answer;
pub mod body;
mod client_auth;
pub mod cookies;
pub mod credentials;
pub mod csrf;
pub mod edge;
mod from_below;
pub mod guard;
pub mod limits;
pub mod locations;
pub mod management;
pub mod metrics;
pub mod origin;
pub mod problem;
mod render;
pub mod request_id;
pub mod routes;
pub mod schema;
pub mod server;
mod time;

#[cfg(test)]
mod live;
