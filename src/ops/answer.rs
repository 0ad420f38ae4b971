//! What operators are answered: plain data, for a table, for JSON and for the wire.
//!
//! This room must never hold a key of a session, neither half.

use super::secret::Secret;
use crate::clock::UnixSeconds;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The answer to a [`Request`](super::Request).
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
    /// What became of the accounts of an import.
    Imported(Vec<RefusedUser>),
    /// The subjects of outside issuers that an account is.
    Links(Vec<Link>),
    /// Some accounts, in the order of their ids.
    Users {
        /// The accounts.
        users: Vec<User>,
        /// The id after which the next page begins; nothing on the last page.
        next: Option<String>,
    },
    /// A client just made.
    NewClient {
        /// Its id.
        id: String,
        /// Its secret, which can't be had again.
        secret: Secret,
    },
    /// All clients, the oldest first.
    Clients(Vec<Client>),
    /// The client is deleted.
    ClientDeleted,
    /// Some sessions.
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
    /// The keys in use.
    Keys(Keys),
    /// New keys are in use.
    Rotated(Rotated),
    /// Every record was opened, those before this page or step included.
    Verified {
        /// How many there are.
        records: u64,
        /// How many of them don't open.
        count: u64,
        /// Those of this page that don't.
        damaged: Vec<Damaged>,
        /// Whether all are there; nothing before the end, and where the store keeps no account of them.
        digest: Option<DigestFound>,
    },
    /// The bytes that the keystore took before it was compacted, and takes now.
    Compacted {
        /// Before.
        before: u64,
        /// Now.
        after: u64,
    },
    /// How a move of the sessions goes on.
    Moving {
        /// The number of the walk that is done; 0 where changes are refused from now on.
        walk: usize,
        /// How many sessions were written.
        written: u64,
        /// How many were removed, since they had ended.
        removed: u64,
        /// Why it was interrupted, where it was: it goes on when both stores answer.
        interrupted: Option<String>,
    },
    /// The sessions are in another store.
    Moved {
        /// How many; nothing where an earlier command had moved them.
        sessions: Option<u64>,
        /// How many accounts, where they came along.
        accounts: Option<u64>,
        /// For how many milliseconds changes were refused.
        held_ms: u64,
    },
    /// Why something is refused, or that it isn't.
    Explained(Box<Explained>),
    /// More of a backup's file.
    BackupPart {
        /// The bytes, base64.
        content: String,
        /// So many sessions are done.
        done: u64,
        /// Of so many.
        total: u64,
    },
    /// The rest of a backup's file, and how much it has.
    BackedUp {
        /// The bytes, base64.
        rest: String,
        /// How many accounts.
        accounts: u64,
        /// How many sessions.
        sessions: u64,
    },
    /// The receipts of a session.
    Receipts(Vec<Receipt>),
    /// Where the signed log of ends stands.
    ReceiptsStatus(ReceiptsStatus),
    /// Lines of the signed log of ends; of the last page the last one is the head.
    ReceiptLines(Vec<String>),
    /// The public keys of receipts, as JWKs: the one that signs, then those that have signed.
    ReceiptKeys(Vec<Map<String, Value>>),
    /// What ended, or would end.
    Revoked {
        /// How many records of sessions, expired and damaged ones included.
        count: u64,
        /// Their handles; nothing where all were asked for, or too many ended to name each.
        handles: Option<Vec<String>>,
        /// The receipt of the end, where one session was asked for: its number and its hash.
        receipt: Option<(u64, String)>,
    },
}

/// What comes before an answer that takes a while or has several pages.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// How far it is.
    Progress {
        /// So many are done.
        done: u64,
        /// Of so many.
        total: u64,
    },
    /// A page before the last one, which is the answer.
    Page(Answer),
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

/// A subject of an outside issuer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // what `accounts::Link` says
pub struct Link {
    pub issuer: String,
    pub subject: String,
    pub created_at: UnixSeconds,
}

/// An account that was not imported; all others of its request were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedUser {
    /// Its place in the request, from 0.
    pub index: usize,
    /// A stable code.
    pub code: String,
    /// The member at fault, where one is.
    pub field: Option<String>,
    /// Why, as a sentence.
    pub reason: String,
}

/// A client as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // what `accounts::Client` says
pub struct Client {
    pub id: String,
    pub name: String,
    pub created_at: UnixSeconds,
    pub own_users: bool,
    pub services: Vec<String>,
}

/// Some sessions and where to go on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    /// The live ones.
    pub sessions: Vec<Session>,
    /// Records that don't open.
    pub damaged: Vec<Damaged>,
    /// What the next page is asked for with; nothing on the last page.
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
    pub last_seen_address: Option<String>,
    pub user_agent: Option<String>,
    pub label: Option<String>,
    pub client: Option<String>,
}

/// Why a token, a session or a request is refused, or that it isn't.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// Whether the token would be let in now, or the session is live.
    pub accepted: bool,
    /// The stable code of the refusal, as the log has it.
    pub code: Option<String>,
    /// Why, as sentences.
    pub reasons: Vec<String>,
    /// The session's handle.
    pub handle: Option<String>,
    /// Whose session it is.
    pub user: Option<String>,
    /// The `typ` of a token that was opened.
    pub kind: Option<String>,
    /// The session, where its record is there: live, or expired and not swept yet.
    pub session: Option<Session>,
    /// How it ended, where it did and that is still known.
    pub end: Option<End>,
    /// The request, where its id was asked about.
    pub request: Option<RefusedRequest>,
    /// The claims of a token that was opened, where they were asked for.
    pub claims: Option<Map<String, Value>>,
}

/// The end of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// When.
    pub at: UnixSeconds,
    /// Why, as the audit log has it.
    pub cause: String,
    /// By whom, as the audit log has it.
    pub by: String,
    /// The id of a client or an administrator, the name of an issuer.
    pub who: Option<String>,
    /// Its receipt: the number and the hash.
    pub receipt: Option<(u64, String)>,
}

/// A receipt of an end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // what `receipts::Entry` and `receipts::Ended` say
pub struct Receipt {
    pub chain: String,
    pub seq: u64,
    pub hash: String,
    pub handle: String,
    pub ended_at: UnixSeconds,
    pub written_at: UnixSeconds,
    pub cause: String,
    pub by: String,
    pub record: String,
    pub kid: String,
    /// The signed line itself.
    pub line: String,
}

/// Where the signed log of ends stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptsStatus {
    /// The last line; nothing before there is a file.
    pub head: Option<ReceiptsHead>,
    /// The code and the words of what keeps receipts from being written.
    pub failing: Option<(String, String)>,
    /// The last ends that were written since the start of the process, the newest first.
    pub latest: Vec<LatestReceipt>,
}

/// The last line of the signed log of ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // what `receipts::Entry` says
pub struct ReceiptsHead {
    pub chain: String,
    pub seq: u64,
    pub hash: String,
    /// The key that signs what comes behind it.
    pub kid: String,
}

/// A receipt that was written a moment ago.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // what `receipts::Ended` says
pub struct LatestReceipt {
    pub seq: u64,
    pub handle: String,
    pub ended_at: UnixSeconds,
    pub cause: String,
}

/// A request that was refused a moment ago.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedRequest {
    /// Its id.
    pub id: String,
    /// The audit event of its refusal.
    pub event: String,
    /// The address that it came from.
    pub address: Option<String>,
}

/// A record that doesn't open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damaged {
    /// The handle that leads to it.
    pub handle: String,
    /// Why it doesn't open: a code of the keystore.
    pub code: String,
}

/// Whether the records are those that the digest of all is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestFound {
    /// They are.
    pub agrees: bool,
    /// How many there have to be, where they aren't.
    pub expected: Option<u64>,
}

/// The keys that a deployment goes by: what may be known of them, and no key itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// The deployment's time.
    pub now: UnixSeconds,
    /// Where the master keys lie.
    pub master_keys_lie: String,
    /// The master keys: the one that seals, then those that still open.
    pub master: Vec<MasterKey>,
    /// The signing keys: the one that signs, then those that still verify.
    pub signing: Vec<SigningKey>,
    /// How many records and notes are done of how many, where they are being sealed anew.
    pub rewrapping: Option<(u64, u64)>,
    /// The outside issuers, in the order of the configuration.
    pub issuers: Vec<IssuerKeys>,
}

/// A master key, without the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // what `rotation::MasterNow` says
pub struct MasterKey {
    pub id: u32,
    pub since: Option<UnixSeconds>,
    pub records: u64,
    pub notes: u64,
    pub retiring: bool,
}

/// A signing key, without the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // what `rotation::SignerNow` says
pub struct SigningKey {
    pub id: String,
    pub since: Option<UnixSeconds>,
    pub accepted_until: Option<UnixSeconds>,
    pub forwards: bool,
}

/// What a rotation has done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotated {
    /// The master key that seals; nothing where none was asked for.
    pub master: Option<u32>,
    /// Whether it was made now.
    pub made: bool,
    /// How many records and notes were sealed anew.
    pub rewrapped: u64,
    /// Earlier master keys that were removed.
    pub removed: Vec<u32>,
    /// Earlier master keys that are still there, and which nothing needs.
    pub unneeded: Vec<u32>,
    /// Where the master keys lie.
    pub master_keys_lie: Option<String>,
    /// The signing key that signs; nothing where none was asked for.
    pub signing: Option<String>,
    /// Earlier signing keys that are still accepted.
    pub accepted: Vec<String>,
    /// Until when at the latest.
    pub accepted_until: Option<UnixSeconds>,
    /// When the key of forwarded JWTs that goes with it begins to sign.
    pub forwards_at: Option<UnixSeconds>,
}

/// An outside issuer and the keys that its tokens are verified with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuerKeys {
    /// The issuer's name in the configuration.
    pub name: String,
    /// `iss` of its tokens.
    pub issuer: String,
    /// What its tokens are good for: `exchange` or `direct`.
    pub accept: String,
    /// Where the keys are: the address, or the file's path.
    pub source: String,
    /// When the keys were read; nothing where they never were by this process.
    pub read_at: Option<UnixSeconds>,
    /// Why the last reading failed, if it did: a code.
    pub failing: Option<String>,
    /// The keys that were read last.
    pub keys: Vec<IssuerKey>,
}

/// A public key of an outside issuer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // what `federation::PublicKeyInfo` says
pub struct IssuerKey {
    pub kid: Option<String>,
    pub kty: String,
    pub bits: u32,
    pub sha256: String,
    pub algorithms: Vec<String>,
}
