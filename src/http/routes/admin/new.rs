//! The account that an administrator wants made.
//!
//! This room must never take half of a body that contradicts itself.

use super::super::super::body::{Body, Field, Members};
use super::super::super::problem::{Code, Problem};
use super::super::super::schema::Member;
use super::change::Rights;
use crate::accounts::Email;
use crate::ops::{NewUser, Secret};
use zeroize::Zeroizing;

/// A new account, as the body names it.
pub(super) struct NewAccount {
    pub(super) account: NewUser,
    pub(super) rights: Rights,
}

impl Body for NewAccount {
    fn members() -> Vec<Member> {
        let mut members = vec![
            String::member("email"),
            Option::<String>::member("id"),
            Option::<Zeroizing<String>>::member("password"),
        ];
        members.extend(Rights::members());
        members.push(Option::<bool>::member("active"));
        members.push(Option::<String>::member("name"));
        members
    }

    fn read(sent: &mut Members) -> Result<Self, Problem> {
        let email = String::read_from(sent, "email")?;
        Email::parse(&email)?;
        let id = Option::<String>::read_from(sent, "id")?;
        let password = Option::<Zeroizing<String>>::read_from(sent, "password")?;
        let rights = Rights::read(sent)?;
        if Option::<bool>::read_from(sent, "active")? == Some(false) {
            return Err(Problem::new(Code::AccountInvalid)
                .field("active")
                .detail("A new account is active; disable it afterwards."));
        }
        let account = NewUser {
            email,
            id,
            name: Field::read_from(sent, "name")?,
            password: password.map(|text| Secret::new(text.to_string())),
            roles: rights.of_new()?,
            permissions: rights.permissions.clone().unwrap_or_default(),
        };
        Ok(Self { account, rights })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(value: Value) -> Result<NewAccount, Code> {
        let Value::Object(members) = value else {
            unreachable!("the tests send objects")
        };
        NewAccount::read(&mut Members::from(members)).map_err(|problem| problem.code())
    }

    #[test]
    fn an_account_needs_an_e_mail_and_no_more() {
        let user = read(json!({"email": "ada@example.com"})).ok().unwrap();
        assert_eq!(user.account.email, "ada@example.com");
        assert!(user.account.password.is_none() && user.account.roles.is_empty());
        assert_eq!(read(json!({})).err(), Some(Code::BodyMissingMember));
    }

    #[test]
    fn an_account_is_made_as_the_body_names_it() {
        let sent = json!({
            "email": "ada@example.com", "id": "ada", "name": "Ada", "role": "clerk",
            "permissions": ["users:read"], "password": "correct horse battery", "active": true,
        });
        let NewAccount { account, .. } = read(sent).ok().unwrap();
        assert_eq!(account.id.as_deref(), Some("ada"));
        assert_eq!(account.name.as_deref(), Some("Ada"));
        assert_eq!(account.roles, ["clerk"]);
        assert_eq!(account.permissions, ["users:read"]);
        assert!(account.password.is_some());
    }

    #[test]
    fn what_is_not_acceptable_is_refused() {
        for (name, value, code) in [
            ("email", json!("nobody"), Code::AccountInvalid),
            ("active", json!(false), Code::AccountInvalid),
            ("roles", json!([]), Code::AccountInvalid),
            ("name", json!(1), Code::BodyWrongType),
        ] {
            let mut sent = json!({"email": "ada@example.com"});
            sent[name] = value;
            assert_eq!(read(sent).err(), Some(code), "{name}");
        }
    }

    #[test]
    fn every_member_that_is_read_is_described() {
        for member in NewAccount::members() {
            let mut sent = json!({"email": "ada@example.com"});
            sent[member.name] = json!({});
            assert_eq!(read(sent).err(), Some(Code::BodyWrongType), "{member:?}");
        }
    }
}
