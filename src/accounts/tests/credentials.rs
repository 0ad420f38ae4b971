use super::engine::cheap;
use super::*;

on_every_engine!(
    the_right_password_proves_the_account,
    every_failure_is_one_error_after_one_hash,
    the_row_that_is_read_for_nobody_lets_nobody_in,
    a_new_password_replaces_the_old_one,
    a_password_is_one_however_its_letters_are_composed,
    a_name_is_counted_as_its_account,
    a_hash_of_old_parameters_is_renewed_at_the_next_log_in,
    a_change_during_the_wait_counts,
    a_full_queue_is_told_at_once,
    debug_texts_hold_no_password,
);

async fn the_right_password_proves_the_account(engine: &Engine) {
    let accounts = engine.open().await;
    let ann = accounts.sign_up("Ann@b", "correct horse").await;
    for name in ["ann@b", "ANN@B", ann.id.as_str()] {
        let proven = accounts.log_in(name, "correct horse").await;
        assert_eq!(proven.as_ref(), Ok(&ann), "{name}");
    }
    for wrong in ["", "Correct horse", "correct horse ", "correct horse\0"] {
        let refused = accounts.log_in("ann@b", wrong).await;
        assert_eq!(refused, Err(AccountsError::InvalidCredentials), "{wrong:?}");
    }
}

async fn every_failure_is_one_error_after_one_hash(engine: &Engine) {
    let accounts = engine.open().await;
    accounts.sign_up("ann@b", "correct horse").await;
    let off = accounts.sign_up("off@b", "correct horse").await;
    let disable = Change {
        active: Some(false),
        ..Change::default()
    };
    accounts.update(&off.id, disable).await.unwrap();
    let bare = NewAccount::with_email(email("bare@b"));
    let bare = accounts.create(bare).await.unwrap();

    for (name, secret) in [
        ("ann@b", "wrong"),
        ("unknown@b", "correct horse"),
        ("unknown", "correct horse"),
        ("", "correct horse"),
        ("a@b@c", "correct horse"),
        ("client_0123456789abcdef", "correct horse"),
        ("off@b", "correct horse"),
        ("off@b", "wrong"),
        (off.id.as_str(), "correct horse"),
        ("bare@b", ""),
        (bare.id.as_str(), "correct horse"),
    ] {
        let before = accounts.hashes();
        let refused = accounts.log_in(name, secret).await;
        assert_eq!(refused, Err(AccountsError::InvalidCredentials), "{name}");
        assert_eq!(accounts.hashes() - before, 1, "{name} costs one hash");
    }
    let before = accounts.hashes();
    accounts.log_in("ann@b", "correct horse").await.unwrap();
    assert_eq!(accounts.hashes() - before, 1, "success costs one, too");

    let enable = Change {
        active: Some(true),
        ..Change::default()
    };
    accounts.update(&off.id, enable).await.unwrap();
    assert!(accounts.log_in("off@b", "correct horse").await.is_ok());
}

/// Names before, between and behind those that there are, in either order: a row is read for each.
async fn the_row_that_is_read_for_nobody_lets_nobody_in(engine: &Engine) {
    let accounts = engine.open().await;
    let refused = Err(AccountsError::InvalidCredentials);
    for name in ["ann@b", "0"] {
        assert_eq!(accounts.log_in(name, "correct horse").await, refused);
    }
    let mut there = vec![];
    for name in ["eve@b", "kim@b"] {
        there.push(accounts.sign_up(name, "correct horse").await);
    }
    for name in [
        "0", "a@b", "eve@a", "eve@c", "j@b", "kim@c", "zoe@b", "zzzz",
    ] {
        let answer = accounts.log_in(name, "correct horse").await;
        assert_eq!(answer, refused, "{name}");
    }
    for account in there {
        let id = account.id.as_str();
        let mut others = [id.to_owned(), id.to_owned()];
        others[0].pop();
        others[1].push('0');
        for other in others {
            let answer = accounts.log_in(&other, "correct horse").await;
            assert_eq!(answer, refused, "{other} beside {id}");
        }
        for own in [id, account.email.as_str()] {
            let proven = accounts.log_in(own, "correct horse").await;
            assert_eq!(proven.as_ref(), Ok(&account));
        }
    }
}

async fn a_new_password_replaces_the_old_one(engine: &Engine) {
    let accounts = engine.open().await;
    let bare = NewAccount::with_email(email("ann@b"));
    let ann = accounts.create(bare).await.unwrap();
    for (new, old) in [("first horse", ""), ("second horse", "first horse")] {
        accounts.set_password(&ann.id, password(new)).await.unwrap();
        assert!(accounts.log_in("ann@b", new).await.is_ok());
        assert_eq!(
            accounts.log_in("ann@b", old).await,
            Err(AccountsError::InvalidCredentials)
        );
    }
}

/// And what is typed unprepared costs the same for nobody as for somebody.
async fn a_password_is_one_however_its_letters_are_composed(engine: &Engine) {
    let accounts = engine.open().await;
    let (nfd, nfc) = ("correct ho\u{308}rse", "correct h\u{f6}rse");
    accounts.sign_up("nfd@b", nfd).await;
    accounts.sign_up("nfc@b", nfc).await;
    for name in ["nfd@b", "nfc@b"] {
        for secret in [nfd, nfc, "correct\u{a0}h\u{f6}rse"] {
            assert!(accounts.log_in(name, secret).await.is_ok(), "{name}");
        }
        assert!(accounts.log_in(name, "correct horse").await.is_err());
    }
    for (name, secret, runs) in [
        ("nfc@b", "wrong ho\u{308}rse", 2),
        ("nobody@b", "wrong ho\u{308}rse", 2),
        ("nobody@b", nfd, 2),
        ("nfc@b", "wrong h\u{f6}rse", 1),
        ("nobody@b", nfc, 1),
    ] {
        let before = accounts.hashes();
        assert!(accounts.log_in(name, secret).await.is_err());
        assert_eq!(accounts.hashes() - before, runs, "{name} {secret}");
    }
}

/// Attempts at one account are counted together, and at nobody's by one spelling.
async fn a_name_is_counted_as_its_account(engine: &Engine) {
    let accounts = engine.open().await;
    let ann = accounts.sign_up("Ann@b", "correct horse").await;
    let off = accounts.sign_up("off@b", "correct horse").await;
    let disable = Change {
        active: Some(false),
        ..Change::default()
    };
    accounts.update(&off.id, disable).await.unwrap();
    for (name, counted_as, user) in [
        ("Ann@b", ann.id.as_str(), Some(&ann.id)),
        ("ANN@B", ann.id.as_str(), Some(&ann.id)),
        (ann.id.as_str(), ann.id.as_str(), Some(&ann.id)),
        ("off@b", off.id.as_str(), Some(&off.id)),
        ("Nobody@B", "nobody@b", None),
        ("nobody", "nobody", None),
        ("Nobody", "Nobody", None),
        ("", "", None),
        ("a@b@c", "", None),
    ] {
        let named = accounts.look_up(&LoginName::parse(name)).await.unwrap();
        assert_eq!((named.counted_as(), named.user()), (counted_as, user));
        assert_eq!(format!("{named:?}"), "Named");
    }
    accounts.remove(&ann.id).await.unwrap();
    let gone = accounts.look_up(&LoginName::parse("Ann@b")).await.unwrap();
    assert_eq!((gone.counted_as(), gone.user()), ("ann@b", None));
}

async fn a_hash_of_old_parameters_is_renewed_at_the_next_log_in(engine: &Engine) {
    let before = engine.open().await;
    let ann = before.sign_up("ann@b", "correct horse").await;
    let off = before.sign_up("off@b", "correct horse").await;
    let disable = Change {
        active: Some(false),
        ..Change::default()
    };
    before.update(&off.id, disable).await.unwrap();
    before.close().await;

    let stronger = HashingSettings {
        iterations: 2,
        ..cheap()
    };
    let accounts = engine.try_open(stronger).await.unwrap();
    for (name, secret, expected) in [
        ("ann@b", "wrong", 1),
        ("off@b", "correct horse", 1),
        ("ann@b", "correct horse", 2),
        ("ann@b", "correct horse", 1),
    ] {
        let before = accounts.hashes();
        let _ = accounts.log_in(name, secret).await;
        assert_eq!(accounts.hashes() - before, expected, "{name} {secret}");
    }
    let same = accounts.get(&ann.id).await.unwrap();
    assert_eq!(same, Some(ann), "nobody asked for a change");
}

/// Accounts whose hashing threads wait for a sign.
async fn halted(engine: &Engine, queue: usize) -> Accounts {
    let settings = HashingSettings { queue, ..cheap() };
    let pool = HashingPool::stopped(settings).unwrap();
    let random = Box::new(rand::rand_core::UnwrapErr(rand::rngs::SysRng));
    Accounts::assemble(&engine.url, pool, engine.clock.clone(), random)
        .await
        .unwrap()
}

async fn wait_for_queue(accounts: &Accounts, length: usize) {
    while accounts.queue_length() < length {
        tokio::task::yield_now().await;
    }
}

async fn a_change_during_the_wait_counts(engine: &Engine) {
    let open = engine.open().await;
    for change in ["disable", "password", "delete"] {
        let ann = open.sign_up("ann@b", "correct horse").await;
        let accounts = halted(engine, 4).await;
        let waiting = tokio::spawn({
            let accounts = accounts.clone();
            async move { accounts.log_in("ann@b", "correct horse").await }
        });
        wait_for_queue(&accounts, 1).await;
        match change {
            "disable" => {
                let disable = Change {
                    active: Some(false),
                    ..Change::default()
                };
                open.update(&ann.id, disable).await.map(drop)
            }
            "password" => {
                let secret = password("another horse");
                open.set_password(&ann.id, secret).await.map(drop)
            }
            _ => open.remove(&ann.id).await.map(drop),
        }
        .unwrap();
        accounts.inner.hashing.start_threads(1).unwrap();
        let late = waiting.await.unwrap();
        assert_eq!(late, Err(AccountsError::InvalidCredentials), "{change}");
        accounts.close().await;
        open.remove(&ann.id).await.unwrap();
    }
}

async fn a_full_queue_is_told_at_once(engine: &Engine) {
    let accounts = halted(engine, 1).await;
    let waiting = tokio::spawn({
        let accounts = accounts.clone();
        async move { accounts.log_in("ann@b", "correct horse").await }
    });
    wait_for_queue(&accounts, 1).await;
    assert_eq!(
        accounts.log_in("bob@b", "correct horse").await,
        Err(AccountsError::HashingBusy)
    );
    let mut new = NewAccount::with_email(email("new@b"));
    new.password = Some(password("correct horse"));
    assert_eq!(accounts.create(new).await, Err(AccountsError::HashingBusy));
    assert_eq!(accounts.find("new@b").await.unwrap(), None);
    // Nor does who is sent away cost a question: there is nothing left to ask.
    engine.meddle("DROP TABLE links; DROP TABLE accounts").await;
    let sent_away = accounts.log_in("bob@b", "correct horse").await;
    assert_eq!(sent_away, Err(AccountsError::HashingBusy));

    accounts.inner.hashing.start_threads(1).unwrap();
    assert_eq!(
        waiting.await.unwrap(),
        Err(AccountsError::InvalidCredentials)
    );
}

async fn debug_texts_hold_no_password(engine: &Engine) {
    let accounts = engine.open().await;
    let mut new = NewAccount::with_email(email("ann@b"));
    new.password = Some(password("correct horse"));
    let presented = presented("correct horse");
    let mut texts = vec![format!("{new:?}"), format!("{presented:?}")];
    texts.push(format!("{:?}", accounts.create(new).await));
    let named = accounts.look_up(&LoginName::parse("ann@b")).await.unwrap();
    texts.push(format!("{named:?}"));
    let proven = accounts.authenticate(named, presented).await;
    texts.push(format!("{proven:?}"));
    for text in texts {
        assert!(
            !text.contains("horse") && !text.contains("argon2"),
            "{text}"
        );
    }
}
