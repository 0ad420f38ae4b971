//! The pages of the documentation, held to what the program does: links lead somewhere, commands
//! parse, tests that a page names exist, and the worked examples work.

mod axum_tower;
mod commands;
mod deployment;
mod described;
mod embed;
mod example_token;
mod http;
mod links;
mod order;
pub(crate) mod page;
mod proofs;
mod scaling;
mod skips;
mod sources;
mod surface;
