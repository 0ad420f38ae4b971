//! Accounts and clients.

use super::*;

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
