//! Whether the time of a refused log-in says that there is no such user, or that its account is disabled
//! (threat: account-enumeration).
//!
//! The hash hides most of what could be told, so it is measured twice: with the hash that a service
//! has, and with the cheapest there is, under which a difference beside the hash would show.

use super::{Pair, draw, report};
use lacre::clock::SystemClock;
use lacre::internals::accounts::{
    Accounts, AccountsError, Change, Email, HashingSettings, LoginName, NewAccount, Password,
    PresentedPassword,
};
use lacre::internals::entropy;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Accounts that the guesses of each reason go to.
const ACCOUNTS: usize = 64;
const PASSWORD: &str = "correct horse battery";

/// With the cheapest hash: eight KiB, once.
pub(crate) fn cheap() -> HashingSettings {
    HashingSettings {
        memory_kib: 8,
        iterations: 1,
        threads: 1,
        ..HashingSettings::default()
    }
}

/// Why a log-in is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    WrongPassword,
    UnknownUser,
    /// With the right password.
    Disabled,
}

impl Reason {
    fn name(self) -> &'static str {
        match self {
            Self::WrongPassword => "wrong password",
            Self::UnknownUser => "unknown user",
            Self::Disabled => "disabled account",
        }
    }

    fn password(self) -> &'static str {
        match self {
            Self::Disabled => PASSWORD,
            _ => "a wrong password",
        }
    }
}

/// The pairs of reasons that must not be told apart.
pub(crate) const PAIRS: [[Reason; 2]; 3] = [
    [Reason::WrongPassword, Reason::UnknownUser],
    [Reason::WrongPassword, Reason::Disabled],
    [Reason::UnknownUser, Reason::Disabled],
];

pub(crate) fn name(pair: [Reason; 2], hash: &str) -> String {
    format!("{} | {}, {hash}", pair[0].name(), pair[1].name())
}

pub(crate) fn compare(
    runtime: &Runtime,
    (pair, hash): ([Reason; 2], &str),
    settings: HashingSettings,
    samples: usize,
) {
    let folder = TempDir::new().unwrap();
    let accounts = runtime.block_on(open(&folder, settings));
    let refused = |email: &str, password: &str| {
        let by = LoginName::parse(black_box(email));
        let password = PresentedPassword::parse(password).unwrap();
        let begun = Instant::now();
        let verdict = runtime.block_on(async {
            let named = accounts.look_up(&by).await?;
            accounts.authenticate(named, password).await
        });
        let taken = begun.elapsed();
        assert_eq!(verdict.err(), Some(AccountsError::InvalidCredentials));
        taken
    };
    let mut rng = (entropy::system())();
    let mut times = Pair::default();
    for _ in 0..samples * 2 {
        let (class, number) = draw(&mut rng);
        let reason = pair[class];
        let email = address(reason as usize * ACCOUNTS + number % ACCOUNTS);
        times.put(class, refused(&email, reason.password()));
    }
    report(times, &format!("{}, {samples} samples", name(pair, hash)));
    runtime.block_on(accounts.close());
}

/// The address with this number, of which each reason has [`ACCOUNTS`]: any two of them can lie side by
/// side in the order of the alphabet.
fn address(number: usize) -> String {
    let mixed = (number + 1).wrapping_mul(0x9e37_79b1) & 0xffff_ffff;
    format!("{mixed:08x}@example.com")
}

async fn open(folder: &TempDir, settings: HashingSettings) -> Accounts {
    let url = Accounts::sqlite_url(&folder.path().join("accounts.sqlite"));
    let (clock, random) = (Arc::new(SystemClock::default()), UnwrapErr(SysRng));
    let accounts = Accounts::open(&url, settings, clock, Box::new(random))
        .await
        .unwrap();
    for reason in [Reason::WrongPassword, Reason::Disabled] {
        for number in 0..ACCOUNTS {
            let email = Email::parse(&address(reason as usize * ACCOUNTS + number)).unwrap();
            let new = NewAccount {
                password: Some(Password::parse(PASSWORD).unwrap()),
                ..NewAccount::with_email(email)
            };
            let made = accounts.create(new).await.unwrap();
            if reason == Reason::Disabled {
                let change = Change {
                    active: Some(false),
                    ..Change::default()
                };
                accounts.change(&made.id, change, None, None).await.unwrap();
            }
        }
    }
    accounts
}
