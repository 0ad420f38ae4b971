//! Which problem each error of the rooms below becomes.
//!
//! This room must never pass the text of such an error into an answer: it goes to the log.

use super::problem::{Code, Problem, Reason};
use crate::sessions::grant::IssueError;
use crate::sessions::profile::MAX_PROFILE;
use crate::token::TokenError;
use lacre_keystore::KeystoreError;

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        let reason = match error {
            proven if !proven.is_proven() => None,
            TokenError::Expired => Some(Reason::Expired),
            TokenError::Generation => Some(Reason::Superseded),
            _ => Some(Reason::Claims),
        };
        reason.map_or_else(Self::invalid_token, Self::proven)
    }
}

impl From<KeystoreError> for Problem {
    fn from(error: KeystoreError) -> Self {
        log::error!(code = error.code(); "the keystore can't be asked: {error}");
        Self::new(Code::StoreUnavailable)
    }
}

impl From<IssueError> for Problem {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::Store(error) => error.into(),
            // The name is one of our own list.
            IssueError::ReservedClaim(name) => Self::new(Code::ClaimsInvalid)
                .detail(format!(
                    "`{name}` has a meaning of its own and can't be given."
                ))
                .field(format!("claims.{name}")),
            IssueError::TooLong => {
                Self::new(Code::InvalidRequest).detail("The claims don't fit into a token.")
            }
            IssueError::Contended => Self::new(Code::StoreUnavailable),
            IssueError::ProfileTooLong => Self::new(Code::UserInvalid).detail(format!(
                "What is said of the user must have at most {MAX_PROFILE} bytes."
            )),
            error @ (IssueError::Seal | IssueError::UserId) => {
                log::error!(code = error.code(); "{error}");
                Self::new(Code::InternalError)
            }
        }
    }
}
