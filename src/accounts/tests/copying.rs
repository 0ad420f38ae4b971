//! A copy of a database, and what taking it in does to another.

use super::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use std::collections::BTreeSet;
use std::collections::VecDeque;

on_every_engine!(
    a_copy_has_every_table_and_column_that_there_is,
    a_copy_makes_a_new_database_what_the_first_one_was,
    a_copy_is_of_one_moment,
    what_has_changed_since_is_told_and_ends_sessions,
    a_copy_that_breaks_off_changes_nothing,
);

async fn copy(accounts: &Accounts) -> Vec<CopiedRow> {
    let mut snapshot = accounts.snapshot().await.unwrap();
    let mut rows = Vec::new();
    loop {
        match snapshot.next().await.unwrap() {
            page if page.is_empty() => return rows,
            page => rows.extend(page),
        }
    }
}

async fn take(engine: &Engine, rows: Vec<CopiedRow>, ours: bool) -> Replaced {
    let mut rows = VecDeque::from(rows);
    let into = TakenIn {
        deployment: "here",
        ours,
        now: 7,
    };
    let mut random = StdRng::seed_from_u64(1);
    let next = || Ok::<_, AccountsError>(rows.pop_front());
    Accounts::take_copy(&engine.url, into, &mut random, next)
        .await
        .unwrap()
}

async fn filled(engine: &Engine) -> (Accounts, Account, Account) {
    let accounts = engine.open().await;
    accounts.claim("here").await.unwrap();
    let ann = accounts.sign_up("ann@b", "correct horse").await;
    let bob = accounts.sign_up("bob@b", "correct horse").await;
    let subject = OutsideSubject {
        issuer: "https://one/".to_owned(),
        subject: "7".to_owned(),
    };
    accounts.link(&ann.id, subject).await.unwrap();
    let terms = ClientTerms {
        name: "billing".to_owned(),
        own_users: false,
        services: vec!["a".to_owned()],
    };
    accounts.create_client(&terms).await.unwrap();
    (accounts, ann, bob)
}

/// Columns that a later step adds must not be missing in backups.
async fn a_copy_has_every_table_and_column_that_there_is(engine: &Engine) {
    let (accounts, ann, _) = filled(engine).await;
    let ends = Ends {
        keystore: "here".to_owned(),
        reach: Reach::All,
    };
    accounts.delete(&ann.id, ends).await.unwrap();
    let ann = accounts.sign_up("ann@b", "correct horse").await;
    let subject = OutsideSubject {
        issuer: "https://one/".to_owned(),
        subject: "7".to_owned(),
    };
    accounts.link(&ann.id, subject).await.unwrap();
    let copied: BTreeSet<_> = copy(&accounts)
        .await
        .into_iter()
        .flat_map(|row| {
            let table = row.table;
            row.values
                .into_iter()
                .map(move |(column, _)| (table.clone(), column))
        })
        .collect();
    let there = accounts.inner.store.columns().await;
    // The names of deployments are claimed anew, the steps done are the schema's own, and attempts are of the moment.
    let not_copied = ["lacre_deployments", "lacre_schema", "attempts"];
    let there = there
        .into_iter()
        .filter(|(table, _)| !not_copied.contains(&&**table));
    assert_eq!(copied, there.collect());
}

async fn a_copy_makes_a_new_database_what_the_first_one_was(engine: &Engine) {
    let (accounts, ann, _) = filled(engine).await;
    // More than a page.
    for number in 0..300 {
        let new = NewAccount::with_email(email(&format!("u{number}@b")));
        accounts.create(new).await.unwrap();
    }
    let rows = copy(&accounts).await;
    let other = Engine::sqlite();
    let replaced = take(&other, rows.clone(), false).await;
    assert_eq!((replaced.accounts, replaced.back.count), (302, 302));
    assert_eq!(replaced.gone, Some20::default());
    assert_eq!(
        Accounts::owner(&other.url, "here").await.unwrap(),
        Owner::Ours
    );
    let again = other.open().await;
    assert_eq!(copy(&again).await, rows);
    assert_eq!(again.log_in("ann@b", "correct horse").await.unwrap(), ann);
    assert_eq!(again.links_of(&ann.id).await.unwrap().len(), 1);
}

async fn a_copy_is_of_one_moment(engine: &Engine) {
    let (accounts, ann, bob) = filled(engine).await;
    let mut snapshot = accounts.snapshot().await.unwrap();
    let first = snapshot.next().await.unwrap();
    assert_eq!(first.len(), 2, "accounts");
    // Their links and clients are read later.
    accounts.remove(&ann.id).await.unwrap();
    accounts.remove(&bob.id).await.unwrap();
    let mut tables = BTreeSet::new();
    loop {
        let page = snapshot.next().await.unwrap();
        if page.is_empty() {
            break;
        }
        tables.extend(page.into_iter().map(|row| row.table));
    }
    assert!(tables.contains("links"), "{tables:?}");
    drop(snapshot);
    assert_eq!(accounts.get(&ann.id).await.unwrap(), None);
    accounts.sign_up("ann@b", "correct horse").await;
}

async fn what_has_changed_since_is_told_and_ends_sessions(engine: &Engine) {
    let (accounts, ann, bob) = filled(engine).await;
    let mut who = Vec::new();
    for name in ["closed@b", "same@b", "rights@b", "deleted@b"] {
        who.push(accounts.sign_up(name, "correct horse").await);
    }
    let rows = copy(&accounts).await;
    accounts
        .set_password(&ann.id, password("battery staple"))
        .await
        .unwrap();
    let closed = Change {
        active: Some(false),
        ..Change::default()
    };
    accounts.update(&who[0].id, closed).await.unwrap();
    let other = Change {
        roles: Some(vec!["editor".to_owned()]),
        ..Change::default()
    };
    accounts.update(&who[2].id, other).await.unwrap();
    accounts.remove(&who[3].id).await.unwrap();
    let new = accounts.sign_up("new@b", "correct horse").await;
    accounts.close().await;
    let told = take(engine, rows, true).await;
    let one = |email: &str| Some20 {
        count: 1,
        names: vec![email.to_owned()],
    };
    assert_eq!(told.back, one("deleted@b"));
    assert_eq!(told.gone, one("new@b"));
    assert_eq!(told.disabled, one("closed@b"));
    assert_eq!(told.passwords, one("ann@b"));
    assert_eq!(told.rights, one("rights@b"));
    let accounts = engine.open().await;
    accounts.log_in("ann@b", "correct horse").await.unwrap();
    assert!(!accounts.get(&who[0].id).await.unwrap().unwrap().active);
    assert_eq!(accounts.get(&new.id).await.unwrap(), None);
    assert_eq!(accounts.get(&bob.id).await.unwrap(), Some(bob));
    let owed = accounts.outbox("here", u64::MAX).await.unwrap();
    let owed = owed.into_iter().map(|row| match row.target {
        Target::User(user, reach) => (user.as_str().to_owned(), reach == Reach::Access),
        Target::Client(_) => panic!("no client"),
    });
    let expected = [
        (&ann, false),
        (&who[0], false),
        (&who[2], true),
        (&new, false),
    ];
    let expected = expected.map(|(account, access)| (account.id.as_str().to_owned(), access));
    assert_eq!(owed.collect::<BTreeSet<_>>(), BTreeSet::from(expected));
}

async fn a_copy_that_breaks_off_changes_nothing(engine: &Engine) {
    let (accounts, ..) = filled(engine).await;
    let rows = copy(&accounts).await;
    let mut left = VecDeque::from(rows[..1].to_vec());
    let into = TakenIn {
        deployment: "other",
        ours: false,
        now: 7,
    };
    let mut random = StdRng::seed_from_u64(1);
    let next = || {
        left.pop_front()
            .map(Some)
            .ok_or(AccountsError::AccountsUnavailable)
    };
    let broken = Accounts::take_copy(&engine.url, into, &mut random, next).await;
    assert_eq!(broken, Err(AccountsError::AccountsUnavailable));
    assert_eq!(copy(&accounts).await, rows);
    assert_eq!(
        Accounts::owner(&engine.url, "other").await.unwrap(),
        Owner::Another
    );
}
