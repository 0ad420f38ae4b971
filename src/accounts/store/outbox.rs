//! The outbox at rest: a row is written in the transaction of the change that needs it.
//!
//! This room must never commit a change without its row.

use sqlx::any::AnyRow;
use sqlx::{Any, Transaction};

use super::super::account::{ADMIN_ROLE, Account};
use super::super::authority::Authority;
use super::super::client::ClientId;
use super::super::error::AccountsError;
use super::super::identity::UserId;
use super::super::outbox::{Kept, NewOutboxRow, OutboxRow, Reach, Target};
use super::row::{account, get, spoilt, to_stored};
use super::{Question, Store, Together};
use crate::clock::UnixSeconds;

pub(super) const ALL: &str = "all";
const ALL_BUT: &str = "all_but";
pub(super) const ACCESS: &str = "access";
/// In a row of this reach, `kept` is the issuer.
pub(super) const THROUGH: &str = "through";
/// In a row of this reach, `user_id` is the id of a client: no user's id can be one.
pub(super) const CLIENT: &str = "client";

impl Store {
    /// The account that an `UPDATE … RETURNING` left, committed together with the outbox row.
    pub(super) async fn changed_account(
        &self,
        question: Question,
        with: Together<'_>,
    ) -> Result<Account, AccountsError> {
        let rows = self.together(question, with).await?;
        account(rows.first().ok_or(AccountsError::AccountUnknown)?)
    }

    /// Runs a change and writes the outbox row, both or neither. Nothing is done, and the error is
    /// [`AccountsError::AuthorityChanged`] where the account by whose rights it is made isn't as it was,
    /// [`AccountsError::LastAdministrator`] where there was an active administrator before and would be
    /// none after. All rows are fetched: `SQLite` is done with a
    /// statement only at its end.
    pub(super) async fn together(
        &self,
        question: Question,
        with: Together<'_>,
    ) -> Result<Vec<AnyRow>, AccountsError> {
        let outbox = with.row.map(insert_row);
        self.within_timeout(async {
            let mut transaction = self.write.begin().await?;
            let mut had_one = false;
            if with.keep_an_administrator || with.by.is_some() {
                sqlx::query(self.alone).fetch_all(&mut *transaction).await?;
            }
            if let Some(by) = with.by
                && !is_unchanged(by, &mut transaction).await?
            {
                transaction.rollback().await?;
                return Ok(Err(AccountsError::AuthorityChanged));
            }
            if with.keep_an_administrator {
                had_one = has_an_administrator(&mut transaction).await?;
            }
            let rows = question.fetch_all(&mut *transaction).await?;
            if had_one && !has_an_administrator(&mut transaction).await? {
                transaction.rollback().await?;
                return Ok(Err(AccountsError::LastAdministrator));
            }
            if let Some(outbox) = outbox
                && !(with.only_if_found && rows.is_empty())
            {
                outbox.execute(&mut *transaction).await?;
            }
            self.is_there()?;
            transaction.commit().await?;
            Ok(Ok(rows))
        })
        .await?
    }

    pub(in super::super) async fn outbox(
        &self,
        keystore: &str,
        before: UnixSeconds,
    ) -> Result<Vec<OutboxRow>, AccountsError> {
        let question = sqlx::query(
            "SELECT id, user_id, reach, kept, kept_since FROM owed_ends \
             WHERE keystore = $1 AND created_at < $2 ORDER BY created_at, id",
        )
        .bind(keystore.to_owned())
        .bind(to_stored(before));
        self.all(question).await?.iter().map(outbox_row).collect()
    }

    pub(in super::super) async fn delivered(&self, id: &str) -> Result<(), AccountsError> {
        let question = sqlx::query("DELETE FROM owed_ends WHERE id = $1").bind(id.to_owned());
        self.change(question).await.map(drop)
    }
}

/// Whether the account is as it was. It stays so until the end of the transaction: the write, which
/// changes nothing, locks its row on both engines.
pub(super) async fn is_unchanged(
    by: &Authority,
    transaction: &mut Transaction<'_, Any>,
) -> Result<bool, sqlx::Error> {
    let same = sqlx::query(
        "UPDATE accounts SET revision = revision WHERE id = $1 AND revision = $2 RETURNING id",
    )
    .bind(by.id.as_str().to_owned())
    .bind(to_stored(by.revision));
    Ok(!same.fetch_all(&mut **transaction).await?.is_empty())
}

/// Names of roles are joined by one space, so that one between two spaces is whole. `LIKE` would take
/// it in any case on `SQLite`, and `instr` is unknown to `PostgreSQL`.
async fn has_an_administrator(transaction: &mut Transaction<'_, Any>) -> Result<bool, sqlx::Error> {
    let found = sqlx::query(
        "SELECT id FROM accounts WHERE active = 1 \
         AND replace(' ' || roles || ' ', $1, '') <> ' ' || roles || ' ' LIMIT 1",
    )
    .bind(format!(" {ADMIN_ROLE} "));
    Ok(!found.fetch_all(&mut **transaction).await?.is_empty())
}

fn insert_row(new: &NewOutboxRow) -> Question {
    let (whose, reach, kept, since) = match &new.row.target {
        Target::User(user, Reach::All) => (user.as_str(), ALL, None, None),
        Target::User(user, Reach::AllBut(kept)) => {
            (user.as_str(), ALL_BUT, Some(&kept.handle), Some(kept.since))
        }
        Target::User(user, Reach::Access) => (user.as_str(), ACCESS, None, None),
        Target::User(user, Reach::Through(issuer)) => (user.as_str(), THROUGH, Some(issuer), None),
        Target::Client(client) => (client.as_str(), CLIENT, None, None),
    };
    sqlx::query(
        "INSERT INTO owed_ends (id, keystore, user_id, reach, kept, kept_since, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(new.row.id.clone())
    .bind(new.keystore.clone())
    .bind(whose.to_owned())
    .bind(reach)
    .bind(kept.cloned())
    .bind(since.map(to_stored))
    .bind(to_stored(new.created_at))
}

fn outbox_row(row: &AnyRow) -> Result<OutboxRow, AccountsError> {
    let kept = get::<Option<String>>(row, "kept")?;
    let since = get::<Option<i64>>(row, "kept_since")?.and_then(|since| u64::try_from(since).ok());
    let whose: String = get(row, "user_id")?;
    let of_user = |reach| {
        let user = UserId::parse(&whose).map_err(|_| spoilt("user_id"))?;
        Ok(Target::User(user, reach))
    };
    let target = match (get::<String>(row, "reach")?.as_str(), kept, since) {
        (ALL, None, None) => of_user(Reach::All)?,
        (ALL_BUT, Some(handle), Some(since)) => of_user(Reach::AllBut(Kept { handle, since }))?,
        (ACCESS, None, None) => of_user(Reach::Access)?,
        (THROUGH, Some(issuer), None) => of_user(Reach::Through(issuer))?,
        (CLIENT, None, None) => {
            Target::Client(ClientId::parse(&whose).map_err(|_| spoilt("user_id"))?)
        }
        _ => return Err(spoilt("reach")),
    };
    Ok(OutboxRow {
        id: get(row, "id")?,
        target,
    })
}
