//! What operators ask of a deployment, and the answers.
//!
//! A request is plain data, so that it means the same whether a command holds the data directory
//! itself or speaks with the server that does (`socket`). Requests that change an account or end
//! sessions leave an audit event behind.
//!
//! This room must never answer with a key of a session, neither half, and never hide a record that
//! doesn't open.

mod accounts;
mod client;
mod error;
mod secret;
mod socket;
mod window;

use crate::clock::UnixSeconds;
use crate::service::{Caller, Service};
use serde::{Deserialize, Serialize};

pub use client::{AskError, Asker};
pub use error::{AdminError, Kind};
pub use secret::Secret;
pub use socket::{AdminSocket, SocketError};

/// The most sessions or accounts of one answer; whoever wants more asks again behind the last.
pub const LARGEST_PAGE: usize = 200;

/// Something that an operator asks for. A user is named by id or e-mail.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Makes an account: [`Answer::User`].
    UsersAdd(NewUser),
    /// A page of accounts: [`Answer::Users`].
    UsersList {
        /// The id that the page begins behind.
        after: Option<String>,
    },
    /// One account: [`Answer::User`].
    UsersShow {
        /// Id or e-mail.
        user: String,
    },
    /// Changes an account: [`Answer::Changed`]. Where roles or permissions change, the user's
    /// access tokens end and the sessions stay.
    UsersSet {
        /// Id or e-mail.
        user: String,
        /// What is to become different.
        to: UserChange,
    },
    /// Keeps a user out and ends the user's sessions: [`Answer::Changed`].
    UsersDisable {
        /// Id or e-mail.
        user: String,
    },
    /// Lets a user in again: [`Answer::Changed`].
    UsersEnable {
        /// Id or e-mail.
        user: String,
    },
    /// Deletes an account and ends its sessions: [`Answer::Changed`].
    UsersDelete {
        /// Id or e-mail.
        user: String,
    },
    /// Sets a password and ends the user's sessions: [`Answer::Changed`].
    UsersSetPassword {
        /// Id or e-mail.
        user: String,
        /// The new password.
        password: Secret,
    },
    /// Makes a trusted client: [`Answer::NewClient`].
    ClientsAdd {
        /// What the operator calls it.
        name: String,
    },
    /// All clients: [`Answer::Clients`].
    ClientsList,
    /// Takes a client away: [`Answer::ClientDeleted`].
    ClientsDelete {
        /// Its id.
        id: String,
    },
    /// A page of live sessions: [`Answer::Sessions`].
    KeystoreList {
        /// Only this user's: id or e-mail, also of an account that is gone.
        user: Option<String>,
        /// The handle that the page begins behind.
        after: Option<String>,
        /// The most records to look at, up to [`LARGEST_PAGE`].
        limit: usize,
    },
    /// One live session: [`Answer::Session`].
    KeystoreShow {
        /// Its handle.
        handle: String,
    },
    /// The size of the keystore: [`Answer::Stats`].
    KeystoreStats,
    /// Ends sessions: [`Answer::Revoked`].
    SessionsRevoke {
        /// Which.
        which: Which,
        /// Says what would end, and ends nothing.
        dry_run: bool,
    },
}

/// Which sessions to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// The one with this handle.
    Handle(String),
    /// All of this user: id or e-mail, also of an account that is gone.
    User(String),
    /// All there are.
    All,
}

/// An account to make.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct NewUser {
    /// Its e-mail.
    pub email: String,
    /// Its id; a random one where there is none.
    pub id: Option<String>,
    /// What it wants to be called.
    pub name: Option<String>,
    /// Its roles; `user` where there are none.
    pub roles: Vec<String>,
    /// Its permissions.
    pub permissions: Vec<String>,
    /// Its password; nobody can log in to an account without one.
    pub password: Option<Secret>,
}

/// What is to become different about an account; `None` stays as it is.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct UserChange {
    /// Another e-mail.
    pub email: Option<String>,
    /// Another name; an empty one takes the name away.
    pub name: Option<String>,
    /// Other roles, instead of all it has.
    pub roles: Option<Vec<String>>,
    /// Other permissions, instead of all it has.
    pub permissions: Option<Vec<String>>,
}

/// The answer to a [`Request`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// An account.
    User(User),
    /// An account after a change (before it, where it was deleted).
    Changed {
        /// The account.
        user: User,
        /// How many sessions the change ended.
        ended: usize,
    },
    /// Some accounts, in the order of their ids.
    Users {
        /// The accounts.
        users: Vec<User>,
        /// The id that the next page begins behind; nothing on the last page.
        next: Option<String>,
    },
    /// A client just made.
    NewClient {
        /// Its id.
        id: String,
        /// Its secret, never to be had again.
        secret: Secret,
    },
    /// All clients, the oldest first.
    Clients(Vec<Client>),
    /// The client is gone.
    ClientDeleted,
    /// Some sessions, in the order of their records.
    Sessions(Sessions),
    /// A session.
    Session(Session),
    /// The size of the keystore.
    Stats {
        /// How many records there are, expired ones that aren't swept yet included.
        records: u64,
        /// The bytes that its files take.
        bytes_on_disk: u64,
    },
    /// What ended, or would end.
    Revoked {
        /// How many records of sessions, expired and damaged ones included.
        count: u64,
        /// Their handles; nothing where all were asked for.
        handles: Option<Vec<String>>,
    },
}

/// An account as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // what `accounts::Account` says
pub struct User {
    pub id: String,
    pub email: String,
    pub name: Option<String>,
    pub roles: Vec<String>,
    pub permissions: Vec<String>,
    pub active: bool,
    pub created_at: UnixSeconds,
    pub updated_at: UnixSeconds,
}

/// A client as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // what `accounts::Client` says
pub struct Client {
    pub id: String,
    pub name: String,
    pub created_at: UnixSeconds,
}

/// Some sessions and where to go on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    /// The live ones.
    pub sessions: Vec<Session>,
    /// Records that don't open.
    pub damaged: Vec<Damaged>,
    /// The handle that the next page begins behind; nothing on the last page.
    pub next: Option<String>,
}

/// A session as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // what `sessions::SessionInfo` says
pub struct Session {
    pub handle: String,
    pub user: String,
    pub created_at: UnixSeconds,
    pub last_seen_at: UnixSeconds,
    pub expires_at: UnixSeconds,
    pub ends_at: UnixSeconds,
    pub generation: u64,
    pub address: Option<String>,
    pub user_agent: Option<String>,
    pub label: Option<String>,
    pub client: Option<String>,
}

/// A record that doesn't open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damaged {
    /// The handle that leads to it.
    pub handle: String,
    /// Why it doesn't open: a code of the keystore.
    pub code: String,
}

/// Does what is asked. When it returns, what was done is durable and in the audit trail.
pub async fn perform(
    service: &Service,
    caller: &Caller,
    request: Request,
) -> Result<Answer, AdminError> {
    match request {
        Request::UsersAdd(new) => accounts::add(service, caller, new).await,
        Request::UsersList { after } => accounts::list(service, after.as_deref()).await,
        Request::UsersShow { user } => accounts::show(service, &user).await,
        Request::UsersSet { user, to } => accounts::set(service, caller, &user, to).await,
        Request::UsersDisable { user } => accounts::activate(service, caller, &user, false).await,
        Request::UsersEnable { user } => accounts::activate(service, caller, &user, true).await,
        Request::UsersDelete { user } => accounts::delete(service, caller, &user).await,
        Request::UsersSetPassword { user, password } => {
            accounts::set_password(service, caller, &user, &password).await
        }
        Request::ClientsAdd { name } => accounts::add_client(service, caller, &name).await,
        Request::ClientsList => accounts::list_clients(service).await,
        Request::ClientsDelete { id } => accounts::delete_client(service, caller, &id).await,
        Request::KeystoreList { user, after, limit } => {
            window::list(service, user.as_deref(), after.as_deref(), limit).await
        }
        Request::KeystoreShow { handle } => window::show(service, &handle).await,
        Request::KeystoreStats => window::stats(service).await,
        Request::SessionsRevoke { which, dry_run } => {
            window::revoke(service, caller, which, dry_run).await
        }
    }
}

#[cfg(test)]
mod tests;
