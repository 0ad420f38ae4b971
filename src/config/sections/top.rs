//! The keys above the first section: addresses, paths, who may sign up.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::config::key::{DefaultValue, Key, Row, key};
use crate::config::kind::{Address, Choice, FilePath, Networks};
use crate::config::reader::{Noted, Reader};
use crate::network::Network;

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
    pub(in crate::config) listen: SocketAddr,
    pub(in crate::config) management_listen: SocketAddr,
    pub(in crate::config) data_dir: PathBuf,
    pub(in crate::config) master_key_file: PathBuf,
    pub(in crate::config) signup: Signup,
    pub(in crate::config) trusted_proxies: Vec<Network>,
}

static LISTEN: Key<Address> = key(
    "listen",
    Address,
    DefaultValue::Value(|| (Ipv4Addr::LOCALHOST, 8080).into()),
    "Where the service answers. Port `0` lets the system pick one, which `lacre serve` prints.",
);

static MANAGEMENT_LISTEN: Key<Address> = key(
    "management_listen",
    Address,
    DefaultValue::Value(|| (Ipv4Addr::LOCALHOST, 9090).into()),
    "Where `/livez`, `/readyz` and `/metrics` answer. Keep it away from the public.",
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
    DefaultValue::Described("`DATA_DIR/master.key`"),
    "The file of the master keys, made at first start with mode 0600. Put it on another volume \
     than the data, and a stolen backup of the data opens nothing.",
);

static SIGNUP: Key<Choice<Signup>> = key(
    "signup",
    Choice {
        built: &[("closed", Signup::Closed), ("open", Signup::Open)],
        planned: &[],
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
    "Peers whose `X-Forwarded-For` names the client. From everybody else the header is ignored; \
     `Forwarded` and other `X-Forwarded-…` headers are not read at all.",
);

pub(super) static KEYS: &[&dyn Row] = &[
    &LISTEN,
    &MANAGEMENT_LISTEN,
    &DATA_DIR,
    &MASTER_KEY_FILE,
    &SIGNUP,
    &TRUSTED_PROXIES,
];

impl Top {
    pub(in crate::config) fn read(reader: &mut Reader) -> Result<Self, Noted> {
        let listen = reader.value(&LISTEN);
        let management_listen = reader.value(&MANAGEMENT_LISTEN);
        let data_dir = reader.value(&DATA_DIR);
        let master_key_file = reader.value_or(&MASTER_KEY_FILE, || {
            data_dir.as_ref().ok().map(|path| path.join("master.key"))
        });
        let signup = reader.value(&SIGNUP);
        let trusted_proxies = reader.value(&TRUSTED_PROXIES);
        Ok(Self {
            listen: listen?,
            management_listen: management_listen?,
            data_dir: data_dir?,
            master_key_file: master_key_file?,
            signup: signup?,
            trusted_proxies: trusted_proxies?,
        })
    }
}
