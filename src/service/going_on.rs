//! What work that goes on without its caller says where the process stops meanwhile.
//!
//! This room must never say of interrupted work that it was done.

use super::ServiceError;
use crate::accounts::AccountsError;
use crate::sessions::going_on::Interrupted;
use crate::sessions::refresh::RefreshError;

pub(super) use crate::sessions::going_on::to_the_end;

impl Interrupted for ServiceError {
    fn interrupted() -> Self {
        AccountsError::AccountsUnavailable.into()
    }
}

impl Interrupted for RefreshError<AccountsError> {
    fn interrupted() -> Self {
        Self::Subject(AccountsError::AccountsUnavailable)
    }
}
