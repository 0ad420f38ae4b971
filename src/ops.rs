//! What operators ask of a deployment, and the answers.
//!
//! There is one set of requests (`request`) and one of answers (`answer`), and one function that
//! does what is asked: [`perform`]. The command line, the admin socket and `/admin/users…` over
//! HTTP are its doors: each makes a request, says who asks ([`Caller`](crate::service::Caller)) and shows the answer.
//!
//! This room must never answer with a key of a session, neither half, and never hide a record that
//! doesn't open.

mod answer;
mod backup;
mod client;
mod clients;
mod doctor;
mod error;
mod explain;
mod frame;
mod handles;
mod keys;
mod keystore;
mod listening;
mod moving;
mod perform;
mod receipts;
mod reply;
mod request;
mod secret;
mod sessions;
mod short_path;
mod socket;
mod steps;
mod timeouts;
mod users;

pub use answer::{
    Answer, Client, Damaged, DigestFound, End, Explained, IssuerKey, IssuerKeys, Keys,
    LatestReceipt, Link, MasterKey, Receipt, ReceiptsHead, ReceiptsStatus, RefusedRequest,
    RefusedUser, Rotated, Session, Sessions, SigningKey, Step, User,
};
pub use client::{AdminClient, ClientError};
pub use doctor::{Finding, Level, Machine, doctor, examine_clients};
pub use error::{AdminError, Kind, OpsError};
pub use listening::{Told, Wait};
pub use perform::{Running, begin, perform};
pub use request::{
    About, BackupRequest, ClientsRequest, ExplainRequest, ImportedUser, KeysRequest,
    KeystoreRequest, LastUse, NewUser, ReceiptsRequest, Request, SessionsRequest, UserChange,
    UsersRequest, Which,
};
pub use secret::Secret;
pub use socket::{AdminSocket, SocketError};
pub use steps::MAX_PAGE;

#[cfg(test)]
mod tests;
