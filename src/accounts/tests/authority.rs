use super::*;

on_every_engine!(
    an_administrator_who_has_changed_changes_nothing,
    who_has_not_changed_does_what_was_asked,
    a_change_while_a_hash_waits_counts,
    two_by_whose_rights_each_other_is_changed_never_wait_for_ever,
);

async fn admin(accounts: &Accounts, name: &str) -> Account {
    let new = NewAccount {
        id: Some(UserId::parse(name).unwrap()),
        roles: vec![ADMIN_ROLE.to_owned()],
        password: Some(password("correct horse")),
        ..NewAccount::with_email(email(&format!("{name}@example.org")))
    };
    accounts.create(new).await.unwrap()
}

fn authority(account: &Account) -> Authority {
    Authority::of(account, ADMIN_ROLE).unwrap()
}

fn renamed(name: &str) -> Change {
    Change {
        name: Some(name.to_owned()),
        ..Change::default()
    }
}

fn active(active: bool) -> Change {
    Change {
        active: Some(active),
        ..Change::default()
    }
}

fn roles(names: &[&str]) -> Change {
    Change {
        roles: Some(names.iter().map(|&name| name.to_owned()).collect()),
        ..Change::default()
    }
}

/// Each of the changes after which an administrator isn't as it was.
async fn changes(accounts: &Accounts, id: &UserId, number: usize) {
    let updates = match number {
        0 => vec![active(false)],
        1 => vec![roles(&["user"])],
        // What is given back is not what was verified.
        2 => vec![active(false), active(true)],
        3 => vec![roles(&["user"]), roles(&[ADMIN_ROLE])],
        4 => vec![renamed("another")],
        _ => vec![],
    };
    for update in updates {
        accounts.update(id, update).await.unwrap();
    }
    match number {
        5 => drop(accounts.set_password(id, password("another horse")).await),
        6 => assert!(accounts.remove(id).await.unwrap()),
        7 => {
            assert!(accounts.remove(id).await.unwrap());
            admin(accounts, id.as_str()).await;
        }
        _ => {}
    }
}

async fn an_administrator_who_has_changed_changes_nothing(engine: &Engine) {
    let accounts = engine.open().await;
    admin(&accounts, "other").await;
    let ann = accounts.sign_up("ann@example.org", "correct horse").await;
    let mut refused = 0;
    for number in 0..8 {
        let boss = admin(&accounts, &format!("boss{number}")).await;
        let late = accounts.by(authority(&boss));
        changes(&accounts, &boss.id, number).await;
        let changed = Err(AccountsError::AuthorityChanged);
        let new = NewAccount::with_email(email("bob@example.org"));
        assert_eq!(late.create(new).await, changed, "{number}");
        assert_eq!(accounts.find("bob@example.org").await, Ok(None));
        for change in [
            renamed("x"),
            active(false),
            roles(&[ADMIN_ROLE]),
            Change {
                role: Some(ADMIN_ROLE.to_owned()),
                ..Change::default()
            },
        ] {
            assert_eq!(late.update(&ann.id, change).await, changed, "{number}");
            refused += 1;
        }
        let password = late.set_password(&ann.id, password("another horse"));
        assert_eq!(password.await, changed, "{number}");
        // Its own account as well: nobody enables itself.
        let own = late.update(&boss.id, active(true)).await;
        assert_eq!(own, changed, "{number}");
        let removed = late.remove(&ann.id).await;
        assert_eq!(removed, Err(AccountsError::AuthorityChanged), "{number}");
        refused += 4;
    }
    assert_eq!(
        accounts.log_in("ann@example.org", "correct horse").await,
        Ok(ann)
    );
    assert_eq!(refused, 64);
}

async fn who_has_not_changed_does_what_was_asked(engine: &Engine) {
    let accounts = engine.open().await;
    let boss = admin(&accounts, "boss").await;
    let by = accounts.by(authority(&boss));
    let ann = by.sign_up("ann@example.org", "correct horse").await;
    assert_eq!(
        by.update(&ann.id, renamed("Ann")).await.unwrap().revision,
        ann.revision + 1
    );
    by.set_password(&ann.id, password("another horse"))
        .await
        .unwrap();
    assert!(
        accounts
            .log_in("ann@example.org", "another horse")
            .await
            .is_ok()
    );
    assert!(by.remove(&ann.id).await.unwrap());
    assert!(!by.remove(&ann.id).await.unwrap());
    // To change its own account is a change like any other.
    by.update(&boss.id, renamed("Boss")).await.unwrap();
    let again = by.update(&boss.id, renamed("Boss again")).await;
    assert_eq!(again, Err(AccountsError::AuthorityChanged));
    let closed = Account {
        active: false,
        ..boss.clone()
    };
    assert_eq!(Authority::of(&closed, ADMIN_ROLE), None);
    assert_eq!(Authority::of(&boss, "user"), None);
}

async fn a_change_while_a_hash_waits_counts(engine: &Engine) {
    // A hash that takes longer than a write.
    let slow = HashingSettings {
        memory_kib: 16 * 1024,
        iterations: 4,
        ..engine::cheap()
    };
    let accounts = engine.try_open(slow).await.unwrap();
    let boss = admin(&accounts, "boss").await;
    admin(&accounts, "other").await;
    let ann = accounts.sign_up("ann@example.org", "correct horse").await;
    let mut refused = 0;
    for _ in 0..5 {
        let now = accounts.get(&boss.id).await.unwrap().unwrap();
        let (by, id) = (accounts.by(authority(&now)), ann.id.clone());
        let before = accounts.get(&id).await.unwrap();
        let late = tokio::spawn(async move {
            let late = by.set_password(&id, password("another horse"));
            late.await
        });
        tokio::task::yield_now().await;
        accounts.update(&boss.id, active(false)).await.unwrap();
        if let Err(error) = late.await.unwrap() {
            assert_eq!(error, AccountsError::AuthorityChanged);
            assert_eq!(accounts.get(&ann.id).await.unwrap(), before);
            refused += 1;
        }
        accounts.update(&boss.id, active(true)).await.unwrap();
    }
    // On a machine that is busy, a hash may have been there before the write.
    assert!(refused > 0);
}

async fn two_by_whose_rights_each_other_is_changed_never_wait_for_ever(engine: &Engine) {
    let accounts = engine.open().await;
    admin(&accounts, "one").await;
    admin(&accounts, "two").await;
    let ids = ["one", "two"].map(|name| UserId::parse(name).unwrap());
    for round in 0..20 {
        let mut both = Vec::new();
        for id in &ids {
            both.push(accounts.get(id).await.unwrap().unwrap());
        }
        let by = |who: usize| accounts.by(authority(&both[who]));
        let (one, two) = (by(0), by(1));
        let (one, two) = tokio::join!(
            one.update(&ids[1], renamed("by one")),
            two.update(&ids[0], renamed("by two")),
        );
        // Whose change comes second isn't as it was verified any more.
        let done = [&one, &two].into_iter().filter(|done| done.is_ok()).count();
        assert_eq!(done, 1, "{round}: {one:?} {two:?}");
        let refused = one.err().or(two.err());
        assert_eq!(refused, Some(AccountsError::AuthorityChanged), "{round}");
    }
}
