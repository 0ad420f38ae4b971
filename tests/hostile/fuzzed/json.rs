//! The strict JSON reader: what it takes, another reader reads the same.

use lacre::internals::token::json;
use serde_json::Value;

pub(crate) fn check(text: &[u8]) {
    if let Some(members) = json::object(text) {
        let other: Value = serde_json::from_slice(text).unwrap();
        assert_eq!(Value::Object(members), other);
    }
}
