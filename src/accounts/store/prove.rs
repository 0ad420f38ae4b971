//! What a log-in is compared with.
//!
//! A name that nobody has is compared with the hash of some account, so that the work tells nothing
//! where accounts have hashes of several costs: those that were imported, those of earlier settings.
//! Which account that is, a keyed digest of the name chooses: the same one every time, as a name that
//! somebody has is always compared with its own (threat: account-enumeration).
//!
//! This room must never let a log-in succeed by the hash of another account.

use super::row::{get, spoilt};
use super::{Store, within_timeout};
use crate::accounts::error::AccountsError;
use crate::accounts::identity::{LoginName, UserId};
use crate::accounts::revisions::Revisions;
use openssl::sha::Sha256;
use rand::CryptoRng;
use sqlx::any::AnyRow;
use zeroize::Zeroizing;

/// The row of the key in the table of secrets.
const KEY_NAME: &str = "mirror";

/// What a password is proven with.
pub(in super::super) struct ToProve {
    /// The account of the name, where there is one.
    pub(in super::super) found: Option<Provable>,
    /// The hash of another account, for its work; nothing where that one has none.
    pub(in super::super) mirrored: Option<String>,
}

/// An account that a password may be proven for.
pub(in super::super) struct Provable {
    pub(in super::super) id: UserId,
    pub(in super::super) active: bool,
    pub(in super::super) password_hash: Option<String>,
}

/// Says, of each name, whose hash stands in for it. Kept with the accounts, so that a restart
/// changes nothing that could be noticed.
pub(in super::super) struct MirrorKey(Zeroizing<Vec<u8>>);

impl MirrorKey {
    pub(in super::super) fn generate(random: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut key = Zeroizing::new(vec![0; 32]);
        random.fill_bytes(&mut key);
        Self(key)
    }

    /// Where among the revisions, which are random, the account of this name is looked for.
    fn place(&self, name: &str) -> u64 {
        let mut digest = Sha256::new();
        digest.update(&self.0);
        digest.update(name.as_bytes());
        let digest = digest.finish();
        let first = digest.first_chunk().copied().unwrap_or_default();
        Revisions::place(u64::from_be_bytes(first))
    }
}

/// Of the accounts in the order of a column the first at or behind a name and the first of all, and
/// the same in the order of their revisions. All four are read whatever is asked.
macro_rules! to_prove {
    ($column:literal) => {
        concat!(
            "SELECT * FROM (",
            to_prove!(0, $column, $column, " >= $1"),
            ") AS a UNION ALL SELECT * FROM (",
            to_prove!(1, $column, $column, " >= ''"),
            ") AS b UNION ALL SELECT * FROM (",
            to_prove!(2, $column, "revision", " >= $2"),
            ") AS c UNION ALL SELECT * FROM (",
            to_prove!(3, $column, "revision", " >= 0"),
            ") AS d ORDER BY turn"
        )
    };
    ($turn:literal, $column:literal, $order:literal, $from:literal) => {
        concat!(
            "SELECT ",
            $turn,
            " AS turn, id, active, password_hash, ",
            $column,
            " AS name_found FROM accounts WHERE ",
            $order,
            $from,
            " ORDER BY ",
            $order,
            " LIMIT 1"
        )
    };
}

impl Store {
    /// The account that a password is to be proven for.
    ///
    /// Where there is none, another account's row is found and dropped in its place: the time that
    /// it takes must not tell whether there is one, nor where in the order of names the next one is.
    pub(in super::super) async fn to_prove(
        &self,
        by: &LoginName,
    ) -> Result<ToProve, AccountsError> {
        let (question, name) = match by {
            LoginName::Id(id) => (to_prove!("id"), id.as_str()),
            LoginName::Email(email) => (to_prove!("email_lookup"), email.lookup()),
            LoginName::Nobody => (to_prove!("id"), ""),
        };
        let place = super::row::to_stored(self.mirror.place(name));
        let question = sqlx::query(question).bind(name.to_owned()).bind(place);
        let rows = self.all(question).await?;
        let mut found = None;
        let mut mirrored = None;
        // From the last to the first, so that the better one of two stays.
        for row in rows.iter().rev() {
            let candidate = provable(row, name)?;
            if get::<i64>(row, "turn")? >= 2 {
                mirrored = candidate.1;
            } else {
                found = candidate.0;
            }
        }
        Ok(ToProve { found, mirrored })
    }

    /// The key of this database, made of `new` where there is none yet.
    pub(super) async fn mirror_key(
        pool: &sqlx::AnyPool,
        new: MirrorKey,
    ) -> Result<MirrorKey, AccountsError> {
        let row = within_timeout(async {
            sqlx::query("INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(KEY_NAME)
                .bind(new.0.to_vec())
                .execute(pool)
                .await?;
            sqlx::query("SELECT value FROM secrets WHERE name = $1")
                .bind(KEY_NAME)
                .fetch_one(pool)
                .await
        });
        let key: Vec<u8> = get(&row.await?, "value")?;
        Ok(MirrorKey(Zeroizing::new(key)))
    }
}

/// The row's account, if its `name_found` is this name, and its hash. Another's takes the same steps,
/// and says nothing of what may be wrong with it.
fn provable(row: &AnyRow, name: &str) -> Result<(Option<Provable>, Option<String>), AccountsError> {
    let id = UserId::parse(&get::<String>(row, "id")?);
    let active = get::<i64>(row, "active")? == 1;
    let password_hash = get::<Option<String>>(row, "password_hash")?;
    if get::<String>(row, "name_found")? != name {
        return Ok((None, password_hash));
    }
    let found = Provable {
        id: id.map_err(|_| spoilt("id"))?,
        active,
        password_hash: password_hash.clone(),
    };
    Ok((Some(found), password_hash))
}
