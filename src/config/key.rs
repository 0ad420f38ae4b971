//! A key of the configuration: its name, the kind of its value, its default, its documentation.
//!
//! A key knows the type of its value, so that a section can't read it as anything else. Where keys
//! of all types are listed (the documentation, the sources), they are seen as [`Row`]s.

use super::kind::Kind;

/// One key, whose values are those of the kind `K`.
pub(super) struct Key<K: Kind> {
    /// Its name, such as `token.access_ttl`. A key of a repeated section (`[[issuer]]`) is named
    /// without its entry: `issuer.url`.
    pub(super) name: &'static str,
    /// How its value is read and what its limits are.
    pub(super) kind: K,
    /// Its value where no source sets it.
    pub(super) default: DefaultValue<K::Value>,
    /// What it means: full sentences, in Markdown.
    pub(super) doc: &'static str,
    /// Whether its value is masked, and `<name>_file` may name a file that holds it.
    pub(super) secret: bool,
}

/// The value of a key that no source sets.
pub(super) enum DefaultValue<V> {
    /// This value.
    Value(fn() -> V),
    /// A value, and another one with `--dev`.
    Dev { usual: fn() -> V, dev: fn() -> V },
    /// Computed by the section from other values, or none; the text is for the documentation.
    Described(&'static str),
}

/// A key whose value may be shown.
pub(super) const fn key<K: Kind>(
    name: &'static str,
    kind: K,
    default: DefaultValue<K::Value>,
    doc: &'static str,
) -> Key<K> {
    Key {
        name,
        kind,
        default,
        doc,
        secret: false,
    }
}

/// What can be said of a key without knowing the type of its value.
pub(super) trait Row: Sync {
    /// See [`Key::name`].
    fn name(&self) -> &'static str;
    /// See [`Key::doc`].
    fn doc(&self) -> &'static str;
    /// See [`Key::secret`].
    fn is_secret(&self) -> bool;
    /// The default, in Markdown.
    fn default_text(&self) -> String;
    /// What the key takes, in words that follow "expected".
    fn takes(&self) -> String;
    /// Whether the value is a list.
    #[cfg(test)]
    fn is_list(&self) -> bool;
    /// Texts that the key takes.
    #[cfg(test)]
    fn samples(&self) -> proptest::strategy::BoxedStrategy<String>;

    /// The key that names a file with this secret, such as `accounts.url_file`.
    fn file_key(&self) -> Option<String> {
        // The file of the master keys is a key of its own: it is written as well as read.
        let has_one = self.is_secret() && self.name() != "master_key";
        has_one.then(|| format!("{}_file", self.name()))
    }
}

impl<K: Kind> Row for Key<K> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn doc(&self) -> &'static str {
        self.doc
    }

    fn is_secret(&self) -> bool {
        self.secret
    }

    fn default_text(&self) -> String {
        let shown = |value: fn() -> K::Value| format!("`{}`", self.kind.shown(&value()));
        match self.default {
            DefaultValue::Value(value) => shown(value),
            DefaultValue::Dev { usual, dev } => {
                format!("{}, with `--dev` {}", shown(usual), shown(dev))
            }
            DefaultValue::Described(text) => text.to_owned(),
        }
    }

    fn takes(&self) -> String {
        self.kind.takes()
    }

    #[cfg(test)]
    fn is_list(&self) -> bool {
        self.kind.is_list()
    }

    #[cfg(test)]
    fn samples(&self) -> proptest::strategy::BoxedStrategy<String> {
        self.kind.samples()
    }
}

/// The environment variable of the key `name`: `token.access_ttl` is `LACRE_TOKEN__ACCESS_TTL`.
pub(super) fn variable(name: &str) -> String {
    format!("LACRE_{}", name.replace('.', "__").to_ascii_uppercase())
}

/// The flag of the key `name`, as the command line spells it.
pub(super) fn flag(name: &str) -> String {
    format!("--{}", name.replace(['.', '_'], "-"))
}
