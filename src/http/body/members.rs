//! The members of a body, asked for by name and type.
//!
//! Every question takes the member out, so a text is moved and not copied, and what nobody asked
//! for is wiped with the rest. `null` counts as absent.
//!
//! This room must never put the value of a member into a problem.

use super::super::problem::{Code, Problem};
use crate::token::json::wipe;
use serde_json::{Map, Value};
use std::fmt;
use zeroize::Zeroizing;

/// One parsed object. It prints nothing and wipes every text when dropped.
#[derive(Default)]
pub struct Members {
    members: Map<String, Value>,
    /// Those that hold a number which isn't kept as it was written.
    inexact: Vec<String>,
}

impl Members {
    /// What was parsed, and the names of the members with numbers that aren't kept as they were written.
    pub(super) fn new(members: Map<String, Value>, inexact: Vec<String>) -> Self {
        Self { members, inexact }
    }

    /// Whether nothing was sent, or everything has been taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether the member is there, with a value other than `null`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|value| !value.is_null())
    }

    /// A text that must be there; it may be empty.
    pub fn required_text(&mut self, name: &'static str) -> Result<String, Problem> {
        self.optional_text(name)?
            .ok_or_else(|| Problem::missing_member(name))
    }

    /// A text that must be there, or a whole number as text: clients of other services have such
    /// ids.
    #[cfg(feature = "server")]
    pub(in crate::http) fn required_text_or_number(
        &mut self,
        name: &'static str,
    ) -> Result<String, Problem> {
        match self.members.get(name).and_then(Value::as_u64) {
            Some(number) => {
                self.members.remove(name);
                Ok(number.to_string())
            }
            None => self.required_text(name),
        }
    }

    /// A text that may be there.
    pub fn optional_text(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong_type(name, "a string", other)),
        }
    }

    /// A text that must be there and is wiped when dropped.
    pub fn required_secret(&mut self, name: &'static str) -> Result<Zeroizing<String>, Problem> {
        self.required_text(name).map(Zeroizing::new)
    }

    /// A text that may be there and is wiped when dropped.
    pub fn optional_secret(
        &mut self,
        name: &'static str,
    ) -> Result<Option<Zeroizing<String>>, Problem> {
        Ok(self.optional_text(name)?.map(Zeroizing::new))
    }

    /// The one text that was sent under one of these names, with its name. None of them is a
    /// missing member, named after the first; two are refused.
    pub fn required_text_of(
        &mut self,
        names: &[&'static str],
    ) -> Result<(&'static str, String), Problem> {
        let mut found = None;
        for name in names {
            if let Some(text) = self.optional_text(name)? {
                if found.is_some() {
                    let names = names.join("`, `");
                    return Err(Problem::new(Code::InvalidRequest)
                        .detail(format!("Send only one of the members `{names}`."))
                        .field(*name));
                }
                found = Some((*name, text));
            }
        }
        found.ok_or_else(|| {
            Problem::missing_member(names.first().copied().unwrap_or_default()).detail(format!(
                "One of the members `{}` is needed.",
                names.join("`, `")
            ))
        })
    }

    /// `true` or `false` that may be there.
    pub fn optional_flag(&mut self, name: &'static str) -> Result<Option<bool>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(wrong_type(name, "true or false", other)),
        }
    }

    /// An array of texts that may be there.
    pub fn optional_texts(&mut self, name: &'static str) -> Result<Option<Vec<String>>, Problem> {
        let expected = "an array of strings";
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(items)) if items.iter().all(Value::is_string) => Ok(Some(
                items
                    .into_iter()
                    .filter_map(|item| match item {
                        Value::String(text) => Some(text),
                        _ => None,
                    })
                    .collect(),
            )),
            Some(other) => Err(wrong_type(name, expected, other)),
        }
    }

    /// An object that may be there.
    pub fn optional_object(&mut self, name: &'static str) -> Result<Option<Members>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(members.into())),
            Some(other) => Err(wrong_type(name, "an object", other)),
        }
    }

    /// An object that may be there and is passed on unread, so that its numbers have to be those that
    /// were written.
    pub fn optional_exact_object(
        &mut self,
        name: &'static str,
    ) -> Result<Option<Map<String, Value>>, Problem> {
        let inexact = self.inexact.iter().any(|one| one == name);
        let object = self.optional_object(name)?;
        if inexact && object.is_some() {
            return Err(Problem::new(Code::ClaimsInvalid)
                .detail(format!(
                    "`{name}` holds a number that can't be kept exactly: send it as a string."
                ))
                .field(name));
        }
        Ok(object.map(Self::into_map))
    }

    /// Moves a member into another body under another name. An empty text isn't moved.
    #[cfg(feature = "server")]
    pub(in crate::http) fn move_into(&mut self, other: &mut Self, name: &str, new_name: &str) {
        if let Some(value) = self.take(name)
            && value.as_str() != Some("")
        {
            other.members.insert(new_name.to_owned(), value);
        }
    }

    /// The members as they are, for whoever passes them on unread. They are wiped no more.
    #[must_use]
    pub fn into_map(mut self) -> Map<String, Value> {
        std::mem::take(&mut self.members)
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
    }
}

impl From<Map<String, Value>> for Members {
    fn from(members: Map<String, Value>) -> Self {
        Self::new(members, Vec::new())
    }
}

impl FromIterator<(String, Value)> for Members {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(members: I) -> Self {
        members.into_iter().collect::<Map<_, _>>().into()
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        self.members.values_mut().for_each(wipe);
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Members")
    }
}

fn wrong_type(name: &'static str, expected: &str, mut value: Value) -> Problem {
    wipe(&mut value);
    Problem::new(Code::BodyWrongType)
        .detail(format!("The member `{name}` must be {expected}."))
        .field(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn members(value: Value) -> Members {
        match value {
            Value::Object(members) => members.into(),
            _ => panic!("not an object"),
        }
    }

    fn refused<T>(result: Result<T, Problem>) -> (Code, Value) {
        let Err(problem) = result else {
            panic!("not refused")
        };
        let body: Value = serde_json::from_str(&problem.body()).unwrap();
        (problem.code(), body["field"].clone())
    }

    #[test]
    fn a_member_is_taken_once() {
        let mut body = members(json!({"email": "a@b", "name": ""}));
        assert!(body.has("email"));
        assert_eq!(body.required_text("email").unwrap(), "a@b");
        assert!(!body.has("email"));
        assert_eq!(body.optional_text("name").unwrap().as_deref(), Some(""));
        assert!(body.is_empty());
    }

    #[test]
    fn what_is_missing_is_named() {
        let missing = (Code::BodyMissingMember, json!("password"));
        assert_eq!(
            refused(members(json!({})).required_text("password")),
            missing
        );
        assert_eq!(
            refused(members(json!({})).required_secret("password")),
            missing
        );
        assert_eq!(
            refused(members(json!({"password": null})).required_secret("password")),
            missing
        );
    }

    #[test]
    fn a_wrong_type_is_named_and_its_value_is_not() {
        let wrong = (Code::BodyWrongType, json!("m"));
        for value in [
            json!(1),
            json!(true),
            json!(["s3cret"]),
            json!({"a": "s3cret"}),
        ] {
            let result = members(json!({"m": value})).required_secret("m");
            assert!(!result.as_ref().unwrap_err().body().contains("s3cret"));
            assert_eq!(refused(result), wrong);
        }
        assert_eq!(
            refused(members(json!({"m": "true"})).optional_flag("m")),
            wrong
        );
        assert_eq!(
            refused(members(json!({"m": ["a", 1]})).optional_texts("m")),
            wrong
        );
        assert_eq!(
            refused(members(json!({"m": "a"})).optional_texts("m")),
            wrong
        );
        assert_eq!(
            refused(members(json!({"m": []})).optional_object("m")),
            wrong
        );
    }

    #[test]
    fn every_type_comes_as_itself() {
        let mut body = members(json!({"f": false, "t": ["a", "b"], "o": {"x": "y"}, "n": null}));
        assert_eq!(body.optional_flag("f").unwrap(), Some(false));
        assert_eq!(
            body.optional_texts("t").unwrap(),
            Some(vec!["a".into(), "b".into()])
        );
        let mut inner = body.optional_object("o").unwrap().unwrap();
        assert_eq!(inner.required_text("x").unwrap(), "y");
        assert_eq!(inner.into_map().len(), 0);
        assert_eq!(body.optional_text("n").unwrap(), None, "null is absent");
        assert!(body.optional_object("absent").unwrap().is_none());
    }

    #[test]
    #[cfg(feature = "server")]
    fn an_id_may_be_a_whole_number() {
        let id = |value: Value| members(json!({"id": value})).required_text_or_number("id");
        assert_eq!(id(json!("a")).unwrap(), "a");
        assert_eq!(id(json!(7)).unwrap(), "7");
        for bad in [json!(-1), json!(1.5), json!(true), json!([7])] {
            assert_eq!(refused(id(bad)), (Code::BodyWrongType, json!("id")));
        }
    }

    #[test]
    fn one_of_several_names() {
        let names = ["email", "id"];
        let found = members(json!({"id": "u1"}))
            .required_text_of(&names)
            .unwrap();
        assert_eq!(found, ("id", "u1".to_owned()));
        let both = members(json!({"id": "u1", "email": "a@b"})).required_text_of(&names);
        assert_eq!(refused(both), (Code::InvalidRequest, json!("id")));
        let none = members(json!({})).required_text_of(&names);
        assert_eq!(refused(none), (Code::BodyMissingMember, json!("email")));
    }

    #[test]
    fn members_print_nothing_and_are_wiped() {
        let body = members(json!({"password": "s3cret"}));
        assert_eq!(format!("{body:?}"), "Members");
        let mut value = json!({"a": ["s3cret", {"b": "s3cret"}]});
        wipe(&mut value);
        assert!(!value.to_string().contains("s3cret"), "{value}");
    }
}
