//! The kinds of value that a key may take: how each is read, shown and described.
//!
//! This room must never accept a value that nothing acts on.

use std::path::PathBuf;
use std::time::Duration;

#[cfg(test)]
use proptest::prelude::*;

use super::listen::{Listen, NoPlace};
use super::quantity::{
    count, duration, duration_text, rate, rate_text, short_duration, short_duration_text, size,
    size_text,
};
use super::secret::SecretText;
use super::written::Written;
use crate::network::{Network, NotANetwork, Proxy};
use crate::service::Rate;
use crate::telemetry::AuditStream;

/// How a value is read and what its limits are.
pub(super) trait Kind: Sync {
    /// What is read.
    type Value: 'static;

    /// Reads a value.
    fn read(&self, written: &Written) -> Result<Self::Value, Bad>;
    /// The text that [`read`](Self::read) reads as this value.
    fn shown(&self, value: &Self::Value) -> String;
    /// What this kind takes, in words that follow "expected".
    fn takes(&self) -> String;
    /// Whether the file gives it as an array, and text as words with commas between.
    fn is_list(&self) -> bool {
        false
    }
    /// Texts that this kind takes.
    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String>;
}

/// A value that isn't taken: it is none of the kind, or outside of the limits.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bad;

fn good<T>(read: Option<T>) -> Result<T, Bad> {
    read.ok_or(Bad)
}

/// Printable text of 1 to 255 characters.
pub(super) struct Text;

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
pub(super) struct Texts;

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
pub(super) struct Label;

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

/// Yes or no.
pub(super) struct Switch;

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

/// Where a listener listens.
pub(super) struct Place;

impl Kind for Place {
    type Value = Listen;

    fn read(&self, written: &Written) -> Result<Listen, Bad> {
        let text = good(written.text())?;
        text.parse().map_err(|NoPlace| Bad)
    }

    fn shown(&self, value: &Listen) -> String {
        value.to_string()
    }

    fn takes(&self) -> String {
        "an IP address and a port, such as `127.0.0.1:8080`, a socket file of at most 107 bytes, such as \
         `unix:/run/lacre/lacre.sock`, or `systemd`"
            .to_owned()
    }

    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String> {
        let tcp = any::<std::net::SocketAddr>().prop_map(|address| match address {
            std::net::SocketAddr::V4(_) => address.to_string(),
            std::net::SocketAddr::V6(v6) => {
                std::net::SocketAddr::from((*v6.ip(), v6.port())).to_string()
            }
        });
        prop_oneof![tcp, "unix:[a-z/]{0,40}[a-z]", Just("systemd".to_owned())].boxed()
    }
}

/// Where audit events go.
pub(super) struct Stream;

impl Kind for Stream {
    type Value = AuditStream;

    fn read(&self, written: &Written) -> Result<AuditStream, Bad> {
        match good(written.text())? {
            "stderr" => Ok(AuditStream::StandardError),
            "stdout" => Ok(AuditStream::StandardOutput),
            text => {
                let path = good(text.strip_prefix("file:"))?;
                let is_path = !path.is_empty() && !path.contains('\0');
                good(is_path.then(|| AuditStream::File(path.into())))
            }
        }
    }

    fn shown(&self, value: &AuditStream) -> String {
        match value {
            AuditStream::StandardError => "stderr".to_owned(),
            AuditStream::StandardOutput => "stdout".to_owned(),
            AuditStream::File(path) => format!("file:{}", path.display()),
        }
    }

    fn takes(&self) -> String {
        "`stderr`, `stdout` or a file such as `file:/var/log/lacre/audit.log`".to_owned()
    }

    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String> {
        prop_oneof![
            Just("stderr".to_owned()),
            Just("stdout".to_owned()),
            "file:[a-zA-Z0-9/._-]{1,40}",
        ]
        .boxed()
    }
}

/// A path of the file system, relative to the working directory.
pub(super) struct FilePath;

impl Kind for FilePath {
    type Value = PathBuf;

    fn read(&self, written: &Written) -> Result<PathBuf, Bad> {
        let text = good(written.text())?;
        good((!text.is_empty() && !text.contains('\0')).then(|| PathBuf::from(text)))
    }

    fn shown(&self, value: &PathBuf) -> String {
        value.to_string_lossy().into_owned()
    }

    fn takes(&self) -> String {
        "a path".to_owned()
    }

    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String> {
        "[a-zA-Z0-9/._%-]{1,40}".boxed()
    }
}

/// Master keys, as the environment gives them. What they have to be is for who opens them.
pub(super) struct MasterKeys;

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
pub(super) struct Url {
    pub(super) schemes: &'static [&'static str],
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

/// A word that isn't shown: a user's name or a password.
pub(super) struct Secret;

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

/// A duration of whole seconds.
pub(super) struct Seconds {
    from: u64,
    to: u64,
}

/// A duration of so many seconds at least, and at most.
pub(super) const fn seconds(from: u64, to: u64) -> Seconds {
    Seconds { from, to }
}

impl Kind for Seconds {
    type Value = Duration;

    fn read(&self, written: &Written) -> Result<Duration, Bad> {
        let read = written.text().and_then(duration);
        good(read.filter(|read| (self.from..=self.to).contains(&read.as_secs())))
    }

    fn shown(&self, value: &Duration) -> String {
        duration_text(*value)
    }

    fn takes(&self) -> String {
        let [from, to] = [self.from, self.to].map(|n| duration_text(Duration::from_secs(n)));
        format!("a duration such as `15m` or `1h30m`, from `{from}` to `{to}`")
    }

    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String> {
        (self.from..=self.to)
            .prop_map(|seconds| duration_text(Duration::from_secs(seconds)))
            .boxed()
    }
}

/// A duration of whole milliseconds.
pub(super) struct Milliseconds {
    pub(super) from: u64,
    pub(super) to: u64,
}

impl Kind for Milliseconds {
    type Value = Duration;

    fn read(&self, written: &Written) -> Result<Duration, Bad> {
        let read = written.text().and_then(short_duration);
        let bounds = Duration::from_millis(self.from)..=Duration::from_millis(self.to);
        good(read.filter(|read| bounds.contains(read)))
    }

    fn shown(&self, value: &Duration) -> String {
        short_duration_text(*value)
    }

    fn takes(&self) -> String {
        let [from, to] =
            [self.from, self.to].map(|n| short_duration_text(Duration::from_millis(n)));
        format!("a duration such as `50ms` or `1s`, from `{from}` to `{to}`")
    }

    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String> {
        (self.from..=self.to)
            .prop_map(|number| short_duration_text(Duration::from_millis(number)))
            .boxed()
    }
}

/// Bytes.
pub(super) struct Size {
    pub(super) from: u64,
    pub(super) to: u64,
}

impl Kind for Size {
    type Value = u64;

    fn read(&self, written: &Written) -> Result<u64, Bad> {
        let read = written.text_or_number().and_then(|text| size(&text));
        good(read.filter(|read| (self.from..=self.to).contains(read)))
    }

    fn shown(&self, value: &u64) -> String {
        size_text(*value)
    }

    fn takes(&self) -> String {
        let [from, to] = [self.from, self.to].map(size_text);
        format!("a size such as `8192` or `64KiB`, from `{from}` to `{to}`")
    }

    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String> {
        (self.from..=self.to).prop_map(size_text).boxed()
    }
}

/// A whole number.
pub(super) struct Whole {
    pub(super) from: u32,
    pub(super) to: u32,
}

impl Kind for Whole {
    type Value = u32;

    fn read(&self, written: &Written) -> Result<u32, Bad> {
        let read = written.text_or_number().and_then(|text| count(&text));
        let read = read.and_then(|read| u32::try_from(read).ok());
        good(read.filter(|read| (self.from..=self.to).contains(read)))
    }

    fn shown(&self, value: &u32) -> String {
        value.to_string()
    }

    fn takes(&self) -> String {
        format!("a whole number from {} to {}", self.from, self.to)
    }

    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String> {
        (self.from..=self.to).prop_map(|n| n.to_string()).boxed()
    }
}

/// How often in how long, or `off`.
pub(super) struct Frequency;

impl Kind for Frequency {
    type Value = Option<Rate>;

    fn read(&self, written: &Written) -> Result<Option<Rate>, Bad> {
        match good(written.text())? {
            "off" => Ok(None),
            text => good(rate(text)).map(Some),
        }
    }

    fn shown(&self, value: &Option<Rate>) -> String {
        value.map_or_else(|| "off".to_owned(), rate_text)
    }

    fn takes(&self) -> String {
        "how often in how long, such as `30/1m`, up to `1000000/1d`, or `off`".to_owned()
    }

    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String> {
        let period = (1_u64..=86_400).prop_map(Duration::from_secs);
        (1_u32..=1_000_000, period)
            .prop_map(|(count, period)| rate_text(Rate { count, period }))
            .boxed()
    }
}

/// A number of threads up to this, or `cores`: as many as this machine runs at once.
pub(super) struct Threads {
    pub(super) to: u32,
}

impl Threads {
    fn cores(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        cores.min(self.to as usize)
    }
}

impl Kind for Threads {
    type Value = usize;

    fn read(&self, written: &Written) -> Result<usize, Bad> {
        let text = good(written.text_or_number())?;
        if text == "cores" {
            return Ok(self.cores());
        }
        let read = count(&text).filter(|read| (1..=u64::from(self.to)).contains(read));
        good(read.and_then(|read| usize::try_from(read).ok()))
    }

    /// As many as there are cores is `cores`, wherever this runs.
    fn shown(&self, value: &usize) -> String {
        if *value == self.cores() {
            "cores".to_owned()
        } else {
            value.to_string()
        }
    }

    fn takes(&self) -> String {
        format!("a whole number from 1 to {}, or `cores`", self.to)
    }

    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String> {
        let number = (1..=self.to).prop_map(|n| n.to_string());
        prop_oneof![Just("cores".to_owned()), number].boxed()
    }
}

/// One of some words.
pub(super) struct Choice<T: 'static> {
    /// The words, and what each means.
    pub(super) words: &'static [(&'static str, T)],
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
pub(super) struct Choices<T: 'static>(pub(super) Choice<T>);

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

/// Addresses and networks, perhaps none.
pub(super) struct Networks;

impl Kind for Networks {
    type Value = Vec<Proxy>;

    fn read(&self, written: &Written) -> Result<Vec<Proxy>, Bad> {
        let words = good(written.items())?;
        let networks: Result<_, NotANetwork> = words.iter().map(|word| word.parse()).collect();
        networks.map_err(|NotANetwork| Bad)
    }

    fn shown(&self, value: &Vec<Proxy>) -> String {
        let words: Vec<_> = value.iter().map(Proxy::to_string).collect();
        format!("{words:?}")
    }

    fn takes(&self) -> String {
        "a list of addresses and networks such as `10.0.0.0/8`, and `unix` for whoever connects to a socket file".to_owned()
    }

    fn is_list(&self) -> bool {
        true
    }

    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String> {
        let address = any::<std::net::IpAddr>().prop_map(|ip| ip.to_canonical().to_string());
        let word = prop_oneof![4 => address, 1 => Just("unix".to_owned())];
        prop::collection::vec(word, 0..4)
            .prop_map(|words| words.join(","))
            .boxed()
    }
}

/// Addresses and networks alone, perhaps none.
pub(super) struct Ranges;

impl Kind for Ranges {
    type Value = Vec<Network>;

    fn read(&self, written: &Written) -> Result<Vec<Network>, Bad> {
        let words = good(written.items())?;
        let ranges: Result<_, NotANetwork> = words.iter().map(|word| word.parse()).collect();
        ranges.map_err(|NotANetwork| Bad)
    }

    fn shown(&self, value: &Vec<Network>) -> String {
        let words: Vec<_> = value.iter().map(Network::to_string).collect();
        format!("{words:?}")
    }

    fn takes(&self) -> String {
        "a list of addresses and networks such as `10.0.0.0/8`".to_owned()
    }

    fn is_list(&self) -> bool {
        true
    }

    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String> {
        any::<std::net::IpAddr>()
            .prop_map(|address| address.to_canonical().to_string())
            .boxed()
    }
}

fn either(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(" or ")
}
