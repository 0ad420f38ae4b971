//! Why a token is refused.

use super::*;

impl Deployed {
    async fn explain(&self, about: About, claims: bool) -> Explained {
        let request = Request::Explain(ExplainRequest { about, claims });
        match self.ask(request).await.unwrap() {
            Answer::Explained(explained) => *explained,
            other => panic!("{other:?}"),
        }
    }

    /// The code and all reasons.
    async fn why(&self, token: &str) -> (String, String) {
        let about = About::Token(Secret::new(token.to_owned()));
        let explained = self.explain(about, false).await;
        assert!(
            !explained.accepted && explained.claims.is_none(),
            "{explained:?}"
        );
        (explained.code.unwrap(), explained.reasons.join("; "))
    }
}

#[tokio::test]
async fn a_token_is_explained_by_the_check_that_refuses_it() {
    let deployed = Deployed::new().await;
    let (fixture, clock) = (&deployed.fixture, &deployed.fixture.clock);
    let issued = fixture.log_in("u1").await;
    let access = issued.access.token.expose().to_owned();
    let refresh = issued.refresh.as_ref().unwrap().token.expose().to_owned();
    let about = |token: &str| About::Token(Secret::new(token.to_owned()));
    for (token, kind) in [(&access, "at+jwt"), (&refresh, "rt+jwt")] {
        let good = deployed.explain(about(token), false).await;
        assert!(good.accepted && good.claims.is_none(), "{good:?}");
        assert_eq!((good.code, good.kind.as_deref()), (None, Some(kind)));
        assert_eq!(good.user.as_deref(), Some("u1"));
        assert_eq!(good.handle.as_deref(), Some(issued.handle.as_str()));
    }
    let shown = deployed.explain(about(&access), true).await.claims.unwrap();
    assert_eq!(shown["sub"], "u1");

    clock.advance(900);
    let (code, why) = deployed.why(&access).await;
    assert_eq!(code, "token_expired");
    assert!(
        why.contains("it expired at 2027-01-15T08:15:00Z (0 s ago)"),
        "{why}"
    );

    let mut newest = None;
    for _ in 0..2 {
        let token = newest.as_ref().map_or(
            refresh.clone(),
            |issued: &crate::sessions::grant::Issued| {
                issued.refresh.as_ref().unwrap().token.expose().to_owned()
            },
        );
        let subject = async |_: &str| {
            Ok::<_, ()>(Some(
                crate::lacre::testing::grant("u1", crate::sessions::grant::Occasion::LogIn).subject,
            ))
        };
        newest = Some(
            fixture
                .lacre
                .refresh(token.as_bytes(), subject)
                .await
                .unwrap(),
        );
    }
    let newest = newest.unwrap();
    let (code, why) = deployed.why(&refresh).await;
    assert_eq!(code, "token_generation");
    assert!(
        why.contains("of generation 1, and the session is at 3"),
        "{why}"
    );

    fixture.lacre.revoke_access_of("u1").await.unwrap();
    let (code, why) = deployed.why(newest.access.token.expose()).await;
    assert_eq!(code, "token_generation");
    assert!(why.contains("rights of its user were changed"), "{why}");

    let (code, why) = deployed.why(&refresh[..100]).await;
    assert_eq!(code, "token_malformed");
    assert!(why.contains("segments between its dots"), "{why}");
    let (code, why) = deployed.why(&"x".repeat(8193)).await;
    assert_eq!(code, "token_too_long");
    assert!(
        why.contains("8193 characters, and `limits.token` is 8192"),
        "{why}"
    );

    fixture.lacre.revoke(&issued.key).await.unwrap();
    let (code, why) = deployed.why(newest.access.token.expose()).await;
    assert_eq!(code, "session_unknown");
    assert!(
        why.contains("no session has this handle: it never began here"),
        "{why}"
    );
}

#[tokio::test]
async fn an_end_stays_explained_with_who_and_why_until_it_is_forgotten() {
    let deployed = Deployed::new().await;
    let ada = deployed.add("ada@example.com").await;
    let (fixture, clock) = (&deployed.fixture, &deployed.fixture.clock);
    let (one, two) = (fixture.log_in(&ada.id).await, fixture.log_in(&ada.id).await);
    let stolen = fixture.log_in(&ada.id).await;
    let expired = fixture.log_in("other").await;
    let handle = one.handle.as_str().to_owned();
    deployed.revoke(Which::Handle(handle.clone()), false).await;
    let spent = stolen.refresh.as_ref().unwrap().token.expose().to_owned();
    for advance in [0, 60, 60] {
        clock.advance(advance);
        let subject = async |_: &str| {
            let grant = crate::lacre::testing::grant("a", crate::sessions::grant::Occasion::LogIn);
            Ok::<_, ()>(Some(grant.subject))
        };
        let _ = fixture.lacre.refresh(spent.as_bytes(), subject).await;
    }
    let to = to_active(false);
    deployed.ask(change_user(ada.id.clone(), to)).await.unwrap();
    clock.advance(31 * 86_400);
    assert_eq!(deployed.service.sweep().await.unwrap(), 1);
    let end = async |issued: &crate::sessions::grant::Issued| {
        let name = issued.handle.as_str().to_owned();
        let explained = deployed.explain(About::Name(name), false).await;
        assert!(!explained.accepted && explained.session.is_none());
        let end = explained.end.unwrap();
        (end.cause, end.by, explained.user.unwrap())
    };
    let of = |cause: &str, by: &str, user: &str| (cause.to_owned(), by.to_owned(), user.to_owned());
    // The oldest ends are 31 days old and were forgotten by that sweep.
    let about = About::Name(handle.clone());
    let gone = Request::Explain(ExplainRequest {
        about,
        claims: false,
    });
    assert_eq!(
        deployed.refusal(gone).await,
        (1, "session_unknown".to_owned())
    );
    assert_eq!(end(&expired).await, of("expired", "lacre", "other"));

    let deployed = Deployed::new().await;
    let ada = deployed.add("ada@example.com").await;
    let fixture = &deployed.fixture;
    let (one, _) = (fixture.log_in(&ada.id).await, two);
    let two = fixture.log_in(&ada.id).await;
    let handle = one.handle.as_str().to_owned();
    deployed.revoke(Which::Handle(handle.clone()), false).await;
    deployed
        .ask(change_user(ada.id.clone(), to_active(false)))
        .await
        .unwrap();
    let explained = deployed
        .explain(About::Name(handle[..8].to_owned()), false)
        .await;
    assert_eq!(
        explained.handle.as_deref(),
        Some(&*handle),
        "by its beginning"
    );
    let end = explained.end.unwrap();
    assert_eq!((&*end.cause, &*end.by), ("revoked_by_admin", "operator"));
    assert_eq!(end.at, crate::lacre::testing::NOW);
    assert_eq!(explained.user.as_deref(), Some(&*ada.id));
    let (code, why) = deployed.why(two.access.token.expose()).await;
    assert_eq!(code, "session_unknown");
    assert!(
        why.contains("(0 s ago), by operator (account_closed)"),
        "{why}"
    );
    // Whoever ends one by its beginning again is told that it is done.
    let again = Which::Handle(handle[..8].to_owned());
    assert_eq!(deployed.revoke(again, false).await, (0, Some(vec![])));
}

#[tokio::test]
async fn who_is_pushed_out_and_who_is_robbed_can_be_told() {
    let rules = crate::sessions::rules::Rules {
        max_per_user: 1,
        ..crate::sessions::rules::Rules::new("https://issuer.test", "api")
    };
    let fixture = crate::lacre::testing::Fixture::with_rules(rules.clone());
    let first = fixture.log_in("a").await;
    let second = fixture.log_in("a").await;
    let cause = async |fixture: &crate::lacre::testing::Fixture,
                       issued: &crate::sessions::grant::Issued| {
        let ended = fixture.lacre.ended(&issued.key).await.unwrap();
        ended.map(|ended| (ended.cause, ended.by, ended.user))
    };
    let of = |cause: &str, by: &str| Some((cause.to_owned(), by.to_owned(), Some("a".to_owned())));
    assert_eq!(cause(&fixture, &first).await, of("pushed_out", "owner"));
    assert_eq!(cause(&fixture, &second).await, None, "it lives");
    let spent = second.refresh.as_ref().unwrap().token.expose().to_owned();
    for _ in 0..2 {
        let subject = async |_: &str| {
            let grant = crate::lacre::testing::grant("a", crate::sessions::grant::Occasion::LogIn);
            Ok::<_, ()>(Some(grant.subject))
        };
        let _ = fixture.lacre.refresh(spent.as_bytes(), subject).await;
        fixture.clock.advance(60);
    }
    assert_eq!(
        cause(&fixture, &second).await,
        of("refresh_reused", "lacre")
    );
    let rules = crate::sessions::rules::Rules {
        explain_for: 0,
        ..rules
    };
    let fixture = crate::lacre::testing::Fixture::with_rules(rules);
    let first = fixture.log_in("a").await;
    fixture.log_in("a").await;
    assert_eq!(cause(&fixture, &first).await, None, "nothing is kept");
}

#[tokio::test]
async fn whose_a_session_was_is_known_also_where_all_ended_and_where_another_took_its_place() {
    use crate::lacre::testing::on_behalf;
    let deployed = Deployed::new().await;
    let lacre = &deployed.fixture.lacre;
    let ada = deployed.fixture.log_in("ada").await;
    let named = lacre.issue(&on_behalf("bob", "tab")).await.unwrap();
    lacre.issue(&on_behalf("bob", "tab")).await.unwrap();
    let ended = lacre.ended(&named.key).await.unwrap().unwrap();
    assert_eq!((&*ended.cause, &*ended.by), ("replaced", "client"));
    assert_eq!(deployed.revoke(Which::All, false).await, (2, None));
    for (issued, user) in [(&ada, "ada"), (&named, "bob")] {
        let ended = lacre.ended(&issued.key).await.unwrap().unwrap();
        assert_eq!(ended.cause, "revoked_by_admin");
        assert_eq!(ended.user.as_deref(), Some(user));
    }
}

#[tokio::test]
async fn an_altered_token_and_an_expired_session_are_told_apart() {
    let deployed = Deployed::new().await;
    let issued = deployed.fixture.log_in("u1").await;
    let mut text = issued.access.token.expose().to_owned();
    // The last character of a tag of 32 bytes has unused bits: the one before it is whole.
    let at = text.len() - 2;
    let other = if &text[at..=at] == "A" { "B" } else { "A" };
    text.replace_range(at..=at, other);
    let (code, why) = deployed.why(&text).await;
    assert_eq!(code, "token_not_authentic");
    assert!(why.contains("it was altered"), "{why}");
    deployed.fixture.clock.advance(31 * 86_400);
    let (code, why) = deployed.why(issued.access.token.expose()).await;
    assert_eq!(code, "session_unknown");
    assert!(
        why.contains("the session expired") && why.contains("session.refresh_ttl"),
        "{why}"
    );
}

#[tokio::test]
async fn explaining_is_no_use_of_a_session() {
    let deployed = Deployed::new().await;
    let issued = deployed.fixture.log_in("u1").await;
    deployed.fixture.clock.advance(120);
    let keeper = tokio::spawn(deployed.fixture.lacre.keep_last_seen());
    let token = issued.access.token.expose().to_owned();
    let explained = deployed
        .explain(About::Token(Secret::new(token)), false)
        .await;
    assert!(explained.accepted);
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let session = deployed
        .fixture
        .lacre
        .session(&issued.handle)
        .await
        .unwrap();
    assert_eq!(session.unwrap().last_seen_at, crate::lacre::testing::NOW);
    keeper.abort();
}

#[tokio::test]
async fn a_damaged_record_is_explained_as_one() {
    let deployed = Deployed::with_a_damaged_record("a").await;
    let handle = deployed.sessions(None, None, 10).await.damaged[0]
        .handle
        .clone();
    let explained = deployed.explain(About::Name(handle), false).await;
    assert_eq!(explained.code.as_deref(), Some("record_unknown_key"));
    assert!(explained.reasons[0].contains("503"), "{explained:?}");
}
