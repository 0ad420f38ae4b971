use super::*;
use std::collections::HashMap;

on_every_engine!(
    an_imported_hash_lets_its_password_in_and_is_renewed,
    what_is_refused_keeps_nothing_else_back,
    a_dry_run_says_the_same_and_makes_nothing,
    a_name_that_nobody_has_costs_what_some_account_costs,
);

/// "correct horse", by Werkzeug 3.1.9 with few iterations.
const HASH: &str = "pbkdf2:sha256:1000$saltsaltsalt$17ba3bfb95535731403bdf7c5fab37007ac3b0955d32222582774831ed7d36f6";
/// Eighty bytes, of which bcrypt has seen 72.
const LONG: &str =
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
const HASH_OF_LONG: &str = "$2b$04$XbWigkhtOY/NqHXJxgmuXeCwWEviLAoCL765VFk5Vjhl.Pr61xILa";

fn imported(address: &str, hash: Option<&str>) -> ImportedAccount {
    ImportedAccount {
        id: None,
        email: email(address),
        name: None,
        roles: Vec::new(),
        permissions: Vec::new(),
        active: true,
        hash: hash.map(|hash| ImportedHash::parse(hash).unwrap()),
    }
}

async fn an_imported_hash_lets_its_password_in_and_is_renewed(engine: &Engine) {
    let accounts = engine.open().await;
    let off = ImportedAccount {
        active: false,
        ..imported("off@b", Some(HASH))
    };
    let long = imported("long@b", Some(HASH_OF_LONG));
    let users = vec![
        imported("ann@b", Some(HASH)),
        off,
        imported("bare@b", None),
        long,
    ];
    let made = accounts.import(users, false).await.unwrap();
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    let refused = Err(AccountsError::InvalidCredentials);
    for (name, secret, cost) in [
        ("ann@b", "Correct horse", 1),
        ("off@b", "correct horse", 1),
        ("bare@b", "correct horse", 1),
        ("long@b", "correct horse", 1),
    ] {
        let before = accounts.hashes();
        assert_eq!(accounts.log_in(name, secret).await, refused, "{name}");
        assert_eq!(accounts.hashes() - before, cost, "{name}");
    }
    // The first proof costs the hash that takes the place of theirs, the second does not; a hash of
    // bcrypt that has not seen the whole password stays.
    for (name, secret, costs) in [("ann@b", "correct horse", [2, 1]), ("long@b", LONG, [1, 1])] {
        for cost in costs {
            let before = accounts.hashes();
            let proven = accounts.log_in(name, secret).await.unwrap();
            assert_eq!(proven.email.as_str(), name);
            assert_eq!(accounts.hashes() - before, cost, "{name}");
        }
    }
    assert_eq!(accounts.log_in("ann@b", "Correct horse").await, refused);
}

async fn what_is_refused_keeps_nothing_else_back(engine: &Engine) {
    let accounts = engine.open().await;
    let there = accounts.sign_up("ann@b", "another horse").await;
    let same_id = ImportedAccount {
        id: Some(there.id.clone()),
        ..imported("new@b", Some(HASH))
    };
    let bad_role = ImportedAccount {
        roles: vec!["no role".to_owned()],
        ..imported("role@b", Some(HASH))
    };
    let whole = ImportedAccount {
        id: Some(UserId::parse("7").unwrap()),
        name: Some("Bob".to_owned()),
        roles: vec!["clerk".to_owned()],
        permissions: vec!["posts:write".to_owned()],
        ..imported("bob@b", Some(HASH))
    };
    let users = vec![
        imported("ANN@b", Some(HASH)),
        same_id,
        bad_role,
        whole,
        imported("BOB@b", Some(HASH)),
        imported("eve@b", None),
    ];
    let made = accounts.import(users, false).await.unwrap();
    let codes: Vec<_> = made
        .iter()
        .map(|made| made.as_ref().map_or_else(AccountsError::code, |_| "made"))
        .collect();
    assert_eq!(
        codes,
        [
            "account_exists",
            "account_exists",
            "account_invalid",
            "made",
            "account_exists",
            "made"
        ]
    );
    let bob = accounts.find("bob@b").await.unwrap().unwrap();
    assert_eq!((bob.id.as_str(), bob.name.as_deref()), ("7", Some("Bob")));
    assert_eq!(
        (bob.roles, bob.permissions),
        (vec!["clerk".to_owned()], vec!["posts:write".to_owned()])
    );
    assert_eq!(accounts.find("new@b").await.unwrap(), None);
    assert_eq!(accounts.log_in("ann@b", "another horse").await, Ok(there));
}

async fn a_dry_run_says_the_same_and_makes_nothing(engine: &Engine) {
    let accounts = engine.open().await;
    accounts.sign_up("ann@b", "another horse").await;
    let users = || {
        vec![
            imported("ann@b", None),
            imported("bob@b", None),
            imported("bob@b", None),
        ]
    };
    for dry_run in [true, false] {
        let made = accounts.import(users(), dry_run).await.unwrap();
        let done: Vec<_> = made.iter().map(Result::is_ok).collect();
        assert_eq!(done, [false, true, false]);
        assert_eq!(accounts.find("bob@b").await.unwrap().is_some(), !dry_run);
    }
}

/// The kind of the hash that each of these names is compared with.
async fn kinds(accounts: &Accounts, names: &[String]) -> HashMap<String, String> {
    let mut kinds = HashMap::new();
    for name in names {
        let to_prove = accounts
            .inner
            .store
            .to_prove(&LoginName::parse(name))
            .await
            .unwrap();
        assert!(to_prove.found.is_none(), "{name}");
        let hash = to_prove.mirrored.unwrap();
        kinds.insert(name.clone(), hash[..8].to_owned());
    }
    kinds
}

/// Half of the accounts have hashes of another kind: so have, as it seems, half of the names that
/// nobody has, each always the same; also after a restart, and until those accounts log in.
async fn a_name_that_nobody_has_costs_what_some_account_costs(engine: &Engine) {
    let accounts = engine.open().await;
    let users = (0..60).map(|n| imported(&format!("theirs{n}@b"), Some(HASH)));
    accounts.import(users.collect(), false).await.unwrap();
    for n in 0..60 {
        accounts
            .sign_up(&format!("ours{n}@b"), "correct horse")
            .await;
    }
    let ids = (0..150).map(|n| format!("nobody-{n}"));
    let names: Vec<_> = ids
        .chain((0..150).map(|n| format!("nobody{n}@b")))
        .collect();
    let found = kinds(&accounts, &names).await;
    let theirs = found.values().filter(|kind| *kind == &HASH[..8]).count();
    assert!((60..240).contains(&theirs), "{theirs} of 300");
    accounts.close().await;
    let accounts = engine.open().await;
    assert_eq!(
        kinds(&accounts, &names).await,
        found,
        "as before the restart"
    );
    let refused = Err(AccountsError::InvalidCredentials);
    for name in &names {
        assert_eq!(accounts.log_in(name, "correct horse").await, refused);
    }
    for n in 0..60 {
        accounts
            .log_in(&format!("theirs{n}@b"), "correct horse")
            .await
            .unwrap();
    }
    let after = kinds(&accounts, &names).await;
    assert!(after.values().all(|kind| kind == "$argon2i"), "{after:?}");
}
