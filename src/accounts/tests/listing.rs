use std::collections::BTreeSet;

use super::*;

on_every_engine!(
    pages_walk_all_accounts_once,
    a_walk_survives_what_changes_meanwhile,
    a_query_finds_id_email_and_name_in_any_case,
    a_query_is_taken_literally,
    strings_of_sql_are_only_strings,
);

async fn pages_walk_all_accounts_once(engine: &Engine) {
    let accounts = engine.open().await;
    let mut made = BTreeSet::new();
    for n in 0..23 {
        let new = NewAccount::with_email(email(&format!("user{n}@b")));
        made.insert(accounts.create(new).await.unwrap().id);
    }
    for limit in [1, 5, 22, 23, 24, usize::MAX] {
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let page = accounts.list(after, limit, None).await.unwrap();
            assert!(page.accounts.len() <= limit);
            assert!(!page.accounts.is_empty(), "no page is empty");
            seen.extend(page.accounts.into_iter().map(|account| account.id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert!(seen.is_sorted(), "in the order of their bytes");
        assert_eq!(seen.iter().cloned().collect::<BTreeSet<_>>(), made);
        assert_eq!(seen.len(), made.len(), "limit {limit}");
    }
    let least = accounts.list(None, 0, None).await.unwrap();
    assert_eq!(least.accounts.len(), 1, "a page of nothing would never end");
}

async fn a_walk_survives_what_changes_meanwhile(engine: &Engine) {
    let accounts = engine.open().await;
    for id in ["a", "b", "c", "d"] {
        let new = NewAccount {
            id: Some(UserId::parse(id).unwrap()),
            ..NewAccount::with_email(email(&format!("{id}@b")))
        };
        accounts.create(new).await.unwrap();
    }
    let first = accounts.list(None, 2, None).await.unwrap();
    let after = first.next.unwrap();
    accounts.remove(&after).await.unwrap();
    let rest = accounts.list(Some(after), 2, None).await.unwrap();
    let ids: Vec<_> = rest
        .accounts
        .iter()
        .map(|found| found.id.as_str())
        .collect();
    assert_eq!((ids, rest.next), (vec!["c", "d"], None));
}

async fn found(accounts: &Accounts, query: &str) -> Vec<String> {
    let page = accounts.list(None, 100, Some(query)).await.unwrap();
    page.accounts
        .into_iter()
        .map(|found| found.id.as_str().to_owned())
        .collect()
}

async fn a_query_finds_id_email_and_name_in_any_case(engine: &Engine) {
    let accounts = engine.open().await;
    for (id, address, name) in [
        ("Id-One", "x@b", None),
        ("two", "Ann.Smith@Example.org", None),
        ("three", "y@b", Some("Åsa ÖBERG")),
        ("umlaut", "z@bücher.example", None),
    ] {
        let new = NewAccount {
            id: Some(UserId::parse(id).unwrap()),
            name: name.map(str::to_owned),
            ..NewAccount::with_email(email(address))
        };
        accounts.create(new).await.unwrap();
    }
    for (query, expected) in [
        ("id-ONE", &["Id-One"][..]),
        ("SMITH@", &["two"]),
        ("öberg", &["three"]),
        ("ÅSA Ö", &["three"]),
        ("@B", &["Id-One", "three", "umlaut"]),
        ("@BÜCHER", &["umlaut"]),
        ("xn--bcher", &["umlaut"]),
        ("nobody", &[]),
        ("", &["Id-One", "three", "two", "umlaut"]),
    ] {
        assert_eq!(found(&accounts, query).await, expected, "{query}");
    }
    let long = "x".repeat(255);
    for bad in ["a\0", "\n", long.as_str()] {
        let error = accounts.list(None, 1, Some(bad)).await.unwrap_err();
        assert_eq!(error.field(), Some("q"));
    }
}

async fn a_query_is_taken_literally(engine: &Engine) {
    let accounts = engine.open().await;
    for (id, name) in [
        ("p", "50% off"),
        ("u", "a_b!c"),
        ("q", r"it's\"),
        ("z", "plain"),
    ] {
        let new = NewAccount {
            id: Some(UserId::parse(id).unwrap()),
            name: Some(name.to_owned()),
            ..NewAccount::with_email(email(&format!("{id}@x")))
        };
        accounts.create(new).await.unwrap();
    }
    for (query, expected) in [
        ("%", &["p"][..]),
        ("_", &["u"]),
        ("!", &["u"]),
        (r"'s\", &["q"]),
        ("a%b", &[]),
        ("p_ain", &[]),
    ] {
        assert_eq!(found(&accounts, query).await, expected, "{query}");
    }
}

async fn strings_of_sql_are_only_strings(engine: &Engine) {
    let accounts = engine.open().await;
    let hostile = "x'); DROP TABLE accounts; -- \" ; $1 ?1 :a @b %s \\' /*";
    let bystander = accounts.sign_up("bystander@b", "correct horse").await;

    let made = accounts
        .create(NewAccount {
            name: Some(hostile.to_owned()),
            password: Some(password(hostile)),
            ..NewAccount::with_email(email("'or'1'='1'{--}/*$1@b"))
        })
        .await
        .unwrap();
    assert_eq!(made.name.as_deref(), Some(hostile));
    assert_eq!(
        accounts.find("'OR'1'='1'{--}/*$1@b").await.unwrap(),
        Some(made.clone())
    );
    assert_eq!(found(&accounts, hostile).await, [made.id.as_str()]);
    assert!(
        accounts
            .log_in("'or'1'='1'{--}/*$1@b", hostile)
            .await
            .is_ok()
    );
    assert!(accounts.log_in("bystander@b", "' OR 1=1 --").await.is_err());
    assert!(
        accounts
            .log_in("' OR 1=1 --", "correct horse")
            .await
            .is_err()
    );
    assert_eq!(accounts.find("' OR 1=1 --").await.unwrap(), None);

    let change = Change {
        name: Some("', active = 0 --".to_owned()),
        ..Change::default()
    };
    let changed = accounts.update(&made.id, change).await.unwrap();
    assert_eq!(changed.name.as_deref(), Some("', active = 0 --"));
    let client = accounts
        .create_client(&ClientTerms::named(hostile))
        .await
        .unwrap();
    let named = accounts.list_clients().await.unwrap();
    assert_eq!((named.len(), named[0].name.as_str()), (1, hostile));
    let id = client.id.as_str();
    assert!(
        accounts
            .authenticate_client(id, "' OR 1=1 --")
            .await
            .is_err()
    );
    assert_eq!(accounts.get(&bystander.id).await.unwrap(), Some(bystander));
}
