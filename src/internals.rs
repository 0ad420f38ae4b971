//! The rooms, for the program, the tests and the benchmarks of this package alone.
//!
//! Nothing here is promised to anybody else: names and types change without a note.
#![allow(missing_docs)]

pub mod accounts {
    pub use crate::accounts::*;
}
pub mod archive {
    pub use crate::archive::*;
}
pub mod config {
    pub use crate::config::*;
}
pub mod deployment {
    pub use crate::deployment::*;
}
pub mod entropy {
    pub use crate::entropy::*;
}
pub mod federation {
    pub use crate::federation::*;
}
pub mod http {
    pub use crate::http::*;
}
pub mod lacre {
    pub use crate::lacre::*;
}
pub mod ops {
    pub use crate::ops::*;
}
pub mod receipts {
    pub use crate::receipts::*;
}
pub mod service {
    pub use crate::service::*;
}
pub mod sessions {
    pub use crate::sessions::*;
}
pub mod telemetry {
    pub use crate::telemetry::*;
}
pub mod token {
    pub use crate::token::*;
}
