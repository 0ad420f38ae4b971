//! Kinds of text, shown or not.

#[cfg(test)]
use proptest::prelude::*;

use super::{Bad, Kind, either, good};
use crate::config::secret::SecretText;
use crate::config::written::Written;

/// Printable text of 1 to 255 characters.
pub(in crate::config) struct Text;

impl Kind for Text {
    type Value = String;

    fn read(&self, written: &Written) -> Result<String, Bad> {
        let text = good(written.text())?;
        let long = text.chars().count() > 255;
        let blank = text.trim() != text || text.is_empty();
        let printable = !long && !blank && !text.chars().any(char::is_control);
        good(printable.then(|| text.to_owned()))
    }

    fn shown(&self, value: &String) -> String {
        value.clone()
    }

    fn takes(&self) -> String {
        "1 to 255 printable characters".to_owned()
    }

    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String> {
        "[a-z][a-z0-9:/. ]{0,20}[a-z]".boxed()
    }
}

/// Several texts, each once, perhaps none.
pub(in crate::config) struct Texts;

impl Kind for Texts {
    type Value = Vec<String>;

    fn read(&self, written: &Written) -> Result<Vec<String>, Bad> {
        let words = good(written.items())?;
        let repeated = |i: usize| words[..i].contains(&words[i]);
        if (0..words.len()).any(repeated) {
            return Err(Bad);
        }
        let text = |word: &str| Text.read(&Written::Text(word.to_owned().into()));
        words.into_iter().map(text).collect()
    }

    fn shown(&self, value: &Vec<String>) -> String {
        format!("{value:?}")
    }

    fn takes(&self) -> String {
        "a list of texts, each once and of 1 to 255 printable characters".to_owned()
    }

    fn is_list(&self) -> bool {
        true
    }

    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String> {
        prop::collection::btree_set("[a-z][a-z0-9:]{0,8}", 0..4)
            .prop_map(|words| words.into_iter().collect::<Vec<_>>().join(","))
            .boxed()
    }
}

/// A label of a name: 1 to 63 of `a-z`, `0-9` and `-`, which neither begins nor ends it.
pub(in crate::config) struct Label;

impl Kind for Label {
    type Value = String;

    fn read(&self, written: &Written) -> Result<String, Bad> {
        let text = good(written.text())?;
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let whole = (1..=63).contains(&text.len()) && text.bytes().all(inner);
        let is_label = whole && !text.starts_with('-') && !text.ends_with('-');
        good(is_label.then(|| text.to_owned()))
    }

    fn shown(&self, value: &String) -> String {
        value.clone()
    }

    fn takes(&self) -> String {
        "1 to 63 of `a-z`, `0-9` and `-`, which neither begins nor ends it".to_owned()
    }

    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String> {
        "[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?".boxed()
    }
}

/// A word that isn't shown: a user's name or a password.
pub(in crate::config) struct Secret;

impl Kind for Secret {
    type Value = SecretText;

    fn read(&self, written: &Written) -> Result<SecretText, Bad> {
        let text = good(written.text())?;
        let fits = !text.is_empty() && text.len() <= 1024 && !text.chars().any(char::is_control);
        good(fits.then(|| SecretText::new(text.to_owned())))
    }

    fn shown(&self, value: &SecretText) -> String {
        value.expose().to_owned()
    }

    fn takes(&self) -> String {
        "1 to 1024 printable bytes".to_owned()
    }

    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String> {
        "[a-zA-Z0-9:/@%]{1,20}".boxed()
    }
}

/// Master keys, as the environment gives them. What they have to be is for who opens them.
pub(in crate::config) struct MasterKeys;

impl Kind for MasterKeys {
    type Value = SecretText;

    fn read(&self, written: &Written) -> Result<SecretText, Bad> {
        let text = good(written.text())?;
        good((!text.trim().is_empty()).then(|| SecretText::new(text.to_owned())))
    }

    fn shown(&self, value: &SecretText) -> String {
        value.expose().to_owned()
    }

    fn takes(&self) -> String {
        "the lines of a file of master keys, with a comma or a blank between two".to_owned()
    }

    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String> {
        "[1-9]:[a-zA-Z0-9_-]{43}".boxed()
    }
}

/// A URL that starts in one of these. It may hold a password.
pub(in crate::config) struct Url {
    pub(in crate::config) schemes: &'static [&'static str],
}

impl Kind for Url {
    type Value = SecretText;

    fn read(&self, written: &Written) -> Result<SecretText, Bad> {
        let text = good(written.text())?;
        let known = |scheme: &&str| text.len() > scheme.len() && text.starts_with(*scheme);
        let fits = self.schemes.iter().any(known) && !text.chars().any(char::is_control);
        good(fits.then(|| SecretText::new(text.to_owned())))
    }

    fn shown(&self, value: &SecretText) -> String {
        value.expose().to_owned()
    }

    fn takes(&self) -> String {
        format!("a URL that starts with {}", either(self.schemes))
    }

    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String> {
        (prop::sample::select(self.schemes), "[a-z0-9/:@.]{1,20}")
            .prop_map(|(scheme, rest)| format!("{scheme}{rest}"))
            .boxed()
    }
}
