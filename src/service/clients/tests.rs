use crate::accounts::{ClientTerms, NewClient};
use crate::accounts::{Email, NewAccount, UserId};
use crate::lacre::testing::Deployed;
use crate::service::{Caller, OnBehalf, Said, Service, ServiceError};
use crate::sessions::grant::{Issued, Origin};
use crate::sessions::list::Picked;
use crate::telemetry::audit;
use crate::token::TokenKind;
use serde_json::Map;

/// A back end, and how its requests are made.
struct BackEnd {
    service: Service,
    client: NewClient,
    user: UserId,
}

impl BackEnd {
    async fn of(deployed: &Deployed, name: &str) -> Self {
        let service = deployed.service.clone();
        let caller = Caller::operator();
        let email = Email::parse(&format!("{name}@example.com")).unwrap();
        let user = service.create_user(&caller, NewAccount::with_email(email));
        let user = user.await.unwrap().id;
        let client = service
            .create_client(&caller, &ClientTerms::named(name))
            .await
            .unwrap();
        Self {
            service,
            client,
            user,
        }
    }

    async fn ask(&self, user_session: &str) -> Result<Issued, ServiceError> {
        let request = OnBehalf {
            client_id: self.client.id.as_str().to_owned(),
            client_secret: self.client.secret.expose().to_owned().into(),
            user_id: self.user.as_str().to_owned(),
            user_session: Some(user_session.to_owned()),
            said: Said::default(),
            fresh: None,
            claims: Map::new(),
            origin: Origin::default(),
        };
        self.service
            .on_behalf(request, &audit::Origin::default())
            .await
    }

    async fn is_good(&self, issued: &Issued) -> bool {
        let token = issued.access.token.expose().as_bytes();
        let verified = self.service.lacre().guard(token, TokenKind::Access);
        verified.await.is_ok()
    }
}

#[tokio::test]
async fn a_deleted_client_takes_the_sessions_along_that_it_asked_for_and_no_other() {
    let deployed = Deployed::new().await;
    let (shop, desk) = (
        BackEnd::of(&deployed, "shop").await,
        BackEnd::of(&deployed, "desk").await,
    );
    let mut of_shop = Vec::new();
    for number in 0..300 {
        // More than one page of records.
        of_shop.push(shop.ask(&format!("s{number}")).await.unwrap());
        if number % 100 == 0 {
            deployed.fixture.log_in(&format!("u{number}")).await;
        }
    }
    let of_desk = desk.ask("s").await.unwrap();
    let caller = Caller::operator();
    assert!(
        shop.service
            .delete_client(&caller, &shop.client.id)
            .await
            .unwrap()
    );
    for issued in of_shop.iter().rev().take(100) {
        assert!(!shop.is_good(issued).await);
    }
    assert!(desk.is_good(&of_desk).await);
    assert_eq!(
        shop.service
            .lacre()
            .keystore()
            .stats()
            .await
            .unwrap()
            .records,
        4
    );
    assert!(matches!(
        shop.ask("s").await,
        Err(ServiceError::InvalidClient)
    ));
    assert!(
        !shop
            .service
            .delete_client(&caller, &shop.client.id)
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_revoked_client_may_ask_again() {
    let caller = Caller::operator();
    let deployed = Deployed::new().await;
    let shop = BackEnd::of(&deployed, "shop").await;
    let issued = [shop.ask("a").await.unwrap(), shop.ask("b").await.unwrap()];
    let mut would_end = shop
        .service
        .lacre()
        .all_of_client(shop.client.id.as_str())
        .await
        .unwrap();
    assert!(shop.is_good(&issued[0]).await, "nothing has ended yet");
    let ended = shop
        .service
        .revoke_picked(&caller, Picked::AskedBy(shop.client.id.as_str().to_owned()));
    let ended = ended.await.unwrap();
    let mut ended = ended.handles().unwrap().to_vec();
    would_end.sort();
    ended.sort();
    assert_eq!((ended.len(), &would_end), (2, &ended));
    assert!(!shop.is_good(&issued[0]).await && !shop.is_good(&issued[1]).await);
    assert!(shop.is_good(&shop.ask("a").await.unwrap()).await);
}

#[tokio::test]
async fn a_deletion_that_was_cut_off_is_finished_at_the_next_start() {
    let deployed = Deployed::new().await;
    let shop = BackEnd::of(&deployed, "shop").await;
    let issued = shop.ask("a").await.unwrap();
    // As far as a process gets that dies between the two stores.
    let keystore = shop.service.lacre().deployment_name();
    let accounts = shop.service.accounts();
    assert!(
        accounts
            .delete_client(&shop.client.id, keystore)
            .await
            .unwrap()
            .0
    );
    assert!(shop.is_good(&issued).await);
    assert_eq!(shop.service.deliver_all().await.unwrap(), 1);
    assert!(!shop.is_good(&issued).await);
    assert_eq!(shop.service.deliver_all().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_session_survives_the_deletion_of_a_client_that_asks_meanwhile() {
    let caller = Caller::operator();
    let deployed = Deployed::new().await;
    for round in 0..10 {
        let shop = std::sync::Arc::new(BackEnd::of(&deployed, &format!("shop{round}")).await);
        let asking: Vec<_> = (0..8)
            .map(|number| {
                let shop = shop.clone();
                tokio::spawn(async move {
                    let mut issued = Vec::new();
                    for again in 0..4 {
                        issued.extend(shop.ask(&format!("{number}-{again}")).await);
                    }
                    issued
                })
            })
            .collect();
        tokio::task::yield_now().await;
        let deleted = shop.service.delete_client(&caller, &shop.client.id);
        assert!(deleted.await.unwrap());
        for asked in asking {
            for issued in asked.await.unwrap() {
                assert!(!shop.is_good(&issued).await);
            }
        }
    }
}
