//! Sessions that an operator ends.

use super::*;

#[tokio::test]
async fn a_dry_run_names_what_ends_and_ends_nothing() {
    let deployed = Deployed::new().await;
    let ada = deployed.add("ada@example.com").await;
    let mut expected = Vec::new();
    for _ in 0..3 {
        let handle = deployed.fixture.log_in(&ada.id).await.handle;
        expected.push(handle.as_str().to_owned());
    }
    deployed.fixture.log_in("other").await;
    let user = || Which::User("ada@example.com".to_owned());
    let one = || Which::Handle(expected[0].clone());
    let sorted = |(count, handles): (u64, Option<Vec<String>>)| {
        let mut handles = handles.unwrap();
        handles.sort();
        (count, handles)
    };
    let mut all = expected.clone();
    all.sort();
    assert_eq!(
        sorted(deployed.revoke(user(), true).await),
        (3, all.clone())
    );
    assert_eq!(
        sorted(deployed.revoke(one(), true).await),
        (1, vec![expected[0].clone()])
    );
    assert_eq!(deployed.revoke(Which::All, true).await, (4, None));
    assert_eq!(deployed.live().await, 4, "dry runs");

    assert_eq!(
        sorted(deployed.revoke(one(), false).await),
        (1, vec![expected[0].clone()])
    );
    all.retain(|handle| *handle != expected[0]);
    assert_eq!(sorted(deployed.revoke(user(), false).await), (2, all));
    assert_eq!(deployed.live().await, 1);
    assert_eq!(deployed.revoke(Which::All, false).await, (1, None));
    for gone in [one(), user(), Which::User("nobody".to_owned())] {
        assert_eq!(
            deployed.revoke(gone, false).await,
            (0, Some(vec![])),
            "gone already"
        );
    }
    assert_eq!(deployed.revoke(Which::All, false).await, (0, None));
}

#[tokio::test]
async fn those_that_are_old_enough_end_and_no_others() {
    let deployed = Deployed::new().await;
    let mut handles = Vec::new();
    for _ in 0..4 {
        handles.insert(
            0,
            deployed
                .fixture
                .log_in("a")
                .await
                .handle
                .as_str()
                .to_owned(),
        );
        deployed.fixture.clock.advance(100);
    }
    // They are 100, 200, 300 and 400 seconds old.
    let sorted = |(count, named): (u64, Option<Vec<String>>)| {
        let mut named = named.unwrap();
        named.sort_by_key(|handle| handles.iter().position(|known| known == handle));
        (count, named)
    };
    let older = Which::OlderThan;
    let two = (2, handles[2..].to_vec());
    assert_eq!(sorted(deployed.revoke(older(300), true).await), two);
    assert_eq!(deployed.live().await, 4, "a dry run");
    assert_eq!(deployed.revoke(older(u64::MAX), false).await.0, 0);
    assert_eq!(deployed.revoke(older(401), false).await.0, 0);
    assert_eq!(sorted(deployed.revoke(older(300), false).await), two);
    assert_eq!(sorted(deployed.revoke(older(101), false).await).0, 1);
    let left = deployed.sessions(None, None, 10).await.sessions;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].handle, handles[0]);
}

#[tokio::test]
async fn a_misspelt_e_mail_is_no_success() {
    let deployed = Deployed::new().await;
    let which = Which::User("nobody@example.com".to_owned());
    let request = Request::Sessions(SessionsRequest::Revoke {
        which,
        dry_run: false,
    });
    assert_eq!(
        deployed.refusal(request).await,
        (1, "account_unknown".to_owned())
    );
}

#[tokio::test]
async fn all_sessions_of_a_user_but_one_end() {
    let deployed = Deployed::new().await;
    let ada = deployed.add("ada@example.com").await;
    let mut handles = Vec::new();
    for _ in 0..3 {
        let issued = deployed.fixture.log_in(&ada.id).await;
        handles.push(issued.handle.as_str().to_owned());
    }
    let stranger = deployed.fixture.log_in("other").await.handle;
    let but = |keep: &str| Which::Others {
        user: "ada@example.com".to_owned(),
        keep: keep.to_owned(),
    };
    // The one that stays has to be the user's: a slip must not end them all.
    let wrong = Request::Sessions(SessionsRequest::Revoke {
        which: but(stranger.as_str()),
        dry_run: false,
    });
    let refusal = deployed.refusal(wrong).await;
    assert_eq!(refusal, (1, "session_unknown".to_owned()));
    assert_eq!(deployed.revoke(but(&handles[1]), true).await.0, 2);
    assert_eq!(deployed.live().await, 4, "a dry run");
    let (count, mut ended) = deployed.revoke(but(&handles[1][..10]), false).await;
    assert_eq!(count, 2);
    ended.as_mut().unwrap().sort();
    let mut others = vec![handles[0].clone(), handles[2].clone()];
    others.sort();
    assert_eq!(ended, Some(others));
    let left = deployed.sessions(Some(&ada.id), None, 10).await.sessions;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].handle, handles[1]);
    assert_eq!(deployed.live().await, 2, "the stranger's stays");
}
