//! Kinds of which each value is one word, or several, of a fixed set.

#[cfg(test)]
use proptest::prelude::*;

use super::{Bad, Kind, either, good};
use crate::config::written::Written;

/// Yes or no.
pub(in crate::config) struct Switch;

impl Kind for Switch {
    type Value = bool;

    fn read(&self, written: &Written) -> Result<bool, Bad> {
        match (written, written.text()) {
            (Written::Truth(is), _) => Ok(*is),
            (_, Some("true")) => Ok(true),
            (_, Some("false")) => Ok(false),
            _ => Err(Bad),
        }
    }

    fn shown(&self, value: &bool) -> String {
        value.to_string()
    }

    fn takes(&self) -> String {
        "`true` or `false`".to_owned()
    }

    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String> {
        any::<bool>().prop_map(|is| is.to_string()).boxed()
    }
}

/// One of some words.
pub(in crate::config) struct Choice<T: 'static> {
    /// The words, and what each means.
    pub(in crate::config) words: &'static [(&'static str, T)],
}

impl<T: Clone + PartialEq + Sync> Choice<T> {
    fn choose(&self, word: &str) -> Result<T, Bad> {
        let found = self.words.iter().find(|(name, _)| *name == word);
        found.map(|(_, value)| value.clone()).ok_or(Bad)
    }

    fn word(&self, value: &T) -> &'static str {
        let found = self.words.iter().find(|(_, other)| other == value);
        found.map_or("", |(word, _)| word)
    }

    fn words(&self) -> Vec<&'static str> {
        self.words.iter().map(|(word, _)| *word).collect()
    }
}

impl<T: Clone + PartialEq + Sync> Kind for Choice<T> {
    type Value = T;

    fn read(&self, written: &Written) -> Result<T, Bad> {
        self.choose(good(written.text())?)
    }

    fn shown(&self, value: &T) -> String {
        self.word(value).to_owned()
    }

    fn takes(&self) -> String {
        either(&self.words())
    }

    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String> {
        prop::sample::select(self.words())
            .prop_map(str::to_owned)
            .boxed()
    }
}

/// Several of some words, each once, one at least.
pub(in crate::config) struct Choices<T: 'static>(pub(in crate::config) Choice<T>);

impl<T: Clone + PartialEq + Sync> Kind for Choices<T> {
    type Value = Vec<T>;

    fn read(&self, written: &Written) -> Result<Vec<T>, Bad> {
        let words = good(written.items())?;
        let repeated = |i: usize| words[..i].contains(&words[i]);
        if words.is_empty() || (0..words.len()).any(repeated) {
            return Err(Bad);
        }
        words.into_iter().map(|word| self.0.choose(word)).collect()
    }

    fn shown(&self, value: &Vec<T>) -> String {
        let words: Vec<_> = value.iter().map(|value| self.0.word(value)).collect();
        format!("{words:?}")
    }

    fn takes(&self) -> String {
        format!("a list of {}", self.0.takes())
    }

    fn is_list(&self) -> bool {
        true
    }

    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String> {
        self.0.samples()
    }
}
