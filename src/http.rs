//! HTTP: the only room that knows actix.
//!
//! A request passes the [`edge`] first: it gives the request an id, refuses what is too large, turns
//! a panic into an answer, and adds the headers that every answer has. A [`guard`] verifies the
//! token, which it looks for in the [`locations`] where one may stand. A handler of the [`routes`]
//! reads a typed [`body`], which has the guard verify again once it has come, and returns a typed `Answer`, or a
//! [`Problem`](problem::Problem); `render` writes either. Whose words both are in, the [`dialects`] say. How a client
//! proves itself is `client_auth`'s. The [`gateway`] is a listener of its own, for those who were sent a token; the
//! [`console`] has the pages of the [`management`] listener.
//!
//! This room must never decide whether a token is good, and never put a cause of refusal, a path
//! or a library's text into an answer.

mod answer;
pub mod body;
#[cfg(feature = "server")]
pub mod client_auth;
#[cfg(feature = "server")]
pub mod console;
pub mod cookies;
mod cors;
pub mod credentials;
pub mod csrf;
#[cfg(feature = "server")]
pub mod dialects;
pub mod edge;
mod from_below;
#[cfg(feature = "server")]
mod from_service;
#[cfg(feature = "server")]
pub mod gateway;
pub mod guard;
pub mod locations;
#[cfg(feature = "server")]
pub mod management;
pub mod metrics;
pub mod origin;
pub mod outside;
pub mod problem;
mod render;
pub mod request_id;
mod request_line;
#[cfg(feature = "server")]
pub mod routes;
#[cfg(feature = "server")]
pub mod schema;
#[cfg(feature = "server")]
pub mod server;
mod time;
mod token_kinds;
mod turns;
mod visitor;

#[cfg(test)]
mod live;
