//! `[accounts]`: how accounts are kept.

use std::path::Path;

use crate::config::key::{DefaultValue, Key, Row};
use crate::config::kind::Url;
use crate::config::reader::{Noted, Reader};
use crate::config::secret::SecretText;

/// How accounts are kept.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AccountsConfig {
    /// A `sqlite:` or `postgres://` URL. It may hold a password.
    pub url: SecretText,
}

static URL: Key<Url> = Key {
    name: "accounts.url",
    kind: Url {
        schemes: &["sqlite:", "postgres://", "postgresql://"],
    },
    default: DefaultValue::Described("`sqlite:DATA_DIR/accounts.sqlite`"),
    doc: "The database of the accounts. It may hold a password, so it is never shown.",
    secret: true,
};

pub(super) static KEYS: &[&dyn Row] = &[&URL];

impl AccountsConfig {
    pub(in crate::config) fn read(
        reader: &mut Reader,
        data_dir: Option<&Path>,
    ) -> Result<Self, Noted> {
        let url = reader.value_or(&URL, || data_dir.map(url_in));
        Ok(Self { url: url? })
    }
}

/// The default. `%` and `?` have a meaning in the URL that they lack in a path.
fn url_in(data_dir: &Path) -> SecretText {
    let path = data_dir.join("accounts.sqlite");
    let path = path.to_string_lossy();
    let path = path.replace('%', "%25").replace('?', "%3F");
    SecretText::new(format!("sqlite:{path}"))
}
