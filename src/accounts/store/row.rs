//! Rows, parsed as strictly as what comes from outside: somebody may have edited them by hand.
//!
//! This room must never let through what an account can't be.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::super::account::Account;
use super::super::client::{Client, ClientId, Fingerprint};
use super::super::error::AccountsError;
use super::super::identity::{Email, UserId};

/// An account together with what guards it.
#[derive(Clone)]
pub(in super::super) struct Found {
    pub(in super::super) account: Account,
    /// The fingerprint of the password's hash: enough to tell whether it is another one.
    pub(in super::super) password_hash: Option<Fingerprint>,
}

pub(super) fn found(row: &AnyRow) -> Result<Found, AccountsError> {
    let hash = get::<Option<String>>(row, "password_hash")?;
    Ok(Found {
        account: account(row)?,
        password_hash: hash.as_deref().map(Fingerprint::of),
    })
}

pub(super) fn account(row: &AnyRow) -> Result<Account, AccountsError> {
    Ok(Account {
        id: UserId::parse(&get::<String>(row, "id")?).map_err(|_| spoilt("id"))?,
        email: Email::parse(&get::<String>(row, "email")?).map_err(|_| spoilt("email"))?,
        name: get(row, "name")?,
        roles: words(&get::<String>(row, "roles")?),
        permissions: words(&get::<String>(row, "permissions")?),
        active: get::<i64>(row, "active")? == 1,
        created_at: number(row, "created_at")?,
        updated_at: number(row, "updated_at")?,
        revision: number(row, "revision")?,
    })
}

pub(super) fn client_with_secret(row: &AnyRow) -> Result<(Client, Fingerprint), AccountsError> {
    let secret = get::<Vec<u8>>(row, "secret_sha256")?;
    let client = Client {
        id: ClientId::parse(&get::<String>(row, "id")?).map_err(|_| spoilt("id"))?,
        name: get(row, "name")?,
        created_at: number(row, "created_at")?,
        own_users: get::<i64>(row, "own_users")? == 1,
        services: words(&get::<String>(row, "services")?),
    };
    let secret = Fingerprint::from_stored(&secret).ok_or_else(|| spoilt("secret_sha256"))?;
    Ok((client, secret))
}

/// A number as SQL knows it; none of ours comes near the end of its range.
pub(super) fn to_stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn number(row: &AnyRow, column: &'static str) -> Result<u64, AccountsError> {
    u64::try_from(get::<i64>(row, column)?).map_err(|_| spoilt(column))
}

fn words(joined: &str) -> Vec<String> {
    joined.split_ascii_whitespace().map(str::to_owned).collect()
}

pub(super) fn get<'r, T>(row: &'r AnyRow, column: &'static str) -> Result<T, AccountsError>
where
    T: sqlx::Decode<'r, sqlx::Any> + sqlx::Type<sqlx::Any>,
{
    row.try_get(column).map_err(|error| {
        log::debug!("the accounts database answered: {error}");
        AccountsError::AccountsUnavailable
    })
}

pub(super) fn spoilt(column: &'static str) -> AccountsError {
    log::error!("a row of the accounts database has no usable {column}");
    AccountsError::AccountsUnavailable
}
