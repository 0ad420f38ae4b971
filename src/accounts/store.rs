//! The accounts at rest: one SQL text for `SQLite` and `PostgreSQL`.
//!
//! Every change is one statement, so that it happens wholly or not at all; where it ends sessions,
//! one transaction has the change and its outbox row. It is durable before it is answered.
//!
//! This room must never decide whether a value is allowed: what comes in was parsed, what goes out
//! is parsed again. And the database's own words must never leave it but for the debug log.

mod attempts;
mod commits;
mod connect;
mod copying;
mod failing;
mod file;
mod insert;
mod io;
mod links;
mod outbox;
mod prove;
mod remembered;
mod row;
mod seen;
mod wal;

use std::sync::Arc;
use std::time::Duration;

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyPool};

use self::file::DatabaseFile;
use self::io::Io;
use self::remembered::Remembered;
use self::row::{account, client_with_secret, to_stored};
use super::account::{Account, Change};
use super::authority::Authority;
use super::client::{Client, ClientId, Fingerprint};
use super::error::AccountsError;
use super::identity::{Email, UserId};
use super::outbox::NewOutboxRow;
use super::owner::Owner;
use super::revisions::Revisions;
use crate::clock::UnixSeconds;

pub(super) use self::connect::{sqlite_file, sqlite_url};
pub(super) use self::copying::Replacement;
pub use self::copying::Snapshot;
pub(super) use self::insert::{Keep, NewRow};
pub(super) use self::prove::{MirrorKey, ToProve};
pub(super) use self::row::Found;
pub(super) use self::wal::has_all;

/// How long a question may take before the database counts as away. Whoever waits for another writer's lock
/// gives up before (`connect`), and every change is a transaction that is committed last: one that was answered
/// with a refusal is never made afterwards.
const QUERY_TIMEOUT: Duration = Duration::from_secs(5);

/// The same for readiness, which waits for three seconds and then can't say which store it was.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);

/// A question with its arguments bound.
type Question = Query<'static, Any, AnyArguments>;

/// The columns of an account, in the order that [`row::account`] doesn't depend on.
macro_rules! columns {
    () => {
        "id, email, name, roles, permissions, active, created_at, updated_at, revision"
    };
}

/// Says of a connection of this age whether it leads to a server that another one has taken the place of.
pub type Outdated = Arc<dyn Fn(Duration) -> bool + Send + Sync>;

/// Where the accounts are kept.
#[derive(Clone)]
pub(super) struct Store {
    /// `SQLite`: several readers. `PostgreSQL`: the same pool as `write`.
    read: AnyPool,
    /// `SQLite`: a single connection, since it has a single writer.
    write: AnyPool,
    /// `PostgreSQL`: what reads and writes the connections.
    io: Io,
    /// `PostgreSQL`: which connections are given up.
    outdated: connect::UntilOutdated,
    /// `SQLite`: the file of it.
    file: Option<Arc<DatabaseFile>>,
    /// `SQLite`: rows that needn't be asked for again. On a database of several machines nothing tells of
    /// commits.
    remembered: Option<Arc<Remembered>>,
    /// How long a question about one row may take: no reader waits for a lock.
    patience: Duration,
    /// Chooses whose hash stands in for that of a name which nobody has.
    mirror: Arc<MirrorKey>,
    /// What a transaction does first that could take the last administrator, or that is made by the
    /// rights of an account: of two such the second sees what the first has done.
    alone: &'static str,
    /// Begins a transaction that sees one moment.
    begin_snapshot: &'static str,
}

/// What is done in the transaction of a change.
struct Together<'a> {
    /// The outbox row to write.
    row: Option<&'a NewOutboxRow>,
    /// Whether the row is written only where the change found an account.
    only_if_found: bool,
    /// Whether the change could take the last active administrator.
    keep_an_administrator: bool,
    /// The account by whose rights the change is made.
    by: Option<&'a Authority>,
}

impl Store {
    /// Whose accounts the database at `url` has, to the deployment of this name. Makes and changes
    /// nothing.
    pub(super) async fn owner(url: &str, deployment: &str) -> Result<Owner, AccountsError> {
        connect::owner(url, deployment).await
    }

    /// Opens the database and brings its schema up to date.
    ///
    /// `new_key` is kept where there is no such key yet.
    pub(super) async fn open(url: &str, new_key: MirrorKey) -> Result<Self, AccountsError> {
        connect::open(url, new_key).await
    }

    /// Gives up connections of which this says that they are outdated. Of two, the first is gone by.
    pub(super) fn leave_where(&self, outdated: Outdated) {
        let _ = self.outdated.set(outdated);
    }

    /// Writes down that these are the accounts of this deployment.
    pub(super) async fn claim(&self, deployment: &str) -> Result<(), AccountsError> {
        self.within_timeout(async {
            let mut transaction = self.write.begin().await?;
            for (statement, name) in [
                (
                    "INSERT INTO lacre_deployments (name) VALUES ($1) ON CONFLICT DO NOTHING",
                    deployment,
                ),
                (
                    "DELETE FROM lacre_deployments WHERE name = $1",
                    seen::UNCLAIMED,
                ),
            ] {
                let question: Question = sqlx::query(statement).bind(name.to_owned());
                question.execute(&mut *transaction).await?;
            }
            transaction.commit().await
        })
        .await
    }

    pub(super) async fn by_id(&self, id: &UserId) -> Result<Option<Found>, AccountsError> {
        let remembered = self.remembered.as_ref();
        let now = remembered.and_then(|rows| Some((rows, rows.now()?)));
        if let Some(found) = now.and_then(|(rows, now)| rows.account(id, now)) {
            return Ok(Some(found));
        }
        let found = self.by_id_anew(id).await?;
        if let (Some((rows, asked)), Some(found)) = (now, &found) {
            rows.keep_account(asked, found);
        }
        Ok(found)
    }

    async fn by_id_anew(&self, id: &UserId) -> Result<Option<Found>, AccountsError> {
        let question = sqlx::query(concat!(
            "SELECT ",
            columns!(),
            ", password_hash FROM accounts WHERE id = $1"
        ))
        .bind(id.as_str().to_owned());
        self.one(question)
            .await?
            .as_ref()
            .map(row::found)
            .transpose()
    }

    pub(super) async fn by_email(&self, email: &Email) -> Result<Option<Found>, AccountsError> {
        let question = sqlx::query(concat!(
            "SELECT ",
            columns!(),
            ", password_hash FROM accounts WHERE email_lookup = $1"
        ))
        .bind(email.lookup().to_owned());
        self.one(question)
            .await?
            .as_ref()
            .map(row::found)
            .transpose()
    }

    /// Up to `limit` accounts whose id is greater than `after`, in the order of their ids; with
    /// `query`, those that have it in the id, the e-mail or the name, whatever the case.
    pub(super) async fn list(
        &self,
        after: Option<&UserId>,
        limit: usize,
        query: &str,
    ) -> Result<Vec<Account>, AccountsError> {
        let question = sqlx::query(concat!(
            "SELECT ",
            columns!(),
            " FROM accounts WHERE id > $1 AND ($2 = '' OR lower(id) LIKE $3 ESCAPE '!' \
             OR email_lookup LIKE $3 ESCAPE '!' OR lower(email) LIKE $3 ESCAPE '!' OR name_lookup LIKE $3 ESCAPE '!') \
             ORDER BY id LIMIT $4"
        ))
        .bind(after.map_or("", UserId::as_str).to_owned())
        .bind(query.to_owned())
        .bind(anywhere(query))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        self.all(question).await?.iter().map(account).collect()
    }

    /// Makes a parsed change, of the password's hash too where there is one, together with its
    /// outbox row, by the rights of an account where they have to hold; only of an account at one of the
    /// revisions `seen`.
    pub(super) async fn update(
        &self,
        (id, seen): (&UserId, Revisions),
        change: Change,
        password_hash: Option<String>,
        (row, by): (Option<&NewOutboxRow>, Option<&Authority>),
        now: UnixSeconds,
    ) -> Result<Account, AccountsError> {
        // A whole change says all the roles, so those before don't count.
        let takes_rights = change.may_take_an_administrator(&[]);
        let renamed = i64::from(change.name.is_some());
        let name = change.name.filter(|name| !name.is_empty());
        let question = sqlx::query(concat!(
            "UPDATE accounts SET email = COALESCE($2, email), \
             email_lookup = COALESCE($3, email_lookup), \
             name = CASE WHEN $4 = 1 THEN $5 ELSE name END, \
             name_lookup = CASE WHEN $4 = 1 THEN $6 ELSE name_lookup END, \
             roles = COALESCE($7, roles), permissions = COALESCE($8, permissions), \
             active = COALESCE($9, active), updated_at = $10, \
             password_hash = COALESCE($11, password_hash), revision = revision + 1 \
             WHERE id = $1 AND revision BETWEEN $12 AND $13 RETURNING ",
            columns!()
        ))
        .bind(id.as_str().to_owned())
        .bind(change.email.as_ref().map(|email| email.as_str().to_owned()))
        .bind(change.email.as_ref().map(|email| email.lookup().to_owned()))
        .bind(renamed)
        .bind(name.clone())
        .bind(name.as_deref().map(str::to_lowercase))
        .bind(change.roles.map(|roles| roles.join(" ")))
        .bind(change.permissions.map(|permissions| permissions.join(" ")))
        .bind(change.active.map(i64::from))
        .bind(to_stored(now))
        .bind(password_hash)
        .bind(to_stored(seen.first))
        .bind(to_stored(seen.last));
        let with = Together {
            row,
            only_if_found: true,
            keep_an_administrator: takes_rights,
            by,
        };
        self.changed_account(question, with).await
    }

    /// Puts a hash of the same password in the place of another; no change that anybody can see.
    pub(super) async fn renew_password_hash(
        &self,
        id: &UserId,
        old: String,
        new: String,
    ) -> Result<(), AccountsError> {
        let question = sqlx::query(
            "UPDATE accounts SET password_hash = $3 WHERE id = $1 AND password_hash = $2",
        )
        .bind(id.as_str().to_owned())
        .bind(old)
        .bind(new);
        self.change(question).await.map(drop)
    }

    /// Takes the account away, where it is there, and writes down what that ends.
    pub(super) async fn delete(
        &self,
        id: &UserId,
        row: &NewOutboxRow,
        by: Option<&Authority>,
    ) -> Result<bool, AccountsError> {
        let question = sqlx::query("DELETE FROM accounts WHERE id = $1 RETURNING id")
            .bind(id.as_str().to_owned());
        let always = Together {
            row: Some(row),
            only_if_found: false,
            keep_an_administrator: true,
            by,
        };
        Ok(!self.together(question, always).await?.is_empty())
    }

    pub(super) async fn insert_client(
        &self,
        client: &Client,
        secret: &Fingerprint,
    ) -> Result<(), AccountsError> {
        let question = sqlx::query(
            "INSERT INTO clients (id, name, secret_sha256, created_at, own_users, services) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(client.id.as_str().to_owned())
        .bind(client.name.clone())
        .bind(secret.as_bytes().to_vec())
        .bind(to_stored(client.created_at))
        .bind(i64::from(client.own_users))
        .bind(client.services.join(" "));
        self.change(question).await.map(drop)
    }

    /// The client of this id, if it was asked for lately and nothing was committed since.
    pub(super) fn remembered_client(&self, id: &ClientId) -> Option<(Client, Fingerprint)> {
        let rows = self.remembered.as_ref()?;
        rows.client(id, rows.now()?)
    }

    /// The account, where both are known without a question: by one look at the commits.
    pub(super) fn remembered_with_client(&self, id: &UserId, client: &ClientId) -> Option<Found> {
        let rows = self.remembered.as_ref()?;
        let now = rows.now()?;
        rows.client(client, now).and_then(|_| rows.account(id, now))
    }

    pub(super) async fn client(
        &self,
        id: &ClientId,
    ) -> Result<Option<(Client, Fingerprint)>, AccountsError> {
        let remembered = self.remembered.as_ref();
        let asked = remembered.and_then(|rows| Some((rows, rows.now()?)));
        let question =
            sqlx::query("SELECT id, name, secret_sha256, created_at, own_users, services FROM clients WHERE id = $1")
                .bind(id.as_str().to_owned());
        let row = self.one(question).await?;
        let found = row.as_ref().map(client_with_secret).transpose()?;
        if let (Some((rows, asked)), Some(found)) = (asked, &found) {
            rows.keep_client(asked, found);
        }
        Ok(found)
    }

    pub(super) async fn clients(&self) -> Result<Vec<Client>, AccountsError> {
        let question = sqlx::query(
            "SELECT id, name, secret_sha256, created_at, own_users, services FROM clients \
             ORDER BY created_at, id",
        );
        let rows = self.all(question).await?;
        rows.iter()
            .map(|row| client_with_secret(row).map(|(client, _)| client))
            .collect()
    }

    /// Takes the client away, where it is there, and writes down what that ends.
    pub(super) async fn delete_client(
        &self,
        id: &ClientId,
        row: &NewOutboxRow,
    ) -> Result<bool, AccountsError> {
        let question = sqlx::query("DELETE FROM clients WHERE id = $1 RETURNING id")
            .bind(id.as_str().to_owned());
        let always = Together {
            row: Some(row),
            only_if_found: false,
            keep_an_administrator: false,
            by: None,
        };
        Ok(!self.together(question, always).await?.is_empty())
    }

    /// Reads one page of the database, which `SELECT 1` would not.
    pub(super) async fn health(&self) -> Result<(), AccountsError> {
        let question = sqlx::query("SELECT id FROM clients LIMIT 1");
        self.within(HEALTH_TIMEOUT, async {
            self.is_there()?;
            question.fetch_all(&self.read).await.map(drop)
        })
        .await
    }

    pub(super) async fn close(&self) {
        if let Some(remembered) = &self.remembered {
            remembered.close().await;
        }
        self.io.by(self.read.close()).await;
        self.io.by(self.write.close()).await;
    }

    /// Fails where what is committed would be lost: asked before each commit.
    fn is_there(&self) -> Result<(), sqlx::Error> {
        self.file.as_ref().map_or(Ok(()), |file| file.is_there())
    }

    async fn one(&self, question: Question) -> Result<Option<AnyRow>, AccountsError> {
        self.within(self.patience, question.fetch_optional(&self.read))
            .await
    }

    async fn all(&self, question: Question) -> Result<Vec<AnyRow>, AccountsError> {
        self.within_timeout(question.fetch_all(&self.read)).await
    }

    async fn change(&self, question: Question) -> Result<u64, AccountsError> {
        self.within_timeout(async {
            let mut transaction = self.write.begin().await?;
            let done = question.execute(&mut *transaction).await?;
            self.is_there()?;
            transaction.commit().await?;
            Ok(done.rows_affected())
        })
        .await
    }

    async fn within_timeout<T>(
        &self,
        asked: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, AccountsError> {
        self.within(QUERY_TIMEOUT, asked).await
    }

    /// An answer, unless the database takes longer than this.
    async fn within<T>(
        &self,
        limit: Duration,
        asked: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, AccountsError> {
        within(limit, self.io.by(asked)).await
    }
}

/// A pattern for `LIKE … ESCAPE '!'` that finds `query`, every character of it literal.
fn anywhere(query: &str) -> String {
    let mut pattern = String::with_capacity(query.len() + 2);
    pattern.push('%');
    for character in query.chars() {
        if matches!(character, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// An answer, unless the database takes too long: a half-dead one must not hold its callers.
async fn within_timeout<T>(
    asked: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, AccountsError> {
    within(QUERY_TIMEOUT, asked).await
}

async fn within<T>(
    limit: Duration,
    asked: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, AccountsError> {
    match tokio::time::timeout(limit, asked).await {
        Ok(Ok(answer)) => {
            failing::ended();
            Ok(answer)
        }
        Ok(Err(error)) => Err(refused(&error)),
        Err(_) => {
            failing::too_slow();
            Err(AccountsError::AccountsUnavailable)
        }
    }
}

fn refused(error: &sqlx::Error) -> AccountsError {
    if error
        .as_database_error()
        .is_some_and(sqlx::error::DatabaseError::is_unique_violation)
    {
        return AccountsError::AccountExists;
    }
    failing::failed(error);
    AccountsError::AccountsUnavailable
}

#[cfg(test)]
impl Store {
    pub(super) async fn close_readers(&self) {
        self.read.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_takes_its_query_literally() {
        assert_eq!(anywhere("a_b%c!d\\"), "%a!_b!%c!!d\\%");
    }
}
