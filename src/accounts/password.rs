//! Passwords: one that an account may have, and one that a log-in presents.
//!
//! Two types, because different rules hold for them: a new password is held to the rules of today,
//! a presented one is only compared.
//!
//! Both are prepared by RFC 8265 (`OpaqueString`): one password typed on two machines may come as two
//! sequences of code points. Nothing else is changed about one (ASVS 6.2.8).
//!
//! This room must never show a password.

use std::collections::HashSet;
use std::fmt;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::error::{AccountsError, invalid};
use super::identity::Email;

const MIN_CHARACTERS: usize = 8;
const MAX_CHARACTERS: usize = 128;
/// Twice what the longest password takes in UTF-8.
const MAX_PRESENTED: usize = 1024;

/// The commonest passwords (ASVS 6.2.4), in lower case.
static COMMON: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    include_str!("common-passwords.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect()
});

/// The string that is hashed of a password: by the profile `OpaqueString` (RFC 8265 §4.2.2) every other
/// space is U+0020, and the rest is in NFC. Case and width stay. What code points there are isn't
/// restricted: whoever can type one again may use it.
fn prepared(text: &str) -> Zeroizing<String> {
    if text.is_ascii() {
        return Zeroizing::new(text.to_owned());
    }
    // NFC is three times as long at most (UAX #15): sized at once, no part is left behind by a buffer
    // that grew.
    let mut prepared = Zeroizing::new(String::with_capacity(text.len() * 3));
    prepared.extend(text.chars().map(plain_space).nfc());
    prepared
}

fn plain_space(c: char) -> char {
    match c {
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => {
            ' '
        }
        other => other,
    }
}

/// A password fit to be set: 8 to 128 characters of any kind, prepared, and none of the 3000 commonest
/// in any case. `Debug` shows nothing; wiped on drop.
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes a new password as typed.
    pub fn parse(text: &str) -> Result<Self, AccountsError> {
        // The byte length first: counting the characters of a megabyte is work for nothing.
        if text.len() > MAX_PRESENTED {
            return Err(invalid("password", "must have at most 128 characters"));
        }
        let prepared = prepared(text);
        match prepared.chars().count() {
            ..MIN_CHARACTERS => {
                return Err(invalid("password", "must have at least 8 characters"));
            }
            MIN_CHARACTERS..=MAX_CHARACTERS => {}
            _ => return Err(invalid("password", "must have at most 128 characters")),
        }
        let lower = Zeroizing::new(prepared.to_lowercase());
        if COMMON.contains(lower.as_str()) {
            return Err(invalid("password", "is one of the commonest passwords"));
        }
        Ok(Self(prepared))
    }

    /// Refuses the one password that everybody would guess for this account.
    pub(super) fn must_differ_from(&self, email: &Email) -> Result<(), AccountsError> {
        let lower = Zeroizing::new(self.0.to_lowercase());
        if lower.as_str() == email.lookup() || *lower == email.as_str().to_lowercase() {
            return Err(invalid("password", "must not be the e-mail"));
        }
        Ok(())
    }

    pub(super) fn into_secret(self) -> Zeroizing<String> {
        self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// A password as a log-in presents it: any text up to 1024 bytes, prepared, and not checked against
/// today's rules, since those may have been others when it was set. `Debug` shows nothing; wiped on
/// drop.
pub struct PresentedPassword {
    pub(super) prepared: Zeroizing<String>,
    /// As it was typed, where that is something else: hashes that were made without preparing.
    pub(super) typed: Option<Zeroizing<String>>,
}

impl PresentedPassword {
    /// Takes a password as typed; only its length can be wrong.
    pub fn parse(text: &str) -> Result<Self, AccountsError> {
        if text.len() > MAX_PRESENTED {
            return Err(invalid("password", "must have at most 1024 bytes"));
        }
        let prepared = prepared(text);
        let typed = (prepared.as_str() != text).then(|| Zeroizing::new(text.to_owned()));
        Ok(Self { prepared, typed })
    }
}

impl fmt::Debug for PresentedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresentedPassword")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_counted_in_characters() {
        for good in [
            "åäöåäöåä",
            &"🔑".repeat(128),
            "        ",
            "\0\0\0\0\0\0\0\0",
        ] {
            assert!(Password::parse(good).is_ok(), "{good:?}");
        }
        for bad in [
            "",
            "1234567",
            "åäöåäöå",
            &"x".repeat(129),
            &"🔑".repeat(129),
        ] {
            assert_eq!(Password::parse(bad).unwrap_err().field(), Some("password"));
        }
    }

    #[test]
    fn a_password_is_prepared_by_rfc_8265_and_otherwise_used_as_received() {
        for (typed, prepared) in [
            ("A\u{301}\u{212b} bcdef", "\u{c1}\u{c5} bcdef"),
            ("correct\u{a0}horse\u{3000}x", "correct horse x"),
            ("\u{1112}\u{1161}\u{11ab}1234567", "\u{d55c}1234567"),
        ] {
            let password = Password::parse(typed).unwrap();
            assert_eq!(password.into_secret().as_str(), prepared);
            let presented = PresentedPassword::parse(typed).unwrap();
            assert_eq!(presented.prepared.as_str(), prepared);
            assert_eq!(presented.typed.unwrap().as_str(), typed);
        }
        for same in [
            "  ASCII \t\u{0}x ",
            "\u{ff21}\u{ff22} \u{c1}bcde",
            "\u{200d}\u{fb01}xxxxxx",
        ] {
            let password = Password::parse(same).unwrap();
            assert_eq!(password.into_secret().as_str(), same);
            let presented = PresentedPassword::parse(same).unwrap();
            assert_eq!(presented.prepared.as_str(), same);
            assert!(presented.typed.is_none());
        }
        let short = "a\u{301}e\u{301}i\u{301}o\u{301}u\u{301}";
        assert!(
            Password::parse(short).is_err(),
            "ten code points, five characters"
        );
    }

    #[test]
    fn the_commonest_are_refused_in_any_case() {
        for common in [
            "password",
            "PassWord1",
            "123456789",
            "QWERTYuiop",
            "iloveyou",
        ] {
            assert!(Password::parse(common).is_err(), "{common}");
        }
        assert!(Password::parse("iloveyou and nobody else").is_ok());
    }

    #[test]
    fn the_list_holds_what_could_be_typed() {
        assert_eq!(COMMON.len(), 3_000);
        for entry in COMMON.iter() {
            assert!(
                entry.chars().count() >= MIN_CHARACTERS,
                "{entry} is too short to need a ban"
            );
            assert_eq!(
                *entry,
                entry.to_lowercase(),
                "{entry} would never be matched"
            );
            assert!(Password::parse(&entry.to_uppercase()).is_err(), "{entry}");
        }
    }

    #[test]
    fn the_email_is_no_password() {
        let email = Email::parse("Ann@example.org").unwrap();
        for same in ["ann@example.org", "ANN@EXAMPLE.ORG"] {
            let password = Password::parse(same).unwrap();
            assert!(password.must_differ_from(&email).is_err(), "{same}");
        }
        let other = Password::parse("ann@example.org!").unwrap();
        assert!(other.must_differ_from(&email).is_ok());
    }

    #[test]
    fn a_presented_password_is_measured_and_not_checked() {
        for any in ["", "x", "password", &"x".repeat(1024)] {
            assert!(PresentedPassword::parse(any).is_ok());
        }
        assert!(PresentedPassword::parse(&"x".repeat(1025)).is_err());
    }

    #[test]
    fn debug_shows_nothing() {
        let secret = "correct horse battery";
        for shown in [
            format!("{:?}", Password::parse(secret).unwrap()),
            format!("{:?}", PresentedPassword::parse(secret).unwrap()),
        ] {
            assert!(!shown.contains("horse"), "{shown}");
        }
    }
}
