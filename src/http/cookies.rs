//! The cookies of a session: their names, how they are read, set and cleared.
//!
//! All three have the prefix `__Host-`, so a browser takes them only from this host, over a secure
//! connection and for every path: no neighbour domain can plant one (RFC 6265bis §4.1.3.2,
//! threat: cookie-tossing). The tokens are out of reach for scripts; the third cookie is there for them.
//!
//! Cookies are read by exact name and are never decoded. A library for cookies would unescape the
//! value and keep the last of two with one name: a token must have one spelling, and two of them
//! must be seen.
//!
//! This room must never give a cookie a value in an answer that refuses a token.

use crate::lacre::Lacre;
use crate::sessions::grant::Issued;
use crate::sessions::rules::Location;
use actix_web::HttpResponse;
use actix_web::http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};

/// The access token. `Lax`, so that somebody who follows a link to a page of ours is known there;
/// methods that change something need the token against forgery besides.
pub const ACCESS: &str = "__Host-lacre_access";
/// The refresh token. `Strict`: only scripts of our own pages need it, no link leads to it.
pub const REFRESH: &str = "__Host-lacre_refresh";
/// The token against forgery, for scripts to read and to repeat in the header `X-CSRF-TOKEN`.
pub const CSRF: &str = "__Host-lacre_csrf";

/// A value longer than this is reported in the log: the browser sends it with every request.
const LARGE_VALUE: usize = 2048;
/// Browsers drop a cookie whose name and value together are longer (RFC 6265bis §5.6).
const MAX_COOKIE: usize = 4096;

/// What follows the lifetime in each `Set-Cookie`.
fn attributes(name: &str) -> &'static str {
    match name {
        ACCESS => "Path=/; Secure; HttpOnly; SameSite=Lax",
        CSRF => "Path=/; Secure; SameSite=Strict",
        _ => "Path=/; Secure; HttpOnly; SameSite=Strict",
    }
}

/// The values of all cookies of this name, in all `Cookie` lines (HTTP/2 may send several).
pub(super) fn values<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(COOKIE)
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .filter_map(move |pair| {
            let value = pair.trim_ascii().strip_prefix(name.as_bytes())?;
            value.strip_prefix(b"=")
        })
}

/// Whether this deployment keeps tokens in cookies.
pub(super) fn are_used(lacre: &Lacre) -> bool {
    lacre.rules().locations.contains(&Location::Cookie)
}

/// Sets what was issued, and a new token against forgery that lasts as long as the session: for
/// `session_lasts` seconds, which are those of the refresh token.
///
/// Does nothing unless the rules of the deployment have [`Location::Cookie`]. Before credentials
/// are even looked at, [`csrf::check_sender`](super::csrf::check_sender) should have its say.
pub fn set(response: &mut HttpResponse, lacre: &Lacre, issued: &Issued, session_lasts: u64) {
    append(response, lines_of(lacre, issued, session_lasts));
}

/// Takes all cookies of a session back, where the rules of the deployment have
/// [`Location::Cookie`].
pub fn clear(response: &mut HttpResponse, lacre: &Lacre) {
    append(response, clearing_lines(lacre));
}

/// The lines of `Set-Cookie` for what was issued; none where cookies aren't used.
pub(super) fn lines_of(lacre: &Lacre, issued: &Issued, session_lasts: u64) -> Vec<HeaderValue> {
    if !are_used(lacre) {
        return Vec::new();
    }
    let csrf = lacre.csrf_token(&issued.handle);
    let access = &issued.access;
    let refresh = issued.refresh.as_ref();
    [
        line(ACCESS, access.token.expose(), access.expires_in),
        refresh.and_then(|refresh| line(REFRESH, refresh.token.expose(), refresh.expires_in)),
        line(CSRF, csrf.expose(), session_lasts),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The lines of `Set-Cookie` that take all cookies of a session back.
pub(super) fn clearing_lines(lacre: &Lacre) -> Vec<HeaderValue> {
    let names = [ACCESS, REFRESH, CSRF].into_iter();
    let used = names.filter(|_| are_used(lacre));
    used.filter_map(|name| line(name, "", 0)).collect()
}

fn append(response: &mut HttpResponse, lines: Vec<HeaderValue>) {
    for line in lines {
        response.headers_mut().append(SET_COOKIE, line);
    }
}

/// A cookie that browsers would drop is taken back instead: what stands there from an earlier
/// session must not go on as if it were this one.
fn line(name: &'static str, value: &str, max_age: u64) -> Option<HeaderValue> {
    let (value, max_age) = match Size::of(name, value) {
        Size::TooLarge => ("", 0),
        Size::Large | Size::Usual => (value, max_age),
    };
    if !value.is_empty() {
        log::debug!(cookie = name, bytes = value.len(); "a cookie was set");
    }
    let attributes = attributes(name);
    let line = format!("{name}={value}; Max-Age={max_age}; {attributes}");
    // A token, a name and a number are visible ASCII; anything else must not leave.
    let mut line = HeaderValue::try_from(line).ok()?;
    line.set_sensitive(true);
    Some(line)
}

#[derive(Debug, PartialEq, Eq)]
enum Size {
    Usual,
    Large,
    TooLarge,
}

impl Size {
    /// Weighs a cookie and tells the log where it is too heavy.
    fn of(name: &'static str, value: &str) -> Self {
        let bytes = value.len();
        if name.len() + bytes > MAX_COOKIE {
            log::error!(
                code = "cookie_too_large", cookie = name, bytes;
                "the cookie isn't set, for browsers drop more than 4096 bytes: give the user \
                 fewer roles and permissions, or let the token stand in the header"
            );
            Self::TooLarge
        } else if bytes > LARGE_VALUE {
            log::warn!(
                code = "cookie_large", cookie = name, bytes;
                "the cookie makes every request longer by so much"
            );
            Self::Large
        } else {
            Self::Usual
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lacre::testing::Fixture;
    use crate::sessions::rules::Rules;

    fn fixture(locations: &[Location]) -> Fixture {
        Fixture::with_rules(Rules {
            locations: locations.to_vec(),
            ..Rules::new("https://issuer.test", "api")
        })
    }

    fn lines(response: &HttpResponse) -> Vec<String> {
        response
            .headers()
            .get_all(SET_COOKIE)
            .map(|line| line.to_str().unwrap().to_owned())
            .collect()
    }

    #[tokio::test]
    async fn what_was_issued_is_set_to_the_byte() {
        let fixture = fixture(&[Location::Header, Location::Cookie]);
        let issued = fixture.log_in("u1").await;
        let mut response = HttpResponse::Ok().finish();
        set(&mut response, &fixture.lacre, &issued, 77);
        let lines = lines(&response);
        let (access, refresh) = (&issued.access, issued.refresh.as_ref().unwrap());
        assert_eq!(
            lines[..2],
            [
                format!(
                    "__Host-lacre_access={}; Max-Age=900; Path=/; Secure; HttpOnly; SameSite=Lax",
                    access.token.expose()
                ),
                format!(
                    "__Host-lacre_refresh={}; Max-Age=2592000; Path=/; Secure; HttpOnly; \
                     SameSite=Strict",
                    refresh.token.expose()
                ),
            ]
        );
        let csrf = lines[2].strip_prefix("__Host-lacre_csrf=").unwrap();
        let (csrf, attributes) = csrf.split_once(';').unwrap();
        assert_eq!(attributes, " Max-Age=77; Path=/; Secure; SameSite=Strict");
        let tokens = fixture.lacre.records().keyring().csrf();
        assert!(tokens.verify(&issued.handle, csrf.as_bytes()));
        assert_eq!(lines.len(), 3);
    }

    #[tokio::test]
    async fn nothing_is_set_or_cleared_where_cookies_are_not_used() {
        let fixture = fixture(&[Location::Header, Location::Query, Location::Json]);
        let issued = fixture.log_in("u1").await;
        let mut response = HttpResponse::Ok().finish();
        set(&mut response, &fixture.lacre, &issued, 1);
        clear(&mut response, &fixture.lacre);
        assert!(lines(&response).is_empty());
    }

    #[test]
    fn clearing_takes_all_three_back_with_the_attributes_they_were_set_with() {
        let mut response = HttpResponse::Ok().finish();
        clear(&mut response, &fixture(&[Location::Cookie]).lacre);
        assert_eq!(
            lines(&response),
            [
                "__Host-lacre_access=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax",
                "__Host-lacre_refresh=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Strict",
                "__Host-lacre_csrf=; Max-Age=0; Path=/; Secure; SameSite=Strict",
            ]
        );
    }

    #[test]
    fn a_cookie_that_browsers_drop_is_taken_back_instead() {
        let most = MAX_COOKIE - ACCESS.len();
        for (length, size) in [
            (0, Size::Usual),
            (LARGE_VALUE, Size::Usual),
            (LARGE_VALUE + 1, Size::Large),
            (most, Size::Large),
            (most + 1, Size::TooLarge),
        ] {
            assert_eq!(Size::of(ACCESS, &"x".repeat(length)), size, "{length}");
        }
        let lines = [most, most + 1].map(|length| {
            let line = line(ACCESS, &"x".repeat(length), 5).unwrap();
            line.to_str().unwrap().to_owned()
        });
        assert!(lines[0].contains("=xxx") && lines[0].contains("Max-Age=5;"));
        assert!(lines[1].starts_with("__Host-lacre_access=; Max-Age=0;"));
    }

    #[test]
    fn a_set_cookie_does_not_show_in_what_is_printed() {
        let mut response = HttpResponse::Ok().finish();
        append(
            &mut response,
            line(ACCESS, "s3cret", 5).into_iter().collect(),
        );
        assert!(!format!("{:?}", response.headers()).contains("s3cret"));
    }
}
