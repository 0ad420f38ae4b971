//! The list of attacks on a token: each with its threat, one thing wrong, and the code that is due.
//!
//! Numbers and names are those of `docs/threats.md`. Each case is verified beside its twin, the same token
//! with nothing wrong, so that a case can't be refused by luck.

// A list is read from the top to the bottom, however long it is.
#![allow(clippy::too_many_lines)]

mod agreement;
mod algorithms;
mod claims;
mod content;
pub(crate) mod edit;
mod form;
mod header;
mod inner;

use super::builder::{Forge, Stage};
use lacre::internals::token::TokenError;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// One bad token.
pub(crate) struct Case {
    pub(crate) threat: u8,
    pub(crate) name: String,
    pub(crate) token: Vec<u8>,
    pub(crate) due: &'static str,
}

/// The parts of the list: a file here, and a file of vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Form,
    Header,
    Algorithms,
    Agreement,
    Content,
    Inner,
    Claims,
}

impl Subject {
    pub(crate) const ALL: [Self; 7] = [
        Self::Form,
        Self::Header,
        Self::Algorithms,
        Self::Agreement,
        Self::Content,
        Self::Inner,
        Self::Claims,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Header => "header",
            Self::Algorithms => "algorithms",
            Self::Agreement => "agreement",
            Self::Content => "content",
            Self::Inner => "inner",
            Self::Claims => "claims",
        }
    }

    /// What a file of the subject shows, for its reader.
    pub(crate) fn shows(self) -> &'static str {
        match self {
            Self::Form => {
                "the text of a token has one form: five segments of base64url, each of its one length"
            }
            Self::Header => {
                "the protected header has six members of one form, each exactly once (RFC 7516 §4)"
            }
            Self::Algorithms => {
                "no algorithm but the one for each purpose, also where another would be valid"
            }
            Self::Agreement => {
                "the ephemeral key, ECDH, Concat KDF and AES key wrap (RFC 7518 §4.6)"
            }
            Self::Content => {
                "IV, ciphertext, tag and padding: the tag is compared first (RFC 7518 §5.2.2.2)"
            }
            Self::Inner => "what is under the seal has to be one token that we signed (RFC 7515)",
            Self::Claims => {
                "claims that are signed and sealed rightly, and not good here and now (RFC 7519 §4.1)"
            }
        }
    }
}

/// The names of the threats, as `docs/threats.md` has them.
const NAMES: [(u8, &str); 45] = [
    (1, "segment-count"),
    (2, "json-serialization"),
    (3, "base64-spelling"),
    (4, "spare-bits"),
    (5, "oversized-token"),
    (6, "duplicate-member"),
    (7, "deep-nesting"),
    (8, "malformed-unicode"),
    (9, "member-type"),
    (10, "algorithm-substitution"),
    (11, "cross-algorithm"),
    (12, "sign-encrypt-confusion"),
    (13, "key-confusion"),
    (14, "pbes2-count"),
    (15, "rsa1_5"),
    (16, "malformed-signature"),
    (17, "invalid-curve"),
    (18, "short-encrypted-key"),
    (19, "long-encrypted-key"),
    (20, "short-content-key"),
    (21, "unwrap-oracle"),
    (22, "coordinate-split"),
    (23, "party-info"),
    (24, "public-key-sealing"),
    (25, "padding-oracle"),
    (26, "iv-length"),
    (27, "truncated-tag"),
    (28, "compression-bomb"),
    (30, "critical-header"),
    (31, "hostile-kid"),
    (32, "handle-probing"),
    (33, "mixed-sessions"),
    (34, "embedded-key"),
    (35, "key-url"),
    (36, "hostile-key-set"),
    (37, "inner-signature"),
    (38, "content-type"),
    (39, "nested-tokens"),
    (40, "replicated-claims"),
    (41, "token-kind"),
    (42, "claim-type"),
    (43, "audience-issuer"),
    (44, "client-namespace"),
    (45, "foreign-issuer"),
    (46, "clock"),
];

pub(crate) fn name_of(threat: u8) -> &'static str {
    let found = NAMES.iter().find(|(number, _)| *number == threat);
    found
        .unwrap_or_else(|| panic!("threat {threat} has no name"))
        .1
}

/// Every attack on the session of `forge`.
pub(crate) fn all(forge: &Forge) -> Vec<Case> {
    let parts = Subject::ALL.map(|subject| of(subject, forge));
    parts.into_iter().flatten().collect()
}

/// The attacks of one subject.
pub(crate) fn of(subject: Subject, forge: &Forge) -> Vec<Case> {
    let mut list = List {
        forge,
        cases: Vec::new(),
    };
    match subject {
        Subject::Form => form::put(&mut list),
        Subject::Header => header::put(&mut list),
        Subject::Algorithms => algorithms::put(&mut list),
        Subject::Agreement => agreement::put(&mut list),
        Subject::Content => content::put(&mut list),
        Subject::Inner => inner::put(&mut list),
        Subject::Claims => claims::put(&mut list),
    }
    list.cases
}

struct List<'a> {
    forge: &'a Forge,
    cases: Vec<Case>,
}

impl List<'_> {
    /// A token of which one stage is changed.
    fn put(
        &mut self,
        threat: u8,
        name: impl Into<String>,
        due: &'static str,
        stage: Stage,
        change: impl Fn(Vec<u8>) -> Vec<u8>,
    ) {
        let token = self.forge.with(stage, change);
        self.whole(threat, name, due, token);
    }

    /// A token that isn't made by changing one.
    fn whole(
        &mut self,
        threat: u8,
        name: impl Into<String>,
        due: &'static str,
        token: impl Into<Vec<u8>>,
    ) {
        self.cases.push(Case {
            threat,
            name: name.into(),
            token: token.into(),
            due,
        });
    }
}

/// The threats that a token alone can carry; the others are about the service around it.
const OF_TOKENS: [u8; 38] = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
    27, 28, 30, 31, 33, 34, 35, 37, 38, 39, 40, 41,
];

#[test]
fn each_attack_is_refused_for_its_own_reason_and_its_twin_is_accepted() {
    let forge = Forge::new();
    let cases = all(&forge);
    let twin = forge.token();
    assert!(forge.verdict(twin.as_bytes()).is_ok(), "{twin}");

    let mut wrong = Vec::new();
    let mut names = BTreeSet::new();
    let mut by_threat: BTreeMap<u8, usize> = BTreeMap::new();
    for case in &cases {
        let verdict = forge.verdict(&case.token);
        let code = verdict.map_or_else(TokenError::code, |_| "accepted");
        if code != case.due {
            let Case {
                threat, name, due, ..
            } = case;
            wrong.push(format!("{threat} {name}: {code}, due is {due}"));
        }
        assert_ne!(case.token, twin.as_bytes(), "{} changes nothing", case.name);
        assert!(
            names.insert(&case.name),
            "two cases are named {}",
            case.name
        );
        *by_threat.entry(case.threat).or_default() += 1;
    }
    for (threat, count) in &by_threat {
        println!("threat {threat}: {count} attacks");
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
    for threat in OF_TOKENS.into_iter().chain([42, 43, 44, 46]) {
        assert!(by_threat.contains_key(&threat), "no attack for {threat}");
    }
}

/// The page has a row for each threat that a token can carry, with the number of its cases here.
#[test]
fn the_page_counts_the_cases_of_each_threat() {
    let mut counts: BTreeMap<u8, usize> = BTreeMap::new();
    for case in all(&Forge::new()) {
        *counts.entry(case.threat).or_default() += 1;
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/threats.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let number: u8 = cells.next()?.parse().ok()?;
        assert_eq!(
            cells.next()?,
            format!("`{}`", name_of(number)),
            "the name of {number}"
        );
        let cases = cells.nth(1)?;
        // A threat to the service around the token has other tests and no cases.
        (!cases.is_empty()).then(|| (number, cases.parse().unwrap_or(0)))
    });
    let told: BTreeMap<u8, usize> = rows.collect();
    assert_eq!(told, counts, "left: docs/threats.md, right: the list");
}

#[test]
fn each_stage_left_as_it_is_makes_a_good_token() {
    let forge = Forge::new();
    for stage in Stage::ALL {
        let token = forge.with(stage, |bytes| bytes);
        assert!(forge.verdict(&token).is_ok(), "{stage:?}");
        // Whatever content key and IV the sealer takes, they are good if they are used rightly.
        let free = matches!(stage, Stage::ContentKey | Stage::Iv);
        let touched = forge.with(stage, edit::flip(0));
        assert_eq!(forge.verdict(&touched).is_ok(), free, "{stage:?}, one bit");
    }
}
