//! Why an operator's request was not done.
//!
//! This room must never carry a secret: its texts go to a terminal and into scripts.

use crate::accounts::AccountsError;
use crate::archive::ArchiveError;
use crate::deployment::MoveError;
use crate::receipts::ReceiptsError;
use crate::service::ServiceError;
use crate::sessions::rotation::RotationError;
use lacre_keystore::KeystoreError;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use thiserror::Error;

/// What a failure means for whoever waits for the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The answer is "no": exit status 1.
    Failed,
    /// A store can't be reached; worth another try: exit status 69.
    Unavailable,
    /// The deployment is not in order: exit status 78.
    Config,
}

impl Kind {
    /// The exit status of a command that ends so.
    #[must_use]
    pub fn exit_status(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Unavailable => 69,
            Self::Config => 78,
        }
    }
}

/// Why a request was not done, for a door in this process.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpsError {
    /// The service says no, or can't be asked.
    #[error("{0}")]
    Service(#[from] ServiceError),
    /// The keystore can't be read.
    #[error("{0}")]
    Store(#[from] KeystoreError),
    /// A backup can't be made.
    #[error("{0}")]
    Archive(#[from] ArchiveError),
    /// Whoever asked for pages has left.
    #[error("nobody takes the rest of the answer")]
    NobodyTakesIt,
    /// A key was not rotated.
    #[error("{0}")]
    Rotation(#[from] RotationError),
    /// The sessions weren't moved.
    #[error("{0}")]
    Move(#[from] MoveError),
    /// An administrator would lock itself out.
    #[error("administrators can't close or demote the account that asks")]
    OwnAccount,
    /// There is no such client.
    #[error("there is no such client")]
    ClientUnknown,
    /// There is no such session.
    #[error("there is no such session")]
    SessionUnknown,
    /// Neither a session nor a request that was refused lately has this name.
    #[error(
        "there is no session whose handle begins so, and no request of this id was refused lately"
    )]
    NothingKnown,
    /// The receipts can't be had, or don't verify.
    #[error("{0}")]
    Receipts(#[from] ReceiptsError),
    /// The session has no receipt.
    #[error(
        "there is no receipt of this session here: it lives, or ended before receipts were kept, or at another node"
    )]
    ReceiptUnknown,
    /// What should be a handle has another form.
    #[error("a session handle is 1 to 128 characters of A-Z a-z 0-9 _ -")]
    HandleInvalid,
    /// The beginning of a handle is too short to look for.
    #[error("the beginning of a handle has to be 8 characters long at least")]
    HandleShort,
    /// Several handles begin so.
    #[error("several sessions' handles begin so: {}", .0.join(", "))]
    HandleAmbiguous(Vec<String>),
    /// The audit log takes no more events.
    #[error("nothing can be changed now, since it could not be recorded: the log isn't written")]
    AuditUnavailable,
    /// What should be an address or a network is neither.
    #[error("no address and no network such as 10.0.0.0/8")]
    AddressInvalid,
    /// What should be a cursor is another handle.
    #[error("this is no cursor of a listing")]
    CursorInvalid,
}

impl From<AccountsError> for OpsError {
    fn from(error: AccountsError) -> Self {
        Self::Service(error.into())
    }
}

/// Why a request was not done, as it travels through the admin socket and onto a terminal.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct AdminError {
    /// The stable code.
    pub code: Cow<'static, str>,
    /// A sentence for the operator.
    pub message: String,
    /// What it means for the exit status.
    pub kind: Kind,
}

impl AdminError {
    pub(super) fn new(kind: Kind, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            kind,
        }
    }

    fn failed(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, code, message)
    }
}

impl From<OpsError> for AdminError {
    fn from(error: OpsError) -> Self {
        let code = match error {
            OpsError::Service(error) => return error.into(),
            OpsError::Archive(ref error) => error.code(),
            OpsError::NobodyTakesIt => "answer_not_taken",
            OpsError::Store(error) | OpsError::Rotation(RotationError::Store(error)) => {
                return error.into();
            }
            OpsError::Rotation(ref error) => error.code(),
            OpsError::Receipts(error) => return error.into(),
            OpsError::Move(error) => return error.into(),
            OpsError::ReceiptUnknown => "receipt_unknown",
            OpsError::OwnAccount => "own_account",
            OpsError::ClientUnknown => "client_unknown",
            OpsError::SessionUnknown | OpsError::NothingKnown => "session_unknown",
            OpsError::HandleInvalid => "handle_invalid",
            OpsError::HandleShort => "handle_short",
            OpsError::HandleAmbiguous(_) => "handle_ambiguous",
            OpsError::CursorInvalid => "cursor_invalid",
            OpsError::AddressInvalid => "address_invalid",
            OpsError::AuditUnavailable => {
                let code = "audit_unavailable";
                return Self::new(Kind::Unavailable, code, error.to_string());
            }
        };
        Self::failed(code, error.to_string())
    }
}

impl From<MoveError> for AdminError {
    fn from(error: MoveError) -> Self {
        let (code, message) = (error.code(), error.to_string());
        let kind = match error {
            MoveError::Source(error) | MoveError::Target(error) => Self::from(error).kind,
            MoveError::Accounts(error) => Self::from(error).kind,
            MoveError::Receipts(error) => Self::from(error).kind,
            MoveError::UnderWay => Kind::Unavailable,
            MoveError::Open(_) if matches!(code, "data_dir_held" | "store_unavailable") => {
                Kind::Unavailable
            }
            MoveError::Open(_) | MoveError::Weak(_) | MoveError::OtherMasterKey(_) => Kind::Config,
            _ => Kind::Failed,
        };
        Self::new(kind, code, message)
    }
}

impl From<ReceiptsError> for AdminError {
    fn from(error: ReceiptsError) -> Self {
        let kind = match error {
            ReceiptsError::Unavailable { .. } => Kind::Unavailable,
            _ => Kind::Failed,
        };
        Self::new(kind, error.code(), error.to_string())
    }
}

impl From<AccountsError> for AdminError {
    fn from(error: AccountsError) -> Self {
        let kind = match error {
            AccountsError::AccountsUnavailable | AccountsError::HashingBusy => Kind::Unavailable,
            AccountsError::AccountsIncomplete | AccountsError::AccountsTooNew { .. } => {
                Kind::Config
            }
            _ => Kind::Failed,
        };
        Self::new(kind, error.code(), error.to_string())
    }
}

impl From<KeystoreError> for AdminError {
    fn from(error: KeystoreError) -> Self {
        let kind = match error {
            KeystoreError::StoreUnavailable { .. }
            | KeystoreError::StoreHeld { .. }
            | KeystoreError::StoreCorrupt { .. } => Kind::Unavailable,
            _ => Kind::Failed,
        };
        Self::new(kind, error.code(), error.to_string())
    }
}

impl From<ServiceError> for AdminError {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Accounts(error) => error.into(),
            // The account has changed already: that must not pass unsaid.
            ServiceError::Store(error) => {
                let mut refused = Self::from(error);
                refused
                    .message
                    .push_str("; sessions may be left: run the same command again");
                refused
            }
            error => Self::failed(error.code(), error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_status_says_what_to_do() {
        let unavailable = AdminError::from(KeystoreError::unavailable("disk"));
        assert_eq!(unavailable.kind.exit_status(), 69);
        let unknown = AdminError::from(AccountsError::AccountUnknown);
        assert_eq!(
            (unknown.kind.exit_status(), &*unknown.code),
            (1, "account_unknown")
        );
        let newer = AdminError::from(AccountsError::AccountsTooNew { found: 2, known: 1 });
        assert_eq!(newer.kind.exit_status(), 78);
    }

    #[test]
    fn sessions_that_may_be_left_are_told_of() {
        let error = AdminError::from(ServiceError::Store(KeystoreError::unavailable("disk")));
        assert_eq!(error.code, "store_unavailable");
        assert!(
            error.message.ends_with("run the same command again"),
            "{error}"
        );
    }

    #[test]
    fn an_error_travels_whole() {
        let error = AdminError::failed("account_unknown", "there is no such account");
        let text = serde_json::to_string(&error).unwrap();
        assert_eq!(serde_json::from_str::<AdminError>(&text).unwrap(), error);
    }
}
