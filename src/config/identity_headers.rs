//! Header fields that tell a service who came, as the value of a key.
//!
//! This room must never take the name of a field that means something to a proxy or to the answer itself.

use super::kind::{Bad, Kind};
use super::written::Written;

/// What a header field tells of who came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The user's id.
    User,
    /// The e-mail.
    Email,
    /// The name, where the token has one.
    Name,
    /// The roles, with commas between.
    Groups,
    /// The permissions, with commas between.
    Permissions,
    /// The handle of the session.
    Session,
    /// The client that the session belongs to.
    Client,
}

/// A header field of an answer, and what it tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityHeader {
    /// Its name, as it was written.
    pub name: String,
    /// What it tells.
    pub tells: Identity,
}

/// The words for what a field may tell, and the field of each that has a usual one.
const WORDS: [(&str, Identity, Option<&str>); 7] = [
    ("user", Identity::User, Some("Remote-User")),
    ("email", Identity::Email, Some("Remote-Email")),
    ("name", Identity::Name, Some("Remote-Name")),
    ("groups", Identity::Groups, Some("Remote-Groups")),
    ("permissions", Identity::Permissions, None),
    ("session", Identity::Session, None),
    ("client", Identity::Client, Some("Remote-Client")),
];

/// The most fields of a service.
const MAX_HEADERS: usize = 16;
/// The longest name of a field.
const MAX_NAME: usize = 64;

/// Fields that an answer or a proxy gives a meaning to.
const TAKEN: [&str; 23] = [
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-security-policy",
    "content-type",
    "cookie",
    "date",
    "expect",
    "host",
    "keep-alive",
    "location",
    "referrer-policy",
    "retry-after",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "www-authenticate",
    "x-content-type-options",
    "x-request-id",
];

/// Header fields, none twice.
pub(super) struct IdentityHeaders;

impl IdentityHeader {
    /// The fields of a service that says nothing of them. Where users of clients are let in beside accounts,
    /// who they are isn't told without whose they are (threat: client-namespace).
    pub(super) fn usual(of_clients: bool) -> Vec<Self> {
        let usual = |(_, tells, name): (_, _, Option<&str>)| {
            let name = name?.to_owned();
            (tells != Identity::Client || of_clients).then_some(Self { name, tells })
        };
        WORDS.into_iter().filter_map(usual).collect()
    }

    fn read(text: &str) -> Option<Self> {
        let (name, tells) = if let Some((name, word)) = text.split_once('=') {
            let found = WORDS.iter().find(|(known, ..)| *known == word)?;
            (name, found.1)
        } else {
            let is_it = |usual: Option<&str>| usual.is_some_and(|it| it.eq_ignore_ascii_case(text));
            let found = WORDS.iter().find(|(.., usual)| is_it(*usual))?;
            (text, found.1)
        };
        // An underscore is a dash to CGI programs: a client could send the other spelling.
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let lower = name.to_ascii_lowercase();
        let whole = (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(good);
        let free = !TAKEN.contains(&lower.as_str())
            && !["proxy-", "sec-", "access-control-", "x-forwarded-"]
                .iter()
                .any(|taken| lower.starts_with(taken));
        (whole && free).then(|| Self {
            name: name.to_owned(),
            tells,
        })
    }

    /// As the file would write it.
    fn written(&self) -> String {
        let usual = |(_, tells, name): &(_, _, Option<&str>)| {
            *tells == self.tells && name.is_some_and(|name| name.eq_ignore_ascii_case(&self.name))
        };
        if WORDS.iter().any(usual) {
            return self.name.clone();
        }
        let word = WORDS.iter().find(|(_, tells, _)| *tells == self.tells);
        format!("{}={}", self.name, word.map_or("", |(word, ..)| word))
    }
}

impl Kind for IdentityHeaders {
    type Value = Vec<IdentityHeader>;

    fn read(&self, written: &Written) -> Result<Vec<IdentityHeader>, Bad> {
        let words = written.items().ok_or(Bad)?;
        let mut headers: Vec<IdentityHeader> = Vec::new();
        for word in words {
            let header = IdentityHeader::read(word).ok_or(Bad)?;
            let same = |other: &IdentityHeader| other.name.eq_ignore_ascii_case(&header.name);
            if headers.iter().any(same) || headers.len() == MAX_HEADERS {
                return Err(Bad);
            }
            headers.push(header);
        }
        Ok(headers)
    }

    fn shown(&self, value: &Vec<IdentityHeader>) -> String {
        let words: Vec<_> = value.iter().map(IdentityHeader::written).collect();
        format!("{words:?}")
    }

    fn takes(&self) -> String {
        let words: Vec<_> = WORDS.iter().map(|(word, ..)| *word).collect();
        format!(
            "a list of `Remote-User`, `Remote-Email`, `Remote-Name`, `Remote-Groups` and fields such as \
             `X-User=user`, each once, whose names are letters, digits and `-` and mean nothing to a proxy; \
             behind the `=` stands one of `{}`",
            words.join("`, `")
        )
    }

    fn is_list(&self) -> bool {
        true
    }

    #[cfg(test)]
    fn samples(&self) -> proptest::strategy::BoxedStrategy<String> {
        use proptest::prelude::*;
        let word = prop::sample::select(&WORDS[..]).prop_map(|(word, ..)| word);
        prop::collection::btree_map("x-[a-z]{3,8}", word, 0..4)
            .prop_map(|map| {
                let words = map.into_iter().map(|(name, word)| format!("{name}={word}"));
                words.collect::<Vec<_>>().join(",")
            })
            .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Option<Vec<IdentityHeader>> {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        IdentityHeaders.read(&Written::List(words)).ok()
    }

    #[test]
    fn a_field_has_its_usual_name_or_says_what_it_tells() {
        let headers = read(&["remote-user", "X-Mail=email", "X-Session=session"]).unwrap();
        let told: Vec<_> = headers.iter().map(|header| header.tells).collect();
        assert_eq!(told, [Identity::User, Identity::Email, Identity::Session]);
        assert_eq!(headers[1].name, "X-Mail");
        assert_eq!(read(&[]), Some(Vec::new()));
        assert_eq!(
            IdentityHeaders.shown(&IdentityHeader::usual(false)),
            r#"["Remote-User", "Remote-Email", "Remote-Name", "Remote-Groups"]"#
        );
        assert_eq!(
            IdentityHeaders.shown(&IdentityHeader::usual(true)),
            r#"["Remote-User", "Remote-Email", "Remote-Name", "Remote-Groups", "Remote-Client"]"#
        );
        let swapped = read(&["Remote-User=email"]).unwrap();
        assert_eq!(IdentityHeaders.shown(&swapped), r#"["Remote-User=email"]"#);
    }

    #[test]
    fn names_that_mean_something_else_are_refused() {
        for bad in [
            "X-User",
            "X-User=",
            "=user",
            "X-User=id",
            "Remote_User=user",
            "X User=user",
            "X-User\r\nEvil=user",
            "Authorization=user",
            "Set-Cookie=user",
            "content-length=user",
            "Proxy-Status=user",
            "X-Forwarded-For=user",
            "Access-Control-Allow-Origin=user",
            "é=user",
        ] {
            assert_eq!(read(&[bad]), None, "{bad:?}");
        }
        assert_eq!(read(&["Remote-User", "REMOTE-USER=email"]), None);
        let many: Vec<_> = (0..=MAX_HEADERS).map(|n| format!("X-{n}=user")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert_eq!(read(&many), None);
        assert!(read(&many[1..]).is_some());
    }
}
