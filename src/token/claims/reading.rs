//! Claims from their JSON, in one pass: each registered claim of its one type, no member twice.
//!
//! This room must never take a value of another type for the one that is due, and never let a
//! second member of one name replace the first (threat: duplicate-member).

use super::super::Handle;
use super::super::json::{MAX_DEPTH, StrictValue};
use super::Claims;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor};
use serde_json::Map;
use std::fmt;

/// Whole seconds and counters stay below 2^53, so that every JSON reader sees the same number.
pub(super) const NUMBERS_END: u64 = 1 << 53;

/// The claims of a JSON object with nothing after it; `None` for anything else.
pub(super) fn claims(text: &str) -> Option<Box<Claims>> {
    let mut parser = serde_json::Deserializer::from_str(text);
    let claims = parser.deserialize_map(ClaimSet).ok()?;
    parser.end().ok()?;
    Some(Box::new(claims))
}

struct ClaimSet;

impl<'de> Visitor<'de> for ClaimSet {
    type Value = Claims;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("claims")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Claims, A::Error> {
        let (mut issuer, mut subject, mut audience, mut token_id) = (None, None, None, None);
        let (mut issued_at, mut expires_at, mut not_before) = (None, None, None);
        let (mut session, mut generation, mut authenticated_at) = (None, None, None);
        let (mut id, mut email, mut role, mut fresh) = (None, None, None, None);
        let (mut roles, mut permissions) = (None, None);
        let (mut client_id, mut client_name, mut account_name) = (None, None, None);
        let mut additional = Map::new();
        while let Some(name) = members.next_key_seed(NameSeed)? {
            let from = &mut members;
            match name {
                Name::Issuer => once(&mut issuer, from, Text)?,
                Name::Subject => once(&mut subject, from, Text)?,
                Name::Audience => once(&mut audience, from, Audience)?,
                Name::IssuedAt => once(&mut issued_at, from, Whole)?,
                Name::ExpiresAt => once(&mut expires_at, from, Whole)?,
                Name::NotBefore => once(&mut not_before, from, Whole)?,
                Name::TokenId => once(&mut token_id, from, Text)?,
                Name::Session => once(&mut session, from, HandleText)?,
                Name::Generation => once(&mut generation, from, Whole)?,
                Name::Id => once(&mut id, from, Text)?,
                Name::Email => once(&mut email, from, Text)?,
                Name::Role => once(&mut role, from, Text)?,
                Name::Roles => once(&mut roles, from, Texts)?,
                Name::Permissions => once(&mut permissions, from, Texts)?,
                Name::Fresh => once(&mut fresh, from, Flag)?,
                Name::AuthenticatedAt => once(&mut authenticated_at, from, Whole)?,
                Name::ClientId => once(&mut client_id, from, Text)?,
                Name::ClientCalled => once(&mut client_name, from, Text)?,
                Name::AccountCalled => once(&mut account_name, from, Text)?,
                Name::Other(name) => {
                    let inner = StrictValue {
                        levels_left: MAX_DEPTH - 1,
                    };
                    let value = from.next_value_seed(inner)?;
                    if additional.insert(name, value).is_some() {
                        return Err(twice());
                    }
                }
            }
        }
        Ok(Claims {
            issuer: due(issuer)?,
            subject: due(subject)?,
            audience: due(audience)?,
            issued_at: due(issued_at)?,
            expires_at: due(expires_at)?,
            not_before,
            token_id: due(token_id)?,
            session: due(session)?,
            generation: due(generation)?,
            id,
            email,
            role,
            roles: roles.unwrap_or_default(),
            permissions: permissions.unwrap_or_default(),
            fresh,
            authenticated_at,
            client_id,
            client_name,
            account_name,
            additional,
        })
    }
}

/// Reads a member's value into its place, which must be empty.
fn once<'de, A: MapAccess<'de>, S: DeserializeSeed<'de>>(
    place: &mut Option<S::Value>,
    members: &mut A,
    seed: S,
) -> Result<(), A::Error> {
    if place.is_some() {
        return Err(twice());
    }
    *place = Some(members.next_value_seed(seed)?);
    Ok(())
}

fn due<T, E: Error>(value: Option<T>) -> Result<T, E> {
    value.ok_or_else(|| E::custom("a claim is missing"))
}

fn twice<E: Error>() -> E {
    E::custom("duplicate member")
}

/// A member's name, its escapes resolved.
enum Name {
    Issuer,
    Subject,
    Audience,
    IssuedAt,
    ExpiresAt,
    NotBefore,
    TokenId,
    Session,
    Generation,
    Id,
    Email,
    Role,
    Roles,
    Permissions,
    Fresh,
    AuthenticatedAt,
    ClientId,
    ClientCalled,
    AccountCalled,
    Other(String),
}

/// Declares a seed that deserializes by one method and visits as its `impl Visitor` says.
macro_rules! seed {
    ($seed:ident, $value:ty, $method:ident) => {
        impl<'de> DeserializeSeed<'de> for $seed {
            type Value = $value;

            fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<$value, D::Error> {
                from.$method(self)
            }
        }
    };
}

struct NameSeed;
seed!(NameSeed, Name, deserialize_str);

impl Visitor<'_> for NameSeed {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Name, E> {
        Ok(match name {
            "iss" => Name::Issuer,
            "sub" => Name::Subject,
            "aud" => Name::Audience,
            "iat" => Name::IssuedAt,
            "exp" => Name::ExpiresAt,
            "nbf" => Name::NotBefore,
            "jti" => Name::TokenId,
            "sid" => Name::Session,
            "gen" => Name::Generation,
            "id" => Name::Id,
            "email" => Name::Email,
            "role" => Name::Role,
            "roles" => Name::Roles,
            "permissions" => Name::Permissions,
            "fresh" => Name::Fresh,
            "auth_time" => Name::AuthenticatedAt,
            "client_id" => Name::ClientId,
            "client_name" => Name::ClientCalled,
            "account_name" => Name::AccountCalled,
            other => Name::Other(other.to_owned()),
        })
    }
}

/// A string that isn't empty.
struct Text;
seed!(Text, String, deserialize_str);

impl Visitor<'_> for Text {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string that isn't empty")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        if text.is_empty() {
            Err(E::invalid_value(Unexpected::Str(text), &self))
        } else {
            Ok(text.to_owned())
        }
    }
}

/// A session handle.
struct HandleText;
seed!(HandleText, Handle, deserialize_str);

impl Visitor<'_> for HandleText {
    type Value = Handle;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a session handle")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Handle, E> {
        Handle::parse(text).map_err(E::custom)
    }
}

/// A JSON integer of 0 to 2^53 - 1: `1.0`, `1e3`, `"1"` and `-1` are none.
struct Whole;
seed!(Whole, u64, deserialize_u64);

impl Visitor<'_> for Whole {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer from 0 to 2^53 - 1")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
        if number < NUMBERS_END {
            Ok(number)
        } else {
            Err(E::invalid_value(Unexpected::Unsigned(number), &self))
        }
    }
}

struct Flag;
seed!(Flag, bool, deserialize_bool);

impl Visitor<'_> for Flag {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true or false")
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<bool, E> {
        Ok(flag)
    }
}

/// An array of strings that aren't empty.
struct Texts;
seed!(Texts, Vec<String>, deserialize_seq);

impl<'de> Visitor<'de> for Texts {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of strings that aren't empty")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<String>, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = items.next_element_seed(Text)? {
            texts.push(text);
        }
        Ok(texts)
    }
}

/// A string, or an array of at least one string (RFC 7519 §4.1.3).
struct Audience;
seed!(Audience, Vec<String>, deserialize_any);

impl<'de> Visitor<'de> for Audience {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an array of strings")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vec<String>, E> {
        Ok(vec![Text.visit_str(text)?])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Vec<String>, A::Error> {
        let audience = Texts.visit_seq(items)?;
        if audience.is_empty() {
            Err(A::Error::invalid_length(0, &self))
        } else {
            Ok(audience)
        }
    }
}
