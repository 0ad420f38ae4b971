//! Bodies as types: a struct names its members once, and is read and described by them.
//!
//! Members are read in the order in which the struct names them, so the first that is at fault is
//! the one that the answer names.
//!
//! This room must never read a member in another way than [`Members`] does.

use super::members::Members;
use crate::accounts::{AccountsError, Password, PresentedPassword};
use crate::http::problem::{Code, Problem};
use crate::http::schema::{Kind, Member, Presence};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// A body, or a part of one.
pub(in crate::http) trait Body: Sized {
    /// The members that it may hold.
    fn members() -> Vec<Member>;

    /// Takes them out of what was sent.
    fn read(sent: &mut Members) -> Result<Self, Problem>;
}

/// A type that a member of a body has.
pub(in crate::http) trait Field: Sized {
    /// Whether it has to be sent.
    const PRESENCE: Presence;

    /// What is sent for it.
    fn kind() -> Kind;

    /// Takes the member of this name out of what was sent.
    fn read_from(sent: &mut Members, name: &'static str) -> Result<Self, Problem>;

    /// The member of this name.
    fn member(name: &'static str) -> Member {
        Member {
            name,
            kind: Self::kind(),
            presence: Self::PRESENCE,
        }
    }
}

/// Makes a type of bodies.
macro_rules! body {
    ($(#[$meta:meta])* $vis:vis struct $name:ident {
        $($(#[$doc:meta])* $field:ident: $type:ty,)*
    }) => {
        $(#[$meta])*
        $vis struct $name {
            $($(#[$doc])* $vis $field: $type,)*
        }

        impl $crate::http::body::Body for $name {
            fn members() -> Vec<$crate::http::schema::Member> {
                vec![$(<$type as $crate::http::body::Field>::member(stringify!($field)),)*]
            }

            fn read(
                sent: &mut $crate::http::body::Members,
            ) -> Result<Self, $crate::http::problem::Problem> {
                Ok(Self {
                    $($field: $crate::http::body::Field::read_from(sent, stringify!($field))?,)*
                })
            }
        }
    };
}

pub(in crate::http) use body;

macro_rules! fields {
    ($($type:ty, $kind:expr, $presence:ident, $take:ident;)*) => {
        $(impl Field for $type {
            const PRESENCE: Presence = Presence::$presence;

            fn kind() -> Kind {
                $kind
            }

            fn read_from(sent: &mut Members, name: &'static str) -> Result<Self, Problem> {
                sent.$take(name)
            }
        })*
    };
}

fields! {
    String, Kind::Text, Required, required_text;
    Option<String>, Kind::Text, Optional, optional_text;
    Zeroizing<String>, Kind::Secret, Required, required_secret;
    Option<Zeroizing<String>>, Kind::Secret, Optional, optional_secret;
    Option<bool>, Kind::Flag, Optional, optional_flag;
    Option<Vec<String>>, Kind::List(Box::new(Kind::Text)), Optional, optional_texts;
}

impl Field for Option<Map<String, Value>> {
    const PRESENCE: Presence = Presence::Optional;

    fn kind() -> Kind {
        Kind::AnyObject
    }

    fn read_from(sent: &mut Members, name: &'static str) -> Result<Self, Problem> {
        sent.optional_exact_object(name)
    }
}

/// A password to be compared. One that is too long to be anybody's is a wrong one.
impl Field for PresentedPassword {
    const PRESENCE: Presence = Presence::Required;

    fn kind() -> Kind {
        Kind::Secret
    }

    fn read_from(sent: &mut Members, name: &'static str) -> Result<Self, Problem> {
        let text = sent.required_secret(name)?;
        Self::parse(&text).map_err(|error| match error {
            AccountsError::AccountInvalid { .. } => Problem::new(Code::InvalidCredentials),
            error => error.into(),
        })
    }
}

/// A password to be set. If it isn't acceptable, the member is named.
impl Field for Password {
    const PRESENCE: Presence = Presence::Required;

    fn kind() -> Kind {
        Kind::Secret
    }

    fn read_from(sent: &mut Members, name: &'static str) -> Result<Self, Problem> {
        let text = sent.required_secret(name)?;
        Self::parse(&text).map_err(|error| match error {
            // The member has a name of its own here, and the sentence has to name it.
            AccountsError::AccountInvalid { reason, .. } => Problem::new(Code::AccountInvalid)
                .field(name)
                .detail(format!("`{name}` {reason}.")),
            error => error.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    body! {
        /// What the tests send.
        struct Sent {
            name: String,
            password: Zeroizing<String>,
            label: Option<String>,
            active: Option<bool>,
            claims: Option<Map<String, Value>>,
        }
    }

    body! {
        /// A change of password.
        struct Change {
            current: PresentedPassword,
            new: Password,
        }
    }

    fn read<B: Body>(value: Value) -> Result<B, (Code, Option<String>)> {
        let Value::Object(members) = value else {
            unreachable!("the tests send objects")
        };
        B::read(&mut Members::from(members)).map_err(|problem| {
            let body: Value = serde_json::from_str(&problem.body()).unwrap();
            (problem.code(), body["field"].as_str().map(str::to_owned))
        })
    }

    fn refused<B: Body>(value: Value) -> (Code, String) {
        let (code, field) = read::<B>(value).err().unwrap();
        (code, field.unwrap_or_default())
    }

    #[test]
    fn a_body_comes_as_its_members() {
        let sent: Sent = read(json!({
            "name": "a", "password": "b", "label": null, "active": true, "claims": {"c": 1},
            "unknown": [],
        }))
        .unwrap();
        assert_eq!((sent.name.as_str(), sent.password.as_str()), ("a", "b"));
        assert_eq!((sent.label, sent.active), (None, Some(true)));
        assert_eq!(sent.claims.unwrap()["c"], 1);
    }

    #[test]
    fn the_first_member_at_fault_is_named() {
        let missing = |name: &str| (Code::BodyMissingMember, name.to_owned());
        let wrong = |name: &str| (Code::BodyWrongType, name.to_owned());
        assert_eq!(refused::<Sent>(json!({})), missing("name"));
        assert_eq!(
            refused::<Sent>(json!({"name": "a", "label": 1})),
            missing("password")
        );
        let good = json!({"name": "a", "password": "b"});
        for (name, value) in [
            ("name", json!(1)),
            ("password", json!(["b"])),
            ("label", json!({})),
            ("active", json!("true")),
            ("claims", json!([])),
        ] {
            let mut bad = good.clone();
            bad[name] = value;
            assert_eq!(refused::<Sent>(bad), wrong(name));
        }
    }

    #[test]
    fn a_body_is_described_by_its_members() {
        let found: Vec<_> = Sent::members()
            .into_iter()
            .map(|member| (member.name, member.kind, member.presence))
            .collect();
        let (required, optional) = (Presence::Required, Presence::Optional);
        assert_eq!(
            found,
            [
                ("name", Kind::Text, required),
                ("password", Kind::Secret, required),
                ("label", Kind::Text, optional),
                ("active", Kind::Flag, optional),
                ("claims", Kind::AnyObject, optional),
            ]
        );
    }

    #[test]
    fn a_password_that_is_nobodys_is_wrong_and_a_weak_one_is_named() {
        let long = "x".repeat(2000);
        let good = "correct horse battery";
        let change: Change = read(json!({"current": "old", "new": good})).unwrap();
        drop((change.current, change.new));
        assert_eq!(
            refused::<Change>(json!({"current": long, "new": good})),
            (Code::InvalidCredentials, String::new())
        );
        assert_eq!(
            refused::<Change>(json!({"current": "old", "new": "short"})),
            (Code::AccountInvalid, "new".to_owned())
        );
        assert_eq!(
            refused::<Change>(json!({"current": "old"})),
            (Code::BodyMissingMember, "new".to_owned())
        );
    }
}
