//! Strict JSON: one object, no duplicate members, a depth limit, nothing after it.
//!
//! `serde_json` keeps the last of two members with one name, so a header or a claim set could say
//! two things to two readers (RFC 7516 §4, RFC 7519 §4, threat: duplicate-member). Names are compared after their
//! escapes are resolved. Unpaired surrogates, a byte order mark and bytes that aren't UTF-8 are
//! refused by `serde_json` itself; the tests below hold it to that.
//!
//! This room must never return a value that a second parser could read otherwise.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;
use zeroize::Zeroize as _;

/// How many levels of objects and arrays a token's JSON may have, the outermost counted.
pub const MAX_DEPTH: usize = 32;

/// Parses exactly one JSON object; `None` for anything else.
#[must_use]
pub fn object(text: &[u8]) -> Option<Map<String, Value>> {
    let text = std::str::from_utf8(text).ok()?;
    let mut parser = serde_json::Deserializer::from_str(text);
    let value = StrictValue {
        levels_left: MAX_DEPTH,
    }
    .deserialize(&mut parser)
    .ok()?;
    match (value, parser.end()) {
        (Value::Object(members), Ok(())) => Some(members),
        (mut refused, _) => {
            wipe(&mut refused);
            None
        }
    }
}

/// Reads any JSON value, refusing duplicate members and more than `levels_left` levels.
#[derive(Clone, Copy)]
pub(crate) struct StrictValue {
    pub(crate) levels_left: usize,
}

impl StrictValue {
    fn inner<E: Error>(self) -> Result<Self, E> {
        match self.levels_left.checked_sub(1) {
            Some(levels_left) => Ok(Self { levels_left }),
            None => Err(E::custom("too deep")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for StrictValue {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut array = WipedUnlessWhole(Vec::new());
        while let Some(item) = items.next_element_seed(inner)? {
            array.0.push(item);
        }
        Ok(Value::Array(std::mem::take(&mut array.0)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut object = WipedUnlessWhole(Map::new());
        while let Some(name) = members.next_key::<String>()? {
            if object.0.contains_key(&name) {
                return Err(A::Error::custom("duplicate member"));
            }
            let value = members.next_value_seed(inner)?;
            object.0.insert(name, value);
        }
        Ok(Value::Object(std::mem::take(&mut object.0)))
    }
}

/// What was read so far: where the rest is refused, its texts are wiped, for one may be a password.
pub(crate) struct WipedUnlessWhole<T: Texts>(pub(crate) T);

impl<T: Texts> Drop for WipedUnlessWhole<T> {
    fn drop(&mut self) {
        self.0.wipe();
    }
}

/// Values that may hold texts.
pub(crate) trait Texts {
    /// Overwrites every text.
    fn wipe(&mut self);
}

impl Texts for Vec<Value> {
    fn wipe(&mut self) {
        self.iter_mut().for_each(wipe);
    }
}

impl Texts for Map<String, Value> {
    fn wipe(&mut self) {
        self.values_mut().for_each(wipe);
    }
}

/// Overwrites every text in `value`, which [`object`] has read: its depth is bounded.
pub(crate) fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.wipe(),
        Value::Object(members) => members.wipe(),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_object_and_nothing_else() {
        assert!(object(br#" {"a":[1,-2,0.5,true,null,"x"],"b":{}} "#).is_some());
        for other in [
            "",
            "null",
            "[]",
            "1",
            "\"a\"",
            "{} {}",
            "{}x",
            "{}\0",
            "{\"a\":1,}",
            "{a:1}",
        ] {
            assert_eq!(object(other.as_bytes()), None, "{other:?}");
        }
    }

    #[test]
    fn each_kind_of_value_is_read_as_it_is() {
        let text =
            r#"{"a":[1,-2,0.5,true,null,"x","\n",18446744073709551615],"b":{"c":{}},"\u0064":"y"}"#;
        let read = Value::Object(object(text.as_bytes()).unwrap());
        let expected = serde_json::json!({
            "a": [1, -2, 0.5, true, null, "x", "\n", u64::MAX], "b": {"c": {}}, "d": "y",
        });
        assert_eq!(read, expected);
    }

    proptest! {
        /// A number in an additional claim is written with each token and read with each refresh.
        #[test]
        fn a_number_is_read_as_it_was_written(number in prop::num::f64::NORMAL) {
            let text = serde_json::json!({ "a": number }).to_string();
            let read = object(text.as_bytes()).unwrap();
            prop_assert_eq!(read["a"].as_f64().map(f64::to_bits), Some(number.to_bits()));
        }
    }

    #[test]
    fn duplicate_members_are_refused_at_every_level_and_in_every_spelling() {
        for twice in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"{"b":{"a":1,"a":2}}"#,
            r#"{"b":[{"a":1,"a":2}]}"#,
            r#"{"":1,"":2}"#,
        ] {
            assert_eq!(object(twice.as_bytes()), None, "{twice}");
        }
    }

    #[test]
    fn thirty_two_levels_are_the_limit() {
        let nested = |levels: usize| {
            format!(
                "{{\"a\":{}{}}}",
                "[".repeat(levels - 1),
                "]".repeat(levels - 1)
            )
        };
        assert!(object(nested(MAX_DEPTH).as_bytes()).is_some());
        assert_eq!(object(nested(MAX_DEPTH + 1).as_bytes()), None);
        assert_eq!(
            object(nested(100_000).as_bytes()),
            None,
            "no stack is used up"
        );
    }

    #[test]
    fn only_well_formed_unicode() {
        assert!(object(r#"{"a":"é \ud83d\ude00"}"#.as_bytes()).is_some());
        for bad in [
            &b"\xef\xbb\xbf{}"[..],
            b"{\"a\":\"\xff\"}",
            br#"{"a":"\ud800"}"#,
            br#"{"a":"\udc00"}"#,
            br#"{"a":"\ud800\u0041"}"#,
            br#"{"\ud800":1}"#,
            b"\xff\xfe{\0}\0",
        ] {
            assert_eq!(object(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn numbers_that_no_number_holds_are_refused() {
        for bad in [
            r#"{"a":1e999}"#,
            r#"{"a":NaN}"#,
            r#"{"a":Infinity}"#,
            r#"{"a":01}"#,
        ] {
            assert_eq!(object(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = object(&bytes);
        }

        #[test]
        fn what_passes_reads_the_same_to_another_parser(text in r#"\{("[ab]":(1|\[\]|"x")(,"[cd]":\{\})?)?\}"#) {
            if let Some(members) = object(text.as_bytes()) {
                prop_assert_eq!(Value::Object(members), serde_json::from_str::<Value>(&text).unwrap());
            }
        }
    }
}
