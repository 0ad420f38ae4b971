//! Whether the time of a refused log-in says that there is no such user (threat: account-enumeration).
//!
//! The hash hides most of what could be told, so it is measured twice: with the hash that a service
//! has, and with the cheapest there is, under which a difference beside the hash would show.

use super::{Pair, draw, report};
use lacre::clock::SystemClock;
use lacre::internals::accounts::{
    Accounts, AccountsError, Email, HashingSettings, LoginName, NewAccount, Password,
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

/// Accounts that the guesses go to.
const ACCOUNTS: usize = 64;

/// With the cheapest hash: eight KiB, once.
pub(crate) fn cheap() -> HashingSettings {
    HashingSettings {
        memory_kib: 8,
        iterations: 1,
        threads: 1,
        ..HashingSettings::default()
    }
}

pub(crate) fn compare(runtime: &Runtime, name: &str, settings: HashingSettings, samples: usize) {
    let folder = TempDir::new().unwrap();
    let accounts = runtime.block_on(open(&folder, settings));
    let refused = |email: &str| {
        let by = LoginName::parse(black_box(email));
        let password = PresentedPassword::parse("a wrong password").unwrap();
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
        times.put(
            class,
            refused(&address(class * ACCOUNTS + number % ACCOUNTS)),
        );
    }
    report(times, &format!("{name}, {samples} samples"));
    runtime.block_on(accounts.close());
}

/// The address of the account with this number, those from [`ACCOUNTS`] on being nobody's: any two
/// of them can lie side by side in the order of the alphabet.
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
    for number in 0..ACCOUNTS {
        let email = Email::parse(&address(number)).unwrap();
        let password = Password::parse("correct horse battery").unwrap();
        let new = NewAccount {
            password: Some(password),
            ..NewAccount::with_email(email)
        };
        accounts.create(new).await.unwrap();
    }
    accounts
}
