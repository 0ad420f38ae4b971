use super::*;

on_every_engine!(
    a_subject_is_one_account_and_an_account_may_be_several,
    the_same_name_at_another_issuer_is_somebody_else,
    a_deleted_account_has_no_links,
    unlinking_takes_one_issuers_links_and_writes_a_row,
    an_account_and_its_first_link_are_made_together,
    an_address_that_somebody_has_makes_no_account_and_no_link,
    of_many_who_come_at_first_sight_one_makes_the_account,
);

fn outside(issuer: &str, subject: &str) -> OutsideSubject {
    OutsideSubject {
        issuer: issuer.to_owned(),
        subject: subject.to_owned(),
    }
}

fn first(subject: &str, email: Option<&str>) -> FirstSight {
    FirstSight {
        outside: outside("https://one/", subject),
        issuer_name: "one".to_owned(),
        email: email.map(str::to_owned),
        name: Some("Ann".to_owned()),
        roles: vec!["clerk".to_owned()],
    }
}

fn through(issuer: &str) -> Ends {
    Ends {
        keystore: "here".to_owned(),
        reach: Reach::Through(issuer.to_owned()),
    }
}

async fn a_subject_is_one_account_and_an_account_may_be_several(engine: &Engine) {
    let accounts = engine.open().await;
    let ann = accounts.sign_up("ann@b", "correct horse").await;
    let bob = accounts.sign_up("bob@b", "correct horse").await;
    let subject = || outside("https://one/", "7");
    assert_eq!(accounts.linked(&subject()).await.unwrap(), None);
    for _ in 0..2 {
        accounts.link(&ann.id, subject()).await.unwrap();
    }
    let error = accounts.link(&bob.id, subject()).await.unwrap_err();
    assert_eq!(error, AccountsError::LinkExists);
    let found = accounts.linked(&subject()).await.unwrap();
    assert_eq!(found, Some(ann.clone()));
    accounts
        .link(&ann.id, outside("https://two/", "x"))
        .await
        .unwrap();
    let links = accounts.links_of(&ann.id).await.unwrap();
    let subjects: Vec<_> = links.iter().map(|link| &*link.outside.subject).collect();
    assert_eq!(subjects, ["7", "x"]);
    assert_eq!(links[0].created_at, engine.clock.now());
    let nobody = UserId::parse("nobody").unwrap();
    let error = accounts.link(&nobody, outside("https://two/", "y")).await;
    assert_eq!(error.unwrap_err(), AccountsError::AccountUnknown);
    for (bad, field) in [
        (outside("", "x"), "issuer"),
        (outside("https://one/", ""), "subject"),
        (outside("https://one/", "a\0b"), "subject"),
        (outside("https://one/", &"x".repeat(1025)), "subject"),
    ] {
        let error = accounts.link(&ann.id, bad).await.unwrap_err();
        assert_eq!(error.field(), Some(field));
    }
}

async fn the_same_name_at_another_issuer_is_somebody_else(engine: &Engine) {
    let accounts = engine.open().await;
    let ann = accounts.sign_up("ann@b", "correct horse").await;
    let linked = outside("https://one/", "Ann");
    accounts.link(&ann.id, linked).await.unwrap();
    for other in [
        outside("https://two/", "Ann"),
        outside("https://one", "Ann"),
        outside("HTTPS://one/", "Ann"),
        outside("https://one/", "ann"),
        outside("https://one/", "Ann "),
        outside("https://one/", "%"),
    ] {
        assert_eq!(accounts.linked(&other).await.unwrap(), None, "{other:?}");
    }
}

async fn a_deleted_account_has_no_links(engine: &Engine) {
    let accounts = engine.open().await;
    let ann = accounts.sign_up("ann@b", "correct horse").await;
    let subject = || outside("https://one/", "7");
    accounts.link(&ann.id, subject()).await.unwrap();
    let ends = Ends {
        reach: Reach::All,
        ..through("")
    };
    accounts.delete(&ann.id, ends).await.unwrap();
    assert_eq!(accounts.linked(&subject()).await.unwrap(), None);
    assert_eq!(accounts.links_of(&ann.id).await.unwrap(), []);
    // Nor has one that is made under its id.
    let again = NewAccount {
        id: Some(ann.id.clone()),
        ..NewAccount::with_email(email("ann@b"))
    };
    accounts.create(again).await.unwrap();
    assert_eq!(accounts.linked(&subject()).await.unwrap(), None);
}

async fn unlinking_takes_one_issuers_links_and_writes_a_row(engine: &Engine) {
    let accounts = engine.open().await;
    let ann = accounts.sign_up("ann@b", "correct horse").await;
    let bob = accounts.sign_up("bob@b", "correct horse").await;
    for (user, issuer, subject) in [
        (&ann, "https://one/", "1"),
        (&ann, "https://one/", "2"),
        (&ann, "https://two/", "1"),
        (&bob, "https://one/", "3"),
    ] {
        let linking = accounts.link(&user.id, outside(issuer, subject));
        linking.await.unwrap();
    }
    let unlink = || accounts.unlink(&ann.id, "https://one/", through("https://one/"));
    let (count, row) = unlink().await.unwrap();
    let reach = Reach::Through("https://one/".to_owned());
    assert_eq!(count, 2);
    assert_eq!(row.target, Target::User(ann.id.clone(), reach));
    assert_eq!(accounts.links_of(&ann.id).await.unwrap().len(), 1);
    assert_eq!(accounts.links_of(&bob.id).await.unwrap().len(), 1);
    // As after a crash: the row is there until its sessions have ended.
    let rows = accounts.outbox("here", u64::MAX).await.unwrap();
    assert_eq!(rows, [row]);
    let (count, _) = unlink().await.unwrap();
    assert_eq!(count, 0);
    let rows = accounts.outbox("here", u64::MAX).await.unwrap();
    assert_eq!(rows.len(), 2, "what an attempt before has left ends too");
}

async fn an_account_and_its_first_link_are_made_together(engine: &Engine) {
    let accounts = engine.open().await;
    let made = accounts
        .create_linked(first("7", Some("Ann@b")))
        .await
        .unwrap();
    assert_eq!(made.email.as_str(), "Ann@b");
    assert_eq!((made.name.as_deref(), made.active), (Some("Ann"), true));
    assert_eq!(made.roles, ["clerk"]);
    let found = accounts
        .linked(&outside("https://one/", "7"))
        .await
        .unwrap();
    assert_eq!(found, Some(made.clone()));
    let error = accounts.log_in("ann@b", "any").await.unwrap_err();
    assert_eq!(
        error,
        AccountsError::InvalidCredentials,
        "it has no password"
    );
    // What is no address and no name is none.
    for (subject, email) in [("8", None), ("9", Some("no address")), ("10", Some("ü@ü"))] {
        let first = FirstSight {
            name: Some("a\nb".to_owned()),
            ..first(subject, email)
        };
        let made = accounts.create_linked(first).await.unwrap();
        assert_eq!(made.email.as_str(), format!("{}@one.invalid", made.id));
        assert_eq!(made.name, None);
    }
}

async fn an_address_that_somebody_has_makes_no_account_and_no_link(engine: &Engine) {
    let accounts = engine.open().await;
    accounts.sign_up("ann@b", "correct horse").await;
    let made = accounts.create_linked(first("7", Some("ANN@b"))).await;
    assert_eq!(made.unwrap_err(), AccountsError::AccountExists);
    let subject = outside("https://one/", "7");
    assert_eq!(accounts.linked(&subject).await.unwrap(), None);
    accounts.create_linked(first("7", None)).await.unwrap();
    let again = accounts.create_linked(first("7", Some("other@b"))).await;
    assert_eq!(again.unwrap_err(), AccountsError::LinkExists);
    let other = accounts.find("other@b").await.unwrap();
    assert_eq!(other, None, "both or neither");
}

async fn of_many_who_come_at_first_sight_one_makes_the_account(engine: &Engine) {
    let accounts = engine.open().await;
    let coming = (0..8).map(|_| accounts.create_linked(first("7", None)));
    let made = futures_util::future::join_all(coming).await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
    for error in made.into_iter().filter_map(Result::err) {
        assert_eq!(error, AccountsError::LinkExists);
    }
    let page = accounts.list(None, 10, None).await.unwrap();
    assert_eq!(page.accounts.len(), 1);
}
