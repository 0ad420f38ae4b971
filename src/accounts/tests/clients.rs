use super::*;

on_every_engine!(
    a_client_is_known_by_its_secret_alone,
    clients_are_listed_and_taken_away,
    a_client_needs_a_name,
    a_client_is_no_account,
);

async fn a_client_is_known_by_its_secret_alone(engine: &Engine) {
    let accounts = engine.open().await;
    let shop = accounts
        .create_client(&ClientTerms::named("shop"))
        .await
        .unwrap();
    let desk = accounts
        .create_client(&ClientTerms::named("desk"))
        .await
        .unwrap();
    let (id, secret) = (shop.id.as_str(), shop.secret.expose());
    let known = accounts.authenticate_client(id, secret).await.unwrap();
    assert_eq!((&known.id, known.name.as_str()), (&shop.id, "shop"));

    let unknown = "client_0123456789abcdef";
    for (id, secret) in [
        (id, desk.secret.expose()),
        (desk.id.as_str(), secret),
        (id, ""),
        (id, &secret[1..]),
        (id, &format!("{secret} ")),
        (unknown, secret),
        ("", secret),
        ("shop", secret),
        ("client_\0", secret),
    ] {
        let refused = accounts.authenticate_client(id, secret).await;
        assert_eq!(refused, Err(AccountsError::InvalidCredentials), "{id:?}");
    }
    assert_eq!(accounts.hashes(), 0, "no back end waits behind log-ins");
}

async fn clients_are_listed_and_taken_away(engine: &Engine) {
    let accounts = engine.open().await;
    let shop = accounts
        .create_client(&ClientTerms::named("shop"))
        .await
        .unwrap();
    engine.clock.advance(1);
    let desk = accounts
        .create_client(&ClientTerms::named("desk"))
        .await
        .unwrap();
    let listed = accounts.list_clients().await.unwrap();
    let names: Vec<_> = listed
        .iter()
        .map(|c| (c.name.as_str(), c.created_at))
        .collect();
    assert_eq!(names, [("shop", 1_000), ("desk", 1_001)]);

    for there in [true, false] {
        let deleted = accounts.delete_client(&shop.id, "here".to_owned()).await;
        let (deleted, row) = deleted.unwrap();
        let target = Target::Client(shop.id.clone());
        assert_eq!((deleted, &row.target), (there, &target));
        assert_eq!(
            accounts.outbox("here", u64::MAX).await.unwrap(),
            std::slice::from_ref(&row)
        );
        accounts.delivered(&row).await.unwrap();
    }
    let gone = accounts.authenticate_client(shop.id.as_str(), shop.secret.expose());
    assert_eq!(gone.await, Err(AccountsError::InvalidCredentials));
    let stays = accounts.authenticate_client(desk.id.as_str(), desk.secret.expose());
    assert!(stays.await.is_ok());
}

async fn a_client_needs_a_name(engine: &Engine) {
    let accounts = engine.open().await;
    for bad in ["", "a\0", "a\n", &"x".repeat(201)] {
        let error = accounts
            .create_client(&ClientTerms::named(bad))
            .await
            .err()
            .unwrap();
        assert_eq!(error.field(), Some("name"), "{bad:?}");
    }
    assert!(accounts.list_clients().await.unwrap().is_empty());
}

async fn a_client_is_no_account(engine: &Engine) {
    let accounts = engine.open().await;
    let shop = accounts
        .create_client(&ClientTerms::named("shop"))
        .await
        .unwrap();
    let (id, secret) = (shop.id.as_str(), shop.secret.expose());
    assert_eq!(accounts.find(id).await.unwrap(), None);
    assert_eq!(
        accounts.log_in(id, secret).await,
        Err(AccountsError::InvalidCredentials)
    );
    let ann = accounts.sign_up("ann@b", "correct horse").await;
    let posing = accounts.authenticate_client(ann.id.as_str(), "correct horse");
    assert_eq!(posing.await, Err(AccountsError::InvalidCredentials));
}
