//! The rooms, for the program, the tests and the benchmarks of this package alone: those that the features build.
//!
//! Nothing here is promised to anybody else: names and types change without a note.
#![allow(missing_docs)]

#[cfg(feature = "server")]
pub mod accounts {
    pub use crate::accounts::*;
}
#[cfg(feature = "server")]
pub mod archive {
    pub use crate::archive::*;
}
#[cfg(feature = "server")]
pub mod config {
    pub use crate::config::*;
}
pub mod deployment {
    pub use crate::deployment::*;
}
pub mod entropy {
    pub use crate::entropy::*;
}
#[cfg(feature = "federation")]
pub mod federation {
    pub use crate::federation::*;
}
#[cfg(feature = "actix")]
pub mod http {
    pub use crate::http::*;
}
pub mod lacre {
    pub use crate::lacre::*;
}
#[cfg(feature = "server")]
pub mod ops {
    pub use crate::ops::*;
}
#[cfg(feature = "server")]
pub mod receipts {
    pub use crate::receipts::*;
}
#[cfg(feature = "server")]
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
