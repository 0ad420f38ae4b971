//! What an operator sees of sessions.

use super::*;

#[tokio::test]
async fn the_window_shows_each_session_once_whatever_the_page() {
    let deployed = Deployed::new().await;
    let mut handles = Vec::new();
    for user in ["a", "b", "a", "c", "a"] {
        handles.push(deployed.fixture.log_in(user).await.handle);
    }
    handles.sort();
    for limit in [1, 2, 5, 100] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = deployed.sessions(None, after, limit).await;
            assert!(page.sessions.len() <= limit);
            seen.extend(
                page.sessions
                    .iter()
                    .map(|it| Handle::parse(&it.handle).unwrap()),
            );
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        seen.sort();
        assert_eq!(seen, handles, "limit {limit}");
    }
}

#[tokio::test]
async fn the_newest_come_first_and_a_cursor_outlives_its_session() {
    let deployed = Deployed::new().await;
    let mut expected = Vec::new();
    for _ in 0..7 {
        let handle = deployed.fixture.log_in("a").await.handle;
        expected.insert(0, handle.as_str().to_owned());
        deployed.fixture.clock.advance(1);
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = deployed.sessions(None, after, 3).await;
        seen.extend(page.sessions.into_iter().map(|session| session.handle));
        after = page.next;
        if after.is_none() {
            break;
        }
        let gone = Which::Handle(seen.last().unwrap().clone());
        assert_eq!(deployed.revoke(gone, false).await.0, 1);
    }
    assert_eq!(seen, expected);
    let handle = &expected[0];
    for wrong in ["", "1", "x.abc", "1.abc", &format!("1 .{handle}"), handle] {
        let (user, limit) = (None, None);
        let after = Some(wrong.to_owned());
        let list = Request::Keystore(KeystoreRequest::List {
            user,
            last_use: LastUse::default(),
            after,
            limit,
        });
        let refusal = deployed.refusal(list).await;
        assert_eq!(refusal, (1, "cursor_invalid".to_owned()), "{wrong:?}");
    }
}

#[tokio::test]
async fn a_verification_opens_every_record_and_names_each_that_does_not_open() {
    let deployed = Deployed::with_a_damaged_record("a").await;
    let listed = deployed.sessions(None, None, 10).await.damaged;
    match deployed
        .ask(Request::Keystore(KeystoreRequest::Verify))
        .await
    {
        Ok(Answer::Verified {
            records: 2,
            count: 1,
            damaged,
            digest: None,
        }) => assert_eq!(damaged, listed, "an engine in memory keeps no digest"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_users_window_shows_nobody_else() {
    let deployed = Deployed::new().await;
    let ada = deployed.add("ada@example.com").await;
    for _ in 0..3 {
        deployed.fixture.log_in(&ada.id).await;
    }
    deployed.fixture.log_in("other").await;
    let first = deployed.sessions(Some("ada@example.com"), None, 2).await;
    let rest = deployed.sessions(Some(&ada.id), first.next, 2).await;
    assert_eq!((first.sessions.len(), rest.sessions.len()), (2, 1));
    assert_eq!(rest.next, None);
    assert!(first.sessions.iter().all(|session| session.user == ada.id));
    assert_eq!(
        deployed.sessions(Some("nobody"), None, 2).await,
        Sessions::default()
    );
}

#[tokio::test]
async fn expired_sessions_are_not_shown_and_are_counted() {
    let deployed = Deployed::new().await;
    let handle = deployed.fixture.log_in("a").await.handle;
    deployed.fixture.clock.advance(91 * 24 * 3600);
    assert_eq!(deployed.live().await, 0);
    let handle = handle.as_str().to_owned();
    let refusal = deployed
        .refusal(Request::Keystore(KeystoreRequest::Show { handle }))
        .await;
    assert_eq!(refusal, (1, "session_unknown".to_owned()));
    match deployed
        .ask(Request::Keystore(KeystoreRequest::Stats))
        .await
        .unwrap()
    {
        Answer::Stats { records, .. } => assert_eq!(records, 1),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_session_is_shown_with_what_is_known_and_without_its_key() {
    let deployed = Deployed::new().await;
    let mut grant = on_behalf("a", "eyJhbGciOiJub25lIn0.secret.token");
    grant.origin.user_agent = Some("\u{1b}[2Jcurl".to_owned());
    grant.origin.label = Some("laptop".to_owned());
    grant.origin.address = Some("192.0.2.1".to_owned());
    let issued = deployed.fixture.lacre.issue(&grant).await.unwrap();
    let handle = issued.handle.as_str().to_owned();
    let Answer::Session(session) = deployed
        .ask(Request::Keystore(KeystoreRequest::Show { handle }))
        .await
        .unwrap()
    else {
        panic!("no session");
    };
    assert_eq!(session.client.as_deref(), Some("client_a"));
    assert_eq!(session.label.as_deref(), Some("laptop"));
    assert_eq!(session.generation, 1);
    let Value::Object(members) = serde_json::to_value(&session).unwrap() else {
        panic!("no object");
    };
    let mut names: Vec<&str> = members.keys().map(String::as_str).collect();
    names.sort_unstable();
    // Whoever adds a member here has thought about what it shows; `user_session` may be a token.
    assert_eq!(
        names,
        [
            "address",
            "client",
            "created_at",
            "ends_at",
            "expires_at",
            "generation",
            "handle",
            "label",
            "last_seen_address",
            "last_seen_at",
            "user",
            "user_agent"
        ]
    );
}

#[tokio::test]
async fn what_is_no_handle_is_said_to_be_none() {
    let deployed = Deployed::new().await;
    let show = |handle: &str| {
        Request::Keystore(KeystoreRequest::Show {
            handle: handle.to_owned(),
        })
    };
    assert_eq!(
        deployed.refusal(show("a b")).await,
        (1, "handle_invalid".to_owned())
    );
    let list = Request::Keystore(KeystoreRequest::List {
        user: None,
        last_use: LastUse::default(),
        after: Some("short".to_owned()),
        limit: Some(1),
    });
    assert_eq!(
        deployed.refusal(list).await,
        (1, "cursor_invalid".to_owned())
    );
}

#[tokio::test]
async fn a_damaged_record_is_named_and_can_be_ended() {
    let deployed = Deployed::with_a_damaged_record("a").await;
    let page = deployed.sessions(None, None, 10).await;
    assert_eq!((page.sessions.len(), page.damaged.len()), (1, 1));
    let of_user = deployed.sessions(Some("a"), None, 10).await;
    assert_eq!(of_user.damaged, page.damaged);
    let handle = page.damaged[0].handle.clone();
    let show = Request::Keystore(KeystoreRequest::Show {
        handle: handle.clone(),
    });
    assert_eq!(deployed.refusal(show).await.0, 1);
    let one = Which::Handle(handle.clone());
    assert_eq!(deployed.revoke(one.clone(), true).await.0, 1);
    assert_eq!(deployed.revoke(one, false).await, (1, Some(vec![handle])));
    assert_eq!(deployed.sessions(None, None, 10).await.damaged, []);
}

#[tokio::test]
async fn sessions_are_found_by_their_last_use() {
    let deployed = Deployed::new().await;
    let lacre = &deployed.fixture.lacre;
    for address in ["203.0.113.7", "203.0.113.9", "2001:db8::7"] {
        let origin = Origin {
            address: Some(address.to_owned()),
            ..Origin::default()
        };
        let grant = Grant {
            origin,
            ..grant("a", Occasion::LogIn)
        };
        lacre.issue(&grant).await.unwrap();
        deployed.fixture.clock.advance(100);
    }
    // They were used 300, 200 and 100 seconds ago.
    let found = async |address: Option<&str>, within, idle| {
        let last_use = LastUse {
            address: address.map(str::to_owned),
            within,
            idle,
        };
        let (user, after, limit) = (None, None, None);
        let list = Request::Keystore(KeystoreRequest::List {
            user,
            last_use,
            after,
            limit,
        });
        match deployed.ask(list).await {
            Ok(Answer::Sessions(page)) => {
                let addresses = page.sessions.into_iter().filter_map(|one| one.address);
                Ok(addresses.collect::<Vec<_>>().join(" "))
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.code),
        }
    };
    let all = "2001:db8::7 203.0.113.9 203.0.113.7";
    assert_eq!(found(None, None, None).await.unwrap(), all);
    for (address, expected) in [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.0/24", "203.0.113.9 203.0.113.7"),
        ("2001:db8::/32", "2001:db8::7"),
        ("198.51.100.1", ""),
    ] {
        assert_eq!(found(Some(address), None, None).await.unwrap(), expected);
    }
    for (within, idle, expected) in [
        (Some(100), None, "2001:db8::7"),
        (None, Some(200), "203.0.113.9 203.0.113.7"),
        (Some(200), Some(200), "203.0.113.9"),
        (None, Some(u64::MAX), ""),
        (Some(u64::MAX), None, all),
    ] {
        assert_eq!(found(None, within, idle).await.unwrap(), expected);
    }
    let wrong = found(Some("203.0.113.1/24"), None, None).await;
    assert_eq!(wrong.unwrap_err(), "address_invalid");
}
