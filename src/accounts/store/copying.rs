//! Every table, column by column, out of a database and into one.
//!
//! The rows of a copy go into temporary tables first, where the database itself compares them with what
//! it has; then they take its place, all in one transaction.
//!
//! This room must never leave a column out: a test compares the lists with the schema.

use super::io::Io;
use super::row::{get, spoilt, to_stored};
use super::{Question, Store, outbox, refused, seen};
use crate::accounts::copy::{CopiedRow, Replaced, Some20, TakenIn};
use crate::accounts::error::AccountsError;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use sqlx::any::AnyRow;
use sqlx::{Any, AssertSqlSafe, Row as _, Transaction};

/// How many rows are read at once.
const PAGE: usize = 256;

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    Bytes,
}
use Kind::{Bytes, Number, Text};

struct Table {
    name: &'static str,
    /// The columns of its key, which come first.
    key: usize,
    columns: &'static [(&'static str, Kind)],
}

/// In an order in which what is referred to comes first.
const TABLES: [Table; 5] = [
    Table {
        name: "accounts",
        key: 1,
        columns: &[
            ("id", Text),
            ("email", Text),
            ("email_lookup", Text),
            ("name", Text),
            ("name_lookup", Text),
            ("roles", Text),
            ("permissions", Text),
            ("active", Number),
            ("password_hash", Text),
            ("created_at", Number),
            ("updated_at", Number),
            ("revision", Number),
        ],
    },
    Table {
        name: "clients",
        key: 1,
        columns: &[
            ("id", Text),
            ("name", Text),
            ("secret_sha256", Bytes),
            ("created_at", Number),
            ("own_users", Number),
            ("services", Text),
        ],
    },
    Table {
        name: "links",
        key: 2,
        columns: &[
            ("issuer", Text),
            ("subject", Text),
            ("user_id", Text),
            ("created_at", Number),
        ],
    },
    Table {
        name: "owed_ends",
        key: 1,
        columns: &[
            ("id", Text),
            ("keystore", Text),
            ("user_id", Text),
            ("reach", Text),
            ("kept", Text),
            ("kept_since", Number),
            ("created_at", Number),
        ],
    },
    Table {
        name: "secrets",
        key: 1,
        columns: &[("name", Text), ("value", Bytes)],
    },
];

impl Table {
    fn columns(&self) -> String {
        let names: Vec<_> = self.columns.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }

    fn key(&self) -> String {
        let names: Vec<_> = self.columns[..self.key]
            .iter()
            .map(|(name, _)| *name)
            .collect();
        names.join(", ")
    }

    fn read(&self, row: &AnyRow) -> Result<Map<String, Value>, AccountsError> {
        let value = |name, kind| {
            Ok::<Value, AccountsError>(match kind {
                Text => get::<Option<String>>(row, name)?.into(),
                Number => get::<Option<i64>>(row, name)?.into(),
                Bytes => {
                    let bytes = get::<Option<Vec<u8>>>(row, name)?;
                    bytes.map(|bytes| URL_SAFE_NO_PAD.encode(bytes)).into()
                }
            })
        };
        let columns = self.columns.iter();
        columns
            .map(|(name, kind)| Ok(((*name).to_owned(), value(name, *kind)?)))
            .collect()
    }

    fn insert(&self, values: &Map<String, Value>) -> Result<Question, AccountsError> {
        let places: Vec<_> = (1..=self.columns.len()).map(|n| format!("${n}")).collect();
        let text = format!(
            "INSERT INTO restored_{} ({}) VALUES ({})",
            self.name,
            self.columns(),
            places.join(", ")
        );
        let mut question = sqlx::query(AssertSqlSafe(text));
        for (name, kind) in self.columns {
            let value = values.get(*name).ok_or_else(|| spoilt(name))?;
            let text = match value {
                Value::String(text) => Some(text.clone()),
                _ => None,
            };
            question = match kind {
                _ if value.is_null() => match kind {
                    Text => question.bind(None::<String>),
                    Number => question.bind(None::<i64>),
                    Bytes => question.bind(None::<Vec<u8>>),
                },
                Text => question.bind(text.ok_or_else(|| spoilt(name))?),
                Number => question.bind(value.as_i64().ok_or_else(|| spoilt(name))?),
                Bytes => {
                    let bytes = text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
                    question.bind(bytes.ok_or_else(|| spoilt(name))?)
                }
            };
        }
        Ok(question)
    }
}

/// A database as it was at one moment.
#[derive(Debug)]
pub struct Snapshot {
    transaction: Transaction<'static, Any>,
    io: Io,
    /// The table that is read, and the key of its last row.
    table: usize,
    after: Vec<String>,
}

impl Snapshot {
    /// The next rows; none at the end.
    pub async fn next(&mut self) -> Result<Vec<CopiedRow>, AccountsError> {
        let io = self.io.clone();
        io.by(self.rows()).await
    }

    async fn rows(&mut self) -> Result<Vec<CopiedRow>, AccountsError> {
        while let Some(table) = TABLES.get(self.table) {
            let question = self.question(table);
            let rows = question.fetch_all(&mut *self.transaction).await;
            let rows = rows.map_err(|error| refused(&error))?;
            let full = rows.len() == PAGE;
            let values = rows.iter().map(|row| table.read(row));
            let values = values.collect::<Result<Vec<_>, _>>()?;
            if let Some(last) = values.last().filter(|_| full) {
                let key = table.columns[..table.key].iter();
                let text = |name: &str| last[name].as_str().unwrap_or_default().to_owned();
                self.after = key.map(|(name, _)| text(name)).collect();
            } else {
                self.table += 1;
                self.after.clear();
            }
            if !values.is_empty() {
                let row = |values| CopiedRow {
                    table: table.name.to_owned(),
                    values,
                };
                return Ok(values.into_iter().map(row).collect());
            }
        }
        Ok(Vec::new())
    }

    fn question(&self, table: &Table) -> Question {
        let (columns, name, key) = (table.columns(), table.name, table.key());
        let places: Vec<_> = (1..=self.after.len()).map(|n| format!("${n}")).collect();
        let behind = if places.is_empty() {
            String::new()
        } else {
            format!("WHERE ({key}) > ({})", places.join(", "))
        };
        let text = format!("SELECT {columns} FROM {name} {behind} ORDER BY {key} LIMIT {PAGE}");
        let mut question = sqlx::query(AssertSqlSafe(text));
        for part in &self.after {
            question = question.bind(part.clone());
        }
        question
    }
}

impl Store {
    pub(in super::super) async fn snapshot(&self) -> Result<Snapshot, AccountsError> {
        let begun = self.io.by(self.read.begin_with(self.begin_snapshot)).await;
        Ok(Snapshot {
            transaction: begun.map_err(|error| refused(&error))?,
            io: self.io.clone(),
            table: 0,
            after: Vec::new(),
        })
    }

    /// As [`snapshot`](Self::snapshot), and nothing is changed until it is dropped: for a database of one writer.
    pub(in super::super) async fn held(&self) -> Result<Snapshot, AccountsError> {
        let begun = self.write.begin_with("BEGIN IMMEDIATE").await;
        Ok(Snapshot {
            transaction: begun.map_err(|error| refused(&error))?,
            io: self.io.clone(),
            table: 0,
            after: Vec::new(),
        })
    }

    pub(in super::super) async fn replacement(&self) -> Result<Replacement, AccountsError> {
        self.io.by(self.begin_replacement()).await
    }

    async fn begin_replacement(&self) -> Result<Replacement, AccountsError> {
        let begun = self.write.begin().await;
        let mut replacement = Replacement {
            transaction: begun.map_err(|error| refused(&error))?,
            io: self.io.clone(),
        };
        replacement.run(self.alone).await?;
        for Table { name, .. } in &TABLES {
            let text = format!(
                "CREATE TEMPORARY TABLE restored_{name} AS SELECT * FROM {name} WHERE 1 = 0"
            );
            replacement.run(text).await?;
        }
        Ok(replacement)
    }
}

/// A copy that is about to take the place of what a database has.
pub(in super::super) struct Replacement {
    transaction: Transaction<'static, Any>,
    io: Io,
}

/// Accounts of both the copy and the database, by how they differ.
const BOTH: &str = "FROM restored_accounts r JOIN accounts a ON a.id = r.id WHERE";
const OTHER_PASSWORD: &str = "a.password_hash IS DISTINCT FROM r.password_hash";
const OTHER_RIGHTS: &str = "(a.roles <> r.roles OR a.permissions <> r.permissions)";
const DISABLED: &str = "a.active = 0 AND r.active = 1";
const BACK: &str =
    "FROM restored_accounts r WHERE NOT EXISTS (SELECT 1 FROM accounts a WHERE a.id = r.id)";
const GONE: &str =
    "FROM accounts r WHERE NOT EXISTS (SELECT 1 FROM restored_accounts a WHERE a.id = r.id)";
const CLIENTS_BACK: &str =
    "FROM restored_clients r WHERE NOT EXISTS (SELECT 1 FROM clients c WHERE c.id = r.id)";
const CLIENTS_GONE: &str =
    "FROM clients r WHERE NOT EXISTS (SELECT 1 FROM restored_clients c WHERE c.id = r.id)";
/// Links of accounts that both have.
const LINKS_BACK: &str = "FROM restored_links l JOIN accounts r ON r.id = l.user_id \
     WHERE NOT EXISTS (SELECT 1 FROM links o \
     WHERE o.issuer = l.issuer AND o.subject = l.subject AND o.user_id = l.user_id)";
const LINKS_GONE: &str = "FROM links r WHERE NOT EXISTS (SELECT 1 FROM restored_links o \
     WHERE o.issuer = r.issuer AND o.subject = r.subject AND o.user_id = r.user_id)";

/// Whose sessions an outbox row ends, as the columns of what it is made for.
struct Owed {
    reach: &'static str,
    user: &'static str,
    kept: &'static str,
}

impl Owed {
    const fn of_user(reach: &'static str) -> Self {
        Self {
            reach,
            user: "r.id",
            kept: "NULL",
        }
    }
}

/// What names an account to a person, and a client.
const EMAIL: &str = "r.email";
const CLIENT_NAME: &str = "r.id || ' (' || r.name || ')'";

impl Replacement {
    pub(in super::super) async fn take<E: From<AccountsError>>(
        mut self,
        into: TakenIn<'_>,
        mut rows: impl FnMut() -> Result<Option<CopiedRow>, E>,
    ) -> Result<Replaced, E> {
        let io = self.io.clone();
        let taking = io.by(async move {
            while let Some(row) = rows()? {
                self.put(&row).await?;
            }
            Ok(self.swap(into).await?)
        });
        taking.await
    }

    pub(in super::super) async fn take_from(
        mut self,
        into: TakenIn<'_>,
        from: &mut Snapshot,
    ) -> Result<Replaced, AccountsError> {
        let io = self.io.clone();
        let taking = io.by(async move {
            loop {
                let rows = from.next().await?;
                if rows.is_empty() {
                    return self.swap(into).await;
                }
                for row in rows {
                    self.put(&row).await?;
                }
            }
        });
        taking.await
    }

    async fn put(&mut self, row: &CopiedRow) -> Result<(), AccountsError> {
        let table = TABLES.iter().find(|table| table.name == row.table);
        let table = table.ok_or_else(|| spoilt("table"))?;
        let insert = table.insert(&row.values)?;
        let done = insert.execute(&mut *self.transaction).await;
        done.map(drop).map_err(|error| refused(&error))
    }

    async fn swap(mut self, into: TakenIn<'_>) -> Result<Replaced, AccountsError> {
        let replaced = Replaced {
            accounts: self
                .number("SELECT COUNT(*) FROM restored_accounts".into())
                .await?,
            back: self.some(EMAIL, BACK).await?,
            gone: self.some(EMAIL, GONE).await?,
            disabled: self.some(EMAIL, &format!("{BOTH} {DISABLED}")).await?,
            passwords: self
                .some(EMAIL, &format!("{BOTH} {OTHER_PASSWORD}"))
                .await?,
            rights: self.some(EMAIL, &format!("{BOTH} {OTHER_RIGHTS}")).await?,
            clients_back: self.some(CLIENT_NAME, CLIENTS_BACK).await?,
            clients_gone: self.some(CLIENT_NAME, CLIENTS_GONE).await?,
            links_back: self.some(EMAIL, LINKS_BACK).await?,
        };
        self.run("UPDATE restored_accounts SET active = 0 WHERE id IN (SELECT id FROM accounts WHERE active = 0)")
            .await?;
        let of_user = Owed::of_user;
        let of_client = Owed::of_user(outbox::CLIENT);
        let through = Owed {
            reach: outbox::THROUGH,
            user: "r.user_id",
            kept: "r.issuer",
        };
        for (owed, which) in [
            (of_user(outbox::ALL), GONE.to_owned()),
            (of_user(outbox::ALL), format!("{BOTH} r.active = 0")),
            (of_user(outbox::ALL), format!("{BOTH} {OTHER_PASSWORD}")),
            (of_user(outbox::ACCESS), format!("{BOTH} {OTHER_RIGHTS}")),
            (of_client, CLIENTS_GONE.to_owned()),
            (through, LINKS_GONE.to_owned()),
        ] {
            self.owe(&owed, &which, into).await?;
        }
        for Table { name, .. } in TABLES
            .iter()
            .rev()
            .filter(|table| table.name != "owed_ends")
        {
            self.run(format!("DELETE FROM {name}")).await?;
        }
        for table in &TABLES {
            let (name, columns) = (table.name, table.columns());
            let text = format!(
                "INSERT INTO {name} ({columns}) SELECT {columns} FROM restored_{name} WHERE 1 = 1 \
                 ON CONFLICT DO NOTHING"
            );
            self.run(text).await?;
            self.run(format!("DROP TABLE restored_{name}")).await?;
        }
        if !into.ours {
            self.run("DELETE FROM lacre_deployments").await?;
        }
        let unclaimed = format!(
            "DELETE FROM lacre_deployments WHERE name = '{}'",
            seen::UNCLAIMED
        );
        self.run(unclaimed).await?;
        let claim = "INSERT INTO lacre_deployments (name) VALUES ($1) ON CONFLICT DO NOTHING";
        let claim = sqlx::query(claim).bind(into.deployment.to_owned());
        let claimed = claim.execute(&mut *self.transaction).await;
        claimed.map_err(|error| refused(&error))?;
        self.transaction
            .commit()
            .await
            .map_err(|error| refused(&error))?;
        Ok(replaced)
    }

    /// Writes down that sessions have to end.
    async fn owe(
        &mut self,
        owed: &Owed,
        which: &str,
        into: TakenIn<'_>,
    ) -> Result<(), AccountsError> {
        let Owed { reach, user, kept } = owed;
        let text = format!(
            "INSERT INTO owed_ends (id, keystore, user_id, reach, kept, kept_since, created_at) \
             SELECT 'restored-' || $1 || '-' || COALESCE({kept}, '') || '-' || {user}, $2, {user}, $1, \
             CAST({kept} AS TEXT), CAST(NULL AS BIGINT), CAST($3 AS BIGINT) {which} ON CONFLICT DO NOTHING"
        );
        let question = sqlx::query(AssertSqlSafe(text))
            .bind((*reach).to_owned())
            .bind(into.deployment.to_owned())
            .bind(to_stored(into.now));
        let done = question.execute(&mut *self.transaction).await;
        done.map(drop).map_err(|error| refused(&error))
    }

    /// How many there are of these, and what names the first.
    async fn some(&mut self, name: &str, which: &str) -> Result<Some20, AccountsError> {
        let count = self
            .number(format!("SELECT COUNT(DISTINCT r.id) {which}"))
            .await?;
        let text =
            format!("SELECT DISTINCT r.id AS id, {name} AS name {which} ORDER BY r.id LIMIT 20");
        let rows = sqlx::query(AssertSqlSafe(text))
            .fetch_all(&mut *self.transaction)
            .await;
        let rows = rows.map_err(|error| refused(&error))?;
        let names = rows.iter().map(|row| get(row, "name"));
        Ok(Some20 {
            count,
            names: names.collect::<Result<_, _>>()?,
        })
    }

    async fn number(&mut self, text: String) -> Result<u64, AccountsError> {
        let question = sqlx::query(AssertSqlSafe(text));
        let row = question.fetch_one(&mut *self.transaction).await;
        let number: Result<i64, _> = row.and_then(|row| row.try_get(0));
        let number = number.map_err(|error| refused(&error))?;
        u64::try_from(number).map_err(|_| spoilt("count"))
    }

    async fn run(&mut self, text: impl Into<String>) -> Result<(), AccountsError> {
        let question = sqlx::query(AssertSqlSafe(text.into()));
        // Fetched, not executed: `SQLite` is done with a statement only at its end.
        let done = question.fetch_all(&mut *self.transaction).await;
        done.map(drop).map_err(|error| refused(&error))
    }
}

#[cfg(test)]
impl Store {
    /// Every column of every table that there is, as the database itself lists them.
    pub(in super::super) async fn columns(&self) -> std::collections::BTreeSet<(String, String)> {
        let listing = if self.begin_snapshot.contains("READ") {
            "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT) \
             FROM information_schema.columns WHERE table_schema = current_schema()"
        } else {
            "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c \
             WHERE m.type = 'table'"
        };
        let rows = sqlx::query(listing).fetch_all(&self.read).await.unwrap();
        let names = rows.iter().map(|row| (row.get(0), row.get(1)));
        names.collect()
    }
}
