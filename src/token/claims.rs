//! The claims of a session token: the registered ones typed, the caller's own beside them.
//!
//! This room must never fill a missing claim with a default: what has to be there is there, of its
//! one type, or the claims are refused (RFC 8725 §3.9, RFC 9068 §2.2).

mod ordinary;
mod reading;

use super::{Handle, TokenError, own_user};
use crate::clock::UnixSeconds;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Map, Value};

/// What an inner token says (RFC 7519 §4.1, RFC 9068 §2.2).
#[derive(Debug, Clone, PartialEq)]
pub struct Claims {
    /// `iss`: who issued the token.
    pub issuer: String,
    /// `sub`: the user.
    pub subject: String,
    /// `aud`: whom the token is meant for; at least one.
    pub audience: Vec<String>,
    /// `iat`: when it was issued.
    pub issued_at: UnixSeconds,
    /// `exp`: refused from this second on.
    pub expires_at: UnixSeconds,
    /// `nbf`: refused before this second.
    pub not_before: Option<UnixSeconds>,
    /// `jti`: this one token.
    pub token_id: String,
    /// `sid`: the session handle, equal to the outer `kid`.
    pub session: Handle,
    /// `gen`: the session's generation when the token was made.
    pub generation: u64,
    /// `id`: the user once more, equal to `sub`, for readers of the first service's claims.
    pub id: Option<String>,
    /// `email`.
    pub email: Option<String>,
    /// `role`: the first of `roles`.
    pub role: Option<String>,
    /// `roles`.
    pub roles: Vec<String>,
    /// `permissions`.
    pub permissions: Vec<String>,
    /// `fresh`: made by proving the password, not by a refresh.
    pub fresh: Option<bool>,
    /// `auth_time`: when the password was proven last.
    pub authenticated_at: Option<UnixSeconds>,
    /// `client_id`: the client that vouches for the user, and whose id of the user `sub` is; `None` where
    /// the user is an account.
    pub client_id: Option<String>,
    /// `client_name`: what the operator calls that client.
    pub client_name: Option<String>,
    /// `account_name`: the account's name for others to read, as it was when the token was made.
    pub account_name: Option<String>,
    /// The caller's additional claims, under names of their own.
    pub additional: Map<String, Value>,
}

/// The names that lacre gives a meaning to; an additional claim can't take one of them.
pub const RESERVED_CLAIMS: [&str; 19] = [
    "iss",
    "sub",
    "aud",
    "iat",
    "exp",
    "nbf",
    "jti",
    "sid",
    "gen",
    "id",
    "email",
    "role",
    "roles",
    "permissions",
    "fresh",
    "auth_time",
    "client_id",
    "client_name",
    "account_name",
];

impl Claims {
    /// Reads claims from the JSON of an inner token.
    pub fn parse(text: &[u8]) -> Result<Box<Self>, TokenError> {
        let text = std::str::from_utf8(text).map_err(|_| TokenError::Claims)?;
        let claims = ordinary::claims(text).or_else(|| reading::claims(text));
        let claims = claims.ok_or(TokenError::Claims)?;
        match &claims.id {
            Some(id) if *id != claims.subject => return Err(TokenError::SessionMismatch),
            _ => {}
        }
        if claims.client_id.is_none() && claims.client_name.is_some() {
            return Err(TokenError::Claims);
        }
        Ok(claims)
    }

    /// Whether this text names the user of the token, among accounts and the users of all clients.
    #[must_use]
    pub fn is_of(&self, user: &str) -> bool {
        own_user::is_named(user, self.client_id.as_deref(), &self.subject)
    }

    /// The claims as the JSON object that is signed.
    #[must_use]
    pub fn to_json(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(members)) => members,
            // Texts, numbers and what was JSON always are JSON.
            _ => Map::new(),
        }
    }
}

/// Written member by member, with nothing in between: this is done for every token. An additional claim never
/// replaces a registered one.
impl Serialize for Claims {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry("iss", &self.issuer)?;
        members.serialize_entry("sub", &self.subject)?;
        match self.audience.as_slice() {
            [one] => members.serialize_entry("aud", one)?,
            several => members.serialize_entry("aud", several)?,
        }
        members.serialize_entry("iat", &self.issued_at)?;
        members.serialize_entry("exp", &self.expires_at)?;
        members.serialize_entry("jti", &self.token_id)?;
        members.serialize_entry("sid", self.session.as_str())?;
        members.serialize_entry("gen", &self.generation)?;
        let texts = [
            ("id", &self.id),
            ("email", &self.email),
            ("role", &self.role),
            ("client_id", &self.client_id),
            ("client_name", &self.client_name),
            ("account_name", &self.account_name),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                members.serialize_entry(name, value)?;
            }
        }
        for (name, list) in [("roles", &self.roles), ("permissions", &self.permissions)] {
            if !list.is_empty() {
                members.serialize_entry(name, list)?;
            }
        }
        for (name, number) in [
            ("nbf", self.not_before),
            ("auth_time", self.authenticated_at),
        ] {
            if let Some(number) = number {
                members.serialize_entry(name, &number)?;
            }
        }
        if let Some(fresh) = self.fresh {
            members.serialize_entry("fresh", &fresh)?;
        }
        for (name, value) in &self.additional {
            if !RESERVED_CLAIMS.contains(&name.as_str()) {
                members.serialize_entry(name, value)?;
            }
        }
        members.end()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    pub(crate) fn good() -> Value {
        json!({
            "iss": "https://issuer.test", "sub": "u1", "aud": "api", "iat": 100, "exp": 200,
            "jti": "t1", "sid": "h1", "gen": 1, "id": "u1", "email": "a@b.c", "role": "user",
            "roles": ["user", "admin"], "permissions": ["read"], "fresh": true, "auth_time": 90,
            "theme": {"dark": true},
        })
    }

    fn of_a_client() -> Value {
        let mut claims = good();
        claims["client_id"] = json!("client_AAAAAAAAAAAAAAAA");
        claims["client_name"] = json!("shop");
        claims["account_name"] = json!("Ada");
        claims
    }

    fn parse(value: &Value) -> Result<Box<Claims>, TokenError> {
        Claims::parse(value.to_string().as_bytes())
    }

    #[test]
    fn what_is_written_is_read() {
        let claims = parse(&good()).unwrap();
        assert_eq!(Value::Object(claims.to_json()), good());
        assert_eq!(claims.additional.len(), 1);
        let mut stale = good();
        stale["fresh"] = false.into();
        for other in [stale, of_a_client()] {
            assert_eq!(Value::Object(parse(&other).unwrap().to_json()), other);
        }
    }

    #[test]
    fn each_required_claim_is_required() {
        for name in ["iss", "sub", "aud", "iat", "exp", "jti", "sid", "gen"] {
            let mut bad = good();
            bad.as_object_mut().unwrap().remove(name);
            assert_eq!(parse(&bad), Err(TokenError::Claims), "{name}");
        }
    }

    #[test]
    fn each_claim_has_one_type() {
        let texts = [
            "iss",
            "sub",
            "jti",
            "sid",
            "id",
            "email",
            "role",
            "client_id",
            "client_name",
            "account_name",
        ];
        let numbers = ["iat", "exp", "nbf", "gen", "auth_time"];
        for name in texts {
            for wrong in [
                json!(1),
                json!(null),
                json!(""),
                json!(["u1"]),
                json!({}),
                json!(true),
            ] {
                let mut bad = of_a_client();
                bad[name] = wrong.clone();
                assert!(parse(&bad).is_err(), "{name}: {wrong}");
            }
        }
        let too_large = 9_007_199_254_740_992_u64;
        for name in numbers {
            for wrong in [
                json!("1"),
                json!(null),
                json!(-1),
                json!(1.5),
                json!(1.0),
                json!(too_large),
            ] {
                let mut bad = good();
                bad[name] = wrong.clone();
                assert_eq!(parse(&bad), Err(TokenError::Claims), "{name}: {wrong}");
            }
        }
        for (name, wrong) in [
            ("aud", json!([])),
            ("aud", json!([""])),
            ("aud", json!(["a", 1])),
            ("aud", json!(1)),
            ("aud", json!("")),
            ("roles", json!("user")),
            ("roles", json!([1])),
            ("permissions", json!({})),
            ("fresh", json!("true")),
            ("fresh", json!(null)),
        ] {
            let mut bad = good();
            bad[name] = wrong.clone();
            assert_eq!(parse(&bad), Err(TokenError::Claims), "{name}: {wrong}");
        }
    }

    #[test]
    fn id_must_be_the_subject() {
        let mut bad = good();
        bad["id"] = json!("u2");
        assert_eq!(parse(&bad), Err(TokenError::SessionMismatch));
    }

    #[test]
    fn who_has_no_client_has_no_clients_name() {
        let mut bad = of_a_client();
        bad.as_object_mut().unwrap().remove("client_id");
        assert_eq!(parse(&bad), Err(TokenError::Claims));
        bad.as_object_mut().unwrap().remove("client_name");
        assert!(parse(&bad).is_ok());
    }

    #[test]
    fn an_additional_claim_never_replaces_a_registered_one() {
        let mut claims = parse(&of_a_client()).unwrap();
        for name in RESERVED_CLAIMS {
            claims.additional.insert(name.into(), json!("forged"));
        }
        claims.not_before = Some(100);
        let written = claims.to_json();
        assert!(written.values().all(|value| value != "forged"));
        assert_eq!(written.len(), 19 + 1);
        // No name is there twice, which a reader would refuse.
        let text = serde_json::to_vec(&claims).unwrap();
        assert_eq!(crate::token::json::object(&text), Some(written));
    }

    proptest! {
        #[test]
        fn no_object_panics(text in r#"\{"(iss|exp|aud|gen)":[\PC]{0,20}\}"#) {
            let _ = Claims::parse(text.as_bytes());
        }
    }
}
