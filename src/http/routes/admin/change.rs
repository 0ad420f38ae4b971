//! What an administrator wants to be different about an account.
//!
//! `role` is the first of `roles`: alone it replaces the first and leaves the others, together they
//! must agree.
//!
//! This room must never take half of a body that contradicts itself.

use super::super::super::body::{Body, Field, Members};
use super::super::super::problem::{Code, Problem};
use super::super::super::schema::Member;
use crate::accounts::Password;
use crate::ops::{Secret, UserChange};
use zeroize::Zeroizing;

/// The members that say what an account may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rights {
    role: Option<String>,
    pub(super) roles: Option<Vec<String>>,
    pub(super) permissions: Option<Vec<String>>,
}

impl Body for Rights {
    fn members() -> Vec<Member> {
        vec![
            Option::<String>::member("role"),
            Option::<Vec<String>>::member("roles"),
            Option::<Vec<String>>::member("permissions"),
        ]
    }

    fn read(sent: &mut Members) -> Result<Self, Problem> {
        let rights = Self {
            role: Field::read_from(sent, "role")?,
            roles: Field::read_from(sent, "roles")?,
            permissions: Field::read_from(sent, "permissions")?,
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
}

impl Rights {
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
}

/// A change, as the body names it.
#[derive(Debug)]
pub(super) struct Wanted {
    name: Option<String>,
    pub(super) rights: Rights,
    active: Option<bool>,
    password: Option<Secret>,
}

impl Body for Wanted {
    fn members() -> Vec<Member> {
        let mut members = vec![Option::<String>::member("name")];
        members.extend(Rights::members());
        members.push(Option::<bool>::member("active"));
        members.push(Option::<Zeroizing<String>>::member("password"));
        members
    }

    fn read(sent: &mut Members) -> Result<Self, Problem> {
        let wanted = Self {
            name: Field::read_from(sent, "name")?,
            rights: Rights::read(sent)?,
            active: Field::read_from(sent, "active")?,
            password: password(sent)?,
        };
        if wanted.is_empty() {
            return Err(Problem::new(Code::BodyMissingMember).detail(
                "One of the members `name`, `role`, `roles`, `permissions`, `active`, `password` \
                 is needed.",
            ));
        }
        Ok(wanted)
    }
}

impl Wanted {
    fn is_empty(&self) -> bool {
        let Rights {
            role,
            roles,
            permissions,
        } = &self.rights;
        let no_rights = role.is_none() && roles.is_none() && permissions.is_none();
        no_rights && self.name.is_none() && self.active.is_none() && self.password.is_none()
    }

    pub(super) fn into_change(self) -> UserChange {
        UserChange {
            email: None,
            name: self.name,
            role: self.rights.role,
            roles: self.rights.roles,
            permissions: self.rights.permissions,
            active: self.active,
            password: self.password,
        }
    }
}

/// A password that may be set: one that may not is a fault of the body, whoever it is for.
fn password(sent: &mut Members) -> Result<Option<Secret>, Problem> {
    let text = Option::<Zeroizing<String>>::read_from(sent, "password")?;
    let Some(text) = text else {
        return Ok(None);
    };
    Password::parse(&text)?;
    Ok(Some(Secret::new(text.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::Change;
    use serde_json::{Value, json};

    fn members(value: Value) -> Members {
        match value {
            Value::Object(members) => Members::from(members),
            _ => unreachable!("the tests send objects"),
        }
    }

    fn wanted(value: Value) -> Result<Wanted, Code> {
        Wanted::read(&mut members(value)).map_err(|problem| problem.code())
    }

    fn roles_after(before: &[&str], body: Value) -> Option<Vec<String>> {
        let before: Vec<String> = before.iter().map(|&role| role.to_owned()).collect();
        let UserChange { role, roles, .. } = wanted(body).unwrap().into_change();
        let change = Change {
            role,
            roles,
            ..Change::default()
        };
        change.roles_after(&before)
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
        let change = wanted(json!({"active": false})).unwrap().into_change();
        assert_eq!(change.active, Some(false));
        assert!(change.name.is_none() && change.role.is_none() && change.roles.is_none());
        assert!(change.permissions.is_none() && change.password.is_none());
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
    fn every_member_that_is_read_is_described() {
        for member in Wanted::members() {
            let sent = json!({member.name: {}});
            assert_eq!(wanted(sent).unwrap_err(), Code::BodyWrongType, "{member:?}");
        }
    }
}
