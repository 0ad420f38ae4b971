//! Whose a session is: an account's, or that of a user whom a client vouches for.
//!
//! The two are named in namespaces of their own, or a client that chooses an id would choose somebody's
//! account (threat: client-namespace). Where one text has to name either, a client's user is the id of the
//! client, a slash, and the client's id of the user: no account's id has a slash or begins as a client's
//! does, and no client's has a slash.
//!
//! This room must never let a text name an account and a client's user.

use crate::defaults::CLIENT_PREFIX;
use crate::telemetry::is_invisible;

/// The most bytes of a client's id of a user.
const MAX_ID: usize = 255;
const SLASH: char = '/';

/// A user whom a client vouches for, and of whom no account is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnUser {
    client_id: String,
    id: String,
}

/// What is wrong with a client's id of a user: a sentence without its subject.
pub const BAD_ID: &str = "must be 1 to 255 bytes of text, without `/`, `\\`, control characters, characters that nobody sees and \
     spaces at its ends, and neither `.` nor `..`";

impl OwnUser {
    /// The user whom this client calls so. `None` where an id can't be one: it has to stand as a segment
    /// of a path, in a header field and in a line of the log, and to be read there as what it is.
    #[must_use]
    pub fn new(client_id: &str, id: &str) -> Option<Self> {
        let is_client = client_id.starts_with(CLIENT_PREFIX) && !client_id.contains(SLASH);
        (is_client && is_id(id)).then(|| Self {
            client_id: client_id.to_owned(),
            id: id.to_owned(),
        })
    }

    /// The client's user whom this text names; `None` where it names an account.
    #[must_use]
    pub fn read(user: &str) -> Option<Self> {
        let (client_id, id) = split(user)?;
        Some(Self {
            client_id: client_id.to_owned(),
            id: id.to_owned(),
        })
    }

    /// The id of the client.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// What the client calls the user.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The text that names the user among all users.
    #[must_use]
    pub fn user(&self) -> String {
        let Self { client_id, id } = self;
        format!("{client_id}{SLASH}{id}")
    }
}

/// Whether this text names a client's user, and not an account.
#[must_use]
pub fn is_own_user(user: &str) -> bool {
    split(user).is_some()
}

/// Whether this text names whom a token names by its `sub` and `client_id`.
pub(super) fn is_named(user: &str, client_id: Option<&str>, subject: &str) -> bool {
    match client_id {
        None => user == subject,
        Some(client_id) => split(user) == Some((client_id, subject)),
    }
}

fn split(user: &str) -> Option<(&str, &str)> {
    let (client_id, id) = user.split_once(SLASH)?;
    client_id
        .starts_with(CLIENT_PREFIX)
        .then_some((client_id, id))
}

fn is_id(id: &str) -> bool {
    // Clients and proxies resolve a segment of dots, encoded or not.
    let dots = id == "." || id == "..";
    // What couldn't be decoded is the same, whatever it was.
    let lost = char::REPLACEMENT_CHARACTER;
    let bad = |c: char| c.is_control() || is_invisible(c) || [SLASH, '\\', lost].contains(&c);
    (1..=MAX_ID).contains(&id.len()) && !dots && !id.contains(bad) && id.trim() == id
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SHOP: &str = "client_AAAAAAAAAAAAAAAA";
    const DESK: &str = "client_BBBBBBBBBBBBBBBB";

    fn user(client: &str, id: &str) -> String {
        OwnUser::new(client, id).unwrap().user()
    }

    #[test]
    fn ids_that_applications_have_are_taken() {
        for id in [
            "1",
            "ada",
            "ada@example.com",
            "auth0|5f7c",
            "550e8400-e29b-41d4-a716-446655440000",
            "Zoë Ångström",
            "用户",
            "%2f",
            "..a",
            "a:b",
            "client_AAAAAAAAAAAAAAAA",
            &"x".repeat(255),
        ] {
            assert_eq!(OwnUser::read(&user(SHOP, id)).unwrap().id(), id);
        }
    }

    #[test]
    fn an_id_that_would_be_read_as_something_else_is_none() {
        for id in [
            "",
            ".",
            "..",
            "a/b",
            "/",
            "a\\b",
            "a\0",
            "a\nb",
            "a\r\nb",
            "a\u{7f}",
            "a\u{85}b",
            "a\u{202e}b",
            "a\u{200b}",
            "\u{feff}a",
            "a\u{2028}b",
            "a\u{fffd}",
            " a",
            "a ",
            "a\u{a0}",
            &"x".repeat(256),
            &"é".repeat(128),
        ] {
            assert_eq!(OwnUser::new(SHOP, id), None, "{id:?}");
        }
        for client in ["", "shop", "Client_AAAAAAAAAAAAAAAA", "client_a/b", "ada"] {
            assert_eq!(OwnUser::new(client, "ada"), None, "{client:?}");
        }
    }

    #[test]
    fn a_token_names_one_user() {
        let of_shop = user(SHOP, "ada");
        assert!(is_named(&of_shop, Some(SHOP), "ada"));
        assert!(is_named("ada", None, "ada"));
        for (client, subject) in [
            (None, "ada"),
            (Some(DESK), "ada"),
            (Some(SHOP), "bea"),
            (Some(SHOP), ""),
            (Some(""), "ada"),
        ] {
            assert!(
                !is_named(&of_shop, client, subject),
                "{client:?} {subject:?}"
            );
        }
        for client in [Some(SHOP), Some(""), Some("ada")] {
            assert!(!is_named("ada", client, "ada"), "{client:?}");
        }
    }

    proptest! {
        #[test]
        fn no_two_users_have_one_text(one in "\\PC{1,12}", other in "\\PC{1,12}") {
            for (a, b) in [(SHOP, SHOP), (SHOP, DESK)] {
                let (Some(a), Some(b)) = (OwnUser::new(a, &one), OwnUser::new(b, &other)) else {
                    continue;
                };
                prop_assert_eq!(a.user() == b.user(), a == b);
                prop_assert_eq!(OwnUser::read(&a.user()), Some(a));
            }
        }

        #[test]
        fn no_account_has_the_text_of_a_clients_user(id in "[A-Za-z0-9_-]{1,64}") {
            prop_assert!(!is_own_user(&id));
        }
    }
}
