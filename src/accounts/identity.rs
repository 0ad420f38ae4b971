//! What an account is called: its id, its e-mail, and the name that a log-in gives.
//!
//! This room must never let a user's id stand where a client's could (RFC 9700 §4.15).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::CryptoRng;

use super::error::{AccountsError, invalid};
use crate::defaults::CLIENT_PREFIX;
use crate::telemetry::is_invisible;

const MAX_ID: usize = 64;
const MAX_EMAIL: usize = 254;
const MAX_LABEL: usize = 63;

/// The identifier of an account, the `sub` of its tokens (RFC 7519 §4.1.2): 1 to 64 characters of
/// `[A-Za-z0-9_-]`, not beginning with `client_` in any case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(String);

impl UserId {
    /// Takes an identifier as chosen by an operator or named in a request.
    pub fn parse(text: &str) -> Result<Self, AccountsError> {
        if text.is_empty() || text.len() > MAX_ID {
            return Err(invalid("id", "must have 1 to 64 characters"));
        }
        if !text.bytes().all(is_id_byte) {
            return Err(invalid("id", "may hold only A-Z, a-z, 0-9, '_' and '-'"));
        }
        if text
            .get(..CLIENT_PREFIX.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(CLIENT_PREFIX))
        {
            return Err(invalid("id", "must not begin with 'client_'"));
        }
        Ok(Self(text.to_owned()))
    }

    /// A new identifier: 16 random bytes as 22 characters of base64url.
    ///
    /// One that begins with a dash is drawn again, since a command line would read it as an option.
    #[must_use]
    pub fn generate(random: &mut (impl CryptoRng + ?Sized)) -> Self {
        loop {
            let mut bytes = [0; 16];
            random.fill_bytes(&mut bytes);
            let text = URL_SAFE_NO_PAD.encode(bytes);
            if text.starts_with('-') {
                continue;
            }
            if let Ok(id) = Self::parse(&text) {
                return id;
            }
        }
    }

    /// The identifier's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_id_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

impl AsRef<str> for UserId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for UserId {
    type Err = AccountsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// An e-mail address: what a browser's `<input type="email">` takes (the WHATWG rule), at most 254
/// bytes. A domain without a dot is fine. A domain of other letters than ASCII's is read by UTS 46 as
/// strictly as it can be, and may hold nothing that isn't seen; before the `@` there is only ASCII.
///
/// It is kept as given; accounts are unique, and found, by its lower-cased form with the domain as DNS
/// has it: `bücher.example` and `xn--bcher-kva.example` are one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    given: String,
    lookup: String,
}

impl Email {
    /// Takes an address as typed.
    pub fn parse(text: &str) -> Result<Self, AccountsError> {
        if text.len() > MAX_EMAIL {
            return Err(invalid("email", "must have at most 254 characters"));
        }
        let Some((local, domain)) = text.split_once('@') else {
            return Err(invalid("email", "needs an '@'"));
        };
        if local.is_empty() || !local.bytes().all(is_local_byte) {
            return Err(invalid("email", "has no usable name before the '@'"));
        }
        let domain = ascii_domain(domain)
            .filter(|domain| domain.split('.').all(is_label))
            .ok_or(invalid("email", "has no usable domain after the '@'"))?;
        let lookup = format!("{local}@{domain}").to_ascii_lowercase();
        if lookup.len() > MAX_EMAIL {
            return Err(invalid("email", "must have at most 254 characters"));
        }
        Ok(Self {
            given: text.to_owned(),
            lookup,
        })
    }

    /// The address as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.given
    }

    /// The form that two spellings of one address share.
    pub(super) fn lookup(&self) -> &str {
        &self.lookup
    }
}

/// The domain as DNS has it, its labels of other letters in their A-label form (RFC 5890). One that is
/// ASCII already stays: there are accounts of domains that UTS 46 would refuse.
fn ascii_domain(domain: &str) -> Option<Cow<'_, str>> {
    if domain.is_ascii() {
        return Some(Cow::Borrowed(domain));
    }
    // UTS 46 drops some of these, and two addresses that aren't the same would look the same.
    if domain.chars().any(is_invisible) {
        return None;
    }
    idna::domain_to_ascii_strict(domain).ok().map(Cow::Owned)
}

fn is_local_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte)
}

fn is_label(label: &str) -> bool {
    (1..=MAX_LABEL).contains(&label.len())
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl AsRef<str> for Email {
    fn as_ref(&self) -> &str {
        &self.given
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.given)
    }
}

impl FromStr for Email {
    type Err = AccountsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// Whom a log-in says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginName {
    /// The account with this e-mail.
    Email(Email),
    /// The account with this id.
    Id(UserId),
    /// A text that can name no account. It isn't an error: such a log-in is refused like any other,
    /// in the same time, or the answer would tell which names can exist (threat: account-enumeration).
    Nobody,
}

impl LoginName {
    /// Reads a name as typed: with an `@` an e-mail, otherwise an id.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text.contains('@') {
            Email::parse(text).map_or(Self::Nobody, Self::Email)
        } else {
            UserId::parse(text).map_or(Self::Nobody, Self::Id)
        }
    }

    /// The one spelling of the name, however it was written. What can name nobody is one name.
    pub(super) fn spelling(&self) -> &str {
        match self {
            Self::Email(email) => email.lookup(),
            Self::Id(id) => id.as_str(),
            Self::Nobody => "",
        }
    }
}

impl From<Email> for LoginName {
    fn from(email: Email) -> Self {
        Self::Email(email)
    }
}

impl From<UserId> for LoginName {
    fn from(id: UserId) -> Self {
        Self::Id(id)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    fn reason(result: Result<impl fmt::Debug, AccountsError>) -> &'static str {
        match result.unwrap_err() {
            AccountsError::AccountInvalid { reason, .. } => reason,
            other => panic!("expected an invalid value, not {other:?}"),
        }
    }

    #[test]
    fn an_id_is_1_to_64_characters_of_its_alphabet() {
        for good in ["1", "ann", "A-Z_09", &"x".repeat(64), "client", "clients_x"] {
            assert_eq!(UserId::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            &"x".repeat(65),
            "a b",
            "a/b",
            "a.b",
            "ä",
            "a\0b",
            "a\n",
            "a'--",
        ] {
            assert_eq!(
                UserId::parse(bad).unwrap_err().field(),
                Some("id"),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn an_id_may_not_enter_the_namespace_of_clients() {
        for taken in ["client_", "client_ann", "Client_ann", "CLIENT_"] {
            assert!(reason(UserId::parse(taken)).contains("client_"), "{taken}");
        }
    }

    #[test]
    fn generated_ids_are_fresh_and_hold_22_characters() {
        let mut random = StdRng::seed_from_u64(1);
        let ids: std::collections::HashSet<_> =
            (0..2_000).map(|_| UserId::generate(&mut random)).collect();
        assert_eq!(ids.len(), 2_000);
        for id in &ids {
            assert_eq!(id.as_str().len(), 22);
            assert!(
                !id.as_str().starts_with('-'),
                "{id} would read as an option"
            );
            assert_eq!(&UserId::parse(id.as_str()).unwrap(), id);
        }
    }

    #[test]
    fn an_email_keeps_its_spelling_and_is_looked_up_in_lower_case() {
        let email = Email::parse("Ann.O'Neil+tag@Example.ORG").unwrap();
        assert_eq!(email.as_str(), "Ann.O'Neil+tag@Example.ORG");
        assert_eq!(email.lookup(), "ann.o'neil+tag@example.org");
    }

    #[test]
    fn emails_follow_the_rule_of_browsers() {
        for good in ["a@b", "root@localhost", "a..b@c.d", "x@1.2.3.4", "a@b-c.de"] {
            assert!(Email::parse(good).is_ok(), "{good}");
        }
        let long = format!("{}@example.org", "a".repeat(243));
        for bad in [
            "", "@", "a@", "@b", "a@b@c", "a b@c", "a@b c", "a@.b", "a@b.", "a@b..c", "a@-b",
            "a@b-", "a\n@b", "a@b\0", "ä@b", "a,b@c", "\"a\"@b", &long,
        ] {
            assert_eq!(
                Email::parse(bad).unwrap_err().field(),
                Some("email"),
                "{bad:?}"
            );
        }
        assert!(Email::parse(&long[1..]).is_ok(), "254 bytes are allowed");
        assert!(Email::parse(&format!("a@{}", "b".repeat(64))).is_err());
    }

    #[test]
    fn a_domain_in_other_letters_is_the_one_that_dns_has() {
        let lookup = |text: &str| Email::parse(text).map(|email| email.lookup().to_owned());
        for same in [
            "Ann@bücher.example",
            "ann@BÜCHER.Example",
            "ann@bu\u{308}cher.example",
            "ann@xn--bcher-kva.example",
            "ann@XN--BCHER-KVA.example",
            "ann@bücher。example",
        ] {
            assert_eq!(lookup(same).unwrap(), "ann@xn--bcher-kva.example", "{same}");
            assert_eq!(Email::parse(same).unwrap().as_str(), same);
        }
        assert_eq!(lookup("a@straße.de").unwrap(), "a@xn--strae-oqa.de");
        assert_ne!(lookup("a@straße.de").unwrap(), "a@strasse.de");
        // Letters that look alike are other names, as they are for DNS.
        assert_ne!(lookup("a@p\u{430}ypal.com").unwrap(), "a@paypal.com");
        for bad in [
            "bücher@example.org",
            "a@bü\u{ad}cher.example",
            "a@bü\u{200b}cher.example",
            "a@bü\u{202e}cher.example",
            "a@bü\u{200d}cher.example",
            "a@\u{fe0f}ü.example",
            "a@ü\u{5d0}.example",
            "a@\u{301}ü.example",
            "a@ü_b.example",
            "a@-ü.example",
            "a@ü-.example",
            "a@ü..example",
            "a@ü.example.",
            "a@ü\u{ff20}b.example",
            "a@ü b.example",
            "a@ü\u{a0}b.example",
            "a@xn--ü.example",
        ] {
            assert_eq!(
                Email::parse(bad).unwrap_err().field(),
                Some("email"),
                "{bad:?}"
            );
        }
        let long = format!("a@{}.example", "ü".repeat(64));
        assert!(Email::parse(&long).is_err());
    }

    #[test]
    fn a_log_in_name_with_an_at_sign_is_an_email() {
        assert_eq!(
            LoginName::parse("Ann@b"),
            LoginName::Email(Email::parse("Ann@b").unwrap())
        );
        assert_eq!(
            LoginName::parse("ann"),
            LoginName::Id(UserId::parse("ann").unwrap())
        );
        for nobody in ["", "@", "a b", "client_x", "\0"] {
            assert_eq!(LoginName::parse(nobody), LoginName::Nobody, "{nobody:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_parses_is_printable_without_spaces(text in "\\PC{0,80}|[a-c@.-]{0,12}") {
            if let Ok(email) = Email::parse(&text) {
                prop_assert!(email.lookup().bytes().all(|b| b.is_ascii_graphic()));
                prop_assert_eq!(email.lookup().matches('@').count(), 1);
                let seen = |c: char| !c.is_control() && !c.is_whitespace() && !is_invisible(c);
                prop_assert!(email.as_str().chars().all(seen));
                prop_assert_eq!(email.as_str().matches('@').count(), 1);
            }
            if let Ok(id) = UserId::parse(&text) {
                prop_assert!(id.as_str().bytes().all(|b| b.is_ascii_graphic()));
                prop_assert!(!id.as_str().contains('@'));
            }
        }
    }
}
