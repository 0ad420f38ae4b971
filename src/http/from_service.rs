//! Which problem each error of the accounts and of the service becomes.
//!
//! This room must never pass the text of such an error into an answer: it goes to the log.

use super::problem::{Code, Problem};
use crate::accounts::AccountsError;
use crate::federation::FederationError;
use crate::service::ServiceError;

impl From<AccountsError> for Problem {
    fn from(error: AccountsError) -> Self {
        match error {
            AccountsError::InvalidCredentials => Self::new(Code::InvalidCredentials),
            AccountsError::AccountExists | AccountsError::LinkExists => {
                Self::new(Code::AccountExists)
            }
            AccountsError::AccountInvalid { field, reason } => Self::new(Code::AccountInvalid)
                .field(field)
                .detail(format!("`{field}` {reason}.")),
            AccountsError::HashingBusy => Self::new(Code::HashingBusy),
            AccountsError::LastAdministrator => Self::new(Code::LastAdministrator),
            AccountsError::AccountUnknown => Self::new(Code::NotFound),
            // Again and again, while the same request was tried anew.
            AccountsError::AuthorityChanged => Self::new(Code::StoreUnavailable),
            error => {
                log::error!(code = error.code(); "the accounts can't be asked: {error}");
                Self::new(Code::StoreUnavailable)
            }
        }
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Accounts(error) => error.into(),
            ServiceError::InvalidClient => Self::invalid_client(),
            ServiceError::TooMany { wait } => {
                let seconds = wait.as_millis().div_ceil(1000);
                let seconds = u32::try_from(seconds).unwrap_or(u32::MAX).max(1);
                Self::new(Code::RateLimited).retry_after(seconds)
            }
            ServiceError::IncorrectUser => Self::incorrect_user(),
            ServiceError::NoOwnUsers => Self::new(Code::NoOwnUsers),
            ServiceError::NotVouched { member } => Self::new(Code::InvalidRequest)
                .detail(format!(
                    "Only a back end with users of its own may say `{member}`."
                ))
                .field(member),
            ServiceError::UserInvalid { field, reason } => Self::new(Code::UserInvalid)
                .detail(format!("`{field}` {reason}."))
                .field(field),
            ServiceError::UserSessionMissing => Self::missing_member("user_session"),
            // Whoever sends such a token hears no more than whoever sends a wrong password; but that
            // nobody can say whether it is good isn't that it is bad.
            ServiceError::Outside(FederationError::KeysUnavailable) => {
                Self::new(Code::StoreUnavailable)
            }
            ServiceError::Outside(_)
            | ServiceError::NotLinked
            | ServiceError::EmailTaken
            | ServiceError::RoleMissing => Self::new(Code::InvalidCredentials),
            ServiceError::IssuerUnknown => Self::new(Code::NotFound),
            ServiceError::UserSession => {
                Self::new(Code::BodyWrongType).field("user_session").detail(
                    "`user_session` must be 1 to 4096 bytes of text without control characters.",
                )
            }
            ServiceError::ClaimsTooLong => Self::new(Code::ClaimsInvalid)
                .detail("`claims` must have at most 1024 bytes of JSON.")
                .field("claims"),
            ServiceError::Issue(error) => error.into(),
            ServiceError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lacre_keystore::KeystoreError;

    fn held() -> KeystoreError {
        KeystoreError::StoreHeld {
            path: "keystore".into(),
        }
    }

    #[test]
    fn a_store_that_fails_is_never_a_refusal() {
        let problems: [Problem; 3] = [
            held().into(),
            AccountsError::AccountsUnavailable.into(),
            ServiceError::Store(held()).into(),
        ];
        assert!(
            problems
                .iter()
                .all(|problem| problem.code().status() == 503)
        );
    }

    #[test]
    fn the_wait_is_told_in_whole_seconds() {
        use actix_web::ResponseError as _;
        for (milliseconds, seconds) in [(1, "1"), (1000, "1"), (1001, "2"), (59_999, "60")] {
            let wait = std::time::Duration::from_millis(milliseconds);
            let answer = Problem::from(ServiceError::TooMany { wait }).error_response();
            assert_eq!(answer.status(), 429);
            assert_eq!(answer.headers().get("retry-after").unwrap(), seconds);
        }
    }

    #[test]
    fn a_bad_field_is_named() {
        let error = AccountsError::AccountInvalid {
            field: "email",
            reason: "must have one '@'",
        };
        let body = Problem::from(error).body();
        assert!(
            body.contains(r#""field":"email""#) && body.contains("one '@'"),
            "{body}"
        );
    }
}
