//! `dialect`, `[dialect_members]`, `[dialect_texts]`: in whose words the public listener speaks.

use crate::config::key::{DefaultValue, Key, Row, key};
use crate::config::kind::{Choice, Text};
use crate::config::reader::{Noted, Reader};

/// Whose paths, members, statuses and texts the public listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Its own.
    Lacre,
    /// Those of an encrypted token in a Flask application.
    JweFlask,
    /// Those of Flask-JWT-Extended.
    FlaskJwtExtended,
    /// Those of an API that takes the tokens of Auth0.
    Auth0,
    /// Those of a service whose clients send `x-access-token`.
    XAccessToken,
    /// Those of the series on `api-users`.
    ApiUsers,
}

/// The dialect, and the names and texts of the one whose clients chose their own.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DialectConfig {
    /// Which one is spoken.
    pub dialect: Dialect,
    /// `dialect_members.*`
    pub members: DialectMembers,
    /// `dialect_texts.*`
    pub texts: DialectTexts,
}

/// Names of members in the dialect `flask-jwt-extended`.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[allow(missing_docs)] // what their keys say
pub struct DialectMembers {
    pub user: String,
    pub password: String,
    pub token: String,
    pub refresh_token: String,
    pub message: String,
    pub error: String,
    pub name: String,
    pub role: Option<String>,
    pub roles: Option<String>,
    pub permissions: Option<String>,
}

/// Texts of the dialect `flask-jwt-extended`.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[allow(missing_docs)] // what their keys say
pub struct DialectTexts {
    pub missing: String,
    pub expired: String,
    pub revoked: String,
    pub not_fresh: String,
    pub invalid: String,
    pub claims: String,
    pub csrf: String,
    pub credentials: String,
    pub credentials_missing: String,
}

pub(super) static DIALECT: Key<Choice<Dialect>> = key(
    "dialect",
    Choice {
        words: &[
            ("lacre", Dialect::Lacre),
            ("jwe-flask", Dialect::JweFlask),
            ("flask-jwt-extended", Dialect::FlaskJwtExtended),
            ("auth0", Dialect::Auth0),
            ("x-access-token", Dialect::XAccessToken),
            ("api-users", Dialect::ApiUsers),
        ],
    },
    DefaultValue::Value(|| Dialect::Lacre),
    "Whose paths, members, statuses and texts the public listener speaks, for clients of another \
     service; one for a deployment. It changes shapes and never rights; see \
     [migrating.md](migrating.md).",
);

static M_USER: Key<Text> = key(
    "dialect_members.user",
    Text,
    DefaultValue::Value(|| "correo".to_owned()),
    "The member of a log-in that holds the e-mail or the id. Like the other keys of this section, it is for `dialect = \"flask-jwt-extended\"` alone.",
);

static M_PASSWORD: Key<Text> = key(
    "dialect_members.password",
    Text,
    DefaultValue::Value(|| "contraseña".to_owned()),
    "The member of a log-in that holds the password.",
);

static M_TOKEN: Key<Text> = key(
    "dialect_members.token",
    Text,
    DefaultValue::Value(|| "token".to_owned()),
    "The member that gives the access token.",
);

static M_REFRESH_TOKEN: Key<Text> = key(
    "dialect_members.refresh_token",
    Text,
    DefaultValue::Value(|| "refresh_token".to_owned()),
    "The member that gives the refresh token.",
);

static M_MESSAGE: Key<Text> = key(
    "dialect_members.message",
    Text,
    DefaultValue::Value(|| "mensaje".to_owned()),
    "The member of the routes' own sentences.",
);

static M_ERROR: Key<Text> = key(
    "dialect_members.error",
    Text,
    DefaultValue::Value(|| "msg".to_owned()),
    "The member that says why a token is refused.",
);

static M_NAME: Key<Text> = key(
    "dialect_members.name",
    Text,
    DefaultValue::Value(|| "nombre".to_owned()),
    "The member of `GET /perfil` with the user's name.",
);

static M_ROLE: Key<Text> = key(
    "dialect_members.role",
    Text,
    DefaultValue::Described("none: the member is left out"),
    "The member of `GET /perfil` with the first role, as the claim `rol` of the course.",
);

static M_ROLES: Key<Text> = key(
    "dialect_members.roles",
    Text,
    DefaultValue::Described("none: the member is left out"),
    "The member of `GET /perfil` with all roles, as the claim `roles`.",
);

static M_PERMISSIONS: Key<Text> = key(
    "dialect_members.permissions",
    Text,
    DefaultValue::Described("none: the member is left out"),
    "The member of `GET /perfil` with the permissions, as the claim `permisos`.",
);

static T_MISSING: Key<Text> = key(
    "dialect_texts.missing",
    Text,
    DefaultValue::Value(|| "Missing Authorization Header".to_owned()),
    "No token came.",
);

static T_EXPIRED: Key<Text> = key(
    "dialect_texts.expired",
    Text,
    DefaultValue::Value(|| "Token has expired".to_owned()),
    "The token is ours and has expired.",
);

static T_REVOKED: Key<Text> = key(
    "dialect_texts.revoked",
    Text,
    DefaultValue::Value(|| "Token has been revoked".to_owned()),
    "The token is ours, and the session has been renewed or its rights have changed since.",
);

static T_NOT_FRESH: Key<Text> = key(
    "dialect_texts.not_fresh",
    Text,
    DefaultValue::Value(|| "Fresh token required".to_owned()),
    "The token is good and was not made by proving the password.",
);

static T_INVALID: Key<Text> = key(
    "dialect_texts.invalid",
    Text,
    DefaultValue::Value(|| "Invalid token".to_owned()),
    "Any other token, one of an ended session included.",
);

static T_CLAIMS: Key<Text> = key(
    "dialect_texts.claims",
    Text,
    DefaultValue::Value(|| "Audience or issuer doesn't match".to_owned()),
    "The token is ours and names another issuer or audience.",
);

static T_CSRF: Key<Text> = key(
    "dialect_texts.csrf",
    Text,
    DefaultValue::Value(|| "CSRF double submit tokens do not match".to_owned()),
    "A token in a cookie, without the proof that our own page sent it.",
);

static T_CREDENTIALS: Key<Text> = key(
    "dialect_texts.credentials",
    Text,
    DefaultValue::Value(|| "Credenciales inválidas".to_owned()),
    "The credentials of a log-in are not accepted.",
);

static T_CREDENTIALS_MISSING: Key<Text> = key(
    "dialect_texts.credentials_missing",
    Text,
    DefaultValue::Value(|| "Correo y contraseña son requeridos".to_owned()),
    "A log-in lacks a member.",
);

pub(super) static MEMBERS: &[&dyn Row] = &[
    &M_USER,
    &M_PASSWORD,
    &M_TOKEN,
    &M_REFRESH_TOKEN,
    &M_MESSAGE,
    &M_ERROR,
    &M_NAME,
    &M_ROLE,
    &M_ROLES,
    &M_PERMISSIONS,
];

pub(super) static TEXTS: &[&dyn Row] = &[
    &T_MISSING,
    &T_EXPIRED,
    &T_REVOKED,
    &T_NOT_FRESH,
    &T_INVALID,
    &T_CLAIMS,
    &T_CSRF,
    &T_CREDENTIALS,
    &T_CREDENTIALS_MISSING,
];

impl DialectMembers {
    pub(in crate::config) fn read(reader: &mut Reader) -> Result<Self, Noted> {
        let user = reader.value(&M_USER);
        let password = reader.value(&M_PASSWORD);
        let token = reader.value(&M_TOKEN);
        let refresh_token = reader.value(&M_REFRESH_TOKEN);
        let message = reader.value(&M_MESSAGE);
        let error = reader.value(&M_ERROR);
        let name = reader.value(&M_NAME);
        let role = reader.optional(&M_ROLE);
        let roles = reader.optional(&M_ROLES);
        let permissions = reader.optional(&M_PERMISSIONS);
        Ok(Self {
            user: user?,
            password: password?,
            token: token?,
            refresh_token: refresh_token?,
            message: message?,
            error: error?,
            name: name?,
            role: role?,
            roles: roles?,
            permissions: permissions?,
        })
    }
}

impl DialectTexts {
    pub(in crate::config) fn read(reader: &mut Reader) -> Result<Self, Noted> {
        let missing = reader.value(&T_MISSING);
        let expired = reader.value(&T_EXPIRED);
        let revoked = reader.value(&T_REVOKED);
        let not_fresh = reader.value(&T_NOT_FRESH);
        let invalid = reader.value(&T_INVALID);
        let claims = reader.value(&T_CLAIMS);
        let csrf = reader.value(&T_CSRF);
        let credentials = reader.value(&T_CREDENTIALS);
        let credentials_missing = reader.value(&T_CREDENTIALS_MISSING);
        Ok(Self {
            missing: missing?,
            expired: expired?,
            revoked: revoked?,
            not_fresh: not_fresh?,
            invalid: invalid?,
            claims: claims?,
            csrf: csrf?,
            credentials: credentials?,
            credentials_missing: credentials_missing?,
        })
    }
}
