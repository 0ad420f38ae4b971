//! Claims in the very form in which we write them, read without a parser of JSON.
//!
//! A guard reads the claims of each request anew, and nearly all are our own: members in one order, nothing between
//! them, no escapes. To read each where it has to be takes less than a third of what a parser takes. Text of any other
//! form, claims of the caller's own among it, is left to the parser, which alone says what is refused.
//!
//! This room must never read a text as other claims than the parser (`reading`) does.

use super::super::Handle;
use super::Claims;
use super::reading::NUMBERS_END;
use memchr::memchr;
use serde_json::Map;

/// The most digits of a number below 2^53: with so many nothing overflows.
const DIGITS: usize = 16;

/// The claims of a text that [`Claims`] could have been written as; `None` where the parser has to look.
pub(super) fn claims(text: &str) -> Option<Box<Claims>> {
    if !is_plain(text) {
        return None;
    }
    let mut from = Members { rest: text };
    // Fields are read in the order in which they stand here, which is that of the text.
    let claims = Box::new(Claims {
        issuer: from.text(r#"{"iss":""#)?,
        subject: from.text(r#","sub":""#)?,
        audience: vec![from.text(r#","aud":""#)?],
        issued_at: from.whole(r#","iat":"#)?,
        expires_at: from.whole(r#","exp":"#)?,
        token_id: from.text(r#","jti":""#)?,
        session: Handle::parse(from.quoted(r#","sid":""#)?).ok()?,
        generation: from.whole(r#","gen":"#)?,
        id: from.text(r#","id":""#),
        email: from.text(r#","email":""#),
        role: from.text(r#","role":""#),
        client_id: from.text(r#","client_id":""#),
        client_name: from.text(r#","client_name":""#),
        account_name: from.text(r#","account_name":""#),
        roles: from.texts(r#","roles":["#)?,
        permissions: from.texts(r#","permissions":["#)?,
        not_before: from.whole(r#","nbf":"#),
        authenticated_at: from.whole(r#","auth_time":"#),
        fresh: from.flag(r#","fresh":"#),
        additional: Map::new(),
    });
    // A member that isn't in its place, or not of its type, is what is left.
    (from.rest == "}").then_some(claims)
}

/// Whether each string of a JSON text is what stands between its quotes: nothing is escaped, and nothing has to be.
fn is_plain(text: &str) -> bool {
    let special = |byte: u8| byte < b' ' || byte == b'\\';
    // No end before the last byte: so the compiler makes vector instructions of it.
    !text
        .bytes()
        .fold(false, |found, byte| found | special(byte))
}

/// What is left of the text. A member that isn't there, or isn't of its type, leaves it as it is.
struct Members<'a> {
    rest: &'a str,
}

impl<'a> Members<'a> {
    /// The string behind `name`, which ends with its opening quote; not the empty one.
    fn quoted(&mut self, name: &str) -> Option<&'a str> {
        let (text, rest) = quoted(self.rest.strip_prefix(name)?)?;
        self.rest = rest;
        Some(text)
    }

    /// The same in memory of its own.
    fn text(&mut self, name: &str) -> Option<String> {
        self.quoted(name).map(str::to_owned)
    }

    /// The whole number behind `name`.
    fn whole(&mut self, name: &str) -> Option<u64> {
        let from = self.rest.strip_prefix(name)?;
        let (mut number, mut length) = (0, 0);
        for byte in from.bytes().take_while(u8::is_ascii_digit) {
            // With a digit before it.
            let leads = number == 0 && length > 0;
            if leads || length == DIGITS {
                return None;
            }
            number = number * 10 + u64::from(byte - b'0');
            length += 1;
        }
        if length == 0 || number >= NUMBERS_END {
            return None;
        }
        self.rest = from.get(length..)?;
        Some(number)
    }

    /// `true` or `false` behind `name`.
    fn flag(&mut self, name: &str) -> Option<bool> {
        let value = self.rest.strip_prefix(name)?;
        let (flag, rest) = match value.strip_prefix("true") {
            Some(rest) => (true, rest),
            None => (false, value.strip_prefix("false")?),
        };
        self.rest = rest;
        Some(flag)
    }

    /// The strings of the list behind `name`, which ends with its bracket: none where there is no such member, for
    /// an empty list isn't written. `None` where it is no such list.
    fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        let Some(mut rest) = self.rest.strip_prefix(name) else {
            return Some(Vec::new());
        };
        let (mut texts, mut separator) = (Vec::new(), r#"""#);
        while let Some(next) = rest.strip_prefix(separator) {
            let (text, behind) = quoted(next)?;
            texts.push(text.to_owned());
            (rest, separator) = (behind, r#",""#);
        }
        self.rest = rest.strip_prefix(']').filter(|_| !texts.is_empty())?;
        Some(texts)
    }
}

/// What stands before the next quote, which isn't nothing, and what behind it.
fn quoted(from: &str) -> Option<(&str, &str)> {
    let end = memchr(b'"', from.as_bytes()).filter(|end| *end > 0)?;
    let (text, rest) = from.split_at_checked(end)?;
    Some((text, rest.strip_prefix('"')?))
}

#[cfg(test)]
mod tests {
    use super::super::reading;
    use super::super::tests::good;
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::Index;
    use serde_json::json;

    fn written(claims: &Claims) -> String {
        serde_json::to_string(claims).unwrap()
    }

    /// Claims without any of the caller's own.
    fn ours() -> Box<Claims> {
        let mut claims = Claims::parse(good().to_string().as_bytes()).unwrap();
        claims.additional.clear();
        claims
    }

    /// Texts of all kinds, and those that hardly ever need an escape.
    const ANY: &str = r"[ -~äß漢]{1,12}";
    const TAME: &str = r"[a-zA-Z0-9@.ä]{1,12}";

    prop_compose! {
        fn any_claims(name: &'static str)(
            (issuer, subject, token_id, audience) in (name, name, name, prop::collection::vec(name, 1..3)),
            (issued_at, expires_at, generation) in (0..NUMBERS_END, 0..NUMBERS_END, 0..NUMBERS_END),
            session in "[A-Za-z0-9_-]{1,43}",
            texts in prop::collection::vec(prop::option::of(name), 6),
            (roles, permissions) in (prop::collection::vec(name, 0..3), prop::collection::vec(name, 0..3)),
            (fresh, not_before, authenticated_at) in (any::<Option<bool>>(), prop::option::of(0..NUMBERS_END), prop::option::of(0..100_u64)),
            additional in prop::option::weighted(0.2, name),
        ) -> Claims {
            let mut texts = texts.into_iter();
            let mut next = || texts.next().flatten();
            Claims {
                issuer, subject, audience, issued_at, expires_at, not_before, token_id,
                session: Handle::parse(&session).unwrap(),
                generation, id: next(), email: next(), role: next(), roles, permissions, fresh, authenticated_at,
                client_id: next(), client_name: next(), account_name: next(),
                additional: additional.map(|name| (format!("own {name}"), json!(1))).into_iter().collect(),
            }
        }
    }

    #[test]
    fn what_we_write_is_read_without_the_parser() {
        let mut claims = ours();
        assert_eq!(super::claims(&written(&claims)), Some(claims.clone()));
        claims.client_id = Some("client_A".into());
        claims.client_name = Some("Shop & Söhne".into());
        claims.account_name = Some("Ada".into());
        claims.not_before = Some(0);
        claims.roles.clear();
        claims.fresh = Some(false);
        assert_eq!(super::claims(&written(&claims)), Some(claims.clone()));
        for least in [&mut claims.id, &mut claims.email, &mut claims.role] {
            *least = None;
        }
        (claims.permissions, claims.fresh) = (Vec::new(), None);
        assert_eq!(super::claims(&written(&claims)), Some(claims));
    }

    #[test]
    fn the_rest_is_the_parsers() {
        let text = written(&ours());
        for (from, to) in [
            ("{\"iss\"", "{ \"iss\""),
            ("}", "} "),
            ("}", "}}"),
            ("}", ""),
            ("\"u1\"", "\"\""),
            ("\"u1\"", "\"u\\u0031\""),
            ("\"u1\"", "\"u\n1\""),
            ("\"api\"", "[\"api\"]"),
            ("100", "0100"),
            ("100", "-100"),
            ("100", "1e2"),
            ("100", "100.0"),
            ("100", ""),
            ("100", "9007199254740992"),
            ("100", "00000000000000000100"),
            ("\"gen\":1", "\"gen\":1,\"gen\":1"),
            ("\"sub\"", "\"sid\""),
            ("\"h1\"", "\"h 1\""),
            ("[\"user\",\"admin\"]", "[]"),
            ("[\"user\",\"admin\"]", "[\"user\",]"),
            ("[\"user\",\"admin\"]", "[\"user\",1]"),
            ("[\"user\",\"admin\"]", "[\"user\""),
            ("true", "null"),
            ("true", "truefalse"),
            ("true", "true,\"fresh\":true"),
        ] {
            let other = text.replacen(from, to, 1);
            assert_ne!(other, text, "{from}");
            assert_eq!(super::claims(&other), None, "{other}");
        }
    }

    proptest! {
        /// Whatever is read here, the parser reads as the same; and what has neither escapes, nor several
        /// audiences, nor claims of the caller's own is read here.
        #[test]
        fn the_parser_reads_the_same(claims in any_claims(ANY)) {
            let text = written(&claims);
            let read = super::claims(&text);
            let ordinary = !text.contains('\\') && claims.audience.len() == 1 && claims.additional.is_empty();
            prop_assert_eq!(read.is_some(), ordinary, "{}", text);
            prop_assert!(read.is_none_or(|read| *read == claims));
            prop_assert_eq!(reading::claims(&text), Some(Box::new(claims)));
        }

        /// The same where something was put in, taken out or put elsewhere.
        #[test]
        fn the_parser_reads_the_same_of_what_was_changed(
            claims in any_claims(TAME),
            changes in prop::collection::vec((any::<Index>(), any::<Index>(), r#"[\\"{}\[\],:0-9a-z \n-]{0,3}"#), 1..3),
        ) {
            let mut text: Vec<char> = written(&claims).chars().collect();
            for (first, second, new) in changes {
                let (first, second) = (first.index(text.len()), second.index(text.len()));
                // A few characters, at most.
                let end = first.max(second.min(first + 3));
                text.splice(first..end, new.chars());
                if text.is_empty() {
                    return Ok(());
                }
            }
            let text: String = text.into_iter().collect();
            if let Some(read) = super::claims(&text) {
                prop_assert_eq!(reading::claims(&text), Some(read), "{}", text);
            }
        }
    }
}
