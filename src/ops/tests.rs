use super::*;
use crate::lacre::testing::{Deployed, grant, on_behalf};
use crate::service::Caller;
use crate::sessions::grant::{Grant, Occasion, Origin};
use crate::token::Handle;
use serde_json::Value;

impl Deployed {
    async fn ask(&self, request: Request) -> Result<Answer, AdminError> {
        // Over the wire and back, as the socket does it.
        let wire = serde_json::to_vec(&request).unwrap();
        let request = serde_json::from_slice(&wire).unwrap();
        let answer = perform(&self.service, &Caller::operator(), request).await;
        let answer = answer.map_err(AdminError::from);
        let wire = serde_json::to_vec(&answer).unwrap();
        serde_json::from_slice(&wire).unwrap()
    }

    async fn refusal(&self, request: Request) -> (u8, String) {
        let error = self.ask(request).await.unwrap_err();
        (error.kind.exit_status(), error.code.into_owned())
    }

    async fn add(&self, email: &str) -> User {
        let new = NewUser {
            email: email.to_owned(),
            password: Some(Secret::new("correct horse battery".to_owned())),
            ..NewUser::default()
        };
        match self
            .ask(Request::Users(UsersRequest::Add(new)))
            .await
            .unwrap()
        {
            Answer::User(user) => user,
            other => panic!("{other:?}"),
        }
    }

    async fn sessions(&self, user: Option<&str>, after: Option<String>, limit: usize) -> Sessions {
        let user = user.map(str::to_owned);
        let limit = Some(limit);
        let request = Request::Keystore(KeystoreRequest::List {
            user,
            last_use: LastUse::default(),
            after,
            limit,
        });
        match self.ask(request).await.unwrap() {
            Answer::Sessions(sessions) => sessions,
            other => panic!("{other:?}"),
        }
    }

    async fn revoke(&self, which: Which, dry_run: bool) -> (u64, Option<Vec<String>>) {
        let request = Request::Sessions(SessionsRequest::Revoke { which, dry_run });
        match self.ask(request).await.unwrap() {
            Answer::Revoked { count, handles, .. } => (count, handles),
            other => panic!("{other:?}"),
        }
    }

    async fn live(&self) -> usize {
        self.sessions(None, None, MAX_PAGE).await.sessions.len()
    }
}

fn show_user(user: String) -> Request {
    Request::Users(UsersRequest::Show { user })
}

fn list_users(after: Option<String>) -> Request {
    let (limit, text) = (None, None);
    Request::Users(UsersRequest::List { after, limit, text })
}

fn change_user(user: String, to: UserChange) -> Request {
    Request::Users(UsersRequest::Change { user, to })
}

fn to_active(active: bool) -> UserChange {
    UserChange {
        active: Some(active),
        ..UserChange::default()
    }
}

#[tokio::test]
async fn a_user_is_found_by_id_and_by_e_mail() {
    let deployed = Deployed::new().await;
    let ada = deployed.add("Ada@example.com").await;
    assert_eq!(
        (ada.roles.as_slice(), ada.active),
        (&["user".to_owned()][..], true)
    );
    for name in [&ada.id, "ada@EXAMPLE.com"] {
        let user = name.to_owned();
        match deployed.ask(show_user(user)).await.unwrap() {
            Answer::User(found) => assert_eq!(found, ada),
            other => panic!("{other:?}"),
        }
    }
    for user in ["nobody", "nobody@example.com", "not a name"] {
        let user = user.to_owned();
        let refusal = deployed.refusal(show_user(user)).await;
        assert_eq!(refusal, (1, "account_unknown".to_owned()));
    }
}

#[tokio::test]
async fn an_account_gets_what_it_was_given_and_nothing_bad() {
    let deployed = Deployed::new().await;
    let new = || NewUser {
        email: "ada@example.com".to_owned(),
        id: Some("-ada".to_owned()),
        name: Some("Ada".to_owned()),
        roles: vec!["admin".to_owned(), "user".to_owned()],
        permissions: vec!["posts:write".to_owned()],
        password: None,
    };
    match deployed
        .ask(Request::Users(UsersRequest::Add(new())))
        .await
        .unwrap()
    {
        Answer::User(user) => {
            assert_eq!((&*user.id, user.name.as_deref()), ("-ada", Some("Ada")));
            assert_eq!(user.roles, ["admin", "user"]);
            assert_eq!(user.permissions, ["posts:write"]);
        }
        other => panic!("{other:?}"),
    }
    let again = deployed
        .refusal(Request::Users(UsersRequest::Add(new())))
        .await;
    assert_eq!(again, (1, "account_exists".to_owned()));
    let weak = NewUser {
        email: "bob@example.com".to_owned(),
        password: Some(Secret::new("password".to_owned())),
        ..NewUser::default()
    };
    let weak = deployed
        .refusal(Request::Users(UsersRequest::Add(weak)))
        .await;
    assert_eq!(weak, (1, "account_invalid".to_owned()));
}

#[tokio::test]
async fn all_accounts_are_listed_page_by_page() {
    let deployed = Deployed::new().await;
    for number in 0..=MAX_PAGE {
        let new = NewUser {
            email: format!("u{number}@example.com"),
            ..NewUser::default()
        };
        deployed
            .ask(Request::Users(UsersRequest::Add(new)))
            .await
            .unwrap();
    }
    let (mut ids, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let Answer::Users { users, next } = deployed.ask(list_users(after)).await.unwrap() else {
            panic!("no users");
        };
        ids.extend(users.into_iter().map(|user| user.id));
        pages += 1;
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((ids.len(), pages), (MAX_PAGE + 1, 2));
    assert!(ids.is_sorted());
}

#[tokio::test]
async fn whoever_is_kept_out_loses_the_sessions() {
    let deployed = Deployed::new().await;
    let ada = deployed.add("ada@example.com").await;
    let user = || ada.email.clone();
    let password = || Secret::new("another correct horse".to_owned());
    let changes: [Request; 3] = [
        change_user(user(), to_active(false)),
        change_user(
            user(),
            UserChange {
                password: Some(password()),
                ..UserChange::default()
            },
        ),
        Request::Users(UsersRequest::Delete { user: user() }),
    ];
    for change in changes {
        deployed.fixture.log_in(&ada.id).await;
        deployed.fixture.log_in(&ada.id).await;
        let name = format!("{change:?}");
        match deployed.ask(change).await.unwrap() {
            Answer::Changed { user, ended } => {
                assert_eq!((user.id, ended), (ada.id.clone(), 2), "{name}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(deployed.live().await, 0, "{name}");
    }
}

#[tokio::test]
async fn enabling_ends_nothing() {
    let deployed = Deployed::new().await;
    let ada = deployed.add("ada@example.com").await;
    deployed.fixture.log_in(&ada.id).await;
    let enable = change_user(ada.email, to_active(true));
    match deployed.ask(enable).await.unwrap() {
        Answer::Changed { user, ended } => assert_eq!((user.active, ended), (true, 0)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_deletion_that_failed_half_way_is_finished_by_repeating_it() {
    let deployed = Deployed::new().await;
    deployed.fixture.log_in("gone").await;
    let user = "gone".to_owned();
    let refusal = deployed
        .refusal(Request::Users(UsersRequest::Delete { user }))
        .await;
    assert_eq!(refusal, (1, "account_unknown".to_owned()));
    assert_eq!(deployed.live().await, 0);
}

#[tokio::test]
async fn a_client_comes_with_a_secret_and_goes() {
    let deployed = Deployed::new().await;
    let name = "billing".to_owned();
    let Answer::NewClient { id, secret } = deployed
        .ask(Request::Clients(ClientsRequest::Add {
            name,
            own_users: true,
            services: vec!["desk".to_owned()],
        }))
        .await
        .unwrap()
    else {
        panic!("no client");
    };
    let accounts = deployed.service.accounts();
    assert!(
        accounts
            .authenticate_client(&id, secret.expose())
            .await
            .is_ok()
    );
    match deployed
        .ask(Request::Clients(ClientsRequest::List))
        .await
        .unwrap()
    {
        Answer::Clients(clients) => {
            assert_eq!((clients.len(), &*clients[0].name), (1, "billing"));
            assert!(clients[0].own_users);
            assert_eq!(clients[0].services, ["desk"]);
        }
        other => panic!("{other:?}"),
    }
    let delete = || Request::Clients(ClientsRequest::Delete { id: id.clone() });
    assert!(matches!(
        deployed.ask(delete()).await,
        Ok(Answer::ClientDeleted)
    ));
    assert_eq!(
        deployed.refusal(delete()).await,
        (1, "client_unknown".to_owned())
    );
    assert!(
        accounts
            .authenticate_client(&id, secret.expose())
            .await
            .is_err()
    );
}

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

#[test]
fn no_request_and_no_answer_shows_a_secret() {
    let secret = || Secret::new("hunter2!hunter2!".to_owned());
    let to = UserChange {
        password: Some(secret()),
        ..UserChange::default()
    };
    let request = change_user("a".to_owned(), to);
    let answer = Answer::NewClient {
        id: "a".to_owned(),
        secret: secret(),
    };
    for shown in [format!("{request:?}"), format!("{answer:?}")] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
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
