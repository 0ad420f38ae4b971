//! `[[issuer]]`: outside issuers whose tokens are believed.

use crate::config::error::ConfigError;
use crate::config::key::{DefaultValue, Key, Row, key};
use crate::config::kind::{Choice, Choices, FilePath, Label, Ranges, Switch, Text, Url};
use crate::config::reader::{Noted, Reader};
use crate::federation::{Accept, Algorithm, Issuer, KeySource};

/// The name of the section.
pub(super) const SECTION: &str = "issuer";

static NAME: Key<Label> = key(
    "issuer.name",
    Label,
    DefaultValue::Described("none; it has to be set"),
    "What the log and the commands call the issuer. Unlike `issuer` it may be changed at any time.",
);

static ISSUER: Key<Text> = key(
    "issuer.issuer",
    Text,
    DefaultValue::Described("none; it has to be set"),
    "`iss` of its tokens (RFC 7519 §4.1.1), compared exactly, with the slash at its end where there \
     is one. Accounts are linked to it and the subject.",
);

static AUDIENCE: Key<Text> = key(
    "issuer.audience",
    Text,
    DefaultValue::Described("none; it has to be set"),
    "What `aud` of its tokens must be or hold (RFC 7519 §4.1.3): the name that the issuer knows this \
     service by. A token for somebody else is refused.",
);

static JWKS_URL: Key<Url> = key(
    "issuer.jwks_url",
    Url {
        schemes: &["https://", "http://"],
    },
    DefaultValue::Described("none; one of `jwks_url`, `jwks_file` and `pem_file` has to be set"),
    "Where the issuer publishes its keys (RFC 7517 §5). It is asked directly, without a proxy, for \
     three seconds and 64 KiB at most; a redirect is not followed. `http` is taken on a loopback \
     address alone, for tests, and `networks` has to name it. Keys are fetched when a token names \
     one that isn't known, and after five minutes, once in 30 seconds at most; the last good keys \
     stay in use where that fails.",
);

static JWKS_FILE: Key<FilePath> = key(
    "issuer.jwks_file",
    FilePath,
    DefaultValue::Described("none"),
    "A file with the same content, read as often.",
);

static PEM_FILE: Key<FilePath> = key(
    "issuer.pem_file",
    FilePath,
    DefaultValue::Described("none"),
    "A file of one or several public keys, as `openssl rsa -pubout` (`BEGIN PUBLIC KEY`) and \
     `ssh-keygen -e -m PEM` (`BEGIN RSA PUBLIC KEY`) write them. Such keys have no names, so each is \
     tried.",
);

static NETWORKS: Key<Ranges> = key(
    "issuer.networks",
    Ranges,
    DefaultValue::Value(Vec::new),
    "Addresses inside the network (loopback, private, link-local and the like) at which `jwks_url` \
     may lie. Every other one of them is refused, also where a name leads there.",
);

static ALGORITHMS: Key<Choices<Algorithm>> = key(
    "issuer.algorithms",
    Choices(Choice {
        words: &[
            (Algorithm::Rs256.name(), Algorithm::Rs256),
            (Algorithm::Es256.name(), Algorithm::Es256),
            (Algorithm::Ps256.name(), Algorithm::Ps256),
            (Algorithm::EdDsa.name(), Algorithm::EdDsa),
        ],
    }),
    DefaultValue::Described("none; it has to be set"),
    "What its tokens may be signed with. RSA keys have 2048 bits at least.",
);

static ACCEPT: Key<Choice<Accept>> = key(
    "issuer.accept",
    Choice {
        words: &[("exchange", Accept::Exchange), ("direct", Accept::Direct)],
    },
    DefaultValue::Value(|| Accept::Exchange),
    "What its tokens are good for. With `exchange`, `POST /getToken` gives a session for one. With \
     `direct`, the routes that say so in `docs/rights.md` take the token itself, without a session or \
     an account: it can't be revoked here, and is good until it expires.",
);

static MAKE_ACCOUNTS: Key<Switch> = key(
    "issuer.make_accounts",
    Switch,
    DefaultValue::Value(|| false),
    "Whether an account is made for a subject that comes for the first time. Without it, \
     `lacre users link` says whose the subject is.",
);

static SUBJECT_CLAIM: Key<Text> = key(
    "issuer.subject_claim",
    Text,
    DefaultValue::Value(|| "sub".to_owned()),
    "The claim that says who somebody is. It must be one that the issuer never gives to another \
     person.",
);

static ROLES_CLAIM: Key<Text> = key(
    "issuer.roles_claim",
    Text,
    DefaultValue::Described("none: roles are kept here alone"),
    "The claim that says which roles somebody has: a list, or words with spaces between them. With \
     `/` in front it is a JSON pointer, such as `/realm_access/roles`. The account's roles become \
     those of each token; `admin` is neither given nor taken away.",
);

pub(super) static KEYS: &[&dyn Row] = &[
    &NAME,
    &ISSUER,
    &AUDIENCE,
    &JWKS_URL,
    &JWKS_FILE,
    &PEM_FILE,
    &NETWORKS,
    &ALGORITHMS,
    &ACCEPT,
    &MAKE_ACCOUNTS,
    &SUBJECT_CLAIM,
    &ROLES_CLAIM,
];

/// All issuers, in their order.
pub(in crate::config) fn read(reader: &mut Reader) -> Result<Vec<Issuer>, Noted> {
    reader.entries(SECTION, one)
}

fn one(reader: &mut Reader, entry: &str) -> Result<Issuer, Noted> {
    let name = reader.value(&NAME);
    let issuer = reader.value(&ISSUER);
    let audience = reader.value(&AUDIENCE);
    let keys = keys(reader, entry);
    let algorithms = reader.value(&ALGORITHMS);
    let accept = reader.value(&ACCEPT);
    let make_accounts = reader.value(&MAKE_ACCOUNTS);
    let subject_claim = reader.value(&SUBJECT_CLAIM);
    let roles_claim = reader.optional(&ROLES_CLAIM);
    if matches!((&accept, &make_accounts), (Ok(Accept::Direct), Ok(true))) {
        let entry = format!("{SECTION}[{entry}]");
        let why = "with accept = \"direct\" nobody needs an account: leave make_accounts out";
        let why = why.to_owned();
        reader.note_all([ConfigError::IssuerUnusable { entry, why }]);
        return Err(Noted);
    }
    Ok(Issuer {
        name: name?,
        issuer: issuer?,
        audience: audience?,
        algorithms: algorithms?,
        keys: keys?,
        accept: accept?,
        make_accounts: make_accounts?,
        subject_claim: subject_claim?,
        roles_claim: roles_claim?,
    })
}

/// The one place of the keys.
fn keys(reader: &mut Reader, entry: &str) -> Result<KeySource, Noted> {
    let url = reader.optional(&JWKS_URL);
    let set_file = reader.optional(&JWKS_FILE);
    let pem_file = reader.optional(&PEM_FILE);
    let inside = reader.value(&NETWORKS);
    let (url, inside) = (url?, inside?);
    let url = url.map(|url| KeySource::Url {
        url: url.expose().to_owned(),
        inside,
    });
    let set_file = set_file?.map(KeySource::SetFile);
    let pem_file = pem_file?.map(KeySource::PemFile);
    let mut given = [url, set_file, pem_file].into_iter().flatten();
    let why = match (given.next(), given.next()) {
        (Some(keys), None) => match keys.check() {
            Ok(()) => return Ok(keys),
            Err(error) => error.to_string(),
        },
        (None, _) => "give one of jwks_url, jwks_file and pem_file".to_owned(),
        (Some(_), Some(_)) => "give only one of jwks_url, jwks_file and pem_file".to_owned(),
    };
    let entry = format!("{SECTION}[{entry}]");
    reader.note_all([ConfigError::IssuerUnusable { entry, why }]);
    Err(Noted)
}
