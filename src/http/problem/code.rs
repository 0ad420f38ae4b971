//! The closed list of error codes and the one table that gives each its status and its text.
//!
//! A code is API: it may be added, never renamed. This room must never know a request.

use actix_web::http::StatusCode;

/// The stable name of an error, the member `code` of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // `TABLE` below says what each one means, once
#[non_exhaustive]
pub enum Code {
    InvalidRequest,
    NoCredentials,
    InvalidToken,
    InsufficientScope,
    CsrfFailed,
    InvalidClient,
    NoOwnUsers,
    InvalidCredentials,
    AccountExists,
    OwnAccount,
    LastAdministrator,
    SignupClosed,
    AccountInvalid,
    UserInvalid,
    ClaimsInvalid,
    BodyMalformed,
    BodyNotUtf8,
    BodyMissingMember,
    BodyWrongType,
    BodyTooLarge,
    BodyTooManyMembers,
    UnsupportedMediaType,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    UriTooLong,
    HeaderTooLarge,
    RateLimited,
    HashingBusy,
    StoreUnavailable,
    AuditUnavailable,
    InternalError,
}

struct Entry {
    code: Code,
    name: &'static str,
    status: StatusCode,
    title: &'static str,
    detail: &'static str,
    advice: &'static str,
}

macro_rules! table {
    ($($code:ident, $name:literal, $status:ident, $title:literal, $detail:literal, $advice:literal;)*) => {
        static TABLE: &[Entry] = &[$(Entry {
            code: Code::$code,
            name: $name,
            status: StatusCode::$status,
            title: $title,
            detail: $detail,
            advice: $advice,
        }),*];
    };
}

// In the order of the enum: `entry` counts on it and a test holds it.
table! {
    InvalidRequest, "invalid_request", BAD_REQUEST, "Invalid request",
        "The request is malformed.",
        "Correct the request; `detail` says what is wrong. RFC 6750 §3.1.";
    NoCredentials, "no_credentials", UNAUTHORIZED, "Credentials needed",
        "This resource needs an access token.",
        "Send `Authorization: Bearer` with an access token. The challenge carries no error code: RFC 6750 §3.";
    InvalidToken, "invalid_token", UNAUTHORIZED, "Invalid token",
        "The token is not accepted.",
        "Refresh, or log in again. The answer is the same whatever the cause; an operator finds it in the log, under the answer's `request_id`.";
    InsufficientScope, "insufficient_scope", FORBIDDEN, "Not allowed",
        "The token is good, and its owner lacks something that this resource needs.",
        "`missing` says what: a role, a permission or a fresh log-in; with `account`, the user is a client's own, whom this resource doesn't let in.";
    CsrfFailed, "csrf_failed", FORBIDDEN, "Not sent by our own page",
        "A token in a cookie changes nothing unless a page of this origin sends the value of the cookie `__Host-lacre_csrf` in the header `X-CSRF-TOKEN`.",
        "Read the cookie right before the request. It fits one session, and the browser must not name another site as the sender. Log-in from a page of another site is refused as well, where tokens may stand in cookies.";
    InvalidClient, "invalid_client", UNAUTHORIZED, "Invalid client",
        "The client's credentials are not accepted.",
        "Check the id and the secret of the back end. RFC 6749 §5.2.";
    NoOwnUsers, "no_own_users", FORBIDDEN, "No users of its own",
        "This client has no users of its own.",
        "Use the credentials of a client that was made by `lacre clients add NAME --own-users`.";
    InvalidCredentials, "invalid_credentials", UNAUTHORIZED, "Invalid credentials",
        "The credentials are not accepted.",
        "The same for an unknown account, a wrong password and a disabled account.";
    AccountExists, "account_exists", CONFLICT, "Account exists",
        "An account with this e-mail address exists already.",
        "Log in instead, or use another address.";
    OwnAccount, "own_account", CONFLICT, "Your own account",
        "An administrator can't close, demote or set the password of the account that asks.",
        "Ask another administrator, or use `PUT /me/password`. So the last administrator stays one.";
    LastAdministrator, "last_administrator", CONFLICT, "The last administrator",
        "The change would leave no active account with the role `admin`.",
        "Give another account the role `admin` first. It is the same for administrators and for operators at the command line.";
    SignupClosed, "signup_closed", FORBIDDEN, "Sign-up is closed",
        "Accounts are made by an administrator here.",
        "Ask the operator, who can also set `signup = \"open\"`.";
    AccountInvalid, "account_invalid", UNPROCESSABLE_ENTITY, "Invalid account",
        "A member of the account is not acceptable.",
        "`field` names the member and `detail` says what it must be.";
    UserInvalid, "user_invalid", UNPROCESSABLE_ENTITY, "Invalid user",
        "What a client says of a user of its own is not acceptable.",
        "`field` names what is at fault, `id` also where it stands in the path; `detail` says what it must be.";
    ClaimsInvalid, "claims_invalid", UNPROCESSABLE_ENTITY, "Invalid claims",
        "The additional claims are not acceptable.",
        "`field` names the claim and `detail` says why it isn't taken.";
    BodyMalformed, "body_malformed", BAD_REQUEST, "Malformed body",
        "The body is not one well-formed object.",
        "Send one JSON object or, where the route takes it, one form; no member twice, at most 32 levels deep.";
    BodyNotUtf8, "body_not_utf8", BAD_REQUEST, "Body is not UTF-8",
        "The body is not UTF-8.",
        "Encode the body as UTF-8, without a byte order mark.";
    BodyMissingMember, "body_missing_member", BAD_REQUEST, "Missing member",
        "The body lacks a member.",
        "`field` names the member. Members that a route doesn't know are ignored.";
    BodyWrongType, "body_wrong_type", BAD_REQUEST, "Wrong type of member",
        "A member of the body has the wrong type.",
        "`field` names the member and `detail` says the type that it must have.";
    BodyTooLarge, "body_too_large", PAYLOAD_TOO_LARGE, "Body too large",
        "The body is larger than this service accepts.",
        "Send less; the limit is `limits.body`.";
    BodyTooManyMembers, "body_too_many_members", BAD_REQUEST, "Too many members",
        "The body has more members than this service reads.",
        "Send at most 64 members, and in JSON at most 4096 values in all.";
    UnsupportedMediaType, "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "Unsupported media type",
        "The body has a media type or a coding that this resource doesn't take.",
        "Send `Content-Type: application/json` in UTF-8 and no `Content-Encoding`; sign-up and log-in also take `application/x-www-form-urlencoded`.";
    NotFound, "not_found", NOT_FOUND, "Not found",
        "There is nothing here.",
        "Check the path.";
    MethodNotAllowed, "method_not_allowed", METHOD_NOT_ALLOWED, "Method not allowed",
        "This resource doesn't take this method.",
        "Use a method that the `Allow` header names.";
    RequestTimeout, "request_timeout", REQUEST_TIMEOUT, "Request timeout",
        "The body didn't arrive in time.",
        "Send the whole request without pausing.";
    UriTooLong, "uri_too_long", URI_TOO_LONG, "URI too long",
        "The request target is longer than this service accepts.",
        "Shorten the path and the query.";
    HeaderTooLarge, "header_too_large", REQUEST_HEADER_FIELDS_TOO_LARGE, "Header too large",
        "The header fields are larger than this service accepts.",
        "Send fewer or shorter header fields and cookies.";
    RateLimited, "rate_limited", TOO_MANY_REQUESTS, "Too many requests",
        "There were too many attempts.",
        "Wait for the seconds in `Retry-After`.";
    HashingBusy, "hashing_busy", SERVICE_UNAVAILABLE, "Busy",
        "Too many passwords are being checked.",
        "Wait for the seconds in `Retry-After`.";
    StoreUnavailable, "store_unavailable", SERVICE_UNAVAILABLE, "Store unavailable",
        "A store that this answer depends on can't be reached.",
        "Wait for the seconds in `Retry-After`. It says nothing about the token.";
    AuditUnavailable, "audit_unavailable", SERVICE_UNAVAILABLE, "Audit log unavailable",
        "Nothing can be changed now, since it could not be recorded.",
        "Wait for the seconds in `Retry-After`. Guarded resources are answered meanwhile.";
    InternalError, "internal_error", INTERNAL_SERVER_ERROR, "Internal error",
        "Something went wrong on our side.",
        "Report the `request_id`; the operator finds the cause in the log.";
}

impl Code {
    /// Every code there is, in the order of `docs/errors.md`.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|entry| entry.code)
    }

    fn entry(self) -> &'static Entry {
        &TABLE[self as usize]
    }

    /// The code as it stands in answers: `snake_case`, never renamed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.entry().name
    }

    /// The status that this code always comes with.
    #[must_use]
    pub fn status(self) -> StatusCode {
        self.entry().status
    }

    /// The title, the same for every occurrence (RFC 9457 §3.1.3).
    #[must_use]
    pub fn title(self) -> &'static str {
        self.entry().title
    }

    /// The detail, where nothing more exact is known.
    #[must_use]
    pub fn detail(self) -> &'static str {
        self.entry().detail
    }

    /// What a client's author should do about it, for the page of errors.
    #[must_use]
    pub fn advice(self) -> &'static str {
        self.entry().advice
    }

    /// The problem type (RFC 9457 §3.1.1): a name, not an address, since a service that is
    /// installed anywhere owns none.
    #[must_use]
    pub fn type_uri(self) -> String {
        format!("urn:lacre:error:{}", self.as_str())
    }

    /// The seconds in `Retry-After` unless somebody knows better.
    #[must_use]
    pub fn retry_after(self) -> Option<u32> {
        matches!(
            self.status(),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        )
        .then_some(1)
    }

    /// The code for a status that somebody else chose: actix, or a handler without a body.
    #[must_use]
    pub fn for_status(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED => Self::NoCredentials,
            StatusCode::FORBIDDEN => Self::InsufficientScope,
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::REQUEST_TIMEOUT => Self::RequestTimeout,
            StatusCode::PAYLOAD_TOO_LARGE => Self::BodyTooLarge,
            StatusCode::URI_TOO_LONG => Self::UriTooLong,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::UnsupportedMediaType,
            StatusCode::TOO_MANY_REQUESTS => Self::RateLimited,
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Self::HeaderTooLarge,
            status if status.is_client_error() => Self::InvalidRequest,
            _ => Self::InternalError,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::fmt::Write as _;

    #[test]
    fn the_table_has_every_code_once_and_in_order() {
        for (place, entry) in TABLE.iter().enumerate() {
            assert_eq!(entry.code as usize, place, "{}", entry.name);
        }
        assert_eq!(
            Code::InternalError as usize + 1,
            TABLE.len(),
            "the last code is the last row"
        );
        let names: HashSet<_> = Code::all().map(Code::as_str).collect();
        assert_eq!(names.len(), TABLE.len());
    }

    #[test]
    fn names_are_the_codes_in_snake_case() {
        for code in Code::all() {
            let mut name = String::new();
            for letter in format!("{code:?}").chars() {
                if letter.is_uppercase() && !name.is_empty() {
                    name.push('_');
                }
                name.extend(letter.to_lowercase());
            }
            assert_eq!(code.as_str(), name);
        }
    }

    #[test]
    fn every_code_is_an_error_with_a_sentence() {
        for code in Code::all() {
            assert!(code.status().is_client_error() || code.status().is_server_error());
            assert!(
                code.detail().ends_with('.') && code.title().len() > 3,
                "{code:?}"
            );
        }
    }

    #[test]
    fn a_status_keeps_its_class() {
        for status in 400..600 {
            let status = StatusCode::from_u16(status).unwrap();
            let found = Code::for_status(status).status();
            assert_eq!(
                status.is_client_error(),
                found.is_client_error(),
                "{status}"
            );
        }
    }

    #[test]
    #[allow(clippy::disallowed_methods)] // a switch of this test, not configuration
    fn the_page_of_errors_is_true() {
        let mut page = String::from(PAGE_HEAD);
        for entry in TABLE {
            let Entry {
                name,
                status,
                title,
                detail,
                advice,
                ..
            } = entry;
            let status = status.as_u16();
            let _ = writeln!(
                page,
                "| `{name}` | {status} | {title} | {detail} | {advice} |"
            );
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/errors.md");
        if std::env::var_os("LACRE_BLESS").is_some() {
            std::fs::write(path, &page).unwrap();
        }
        let found = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(
            found, page,
            "run the test with LACRE_BLESS=1 to rewrite docs/errors.md"
        );
    }

    const PAGE_HEAD: &str = "\
# Errors

Made from the table in `src/http/problem/code.rs` by its test; don't edit it by hand.

Every error is `application/problem+json` (RFC 9457) with `type` (`urn:lacre:error:` and the code),
`title`, `status`, `detail`, `code` and `request_id`, some with `field` or `missing`. Programs
should look at `code`: it is never renamed. `detail` is for people and may be reworded.
Every answer, good or bad, names its id in `X-Request-Id`; an id sent by the client is ignored.

What is so malformed that it isn't a request (a broken request line or header, more than 96 header
fields, a head of more than 128 KiB, a first head that doesn't arrive in time) is answered 400, 431
or 408 with an empty body, and the connection is closed.

| code | status | title | detail | what to do |
| --- | --- | --- | --- | --- |
";
}
