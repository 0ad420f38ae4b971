//! Members under other names: what a body of a dialect means to lacre's own route, and an answer whose
//! members are named by the configuration.
//!
//! This room must never copy a secret out of a type that wipes it.

use super::super::body::Members;
use super::super::routes::answers::TokenText;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

/// What was sent under each first name, under the second one, and nothing else. An empty text counts
/// as not sent, as it does to those who test it with `if not`.
pub(super) fn renamed(sent: &mut Members, names: &[(&str, &str)]) -> Members {
    let mut taken = Members::default();
    for (from, to) in names {
        sent.move_into(&mut taken, from, to);
    }
    taken
}

/// One object, its members in the order in which they were added.
#[derive(Default)]
pub(super) struct Object(Vec<(String, Told)>);

/// What a member holds.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Told {
    Text(Option<String>),
    Texts(Vec<String>),
    Token(TokenText),
}

impl Object {
    /// Adds a member.
    pub(super) fn with(mut self, name: &str, value: Told) -> Self {
        self.0.push((name.to_owned(), value));
        self
    }

    /// Adds a sentence.
    pub(super) fn text(self, name: &str, text: impl Into<String>) -> Self {
        self.with(name, Told::Text(Some(text.into())))
    }

    /// Adds a member where it has a name.
    pub(super) fn named(self, name: Option<&String>, value: Told) -> Self {
        match name {
            Some(name) => self.with(name, value),
            None => self,
        }
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn members_are_taken_by_their_other_name_and_no_other_is() {
        let Value::Object(sent) = json!({"correo": "a@b", "contraseña": "", "email": "c@d"})
        else {
            unreachable!()
        };
        let names = [("correo", "email"), ("contraseña", "password")];
        let mut taken = renamed(&mut sent.into(), &names);
        assert_eq!(taken.required_text("email").unwrap(), "a@b");
        assert!(!taken.has("password") && taken.is_empty());
    }

    #[test]
    fn an_object_is_written_in_its_order() {
        let object = Object::default()
            .text("z", "1")
            .with("a", Told::Texts(vec!["b".into()]))
            .with("n", Told::Text(None))
            .named(None, Told::Text(None));
        let text = serde_json::to_string(&object).unwrap();
        assert_eq!(text, r#"{"z":"1","a":["b"],"n":null}"#);
    }
}
