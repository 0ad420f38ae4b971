//! What an administrator wants to be different about an account.
//!
//! `role` is the first of `roles`: alone it replaces the first and leaves the others, together they
//! must agree.
//!
//! This room must never take half of a body that contradicts itself.

use super::super::super::body::Members;
use super::super::super::problem::{Code, Problem};
use super::ROLE;
use crate::accounts::{Account, Change as AccountChange, Password};

/// The members that say what an account may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rights {
    role: Option<String>,
    pub(super) roles: Option<Vec<String>>,
    pub(super) permissions: Option<Vec<String>>,
}

impl Rights {
    pub(super) fn take(body: &mut Members) -> Result<Self, Problem> {
        let rights = Self {
            role: body.optional_text("role")?,
            roles: body.optional_texts("roles")?,
            permissions: body.optional_texts("permissions")?,
        };
        match (&rights.role, &rights.roles) {
            (Some(role), Some(roles)) if roles.first() != Some(role) => {
                Err(Problem::new(Code::AccountInvalid)
                    .field("role")
                    .detail("`role` is the first of `roles`: send one of them, or the same."))
            }
            _ => Ok(rights),
        }
    }

    /// The roles of a new account; none where the usual one is meant.
    pub(super) fn of_new(&self) -> Result<Vec<String>, Problem> {
        match (&self.roles, &self.role) {
            (Some(roles), _) if roles.is_empty() => Err(Problem::new(Code::AccountInvalid)
                .field("roles")
                .detail("An account needs at least one role.")),
            (Some(roles), _) => Ok(roles.clone()),
            (None, role) => Ok(role.iter().cloned().collect()),
        }
    }

    fn to_change(&self) -> AccountChange {
        AccountChange {
            role: self.role.clone(),
            roles: self.roles.clone(),
            permissions: self.permissions.clone(),
            ..AccountChange::default()
        }
    }
}

/// A change, as the body names it.
#[derive(Debug)]
pub(super) struct Wanted {
    name: Option<String>,
    pub(super) rights: Rights,
    active: Option<bool>,
    password: Option<Password>,
}

impl Wanted {
    pub(super) fn parse(mut body: Members) -> Result<Self, Problem> {
        let wanted = Self {
            name: body.optional_text("name")?,
            rights: Rights::take(&mut body)?,
            active: body.optional_flag("active")?,
            password: body
                .optional_secret("password")?
                .map(|text| Password::parse(&text))
                .transpose()?,
        };
        if wanted.is_empty() {
            return Err(Problem::new(Code::BodyMissingMember).detail(
                "One of the members `name`, `role`, `roles`, `permissions`, `active`, `password` \
                 is needed.",
            ));
        }
        Ok(wanted)
    }

    /// Whether the owner of this account could not undo it: closed, no administrator any more, or
    /// with a password that was set without the one before.
    pub(super) fn locks_out(&self, account: &Account) -> bool {
        let roles = self.rights.to_change().roles_after(&account.roles);
        let demotes = roles.is_some_and(|roles| !roles.iter().any(|role| role == ROLE));
        self.active == Some(false) || self.password.is_some() || demotes
    }

    fn is_empty(&self) -> bool {
        let Rights {
            role,
            roles,
            permissions,
        } = &self.rights;
        let no_rights = role.is_none() && roles.is_none() && permissions.is_none();
        no_rights && self.name.is_none() && self.active.is_none() && self.password.is_none()
    }

    pub(super) fn into_change(self) -> (AccountChange, Option<Password>) {
        let change = AccountChange {
            name: self.name,
            active: self.active,
            ..self.rights.to_change()
        };
        (change, self.password)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::{Email, UserId};
    use serde_json::{Value, json};

    fn members(value: Value) -> Members {
        match value {
            Value::Object(members) => Members::from(members),
            _ => unreachable!("the tests send objects"),
        }
    }

    fn wanted(value: Value) -> Result<Wanted, Code> {
        Wanted::parse(members(value)).map_err(|problem| problem.code())
    }

    fn account(roles: &[&str]) -> Account {
        Account {
            id: UserId::parse("u1").unwrap(),
            email: Email::parse("u1@example.com").unwrap(),
            name: None,
            roles: roles.iter().map(|&role| role.to_owned()).collect(),
            permissions: vec![],
            active: true,
            created_at: 1,
            updated_at: 1,
            revision: 1,
        }
    }

    fn roles_after(before: &[&str], body: Value) -> Option<Vec<String>> {
        let before: Vec<String> = before.iter().map(|&role| role.to_owned()).collect();
        wanted(body).unwrap().into_change().0.roles_after(&before)
    }

    #[test]
    fn role_alone_replaces_the_first_and_leaves_the_others() {
        let after = |before: &[&str], role: &str| roles_after(before, json!({ "role": role }));
        assert_eq!(after(&["user"], "admin").unwrap(), ["admin"]);
        assert_eq!(
            after(&["admin", "clerk"], "user").unwrap(),
            ["user", "clerk"]
        );
        assert_eq!(after(&["admin", "user"], "user").unwrap(), ["user"]);
    }

    #[test]
    fn role_and_roles_must_agree() {
        let both = json!({"role": "a", "roles": ["a", "b"]});
        assert_eq!(roles_after(&["user"], both).unwrap(), ["a", "b"]);
        for contradiction in [
            json!({"role": "b", "roles": ["a", "b"]}),
            json!({"role": "a", "roles": []}),
        ] {
            assert_eq!(wanted(contradiction).unwrap_err(), Code::AccountInvalid);
        }
    }

    #[test]
    fn what_is_not_named_stays() {
        let (change, password) = wanted(json!({"active": false})).unwrap().into_change();
        let expected = AccountChange {
            active: Some(false),
            ..AccountChange::default()
        };
        assert_eq!((change, password.is_none()), (expected, true));
    }

    #[test]
    fn a_body_that_changes_nothing_is_refused() {
        for nothing in [json!({}), json!({"name": null}), json!({"email": "a@b"})] {
            assert_eq!(wanted(nothing).unwrap_err(), Code::BodyMissingMember);
        }
        for bad in [
            json!({"active": 1}),
            json!({"roles": "a"}),
            json!({"roles": [1]}),
        ] {
            assert_eq!(wanted(bad).unwrap_err(), Code::BodyWrongType);
        }
        let weak = json!({"password": "short"});
        assert_eq!(wanted(weak).unwrap_err(), Code::AccountInvalid);
    }

    #[test]
    fn nobody_closes_or_demotes_the_account_that_asks() {
        let admin = account(&["admin", "clerk"]);
        let locks_out = |body| wanted(body).unwrap().locks_out(&admin);
        for out in [
            json!({"active": false}),
            json!({"role": "user"}),
            json!({"roles": ["clerk"]}),
            json!({"password": "correct horse battery"}),
        ] {
            assert!(locks_out(out.clone()), "{out}");
        }
        for fine in [
            json!({"active": true}),
            json!({"roles": ["clerk", "admin"]}),
            json!({"permissions": []}),
            json!({"name": "Ada"}),
        ] {
            assert!(!locks_out(fine.clone()), "{fine}");
        }
    }
}
