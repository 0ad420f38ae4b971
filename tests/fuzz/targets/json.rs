//! The strict JSON reader: what it takes, another reader reads the same.

#![no_main]

use lacre::token::json;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|text: &[u8]| {
    if let Some(members) = json::object(text) {
        let other: Value = serde_json::from_slice(text).unwrap();
        assert_eq!(Value::Object(members), other);
    }
});
