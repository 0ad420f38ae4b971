//! A deployment's sessions moved from one store to another, while the one of before serves.
//!
//! | file | holds |
//! |---|---|
//! | `target` | where to, as an operator names it |
//! | `sides` | what is asked of the side that is left, and of the one that is arrived at |
//! | `in_time` | for how long both sides are waited for |
//! | `steps` | the steps of a move, in the one order that loses nothing |
//! | `database` | a database as either side |
//! | `arrival` | a directory that sessions arrive in |
//! | `embedded` | the way out of a directory |
//! | `redis` | servers of Redis as either side, with a database that the rest is in |
//! | `within` | a database as either side in which the rest stays |
//! | `shared` | the way out of a database, or of Redis |
//!
//! Everything is copied while the store of before serves. Then that one takes no more changes, what differs is copied
//! once more, and it answers nothing any more, for good; only then may the new one be used. So there is no moment at
//! which both are used (threat: `moved-session`), and a move that is cut off anywhere is gone on with by the same
//! command: it finds by the number of the move, which both sides have written down, how far it had come. Where a store fails
//! meanwhile, the move itself takes back that changes are refused, connects to both sides anew, and goes on so.
//!
//! This room must never have sessions used in two stores.

mod arrival;
mod database;
mod embedded;
mod error;
mod in_time;
mod redis;
mod shared;
mod sides;
mod steps;
mod target;
mod within;

pub use embedded::{finish, move_from_directory};
pub use error::MoveError;
pub use shared::{move_from_database, move_from_redis};
pub use steps::{Heard, MovedAll, Waiting};
pub use target::Target;
