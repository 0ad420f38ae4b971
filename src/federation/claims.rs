//! The claims of a token that its issuer has signed.
//!
//! josekit's own checks pass tokens without `exp` or `aud` and read the machine's clock; these don't.
//!
//! This room must never fill a missing claim with a default.

use super::error::FederationError;
use super::issuer::Issuer;
use crate::clock::UnixSeconds;
use serde_json::{Map, Value};

/// `OpenID` Connect Core §2: a subject has at most 255 characters.
const MAX_SUBJECT: usize = 255;
const MAX_ROLES: usize = 256;
/// Beyond it a number of JSON isn't exact.
const MAX_TIME: f64 = 9_007_199_254_740_992.0;

/// Who somebody is, as an issuer says and has signed. Who it is, is the pair of `issuer` and `subject`:
/// all else may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The issuer's name in the configuration.
    pub issuer_name: String,
    /// `iss`.
    pub issuer: String,
    /// The claim that says who it is.
    pub subject: String,
    /// `email`, where the issuer says that it has verified it.
    pub email: Option<String>,
    /// `name`.
    pub name: Option<String>,
    /// The roles, where the configuration names a claim of them; none where the token doesn't have it.
    pub roles: Option<Vec<String>>,
    /// When the token expires.
    pub expires_at: UnixSeconds,
}

/// Checks the claims of a token of `issuer` at `now`.
pub(super) fn check(
    issuer: &Issuer,
    claims: &Map<String, Value>,
    now: UnixSeconds,
    leeway: u64,
) -> Result<Identity, FederationError> {
    if !is_for(claims.get("aud"), &issuer.audience)? {
        return Err(FederationError::Audience);
    }
    let expires_at = time(claims, "exp")?.ok_or(FederationError::Claims)?;
    if now >= expires_at.floor.saturating_add(leeway) {
        return Err(FederationError::Expired);
    }
    for name in ["nbf", "iat"] {
        if let Some(time) = time(claims, name)?
            && time.ceiling > now.saturating_add(leeway)
        {
            return Err(FederationError::NotYetValid);
        }
    }
    let subject = text(claims, &issuer.subject_claim)?
        .filter(|subject| (1..=MAX_SUBJECT).contains(&subject.len()))
        .filter(|subject| !subject.chars().any(char::is_control))
        .ok_or(FederationError::Claims)?;
    let verified = claims.get("email_verified") == Some(&Value::Bool(true));
    let roles = issuer.roles_claim.as_deref();
    let roles = roles.map(|name| roles_of(claims, name)).transpose()?;
    let optional = |name| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    Ok(Identity {
        issuer_name: issuer.name.clone(),
        issuer: issuer.issuer.clone(),
        subject: subject.to_owned(),
        email: optional("email").filter(|_| verified),
        name: optional("name"),
        roles,
        expires_at: expires_at.floor,
    })
}

/// RFC 7519 §4.1.3: one text or several, of which one must be ours, exactly.
fn is_for(audience: Option<&Value>, ours: &str) -> Result<bool, FederationError> {
    match audience {
        Some(Value::String(one)) => Ok(one == ours),
        Some(Value::Array(several)) if several.iter().all(Value::is_string) => {
            Ok(several.iter().any(|one| one == ours))
        }
        _ => Err(FederationError::Claims),
    }
}

/// A `NumericDate` (RFC 7519 §2), which may have a fraction.
struct Time {
    floor: UnixSeconds,
    ceiling: UnixSeconds,
}

fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<Time>, FederationError> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    if let Some(whole) = value.as_u64() {
        let (floor, ceiling) = (whole, whole);
        return Ok(Some(Time { floor, ceiling }));
    }
    let fraction = value
        .as_f64()
        .filter(|time| (0.0..=MAX_TIME).contains(time));
    let fraction = fraction.ok_or(FederationError::Claims)?;
    // In the range that was checked nothing is cut off.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let (floor, ceiling) = (fraction.floor() as u64, fraction.ceil() as u64);
    Ok(Some(Time { floor, ceiling }))
}

fn text<'c>(
    claims: &'c Map<String, Value>,
    name: &str,
) -> Result<Option<&'c str>, FederationError> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(FederationError::Claims),
    }
}

/// The roles of a claim: a list of texts, or one text with spaces between them. A name that begins
/// with `/` is a JSON pointer (RFC 6901), for claims within claims.
fn roles_of(claims: &Map<String, Value>, name: &str) -> Result<Vec<String>, FederationError> {
    let value = match name.strip_prefix('/').and_then(|rest| rest.split_once('/')) {
        Some((first, rest)) => {
            let inner = claims.get(&first.replace("~1", "/").replace("~0", "~"));
            inner.and_then(|inner| inner.pointer(&format!("/{rest}")))
        }
        None => claims.get(name.strip_prefix('/').unwrap_or(name)),
    };
    let roles: Vec<String> = match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(words)) => words.split_ascii_whitespace().map(str::to_owned).collect(),
        Some(Value::Array(items)) => {
            let words = items.iter().map(|item| item.as_str().map(str::to_owned));
            words
                .collect::<Option<_>>()
                .ok_or(FederationError::Claims)?
        }
        Some(_) => return Err(FederationError::Claims),
    };
    if roles.len() > MAX_ROLES {
        return Err(FederationError::Claims);
    }
    Ok(roles)
}
