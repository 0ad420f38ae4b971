//! Links at rest.
//!
//! This room must never put a link in the place of another.

use sqlx::any::AnyRow;

use super::row::{account, get, spoilt, to_stored};
use super::{NewRow, Question, Store, Together, insert};
use crate::accounts::account::Account;
use crate::accounts::authority::Authority;
use crate::accounts::error::AccountsError;
use crate::accounts::identity::UserId;
use crate::accounts::link::{Link, OutsideSubject};
use crate::accounts::outbox::NewOutboxRow;

impl Store {
    pub(in super::super) async fn linked(
        &self,
        outside: &OutsideSubject,
    ) -> Result<Option<Account>, AccountsError> {
        let question = sqlx::query(
            "SELECT id, email, name, roles, permissions, active, accounts.created_at, updated_at, \
             revision FROM links JOIN accounts ON accounts.id = links.user_id \
             WHERE issuer = $1 AND subject = $2",
        )
        .bind(outside.issuer.clone())
        .bind(outside.subject.clone());
        self.one(question).await?.as_ref().map(account).transpose()
    }

    pub(in super::super) async fn links_of(
        &self,
        user: &UserId,
    ) -> Result<Vec<Link>, AccountsError> {
        let question = sqlx::query(
            "SELECT issuer, subject, user_id, created_at FROM links WHERE user_id = $1 \
             ORDER BY issuer, subject",
        )
        .bind(user.as_str().to_owned());
        self.all(question).await?.iter().map(link).collect()
    }

    /// Whether the link was made: neither where the account is unknown, nor where the subject is
    /// linked.
    pub(in super::super) async fn link(
        &self,
        link: &Link,
        by: Option<&Authority>,
    ) -> Result<bool, AccountsError> {
        let question = sqlx::query(
            "INSERT INTO links (issuer, subject, user_id, created_at) \
             SELECT $1, $2, id, CAST($4 AS BIGINT) FROM accounts WHERE id = $3 \
             ON CONFLICT DO NOTHING RETURNING subject",
        )
        .bind(link.outside.issuer.clone())
        .bind(link.outside.subject.clone())
        .bind(link.user.as_str().to_owned())
        .bind(to_stored(link.created_at));
        let alone = Together {
            row: None,
            only_if_found: true,
            keep_an_administrator: false,
            by,
        };
        Ok(!self.together(question, alone).await?.is_empty())
    }

    pub(in super::super) async fn unlink(
        &self,
        user: &UserId,
        issuer: &str,
        row: &NewOutboxRow,
        by: Option<&Authority>,
    ) -> Result<usize, AccountsError> {
        let question =
            sqlx::query("DELETE FROM links WHERE user_id = $1 AND issuer = $2 RETURNING subject")
                .bind(user.as_str().to_owned())
                .bind(issuer.to_owned());
        let always = Together {
            row: Some(row),
            only_if_found: false,
            keep_an_administrator: false,
            by,
        };
        Ok(self.together(question, always).await?.len())
    }

    /// Makes an account and its link in one transaction.
    pub(in super::super) async fn insert_linked(
        &self,
        row: NewRow,
        link: &Link,
    ) -> Result<Account, AccountsError> {
        let account = row.account.clone();
        let made = self.within_timeout(async {
            let mut transaction = self.write.begin().await?;
            if insert::insert(row)
                .execute(&mut *transaction)
                .await?
                .rows_affected()
                == 0
            {
                transaction.rollback().await?;
                return Ok(Err(AccountsError::AccountExists));
            }
            if insert_link(link)
                .execute(&mut *transaction)
                .await?
                .rows_affected()
                == 0
            {
                transaction.rollback().await?;
                return Ok(Err(AccountsError::LinkExists));
            }
            self.is_there()?;
            transaction.commit().await?;
            Ok(Ok(()))
        });
        made.await?.map(|()| account)
    }
}

fn insert_link(link: &Link) -> Question {
    sqlx::query(
        "INSERT INTO links (issuer, subject, user_id, created_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT DO NOTHING",
    )
    .bind(link.outside.issuer.clone())
    .bind(link.outside.subject.clone())
    .bind(link.user.as_str().to_owned())
    .bind(to_stored(link.created_at))
}

fn link(row: &AnyRow) -> Result<Link, AccountsError> {
    let created_at = get::<i64>(row, "created_at")?;
    Ok(Link {
        outside: OutsideSubject {
            issuer: get(row, "issuer")?,
            subject: get(row, "subject")?,
        },
        user: UserId::parse(&get::<String>(row, "user_id")?).map_err(|_| spoilt("user_id"))?,
        created_at: u64::try_from(created_at).map_err(|_| spoilt("created_at"))?,
    })
}
