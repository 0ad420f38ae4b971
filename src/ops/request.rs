//! What operators ask: one set of requests, whichever door they come through.
//!
//! A request is plain data, so that it means the same whether a command holds the data directory
//! itself or speaks with the server that does.
//!
//! This room must never do what is asked.

use super::secret::Secret;
use crate::archive::Holds;
use serde::{Deserialize, Serialize};

/// Something that an operator asks for. A user is named by id or e-mail.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// About accounts.
    Users(UsersRequest),
    /// About trusted clients.
    Clients(ClientsRequest),
    /// About what the keystore holds.
    Keystore(KeystoreRequest),
    /// About sessions.
    Sessions(SessionsRequest),
    /// About the keys that this deployment goes by.
    Keys(KeysRequest),
    /// About the signed log of ends.
    Receipts(ReceiptsRequest),
    /// Why something is refused: [`Answer::Explained`](super::Answer::Explained).
    Explain(ExplainRequest),
    /// An encrypted copy: parts ([`Answer::BackupPart`](super::Answer::BackupPart)), and at last
    /// [`Answer::BackedUp`](super::Answer::BackedUp).
    Backup(BackupRequest),
}

impl Request {
    /// Whether it may change something, which then has to be recorded.
    #[must_use]
    pub fn changes(&self) -> bool {
        match self {
            Self::Users(request) => !matches!(
                request,
                UsersRequest::List { .. }
                    | UsersRequest::Show { .. }
                    | UsersRequest::Import { dry_run: true, .. }
            ),
            Self::Clients(request) => !matches!(request, ClientsRequest::List),
            Self::Keys(request) => !matches!(request, KeysRequest::Status),
            Self::Keystore(KeystoreRequest::Migrate { dry_run, .. }) => !dry_run,
            Self::Keystore(_) | Self::Explain(_) | Self::Receipts(_) => false,
            // It changes nothing, and everybody's keys leave.
            Self::Backup(_) => true,
            Self::Sessions(request) => {
                matches!(request, SessionsRequest::Revoke { dry_run: false, .. })
            }
        }
    }
}

/// A request about accounts.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsersRequest {
    /// Makes an account: [`Answer::User`](super::Answer::User).
    Add(NewUser),
    /// Makes accounts that another system kept: [`Answer::Imported`](super::Answer::Imported).
    Import {
        /// The accounts, at most [`MAX_PAGE`](super::MAX_PAGE).
        users: Vec<ImportedUser>,
        /// Says what would be refused, and makes nothing.
        dry_run: bool,
    },
    /// Accounts in the order of their ids: [`Answer::Users`](super::Answer::Users).
    List {
        /// The id after which the listing begins.
        after: Option<String>,
        /// At most so many; all where there is none.
        limit: Option<usize>,
        /// What must be in the id, the e-mail or the name.
        text: Option<String>,
    },
    /// One account: [`Answer::User`](super::Answer::User).
    Show {
        /// Id or e-mail.
        user: String,
    },
    /// The subjects of outside issuers that an account is: [`Answer::Links`](super::Answer::Links).
    Links {
        /// Id or e-mail.
        user: String,
    },
    /// Links a subject of an outside issuer to an account:
    /// [`Answer::Links`](super::Answer::Links), all that it has then.
    Link {
        /// Id or e-mail.
        user: String,
        /// The issuer's name in the configuration, or its `iss`.
        issuer: String,
        /// The subject's name there.
        subject: String,
    },
    /// Takes the links of an account to an issuer away, and ends the sessions begun through them:
    /// [`Answer::Changed`](super::Answer::Changed).
    Unlink {
        /// Id or e-mail.
        user: String,
        /// The issuer's name in the configuration, or its `iss`.
        issuer: String,
    },
    /// Changes an account, and ends what the change ends: [`Answer::Changed`](super::Answer::Changed).
    Change {
        /// Id or e-mail.
        user: String,
        /// What is to become different.
        to: UserChange,
    },
    /// Deletes an account and ends its sessions: [`Answer::Changed`](super::Answer::Changed).
    Delete {
        /// Id or e-mail.
        user: String,
    },
}

/// A request for a backup.
#[derive(Debug, Serialize, Deserialize)]
pub struct BackupRequest {
    /// Of what.
    pub holds: Holds,
    /// The key of the file, base64url, where the command has sealed it itself and written the header; without
    /// one, the file is sealed under the master key, header and all.
    pub file_key: Option<Secret>,
    /// Whether no server runs, so that the backup has all that happened until its end.
    pub at_rest: bool,
}

/// A request about trusted clients.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientsRequest {
    /// Makes a client: [`Answer::NewClient`](super::Answer::NewClient).
    Add {
        /// What the operator calls it.
        name: String,
        /// Whether it vouches for users of its own.
        own_users: bool,
        /// The services that it asks about tokens for; with none, all.
        services: Vec<String>,
    },
    /// All clients: [`Answer::Clients`](super::Answer::Clients).
    List,
    /// Deletes a client: [`Answer::ClientDeleted`](super::Answer::ClientDeleted).
    Delete {
        /// Its id.
        id: String,
    },
}

/// A request about what the keystore holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeystoreRequest {
    /// Live sessions, the newest first: [`Answer::Sessions`](super::Answer::Sessions).
    List {
        /// Only this user's: id or e-mail, also of an account that is gone.
        user: Option<String>,
        /// Only those that were used so.
        last_use: LastUse,
        /// The `next` of the listing that this one goes on from.
        after: Option<String>,
        /// At most so many; all where there is none.
        limit: Option<usize>,
    },
    /// One live session: [`Answer::Session`](super::Answer::Session).
    Show {
        /// Its handle.
        handle: String,
    },
    /// The size of the keystore: [`Answer::Stats`](super::Answer::Stats).
    Stats,
    /// Opens every record: [`Answer::Verified`](super::Answer::Verified).
    Verify,
    /// Moves all sessions to another store: pages ([`Answer::Moving`](super::Answer::Moving)), and at last
    /// [`Answer::Moved`](super::Answer::Moved).
    Migrate {
        /// The URL of that store, which may have a password.
        to: Secret,
        /// Says whether it would be begun, and moves nothing.
        dry_run: bool,
    },
    /// Brings the store down to the room that it needs: [`Answer::Compacted`](super::Answer::Compacted).
    Compact,
}

/// When and from where a session was used last. What isn't given, every session has.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LastUse {
    /// The address of the last use, or that the session was begun from; or a network in CIDR form.
    pub address: Option<String>,
    /// So many seconds ago or less.
    pub within: Option<u64>,
    /// So many seconds ago or more.
    pub idle: Option<u64>,
}

/// A request about sessions.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionsRequest {
    /// The live sessions of an account, the newest first:
    /// [`Answer::Sessions`](super::Answer::Sessions).
    Of {
        /// Id or e-mail.
        user: String,
    },
    /// Revokes sessions: [`Answer::Revoked`](super::Answer::Revoked).
    Revoke {
        /// Which.
        which: Which,
        /// Says what would end, and ends nothing.
        dry_run: bool,
    },
}

/// A request about the keys that a deployment goes by.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeysRequest {
    /// Which keys are in use: [`Answer::Keys`](super::Answer::Keys).
    Status,
    /// New keys: [`Answer::Rotated`](super::Answer::Rotated).
    Rotate {
        /// A master key; or goes on with a rotation of it that was begun.
        master: bool,
        /// A signing key.
        signing: bool,
        /// Leaves earlier master keys where they lie.
        keep_earlier: bool,
        /// Accepts earlier signing keys no more.
        drop_earlier: bool,
    },
}

/// A request about the signed log of ends.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptsRequest {
    /// Those of a session: [`Answer::Receipts`](super::Answer::Receipts).
    Show {
        /// Its handle.
        handle: String,
    },
    /// Where the log stands: [`Answer::ReceiptsStatus`](super::Answer::ReceiptsStatus).
    Status,
    /// All lines, the signed head last: [`Answer::ReceiptLines`](super::Answer::ReceiptLines).
    Export,
    /// The public keys: [`Answer::ReceiptKeys`](super::Answer::ReceiptKeys).
    Keys,
}

/// A question why something is refused now.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExplainRequest {
    /// About what.
    pub about: About,
    /// Whether the claims of a token of ours are to be in the answer.
    pub claims: bool,
}

/// What an operator asks about.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// A token as it was presented.
    Token(Secret),
    /// The handle of a session or the beginning of one, or the id of a request.
    Name(String),
}

/// Which sessions to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// The one with this handle.
    Handle(String),
    /// All of this user: id or e-mail, also of an account that is gone.
    User(String),
    /// All of this user but one.
    Others {
        /// Id or e-mail, also of an account that is gone.
        user: String,
        /// The handle of the one that stays, which has to be this user's.
        keep: String,
    },
    /// All that this client asked for: its id, also of a client that is gone.
    Client(String),
    /// All that began so many seconds ago or earlier.
    OlderThan(u64),
    /// All there are.
    All,
}

/// An account to make.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
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

/// An account that another system kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportedUser {
    /// Its id; a random one where there is none.
    #[serde(default)]
    pub id: Option<String>,
    /// Its e-mail.
    pub email: String,
    /// What it wants to be called.
    #[serde(default)]
    pub name: Option<String>,
    /// Its roles; `user` where there are none.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Its permissions.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// Whether the user may log in.
    #[serde(default = "yes")]
    pub active: bool,
    /// The hash of its password, as the other system kept it; `null` where there is no password.
    #[serde(deserialize_with = "Option::deserialize")]
    pub hash: Option<Secret>,
}

fn yes() -> bool {
    true
}

/// What is to become different about an account; `None` stays as it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct UserChange {
    /// Another e-mail.
    pub email: Option<String>,
    /// Another name; an empty one takes the name away.
    pub name: Option<String>,
    /// Another first role; the others stay. Where there are `roles`, they say it all.
    pub role: Option<String>,
    /// Other roles, instead of all it has.
    pub roles: Option<Vec<String>>,
    /// Other permissions, instead of all it has.
    pub permissions: Option<Vec<String>>,
    /// Whether the user may log in. Who may not loses all sessions.
    pub active: Option<bool>,
    /// Another password, which ends all of the user's sessions.
    pub password: Option<Secret>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_looks_changes_nothing() {
        let user = || "ada".to_owned();
        let revoke = |dry_run| {
            let which = Which::All;
            Request::Sessions(SessionsRequest::Revoke { which, dry_run })
        };
        let import = |dry_run| {
            let users = Vec::new();
            Request::Users(UsersRequest::Import { users, dry_run })
        };
        for request in [
            Request::Users(UsersRequest::Show { user: user() }),
            import(true),
            Request::Clients(ClientsRequest::List),
            Request::Keystore(KeystoreRequest::Stats),
            Request::Keys(KeysRequest::Status),
            Request::Receipts(ReceiptsRequest::Export),
            Request::Sessions(SessionsRequest::Of { user: user() }),
            revoke(true),
        ] {
            assert!(!request.changes(), "{request:?}");
        }
        for request in [
            Request::Users(UsersRequest::Add(NewUser::default())),
            Request::Users(UsersRequest::Delete { user: user() }),
            import(false),
            Request::Clients(ClientsRequest::Add {
                name: user(),
                own_users: false,
                services: Vec::new(),
            }),
            Request::Clients(ClientsRequest::Delete { id: user() }),
            revoke(false),
        ] {
            assert!(request.changes(), "{request:?}");
        }
    }
}
