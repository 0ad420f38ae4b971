//! An account as other rooms see it, what makes one and what changes one.
//!
//! This room must never hold a password's hash: who has an `Account` has nothing to crack.

use super::error::{AccountsError, invalid};
use super::identity::{Email, UserId};
use super::imported::ImportedHash;
use super::password::Password;
use crate::clock::UnixSeconds;
use crate::telemetry::is_invisible;

const MAX_NAME: usize = 200;
const MAX_TEXT: usize = 254;
const MAX_RIGHT: usize = 64;
/// Roles and permissions travel in every token, whose length is capped; so is theirs.
const ROLES_TOGETHER: usize = 512;
const PERMISSIONS_TOGETHER: usize = 2048;

/// The role of an account that was given none.
const FIRST_ROLE: &str = "user";

/// The role of administrators.
pub(crate) const ADMIN_ROLE: &str = crate::defaults::ADMIN_ROLE;

/// One who may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its identifier, for ever.
    pub id: UserId,
    /// Its e-mail, as given; no other account has it in any case.
    pub email: Email,
    /// What it wants to be called.
    pub name: Option<String>,
    /// Its roles, never none; the first is *the* role.
    pub roles: Vec<String>,
    /// What it may do besides what its roles say.
    pub permissions: Vec<String>,
    /// Whether it may log in.
    pub active: bool,
    /// When it was made.
    pub created_at: UnixSeconds,
    /// When it was last changed.
    pub updated_at: UnixSeconds,
    /// Random for a new account, one more with every change, a changed password included; an account
    /// made again under the id of a deleted one comes to none that the other had.
    pub revision: u64,
}

impl Account {
    /// The first of its roles.
    #[must_use]
    pub fn role(&self) -> &str {
        self.roles.first().map_or("", String::as_str)
    }
}

/// What a new account is made of.
#[derive(Debug)]
pub struct NewAccount {
    /// Its identifier; a random one where there is none.
    pub id: Option<UserId>,
    /// Its e-mail.
    pub email: Email,
    /// What it wants to be called: at most 200 characters, none of them a control character.
    pub name: Option<String>,
    /// Its roles, each 1 to 64 of `[A-Za-z0-9_.:-]`; `user` where there are none.
    pub roles: Vec<String>,
    /// Its permissions, spelled like roles.
    pub permissions: Vec<String>,
    /// Its password; nobody can log in to an account without one.
    pub password: Option<Password>,
}

impl NewAccount {
    /// An account with this e-mail, a random id, the role `user`, and neither name nor password.
    #[must_use]
    pub fn with_email(email: Email) -> Self {
        Self {
            id: None,
            email,
            name: None,
            roles: Vec::new(),
            permissions: Vec::new(),
            password: None,
        }
    }
}

/// An account of another system, with the hash of its password.
#[derive(Debug)]
pub struct ImportedAccount {
    /// Its identifier; a random one where there is none.
    pub id: Option<UserId>,
    /// Its e-mail.
    pub email: Email,
    /// What it wants to be called, as in [`NewAccount`].
    pub name: Option<String>,
    /// Its roles, as in [`NewAccount`].
    pub roles: Vec<String>,
    /// Its permissions, as in [`NewAccount`].
    pub permissions: Vec<String>,
    /// Whether it may log in.
    pub active: bool,
    /// The hash of its password; nobody can log in to an account without one.
    pub hash: Option<ImportedHash>,
}

/// What is to become different about an account; `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Another e-mail.
    pub email: Option<Email>,
    /// Another name; an empty one takes the name away.
    pub name: Option<String>,
    /// Another first role, instead of the first it has at that moment; the others stay. Where there
    /// are `roles`, they say it all.
    pub role: Option<String>,
    /// Other roles, instead of all it has; at least one.
    pub roles: Option<Vec<String>>,
    /// Other permissions, instead of all it has.
    pub permissions: Option<Vec<String>>,
    /// Whether it may log in.
    pub active: Option<bool>,
}

impl Change {
    /// The change with each right once, if an account can have all of it.
    pub(crate) fn checked(self) -> Result<Self, AccountsError> {
        if let Some(name) = &self.name {
            display_name("name", name)?;
        }
        if let Some(role) = &self.role {
            roles(vec![role.clone()])?;
        }
        Ok(Self {
            roles: self.roles.map(roles).transpose()?,
            permissions: self.permissions.map(permissions).transpose()?,
            ..self
        })
    }

    /// Whether it is about what the account may do.
    pub(crate) fn concerns_rights(&self) -> bool {
        self.role.is_some() || self.roles.is_some() || self.permissions.is_some()
    }

    /// Whether an account with these roles may be no active administrator after it.
    pub(crate) fn may_take_an_administrator(&self, before: &[String]) -> bool {
        let demotes = |roles: Vec<String>| !roles.iter().any(|role| role == ADMIN_ROLE);
        self.active == Some(false) || self.roles_after(before).is_some_and(demotes)
    }

    /// The roles that it leaves an account with that has these; `None` where they stay as they are.
    pub(crate) fn roles_after(&self, before: &[String]) -> Option<Vec<String>> {
        match (&self.roles, &self.role) {
            (Some(roles), _) => Some(roles.clone()),
            (None, Some(role)) => {
                let others = before.iter().skip(1).filter(|other| *other != role);
                Some([role].into_iter().chain(others).cloned().collect())
            }
            (None, None) => None,
        }
    }
}

/// Some accounts of many, in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The accounts.
    pub accounts: Vec<Account>,
    /// Where the next page begins (`after`), unless this is the last.
    pub next: Option<UserId>,
}

/// Text of at most 254 bytes that somebody can read.
pub(crate) fn plain_text(field: &'static str, text: &str) -> Result<(), AccountsError> {
    if text.chars().any(|c| c.is_control() || is_invisible(c)) {
        return Err(invalid(
            field,
            "must not hold control characters or characters that nobody sees",
        ));
    }
    if text.len() > MAX_TEXT {
        return Err(invalid(field, "must have at most 254 bytes"));
    }
    Ok(())
}

/// A name to show, or none where it is empty.
pub(crate) fn display_name(
    field: &'static str,
    text: &str,
) -> Result<Option<String>, AccountsError> {
    if text.chars().any(char::is_control) {
        return Err(invalid(field, "must not hold control characters"));
    }
    if text.chars().count() > MAX_NAME {
        return Err(invalid(field, "must have at most 200 characters"));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// The roles of a new account.
pub(super) fn first_roles(names: Vec<String>) -> Result<Vec<String>, AccountsError> {
    if names.is_empty() {
        return Ok(vec![FIRST_ROLE.to_owned()]);
    }
    roles(names)
}

/// At least one role, each once, in the order given.
pub(super) fn roles(names: Vec<String>) -> Result<Vec<String>, AccountsError> {
    if names.is_empty() {
        return Err(invalid("role", "an account needs at least one"));
    }
    rights("role", names, ROLES_TOGETHER)
}

/// Roles of somebody who is no account, and needs none; each once, in the order given.
pub(crate) fn roles_or_none(names: Vec<String>) -> Result<Vec<String>, AccountsError> {
    rights("role", names, ROLES_TOGETHER)
}

/// The roles of an account whose issuer says that it has these, where it has `current` here.
///
/// `admin` is given here and nowhere else (threat: outside-roles): it is left out of what the issuer
/// says, and stays where it is. What is no role here is left out, as is what would not fit into a
/// token.
pub(crate) fn roles_from_outside(current: &[String], said: &[String]) -> Vec<String> {
    let mut left = ROLES_TOGETHER - ADMIN_ROLE.len() - 1;
    let mut roles: Vec<String> = Vec::new();
    for role in said {
        let known = roles.contains(role) || role == ADMIN_ROLE;
        if known || !is_right(role) || role.len() >= left {
            continue;
        }
        left -= role.len() + 1;
        roles.push(role.clone());
    }
    if roles.is_empty() {
        roles.push(FIRST_ROLE.to_owned());
    }
    match current.iter().position(|role| role == ADMIN_ROLE) {
        Some(0) => roles.insert(0, ADMIN_ROLE.to_owned()),
        Some(_) => roles.push(ADMIN_ROLE.to_owned()),
        None => {}
    }
    roles
}

/// Permissions, each once, in the order given.
pub(crate) fn permissions(names: Vec<String>) -> Result<Vec<String>, AccountsError> {
    rights("permission", names, PERMISSIONS_TOGETHER)
}

fn rights(
    field: &'static str,
    names: Vec<String>,
    together: usize,
) -> Result<Vec<String>, AccountsError> {
    let mut once: Vec<String> = Vec::with_capacity(names.len().min(MAX_RIGHT));
    let mut length = 0;
    for name in names {
        if !is_right(&name) {
            return Err(invalid(
                field,
                "must be 1 to 64 of A-Z, a-z, 0-9, '_', '.', ':' and '-'",
            ));
        }
        if once.contains(&name) {
            continue;
        }
        length += name.len() + 1;
        // Checked in the loop: the search for doubles above must not grow with what is sent.
        if length > together {
            return Err(invalid(field, "are too many to fit into a token"));
        }
        once.push(name);
    }
    Ok(once)
}

fn is_right(name: &str) -> bool {
    (1..=MAX_RIGHT).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_new_account_is_a_user_unless_told_otherwise() {
        assert_eq!(first_roles(vec![]).unwrap(), ["user"]);
        assert_eq!(first_roles(owned(&["admin"])).unwrap(), ["admin"]);
    }

    #[test]
    fn an_account_is_never_left_without_a_role() {
        assert_eq!(roles(vec![]).unwrap_err().field(), Some("role"));
        assert!(permissions(vec![]).unwrap().is_empty());
    }

    #[test]
    fn who_is_no_account_needs_no_role() {
        assert!(roles_or_none(vec![]).unwrap().is_empty());
        assert_eq!(roles_or_none(owned(&["b", "a", "b"])).unwrap(), ["b", "a"]);
        assert_eq!(
            roles_or_none(owned(&["a b"])).unwrap_err().field(),
            Some("role")
        );
    }

    #[test]
    fn plain_text_can_be_read() {
        for good in ["", "ada@example.com", "Zoë <z@x>", &"x".repeat(254)] {
            assert!(plain_text("email", good).is_ok(), "{good}");
        }
        for bad in [
            "a\0",
            "a\nb",
            "a\u{202e}b",
            &"x".repeat(255),
            &"é".repeat(128),
        ] {
            assert_eq!(plain_text("email", bad).unwrap_err().field(), Some("email"));
        }
    }

    #[test]
    fn rights_keep_their_order_and_lose_their_doubles() {
        let given = owned(&["b", "a", "b", "posts:write", "a"]);
        assert_eq!(roles(given).unwrap(), ["b", "a", "posts:write"]);
    }

    #[test]
    fn rights_have_one_alphabet() {
        for bad in ["", "a b", "a,b", "ä", "a\0", "a\nb", "\"", &"x".repeat(65)] {
            assert_eq!(roles(owned(&[bad])).unwrap_err().field(), Some("role"));
            let error = permissions(owned(&["ok", bad])).unwrap_err();
            assert_eq!(error.field(), Some("permission"), "{bad:?}");
        }
        assert!(roles(owned(&["A-Z_0.9:x", &"x".repeat(64)])).is_ok());
    }

    #[test]
    fn rights_must_fit_into_a_token() {
        let many = |n: usize| (0..n).map(|i| format!("p{i:06}")).collect::<Vec<_>>();
        assert!(permissions(many(256)).is_ok());
        assert!(permissions(many(257)).is_err());
        assert!(roles(many(64)).is_ok());
        assert!(roles(many(65)).is_err());
    }

    #[test]
    fn no_issuer_gives_or_takes_the_role_of_administrators() {
        let from =
            |current: &[&str], said: &[&str]| roles_from_outside(&owned(current), &owned(said));
        assert_eq!(from(&["user"], &["admin"]), ["user"]);
        assert_eq!(from(&["user"], &["clerk", "admin", "clerk"]), ["clerk"]);
        assert_eq!(from(&["admin", "clerk"], &["editor"]), ["admin", "editor"]);
        assert_eq!(from(&["clerk", "admin"], &["editor"]), ["editor", "admin"]);
        assert_eq!(from(&["admin"], &[]), ["admin", "user"]);
        assert_eq!(from(&[], &["Domain Users", "a,b", "", "x"]), ["x"]);
        let many: Vec<_> = (0..300).map(|i| format!("r{i:06}")).collect();
        let fitting = roles_from_outside(&owned(&["admin"]), &many);
        assert!(roles(fitting.clone()).is_ok() && fitting.len() > 50);
    }

    #[test]
    fn a_name_is_any_text_to_show() {
        let odd = "Ånn O'Neil; DROP TABLE \"accounts\" -- 🔑";
        assert_eq!(display_name("name", odd).unwrap().as_deref(), Some(odd));
        assert_eq!(display_name("name", "").unwrap(), None);
        for bad in ["a\0b", "a\nb", "\u{1b}[2J", &"x".repeat(201)] {
            assert_eq!(display_name("name", bad).unwrap_err().field(), Some("name"));
        }
        assert!(display_name("name", &"🔑".repeat(200)).is_ok());
    }
}
