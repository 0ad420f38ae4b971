//! The keys above the first section: addresses, paths, who may sign up.

use std::path::PathBuf;

use crate::config::environment::credential;
use crate::config::error::ConfigError;
use crate::config::key::{DefaultValue, Key, Row, key};
use crate::config::kind::{Choice, FilePath, MasterKeys, Networks, Place};
use crate::config::listen::Listen;
use crate::config::reader::{Noted, Reader};
use crate::config::secret::SecretText;
use crate::config::setting::Source;
use crate::network::Proxy;

/// Whether `POST /signup` makes accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signup {
    /// Refused with `signup_closed`.
    Closed,
    /// Open to everyone who reaches the service.
    Open,
}

/// See the fields of the same names of [`Config`](crate::config::Config).
pub(in crate::config) struct Top {
    pub(in crate::config) listen: Listen,
    pub(in crate::config) management_listen: Listen,
    pub(in crate::config) data_dir: PathBuf,
    pub(in crate::config) master_key_file: PathBuf,
    pub(in crate::config) master_key: Option<SecretText>,
    pub(in crate::config) signup: Signup,
    pub(in crate::config) trusted_proxies: Vec<Proxy>,
    pub(in crate::config) dialect: super::dialect::Dialect,
}

static LISTEN: Key<Place> = key(
    "listen",
    Place,
    DefaultValue::Value(|| Listen::PUBLIC),
    "Where the service answers. Port `0` lets the system pick one, which `lacre serve` prints. A socket \
     that systemd hands over takes the place of the default; `systemd` demands one.",
);

static MANAGEMENT_LISTEN: Key<Place> = key(
    "management_listen",
    Place,
    DefaultValue::Value(|| Listen::MANAGEMENT),
    "Where `/livez`, `/readyz`, `/metrics` and the console answer. Keep it away from the public. Of the \
     sockets that systemd hands over, the one that is named `management`.",
);

static DATA_DIR: Key<FilePath> = key(
    "data_dir",
    FilePath,
    DefaultValue::Value(|| PathBuf::from("./data")),
    "The directory of the keystore, the accounts, the keys and the admin socket.",
);

static MASTER_KEY_FILE: Key<FilePath> = key(
    "master_key_file",
    FilePath,
    DefaultValue::Described(
        "the systemd credential `master.key`, where there is one, else `DATA_DIR/master.key`",
    ),
    "The file of the master keys, made at first start with mode 0600. Put it on another volume \
     than the data, and a stolen backup of the data opens nothing.",
);

static MASTER_KEY: Key<MasterKeys> = Key {
    name: "master_key",
    kind: MasterKeys,
    default: DefaultValue::Described("none: they are in `master_key_file`"),
    doc: "The master keys themselves, for where the environment is what a platform keeps secrets in. None is \
          made and none is written; `lacre keys rotate` says what to add. Don't put it into a file of the \
          configuration.",
    secret: true,
};

static SIGNUP: Key<Choice<Signup>> = key(
    "signup",
    Choice {
        words: &[("closed", Signup::Closed), ("open", Signup::Open)],
    },
    DefaultValue::Dev {
        usual: || Signup::Closed,
        dev: || Signup::Open,
    },
    "Whether `POST /signup` makes accounts for strangers.",
);

static TRUSTED_PROXIES: Key<Networks> = key(
    "trusted_proxies",
    Networks,
    DefaultValue::Value(Vec::new),
    "Peers whose `X-Forwarded-For` names the client; `unix` are those of a socket file. From everybody else the header is ignored; \
     `Forwarded` and other `X-Forwarded-…` headers are not read at all.",
);

pub(super) static KEYS: &[&dyn Row] = &[
    &LISTEN,
    &MANAGEMENT_LISTEN,
    &DATA_DIR,
    &MASTER_KEY_FILE,
    &MASTER_KEY,
    &SIGNUP,
    &TRUSTED_PROXIES,
    &super::dialect::DIALECT,
];

impl Top {
    pub(in crate::config) fn read(reader: &mut Reader) -> Result<Self, Noted> {
        let listen = reader.value(&LISTEN);
        let management_listen = reader.value(&MANAGEMENT_LISTEN);
        let data_dir = reader.value(&DATA_DIR);
        let mut is_named = true;
        let master_key_file = reader.value_or(&MASTER_KEY_FILE, || {
            is_named = false;
            let usual = || data_dir.as_ref().ok().map(|path| path.join("master.key"));
            credential("master.key").or_else(usual)
        });
        let master_key = reader.optional(&MASTER_KEY);
        if is_named && matches!(master_key, Ok(Some(_))) {
            reader.note_all([ConfigError::SetTwice {
                key: "master_key".to_owned(),
                file_key: "master_key_file".to_owned(),
                source_of_value: Source::Environment("LACRE_MASTER_KEY".to_owned()),
            }]);
        }
        let signup = reader.value(&SIGNUP);
        let trusted_proxies = reader.value(&TRUSTED_PROXIES);
        let dialect = reader.value(&super::dialect::DIALECT);
        Ok(Self {
            listen: listen?,
            management_listen: management_listen?,
            data_dir: data_dir?,
            master_key_file: master_key_file?,
            master_key: master_key?,
            signup: signup?,
            trusted_proxies: trusted_proxies?,
            dialect: dialect?,
        })
    }
}
