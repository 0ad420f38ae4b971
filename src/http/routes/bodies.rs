//! What the routes take, as types. The answer to a body that isn't one of them names the first
//! member at fault.
//!
//! This room must never keep a password in a type that isn't wiped.

use super::super::body::{Body, Field, Members, body};
use super::super::problem::Problem;
use super::super::schema::{Kind, Member, Presence};
use crate::accounts::{Password, PresentedPassword};
use crate::service::Said;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

body! {
    /// `POST /signup`
    pub(in crate::http) struct SignUp {
        email: String,
        password: Zeroizing<String>,
        name: Option<String>,
    }
}

body! {
    /// The name that a user gives a session, for the list of sessions.
    pub(in crate::http) struct Label {
        label: Option<String>,
    }
}

body! {
    /// What is asked of a new session.
    pub(in crate::http) struct SessionRequest {
        /// The name by which a back end replaces it.
        user_session: Option<String>,
        /// Additional claims; for back ends alone.
        claims: Option<Map<String, Value>>,
    }
}

body! {
    /// What the user of an outside issuer logs in with.
    pub(super) struct ExchangeRequest {
        /// The issuer's token.
        user_session: Zeroizing<String>,
    }
}

/// What a user logs in with.
pub(super) struct LogInRequest {
    /// The e-mail or the id, in the member of that name.
    pub(super) user: String,
    pub(super) password: PresentedPassword,
}

impl Body for LogInRequest {
    fn members() -> Vec<Member> {
        let one_of = |name| Member {
            name,
            kind: Kind::Text,
            presence: Presence::OneOf,
        };
        let password = PresentedPassword::member("password");
        vec![one_of("email"), one_of("id"), password]
    }

    fn read(sent: &mut Members) -> Result<Self, Problem> {
        let (_, user) = sent.required_text_of(&["email", "id"])?;
        Ok(Self {
            user,
            password: Field::read_from(sent, "password")?,
        })
    }
}

body! {
    /// Whom a back end asks a session for.
    pub(in crate::http) struct OnBehalfRequest {
        id: String,
    }
}

/// What a back end with users of its own says where it asks for a session of one.
pub(super) struct VouchRequest {
    pub(super) said: Said,
    /// Whether the user has just proven a password to it.
    pub(super) fresh: Option<bool>,
}

impl Body for VouchRequest {
    fn members() -> Vec<Member> {
        let mut members = Said::members();
        members.push(Option::<bool>::member("fresh"));
        members
    }

    fn read(sent: &mut Members) -> Result<Self, Problem> {
        Ok(Self {
            said: Said::read(sent)?,
            fresh: Field::read_from(sent, "fresh")?,
        })
    }
}

/// What a back end says of a user of its own.
impl Body for Said {
    fn members() -> Vec<Member> {
        vec![
            Option::<String>::member("email"),
            Option::<String>::member("name"),
            Option::<Vec<String>>::member("roles"),
            Option::<Vec<String>>::member("permissions"),
        ]
    }

    fn read(sent: &mut Members) -> Result<Self, Problem> {
        Ok(Self {
            email: Field::read_from(sent, "email")?,
            name: Field::read_from(sent, "name")?,
            roles: Field::read_from(sent, "roles")?,
            permissions: Field::read_from(sent, "permissions")?,
        })
    }
}

body! {
    /// `POST /refresh`, where the token stands neither in the header nor in a cookie.
    pub(in crate::http) struct RefreshRequest {
        refresh: Option<Zeroizing<String>>,
    }
}

body! {
    /// `POST /reauth`
    pub(in crate::http) struct Reauthentication {
        password: PresentedPassword,
    }
}

body! {
    /// `PUT /me/password`
    pub(in crate::http) struct PasswordChange {
        current: PresentedPassword,
        new: Password,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::problem::Code;
    use serde_json::json;

    fn log_in(value: Value) -> Result<String, Code> {
        let Value::Object(members) = value else {
            unreachable!("the tests send objects")
        };
        LogInRequest::read(&mut Members::from(members))
            .map(|request| request.user)
            .map_err(|problem| problem.code())
    }

    #[test]
    fn a_user_is_named_by_e_mail_or_id_and_not_by_both() {
        let password = "correct horse";
        for name in ["email", "id"] {
            let sent = json!({name: "ada", "password": password});
            assert_eq!(log_in(sent), Ok("ada".into()));
        }
        let both = json!({"email": "ada", "id": "ada", "password": password});
        assert_eq!(log_in(both), Err(Code::InvalidRequest));
        for missing in [json!({ "password": password }), json!({"id": "ada"})] {
            assert_eq!(log_in(missing), Err(Code::BodyMissingMember));
        }
        let long = json!({"id": "ada", "password": "x".repeat(2000)});
        assert_eq!(log_in(long), Err(Code::InvalidCredentials));
    }

    #[test]
    fn every_member_that_is_read_is_described() {
        for member in LogInRequest::members() {
            let mut sent = json!({"id": "ada", "password": "correct horse"});
            sent[member.name] = json!(1);
            assert_eq!(log_in(sent), Err(Code::BodyWrongType), "{member:?}");
        }
    }
}
