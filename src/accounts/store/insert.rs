//! New accounts at rest.
//!
//! This room must never put an account in the place of another.

use super::outbox::is_unchanged;
use super::row::to_stored;
use super::{Question, Store};
use crate::accounts::account::Account;
use crate::accounts::authority::Authority;
use crate::accounts::error::AccountsError;

/// All that a new account has, parsed.
#[derive(Clone)]
pub(in super::super) struct NewRow {
    pub(in super::super) account: Account,
    pub(in super::super) password_hash: Option<String>,
}

/// Whether what was inserted stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Keep {
    Yes,
    No,
}

impl Store {
    /// Makes accounts in one transaction; of each, whether its id and its e-mail were free.
    /// [`AccountsError::AuthorityChanged`], and nothing made, where the account by whose rights it is done
    /// isn't as it was.
    pub(in super::super) async fn insert(
        &self,
        rows: Vec<NewRow>,
        keep: Keep,
        by: Option<&Authority>,
    ) -> Result<Vec<Result<Account, AccountsError>>, AccountsError> {
        let inserting = async {
            let mut outcomes = Vec::with_capacity(rows.len());
            let mut transaction = self.write.begin().await?;
            if let Some(by) = by {
                sqlx::query(self.alone).fetch_all(&mut *transaction).await?;
                if !is_unchanged(by, &mut transaction).await? {
                    transaction.rollback().await?;
                    return Ok(Err(AccountsError::AuthorityChanged));
                }
            }
            for row in rows {
                let account = row.account.clone();
                let done = insert(row).execute(&mut *transaction).await?;
                outcomes.push(match done.rows_affected() {
                    0 => Err(AccountsError::AccountExists),
                    _ => Ok(account),
                });
            }
            match keep {
                Keep::Yes => {
                    self.is_there()?;
                    transaction.commit().await?;
                }
                Keep::No => transaction.rollback().await?,
            }
            Ok(Ok(outcomes))
        };
        self.within_timeout(inserting).await?
    }
}

pub(super) fn insert(new: NewRow) -> Question {
    let NewRow {
        account,
        password_hash,
    } = new;
    sqlx::query(
        "INSERT INTO accounts (id, email, email_lookup, name, name_lookup, roles, permissions, \
         active, password_hash, created_at, updated_at, revision) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING",
    )
    .bind(account.id.as_str().to_owned())
    .bind(account.email.as_str().to_owned())
    .bind(account.email.lookup().to_owned())
    .bind(account.name.clone())
    .bind(account.name.as_deref().map(str::to_lowercase))
    .bind(account.roles.join(" "))
    .bind(account.permissions.join(" "))
    .bind(i64::from(account.active))
    .bind(password_hash)
    .bind(to_stored(account.created_at))
    .bind(to_stored(account.updated_at))
    .bind(to_stored(account.revision))
}
