//! Any bytes as claims, behind every seal and signature: what is taken, another reader reads the
//! same, and it is written as it was read.

use lacre::internals::token::Claims;
use serde_json::Value;

pub(crate) fn check(text: &[u8]) -> bool {
    let Ok(claims) = Claims::parse(text) else {
        return false;
    };
    let mut read: Value = serde_json::from_slice(text).unwrap();
    // Two spellings of one audience, and two of no roles.
    if let Some([one]) = read["aud"].as_array().map(Vec::as_slice) {
        read["aud"] = one.clone();
    }
    for name in ["roles", "permissions"] {
        if read
            .get(name)
            .is_some_and(|list| list == &Value::Array(Vec::new()))
        {
            read.as_object_mut().unwrap().remove(name);
        }
    }
    let written = Value::Object(claims.to_json());
    assert_eq!(written, read);
    let again = Claims::parse(written.to_string().as_bytes()).unwrap();
    assert_eq!(again.to_json(), claims.to_json());
    for number in [claims.issued_at, claims.expires_at, claims.generation] {
        assert!(number < 1 << 53);
    }
    true
}
