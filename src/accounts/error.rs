//! What can go wrong with accounts, each case with a stable code.
//!
//! This room must never carry the database's own words, an e-mail or a password: these texts reach
//! clients.

/// Why a question about accounts got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountsError {
    /// The e-mail (in whatever case) or the id is taken.
    #[error("an account with this e-mail or id exists already")]
    AccountExists,
    /// Unknown user, wrong password, disabled account or no password: one answer for all (threat
    /// 55), and the same for clients.
    #[error("the credentials are wrong")]
    InvalidCredentials,
    /// The queue of passwords to hash is full (threat: hashing-exhaustion); worth another try in a moment.
    #[error("too many log-ins at once, try again in a moment")]
    HashingBusy,
    /// The database doesn't answer or answered what can't be; its own words are in the debug log.
    #[error("the accounts can't be reached at the moment")]
    AccountsUnavailable,
    /// The log of a database of `SQLite` is damaged or lost, and changes with it that were confirmed.
    #[error(
        "accounts.sqlite-wal is damaged or missing, and confirmed changes of the accounts with it: nothing was \
         touched. Restore a backup, or move accounts.sqlite-shm away to go on with the accounts as they were earlier"
    )]
    AccountsIncomplete,
    /// The database was written by a newer version of this program, and is left untouched.
    #[error("the accounts have schema {found}, this program knows {known}: run a newer version")]
    AccountsTooNew {
        /// The schema version of the database.
        found: i64,
        /// The newest schema version that this program knows.
        known: i64,
    },
    /// The subject of an outside issuer is another account's.
    #[error("this subject is linked to another account: unlink it there first")]
    LinkExists,
    /// There is no account with this id.
    #[error("there is no such account")]
    AccountUnknown,
    /// The change would leave no active account with the role `admin` where there is one now.
    #[error("this is the last active administrator: make another one first")]
    LastAdministrator,
    /// The account by whose rights the change was to be made has changed since they were verified.
    #[error("the account that asks was changed meanwhile")]
    AuthorityChanged,
    /// A value that an account or a client can't have.
    #[error("{field}: {reason}")]
    AccountInvalid {
        /// The member at fault, such as `email`, `password`, `id` or `role`.
        field: &'static str,
        /// What is wrong with it, as a sentence for the person who typed it.
        reason: &'static str,
    },
}

impl AccountsError {
    /// The stable name of this case, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::AccountExists => "account_exists",
            Self::InvalidCredentials => "invalid_credentials",
            Self::HashingBusy => "hashing_busy",
            Self::AccountsUnavailable => "accounts_unavailable",
            Self::AccountsIncomplete => "accounts_incomplete",
            Self::AccountsTooNew { .. } => "accounts_too_new",
            Self::LinkExists => "link_exists",
            Self::AccountUnknown => "account_unknown",
            Self::LastAdministrator => "last_administrator",
            Self::AuthorityChanged => "authority_changed",
            Self::AccountInvalid { .. } => "account_invalid",
        }
    }

    /// The member at fault, where one is.
    #[must_use]
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::AccountInvalid { field, .. } => Some(field),
            _ => None,
        }
    }
}

/// A value that can't be, with the member at fault.
pub(super) const fn invalid(field: &'static str, reason: &'static str) -> AccountsError {
    AccountsError::AccountInvalid { field, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_has_its_own_code() {
        let cases = [
            AccountsError::AccountExists,
            AccountsError::InvalidCredentials,
            AccountsError::HashingBusy,
            AccountsError::AccountsUnavailable,
            AccountsError::AccountsIncomplete,
            AccountsError::AccountsTooNew { found: 2, known: 1 },
            AccountsError::LinkExists,
            AccountsError::AccountUnknown,
            AccountsError::LastAdministrator,
            AccountsError::AuthorityChanged,
            invalid("email", "has no @"),
        ];
        let mut codes: Vec<_> = cases.iter().map(AccountsError::code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), cases.len());
    }

    #[test]
    fn only_an_invalid_value_names_a_field() {
        assert_eq!(invalid("email", "has no @").field(), Some("email"));
        assert_eq!(invalid("email", "has no @").to_string(), "email: has no @");
        assert_eq!(AccountsError::AccountExists.field(), None);
    }
}
