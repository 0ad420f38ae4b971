//! What a body or an answer consists of, as a value: for a page that describes the routes, and for
//! the tests that hold the description to the types.
//!
//! The descriptions are written by the macros that make the types, so that neither can change
//! without the other.
//!
//! This room must never see a request.

use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// One member of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// Whether it has to be there.
    pub presence: Presence,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// A string that must be kept secret: a password or a token.
    Secret,
    /// A string that is a time (RFC 3339, UTC).
    Time,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Flag,
    /// An array of such values.
    List(Box<Kind>),
    /// An object with these members and no others.
    Object(Vec<Member>),
    /// An object of which nothing is known.
    AnyObject,
}

/// Whether a member has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Always, and never `null`.
    Required,
    /// Always; its value may be `null`.
    Nullable,
    /// It may be left out.
    Optional,
    /// Exactly one of the members of the object that are marked so.
    OneOf,
}

/// A type that stands in an answer.
pub(super) trait Shape {
    /// Whether a member of this type has to be there.
    const PRESENCE: Presence = Presence::Required;

    /// What its values are.
    fn kind() -> Kind;
}

impl Member {
    /// The member of this type.
    pub(super) fn of<T: Shape>(name: &'static str) -> Self {
        Self {
            name,
            kind: T::kind(),
            presence: T::PRESENCE,
        }
    }

    /// The same member, left out where the named function says so.
    pub(super) fn skipped_if(self, _predicate: &str) -> Self {
        Self {
            presence: Presence::Optional,
            ..self
        }
    }
}

impl Kind {
    /// The members of an object; of anything else, none.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        match self {
            Self::Object(members) => members,
            _ => &[],
        }
    }

    /// Whether a JSON value is of this kind, all that is in it included.
    #[must_use]
    pub fn describes(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Text | Self::Secret | Self::Time, Value::String(_))
            | (Self::Flag, Value::Bool(_))
            | (Self::AnyObject, Value::Object(_)) => true,
            (Self::Number, Value::Number(number)) => number.is_u64(),
            (Self::List(kind), Value::Array(items)) => {
                items.iter().all(|item| kind.describes(item))
            }
            (Self::Object(members), Value::Object(found)) => {
                members.iter().all(|member| member.describes(found))
                    && found
                        .keys()
                        .all(|name| members.iter().any(|member| member.name == name))
            }
            _ => false,
        }
    }
}

impl Member {
    fn describes(&self, object: &Map<String, Value>) -> bool {
        match (object.get(self.name), self.presence) {
            (None, presence) => matches!(presence, Presence::Optional | Presence::OneOf),
            (Some(Value::Null), presence) => presence == Presence::Nullable,
            (Some(value), _) => self.kind.describes(value),
        }
    }
}

macro_rules! shapes {
    ($($type:ty => $kind:ident),* $(,)?) => {
        $(impl Shape for $type {
            fn kind() -> Kind {
                Kind::$kind
            }
        })*
    };
}

shapes! {
    String => Text,
    Zeroizing<String> => Secret,
    bool => Flag,
    u64 => Number,
    super::time::Time => Time,
    Map<String, Value> => AnyObject,
}

impl<T: Shape> Shape for Vec<T> {
    fn kind() -> Kind {
        Kind::List(Box::new(T::kind()))
    }
}

impl<T: Shape> Shape for Option<T> {
    const PRESENCE: Presence = Presence::Nullable;

    fn kind() -> Kind {
        T::kind()
    }
}

/// Makes a type of answers: a struct that is serialised member by member in the order written here,
/// and describes itself.
///
/// `..base: Type,` at the beginning stands for all members of another such type; `name
/// ["Option::is_none"]: Option<Type>` is left out where the function says so.
macro_rules! answer {
    ($(#[$meta:meta])* $vis:vis struct $name:ident {
        $(..$base:ident: $base_type:ty,)?
        $($(#[$doc:meta])* $field:ident $([$skip:literal])?: $type:ty,)*
    }) => {
        $(#[$meta])*
        #[derive(Debug, serde::Serialize)]
        $vis struct $name {
            $(#[serde(flatten)] $vis $base: $base_type,)?
            $($(#[$doc])* $(#[serde(skip_serializing_if = $skip)])? $vis $field: $type,)*
        }

        impl $crate::http::schema::Shape for $name {
            fn kind() -> $crate::http::schema::Kind {
                let members = [
                    $(<$base_type as $crate::http::schema::Shape>::kind().members().to_vec(),)?
                    vec![$($crate::http::schema::Member::of::<$type>(stringify!($field))
                        $(.skipped_if($skip))?,)*],
                ];
                $crate::http::schema::Kind::Object(members.concat())
            }
        }
    };
}

pub(super) use answer;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{json, to_value};

    answer! {
        /// What the tests answer.
        struct Inner {
            id: String,
            name: Option<String>,
        }
    }

    answer! {
        /// The same, and more.
        struct Outer {
            ..inner: Inner,
            count: u64,
            more ["Option::is_none"]: Option<Vec<String>>,
        }
    }

    fn outer(name: Option<&str>, more: Option<Vec<String>>) -> Value {
        to_value(Outer {
            inner: Inner {
                id: "a".into(),
                name: name.map(str::to_owned),
            },
            count: 1,
            more,
        })
        .unwrap()
    }

    #[test]
    fn a_type_is_described_in_the_order_in_which_it_is_written() {
        let kind = Outer::kind();
        let names: Vec<_> = kind.members().iter().map(|member| member.name).collect();
        assert_eq!(names, ["id", "name", "count", "more"]);
        let written = outer(None, Some(vec![])).to_string();
        assert_eq!(written, r#"{"id":"a","name":null,"count":1,"more":[]}"#);
        let presence: Vec<_> = kind
            .members()
            .iter()
            .map(|member| member.presence)
            .collect();
        let (required, nullable) = (Presence::Required, Presence::Nullable);
        assert_eq!(presence, [required, nullable, required, Presence::Optional]);
    }

    #[test]
    fn what_a_type_makes_is_what_its_description_describes() {
        for value in [outer(None, None), outer(Some("b"), Some(vec!["c".into()]))] {
            assert!(Outer::kind().describes(&value), "{value}");
        }
    }

    #[test]
    fn nothing_else_is_described() {
        let good = outer(Some("b"), None);
        for (name, value) in [
            ("id", json!(1)),
            ("id", Value::Null),
            ("count", json!(-1)),
            ("count", json!("1")),
            ("more", json!([1])),
            ("more", Value::Null),
            ("unknown", json!("x")),
        ] {
            let mut bad = good.clone();
            bad[name] = value;
            assert!(!Outer::kind().describes(&bad), "{bad}");
        }
        let mut bad = good;
        bad.as_object_mut().unwrap().remove("name");
        assert!(!Outer::kind().describes(&bad), "{bad}");
        assert!(!Outer::kind().describes(&json!([])));
    }

    #[test]
    fn every_kind_describes_its_own_values_alone() {
        let values = [
            (Kind::Text, json!("a")),
            (Kind::Number, json!(1)),
            (Kind::Flag, json!(true)),
            (Kind::List(Box::new(Kind::Text)), json!(["a"])),
            (Kind::AnyObject, json!({"a": 1})),
        ];
        for (kind, _) in &values {
            for (other, value) in &values {
                assert_eq!(kind.describes(value), kind == other, "{kind:?} {value}");
            }
        }
    }
}
