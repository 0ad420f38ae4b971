//! The console's cookies: names of its own, so that a session of the public listener on the same host is
//! another one, and the marks by which a session of the console is known.
//!
//! The prefix `__Host-` keeps a neighbour domain from planting one; browsers take it over TLS and from
//! their own machine, the end of a tunnel (threats: cookie-tossing, console-cookie).
//!
//! A session of the console is an ordinary one. Its access token lies in the cookie with a mark that only
//! the console's log-in makes, so that a token of an administrator that was stolen elsewhere opens no page.
//!
//! This room must never set a cookie that scripts can read.

use crate::http::cookies::values;
use crate::lacre::Lacre;
use crate::token::Handle;
use actix_web::http::header::{HeaderMap, HeaderValue};

/// The access token and its mark.
pub(super) const ACCESS: &str = "__Host-lacre_console";
/// The refresh token.
pub(super) const REFRESH: &str = "__Host-lacre_console_refresh";
/// The name of a log-in form, before there is a session.
pub(super) const FORM: &str = "__Host-lacre_console_form";

/// What a mark is made for: none is good for another purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The cookie of a session that the console began.
    Door,
    /// A form of a page.
    Form,
    /// The form of the log-in.
    LogIn,
}

impl Purpose {
    /// The name that is signed. It is longer than any session's handle, so it is none.
    fn signed(self, name: &str) -> Option<Handle> {
        let purpose = match self {
            Self::Door => "console-door-",
            Self::Form => "console-form-",
            Self::LogIn => "console-login-",
        };
        Handle::parse(&format!("{purpose}{name}")).ok()
    }
}

/// A mark of this purpose for this name; empty where the name can have none.
pub(super) fn mark(lacre: &Lacre, purpose: Purpose, name: &str) -> String {
    let signed = purpose.signed(name);
    signed.map_or_else(String::new, |name| {
        lacre.csrf_token(&name).expose().to_owned()
    })
}

/// Whether this mark was made here for this purpose and this name.
pub(super) fn is_marked(lacre: &Lacre, purpose: Purpose, name: &str, mark: &[u8]) -> bool {
    let signed = purpose.signed(name);
    signed.is_some_and(|name| lacre.verify_csrf_token(&name, mark))
}

/// The text of the only cookie of this name.
pub(super) fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut all = values(headers, name);
    let first = std::str::from_utf8(all.next()?).ok()?;
    all.next().is_none().then_some(first)
}

/// A line of `Set-Cookie`; one without a value takes the cookie back.
pub(super) fn line(name: &str, value: &str, max_age: u64) -> Option<HeaderValue> {
    let text =
        format!("{name}={value}; Max-Age={max_age}; Path=/; Secure; HttpOnly; SameSite=Strict");
    let mut line = HeaderValue::try_from(text).ok()?;
    line.set_sensitive(true);
    Some(line)
}

/// The lines that take the cookies of a session back.
pub(super) fn cleared() -> Vec<HeaderValue> {
    let names = [ACCESS, REFRESH, FORM].into_iter();
    names.filter_map(|name| line(name, "", 0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lacre::testing::Fixture;

    #[tokio::test]
    async fn a_mark_is_good_for_one_purpose_and_one_session() {
        let fixture = Fixture::new();
        let (lacre, issued) = (&fixture.lacre, fixture.log_in("u1").await);
        let session = issued.handle.as_str();
        let door = mark(lacre, Purpose::Door, session);
        let is_good =
            |purpose, name: &str, mark: &str| is_marked(lacre, purpose, name, mark.as_bytes());
        assert!(is_good(Purpose::Door, session, &door));
        for purpose in [Purpose::Form, Purpose::LogIn] {
            assert!(!is_good(purpose, session, &door));
        }
        assert!(!is_good(Purpose::Door, "another", &door));
        // What the public listener gives to scripts is no mark, and no mark is that.
        let public = lacre.csrf_token(&issued.handle);
        assert!(!is_good(Purpose::Door, session, public.expose()));
        assert!(!lacre.verify_csrf_token(&issued.handle, door.as_bytes()));
        assert_eq!(mark(lacre, Purpose::Form, "no handle"), "");
        assert!(!is_good(Purpose::Form, "no handle", ""));
    }

    #[test]
    fn every_cookie_is_out_of_reach_for_scripts_and_other_sites() {
        for line in cleared() {
            let line = line.to_str().unwrap();
            assert!(line.starts_with("__Host-lacre_console"), "{line}");
            assert!(
                line.ends_with("=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Strict"),
                "{line}"
            );
        }
    }
}
