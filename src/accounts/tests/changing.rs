use crate::accounts::revisions::Revisions;
use futures_util::future::join_all;

use super::*;

on_every_engine!(
    a_new_account_is_found_by_id_and_email,
    one_email_is_one_account_whatever_the_case,
    a_chosen_id_is_taken_once,
    of_creates_at_once_one_wins,
    every_change_is_one_revision,
    changes_at_once_are_all_counted,
    another_first_role_never_brings_back_what_was_taken_away,
    a_change_of_nothing_is_none,
    an_empty_name_takes_the_name_away,
    an_email_can_change_but_not_to_a_taken_one,
    what_cannot_be_is_refused_before_it_is_stored,
    who_is_gone_can_neither_change_nor_return,
    an_account_made_again_under_its_id_takes_nothing_meant_for_the_one_before,
    of_administrators_who_take_each_other_one_stays,
    the_last_administrator_stays_whatever_is_asked,
);

async fn a_new_account_is_found_by_id_and_email(engine: &Engine) {
    let accounts = engine.open().await;
    let made = accounts
        .create(NewAccount {
            id: Some(UserId::parse("ann").unwrap()),
            email: email("Ann@Example.org"),
            name: Some("Ann".to_owned()),
            roles: vec!["editor".to_owned(), "user".to_owned()],
            permissions: vec!["posts:write".to_owned()],
            password: None,
        })
        .await
        .unwrap();
    assert_eq!(made.role(), "editor");
    assert!(made.active);
    assert_eq!((made.created_at, made.updated_at), (1_000, 1_000));
    for name in ["ann", "Ann@Example.org", "ann@example.ORG"] {
        let found = accounts.find(name).await.unwrap();
        assert_eq!(found.as_ref(), Some(&made), "{name}");
    }
    assert_eq!(accounts.get(&made.id).await.unwrap(), Some(made));
    for name in ["Ann", "ann@example", "", "a b", "\0"] {
        assert_eq!(accounts.find(name).await.unwrap(), None, "{name:?}");
    }

    let plain = NewAccount::with_email(email("bob@example.org"));
    let plain = accounts.create(plain).await.unwrap();
    assert_eq!(plain.id.as_str().len(), 22);
    assert_eq!((plain.role(), &plain.name), ("user", &None));
}

async fn one_email_is_one_account_whatever_the_case(engine: &Engine) {
    let accounts = engine.open().await;
    let ann = NewAccount::with_email(email("Ann@Example.org"));
    accounts.create(ann).await.unwrap();
    for spelling in ["Ann@Example.org", "ann@example.org", "ANN@EXAMPLE.ORG"] {
        let again = accounts.create(NewAccount::with_email(email(spelling)));
        assert_eq!(again.await, Err(AccountsError::AccountExists), "{spelling}");
    }
}

async fn a_chosen_id_is_taken_once(engine: &Engine) {
    let accounts = engine.open().await;
    let mut results = Vec::new();
    for address in ["a@b", "c@d"] {
        let new = NewAccount {
            id: Some(UserId::parse("ann").unwrap()),
            ..NewAccount::with_email(email(address))
        };
        results.push(accounts.create(new).await.map(|made| made.email));
    }
    assert_eq!(
        results,
        [Ok(email("a@b")), Err(AccountsError::AccountExists)]
    );
}

async fn of_creates_at_once_one_wins(engine: &Engine) {
    let accounts = engine.open().await;
    let creates = (0..12).map(|n| {
        let accounts = accounts.clone();
        let spelling = if n % 2 == 0 { "ann@b" } else { "ANN@b" };
        tokio::spawn(async move {
            let new = NewAccount::with_email(email(spelling));
            accounts.create(new).await
        })
    });
    let results: Vec<_> = join_all(creates)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let winners: Vec<_> = results.iter().flatten().collect();
    assert_eq!(winners.len(), 1);
    for loser in results.iter().filter_map(|result| result.as_ref().err()) {
        assert_eq!(*loser, AccountsError::AccountExists);
    }
    let kept = accounts.find("ann@b").await.unwrap();
    assert_eq!(kept.as_ref(), Some(winners[0]));
}

async fn every_change_is_one_revision(engine: &Engine) {
    let accounts = engine.open().await;
    administrator(&accounts, "another@b").await;
    let ann = accounts.sign_up("ann@b", "correct horse").await;
    let orders = [
        Change {
            name: Some("Ann".to_owned()),
            ..Change::default()
        },
        Change {
            roles: Some(vec!["admin".to_owned(), "user".to_owned()]),
            ..Change::default()
        },
        Change {
            permissions: Some(vec!["a:b".to_owned()]),
            ..Change::default()
        },
        Change {
            active: Some(false),
            ..Change::default()
        },
    ];
    let mut expected = ann;
    for change in orders {
        engine.clock.advance(10);
        let changed = accounts.update(&expected.id, change.clone()).await.unwrap();
        expected.name = change.name.or(expected.name);
        expected.roles = change.roles.unwrap_or(expected.roles);
        expected.permissions = change.permissions.unwrap_or(expected.permissions);
        expected.active = change.active.unwrap_or(expected.active);
        expected.revision += 1;
        expected.updated_at += 10;
        assert_eq!(changed, expected);
        assert_eq!(accounts.get(&changed.id).await.unwrap(), Some(changed));
    }
    let secret = password("another horse");
    let changed = accounts.set_password(&expected.id, secret).await.unwrap();
    assert_eq!(changed.revision, expected.revision + 1);
    assert_eq!(changed.created_at, 1_000);
}

async fn changes_at_once_are_all_counted(engine: &Engine) {
    let accounts = engine.open().await;
    let ann = accounts.sign_up("ann@b", "correct horse").await;
    let changes = (0..10).map(|n| {
        let (accounts, id) = (accounts.clone(), ann.id.clone());
        tokio::spawn(async move {
            let change = Change {
                permissions: Some(vec![format!("p{n}")]),
                ..Change::default()
            };
            accounts.update(&id, change).await.unwrap().revision
        })
    });
    let mut revisions: Vec<_> = join_all(changes)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    revisions.sort_unstable();
    let all: Vec<_> = (1..=10).map(|n| ann.revision + n).collect();
    assert_eq!(revisions, all);
}

async fn another_first_role_never_brings_back_what_was_taken_away(engine: &Engine) {
    let accounts = engine.open().await;
    let ann = accounts.sign_up("ann@b", "correct horse").await;
    let roles = |names: &[&str]| Change {
        roles: Some(names.iter().map(|&name| name.to_owned()).collect()),
        ..Change::default()
    };
    let role = |name: &str| Change {
        role: Some(name.to_owned()),
        ..Change::default()
    };
    accounts
        .update(&ann.id, roles(&["user", "clerk"]))
        .await
        .unwrap();
    let lead = accounts.update(&ann.id, role("lead")).await.unwrap();
    assert_eq!(lead.roles, ["lead", "clerk"]);
    let clerk = accounts.update(&ann.id, role("clerk")).await.unwrap();
    assert_eq!(clerk.roles, ["clerk"]);

    for round in 0..10 {
        let before = accounts.update(&ann.id, roles(&["user", "clerk"])).await;
        let mut changes: Vec<_> = (0..8).map(|n| role(&format!("lead{n}"))).collect();
        changes.insert(round % 9, roles(&["user", "guest"]));
        let changes = changes
            .into_iter()
            .map(|change| accounts.update(&ann.id, change));
        for change in join_all(changes).await {
            change.unwrap();
        }
        let after = accounts.get(&ann.id).await.unwrap().unwrap();
        assert_eq!(after.roles[1..], ["guest"], "{after:?}");
        assert_eq!(after.revision, before.unwrap().revision + 9, "each once");
    }

    // All that an account may have, but for a first role of one letter.
    let mut most: Vec<String> = (0..7).map(|n| n.to_string().repeat(64)).collect();
    most.insert(0, "u".to_owned());
    let most: Vec<&str> = most.iter().map(String::as_str).collect();
    accounts.update(&ann.id, roles(&most)).await.unwrap();
    let too_much = accounts.update(&ann.id, role(&"x".repeat(64))).await;
    assert_eq!(too_much.unwrap_err().code(), "account_invalid");

    let nobody = UserId::parse("nobody").unwrap();
    let unknown = accounts.update(&nobody, role("lead")).await;
    assert_eq!(unknown, Err(AccountsError::AccountUnknown));
    for bad in ["", "a b", "\u{e9}"] {
        let refused = accounts.update(&ann.id, role(bad)).await.unwrap_err();
        assert_eq!(refused.code(), "account_invalid", "{bad:?}");
    }
}

async fn a_change_of_nothing_is_none(engine: &Engine) {
    let accounts = engine.open().await;
    let ann = accounts.sign_up("ann@b", "correct horse").await;
    engine.clock.advance(10);
    let same = accounts.update(&ann.id, Change::default()).await.unwrap();
    assert_eq!(same, ann);
}

async fn an_empty_name_takes_the_name_away(engine: &Engine) {
    let accounts = engine.open().await;
    let ann = accounts.sign_up("ann@b", "correct horse").await;
    for (name, expected) in [("Ann", Some("Ann")), ("", None)] {
        let change = Change {
            name: Some(name.to_owned()),
            ..Change::default()
        };
        let changed = accounts.update(&ann.id, change).await.unwrap();
        assert_eq!(changed.name.as_deref(), expected);
    }
    let page = accounts.list(None, 10, Some("Ann@")).await.unwrap();
    assert_eq!(page.accounts.len(), 1);
}

async fn an_email_can_change_but_not_to_a_taken_one(engine: &Engine) {
    let accounts = engine.open().await;
    let ann = accounts.sign_up("ann@b", "correct horse").await;
    accounts.sign_up("bob@b", "correct horse").await;
    let to = |address: &str| Change {
        email: Some(email(address)),
        ..Change::default()
    };
    let taken = accounts.update(&ann.id, to("BOB@b")).await;
    assert_eq!(taken, Err(AccountsError::AccountExists));
    assert_eq!(accounts.get(&ann.id).await.unwrap(), Some(ann.clone()));

    let moved = accounts.update(&ann.id, to("Ann@C")).await.unwrap();
    assert_eq!(moved.email.as_str(), "Ann@C");
    assert_eq!(accounts.find("ann@b").await.unwrap(), None);
    assert_eq!(accounts.find("ann@c").await.unwrap(), Some(moved));
    assert!(accounts.log_in("ann@c", "correct horse").await.is_ok());
}

async fn what_cannot_be_is_refused_before_it_is_stored(engine: &Engine) {
    let accounts = engine.open().await;
    let with = |change: fn(&mut NewAccount)| {
        let mut new = NewAccount::with_email(email("long.name@example.org"));
        change(&mut new);
        new
    };
    let refusals = [
        ("name", with(|new| new.name = Some("a\0b".to_owned()))),
        ("role", with(|new| new.roles = vec!["a b".to_owned()])),
        (
            "permission",
            with(|new| new.permissions = vec![String::new()]),
        ),
        (
            "password",
            with(|new| new.password = Some(password("Long.Name@example.org"))),
        ),
    ];
    for (field, new) in refusals {
        let error = accounts.create(new).await.unwrap_err();
        assert_eq!(
            (error.code(), error.field()),
            ("account_invalid", Some(field))
        );
    }
    let page = accounts.list(None, 10, None).await.unwrap();
    assert!(page.accounts.is_empty());

    let ann = accounts
        .sign_up("long.name@example.org", "correct horse")
        .await;
    let none = Change {
        roles: Some(vec![]),
        ..Change::default()
    };
    let error = accounts.update(&ann.id, none).await.unwrap_err();
    assert_eq!(error.field(), Some("role"));
    let own = accounts.set_password(&ann.id, password("LONG.name@example.org"));
    assert_eq!(own.await.unwrap_err().field(), Some("password"));
}

async fn who_is_gone_can_neither_change_nor_return(engine: &Engine) {
    let accounts = engine.open().await;
    let ann = accounts.sign_up("ann@b", "correct horse").await;
    assert!(accounts.remove(&ann.id).await.unwrap());
    assert!(!accounts.remove(&ann.id).await.unwrap());
    assert_eq!(accounts.get(&ann.id).await.unwrap(), None);
    let unknown = Err(AccountsError::AccountUnknown);
    let change = Change {
        active: Some(true),
        ..Change::default()
    };
    assert_eq!(accounts.update(&ann.id, change).await, unknown);
    assert_eq!(accounts.update(&ann.id, Change::default()).await, unknown);
    let secret = password("another horse");
    assert_eq!(accounts.set_password(&ann.id, secret).await, unknown);
    assert_eq!(
        accounts.log_in("ann@b", "correct horse").await,
        Err(AccountsError::InvalidCredentials)
    );
    accounts.sign_up("ann@b", "correct horse").await;
}

async fn an_account_made_again_under_its_id_takes_nothing_meant_for_the_one_before(
    engine: &Engine,
) {
    let accounts = engine.open().await;
    let made = || NewAccount {
        id: Some(UserId::parse("ann").unwrap()),
        password: Some(password("correct horse")),
        ..NewAccount::with_email(email("ann@b"))
    };
    let old = accounts.create(made()).await.unwrap();
    for _ in 0..3 {
        // As at the moment when the old one's password was proven and the new one waits to be hashed.
        accounts.remove(&old.id).await.unwrap();
        let new = accounts.create(made()).await.unwrap();
        assert_ne!(new.revision, old.revision);
        let ends = Ends {
            keystore: "a".to_owned(),
            reach: Reach::All,
        };
        let own = accounts.change_own_password(&old, password("another horse"), ends);
        assert_eq!(own.await, Err(AccountsError::InvalidCredentials));
        let late = accounts.inner.store.update(
            (&old.id, Revisions::of_the_account_at(old.revision)),
            Change::default(),
            Some("an administrator's for the old one".to_owned()),
            (None, None),
            1_000,
        );
        assert_eq!(late.await, Err(AccountsError::AccountUnknown));
        assert_eq!(accounts.log_in("ann", "correct horse").await, Ok(new));
    }
}

fn demoted() -> Change {
    Change {
        role: Some("Admin".to_owned()),
        ..Change::default()
    }
}

fn disabled() -> Change {
    Change {
        active: Some(false),
        ..Change::default()
    }
}

async fn administrator(accounts: &Accounts, address: &str) -> Account {
    let new = NewAccount {
        roles: vec!["clerk".to_owned(), "admin".to_owned()],
        ..NewAccount::with_email(email(address))
    };
    accounts.create(new).await.unwrap()
}

/// Two openings, as two processes have them.
async fn of_administrators_who_take_each_other_one_stays(engine: &Engine) {
    let (one, other) = (engine.open().await, engine.open().await);
    for round in 0..12 {
        let ann = administrator(&one, "ann@b").await;
        let bob = administrator(&one, "bob@b").await;
        let take = |accounts: Accounts, id: UserId| async move {
            match round % 3 {
                0 => accounts.remove(&id).await.map(drop),
                1 => accounts.update(&id, disabled()).await.map(drop),
                _ => {
                    let change = Change {
                        roles: Some(vec!["user".to_owned()]),
                        ..Change::default()
                    };
                    accounts.update(&id, change).await.map(drop)
                }
            }
        };
        let results: [_; 2] = tokio::join!(
            tokio::spawn(take(one.clone(), ann.id.clone())),
            tokio::spawn(take(other.clone(), bob.id.clone())),
        )
        .into();
        let mut results = results.map(Result::unwrap);
        results.sort_by_key(Result::is_err);
        let expected = [Ok(()), Err(AccountsError::LastAdministrator)];
        assert_eq!(results, expected, "round {round}");
        engine.meddle("DELETE FROM accounts").await;
    }
}

async fn the_last_administrator_stays_whatever_is_asked(engine: &Engine) {
    let accounts = engine.open().await;
    let ann = administrator(&accounts, "ann@b").await;
    let last = AccountsError::LastAdministrator;
    let nobody = Change {
        roles: Some(vec!["Admin".to_owned(), "administrator".to_owned()]),
        ..Change::default()
    };
    for change in [disabled(), nobody.clone()] {
        assert_eq!(accounts.update(&ann.id, change).await, Err(last.clone()));
    }
    assert_eq!(accounts.remove(&ann.id).await, Err(last.clone()));
    let ends = accounts.outbox("a", u64::MAX).await.unwrap();
    assert_eq!(ends, [], "what wasn't done ends nothing");
    // Another first role leaves the second, `admin`, alone.
    accounts.update(&ann.id, demoted()).await.unwrap();

    let bob = administrator(&accounts, "bob@b").await;
    accounts.update(&ann.id, nobody).await.unwrap();
    assert_eq!(accounts.update(&bob.id, disabled()).await, Err(last));
    // Who is no administrator may always go.
    assert_eq!(accounts.remove(&ann.id).await, Ok(true));
}
