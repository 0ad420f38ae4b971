use super::*;
use crate::accounts::{
    Change, ClientTerms, Email, HashingSettings, NewAccount, Password, PresentedPassword, UserId,
};
use crate::entropy;
use crate::lacre::testing::{Fixture, at_once};
use crate::sessions::grant::{Issued, Origin};
use crate::telemetry::audit;
use crate::telemetry::tests::audited;
use crate::token::TokenKind;
use rand::SeedableRng as _;
use std::future::poll_fn;
use std::task::Poll;
use std::time::{Duration, Instant};

const PASSWORD: &str = "correct horse battery";

struct Rig {
    service: Service,
    user: UserId,
    _directory: tempfile::TempDir,
}

impl Rig {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let fixture = Fixture::new();
        let accounts = Accounts::open(
            &Accounts::sqlite_url(&directory.path().join("accounts.sqlite")),
            HashingSettings::default(),
            fixture.clock.clone(),
            Box::new(rand::rngs::StdRng::from_rng(&mut (entropy::system())())),
        )
        .await
        .unwrap();
        let service = Service::new(fixture.lacre, accounts, Limits::off());
        let account = service
            .create_user(
                &Caller::operator(),
                NewAccount {
                    password: Some(Password::parse(PASSWORD).unwrap()),
                    ..NewAccount::with_email(Email::parse("ada@example.com").unwrap())
                },
            )
            .await
            .unwrap();
        Self {
            service,
            user: account.id,
            _directory: directory,
        }
    }

    async fn log_in(&self) -> Result<Issued, ServiceError> {
        self.service
            .log_in(by_password(), &audit::Origin::default())
            .await
    }

    async fn activate(&self, active: bool) -> Result<Changed, ServiceError> {
        let (caller, change) = (Caller::operator(), to_active(active));
        let changed = self.service.change_user(&caller, &self.user, change, None);
        changed.await
    }

    async fn is_good(&self, issued: &Issued) -> bool {
        self.service
            .lacre()
            .guard(issued.access.token.expose().as_bytes(), TokenKind::Access)
            .await
            .is_ok()
    }
}

fn to_active(active: bool) -> Change {
    Change {
        active: Some(active),
        ..Change::default()
    }
}

fn by_password() -> LogIn {
    LogIn {
        user: "ada@example.com".into(),
        password: PresentedPassword::parse(PASSWORD).unwrap(),
        user_session: None,
        origin: Origin::default(),
    }
}

#[tokio::test]
async fn a_disabled_account_has_no_session_and_gets_none() {
    let rig = Rig::new().await;
    let (one, two) = (rig.log_in().await.unwrap(), rig.log_in().await.unwrap());
    let changed = rig.activate(false).await.unwrap();
    assert_eq!((changed.ended.len(), changed.account.active), (2, false));
    assert!(!rig.is_good(&one).await && !rig.is_good(&two).await);
    assert_eq!(
        rig.log_in().await.unwrap_err().code(),
        "invalid_credentials"
    );
    rig.activate(true).await.unwrap();
    assert!(!rig.is_good(&one).await, "what was ended stays ended");
    assert!(rig.is_good(&rig.log_in().await.unwrap()).await);
}

#[tokio::test]
async fn a_password_set_by_an_administrator_ends_all_sessions() {
    let rig = Rig::new().await;
    let issued = rig.log_in().await.unwrap();
    let new = Password::parse("another horse battery").unwrap();
    assert_eq!(
        rig.service
            .change_user(&Caller::operator(), &rig.user, Change::default(), Some(new))
            .await
            .unwrap()
            .ended
            .len(),
        1
    );
    assert!(!rig.is_good(&issued).await);
    assert_eq!(
        rig.log_in().await.unwrap_err().code(),
        "invalid_credentials"
    );
}

#[tokio::test]
async fn a_deleted_account_takes_its_sessions_along() {
    let rig = Rig::new().await;
    let issued = rig.log_in().await.unwrap();
    assert_eq!(
        rig.service
            .delete_user(&Caller::operator(), &rig.user)
            .await
            .unwrap()
            .unwrap()
            .ended
            .len(),
        1
    );
    assert!(!rig.is_good(&issued).await);
    assert_eq!(
        rig.service
            .delete_user(&Caller::operator(), &rig.user)
            .await
            .unwrap(),
        None,
        "gone already"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_session_survives_a_disabling_that_comes_while_it_begins() {
    let rig = Rig::new().await;
    for _ in 0..5 {
        let logs_in = {
            let service = rig.service.clone();
            tokio::spawn(async move {
                let mut issued = Vec::new();
                for _ in 0..4 {
                    issued.extend(
                        service
                            .log_in(by_password(), &audit::Origin::default())
                            .await,
                    );
                }
                issued
            })
        };
        rig.log_in().await.unwrap();
        rig.activate(false).await.unwrap();
        let issued = logs_in.await.unwrap();
        let good = issued
            .iter()
            .filter(|issued| at_once(rig.is_good(issued)))
            .count();
        assert_eq!(good, 0, "of {}", issued.len());
        rig.activate(true).await.unwrap();
    }
}

#[tokio::test]
async fn a_client_names_the_session_and_the_user() {
    let rig = Rig::new().await;
    let client = rig
        .service
        .create_client(&Caller::operator(), &ClientTerms::named("shop"))
        .await
        .unwrap();
    let ask = |secret: &str, user_id: &str, user_session: &str| {
        let request = OnBehalf {
            client_id: client.id.as_str().to_owned(),
            client_secret: zeroize::Zeroizing::new(secret.to_owned()),
            user_id: user_id.to_owned(),
            user_session: Some(user_session.to_owned()),
            said: Said::default(),
            fresh: None,
            claims: serde_json::Map::new(),
            origin: Origin::default(),
        };
        async {
            rig.service
                .on_behalf(request, &audit::Origin::default())
                .await
        }
    };
    let (secret, user) = (client.secret.expose(), rig.user.as_str());
    let first = ask(secret, user, "a.b.c").await.unwrap();
    let second = ask(secret, user, "a.b.c").await.unwrap();
    assert_eq!(first.handle, second.handle);
    assert!(!rig.is_good(&first).await && rig.is_good(&second).await);

    assert_eq!(
        ask("wrong", user, "s").await.unwrap_err().code(),
        "invalid_client"
    );
    for nobody in ["nobody", "", "client_a", "ada@example.com"] {
        let refused = ask(secret, nobody, "s").await.unwrap_err();
        assert!(matches!(refused, ServiceError::IncorrectUser), "{nobody:?}");
    }
    for bad in ["", "a\nb", &"x".repeat(5000)] {
        assert_eq!(
            ask(secret, user, bad).await.unwrap_err().code(),
            "user_session_invalid"
        );
    }
    rig.activate(false).await.unwrap();
    assert!(matches!(
        ask(secret, user, "s").await.unwrap_err(),
        ServiceError::IncorrectUser
    ));
}

/// A connection that is reset drops the future of its request, wherever that stands.
#[tokio::test]
async fn an_event_is_written_although_its_caller_has_gone() {
    let rig = Rig::new().await;
    for polls in 0..12 {
        let id = format!("gone-{polls}");
        assert_eq!(audited(&id), [""; 0]);
        let issued = rig.log_in().await.unwrap();
        let origin = audit::Origin {
            request_id: Some(id.clone()),
            address: None,
        };
        let caller = Caller::new(audit::Actor::Owner, origin);
        let user = rig.user.as_str();
        let mut revoking = Box::pin(rig.service.revoke_all_of(&caller, user, None));
        for _ in 0..=polls {
            let polled = poll_fn(|cx| Poll::Ready(revoking.as_mut().poll(cx)));
            if polled.await.is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(revoking);
        let give_up = Instant::now() + Duration::from_secs(10);
        while audited(&id).is_empty() {
            assert!(Instant::now() < give_up, "no event after {polls} polls");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let events = audited(&id);
        assert_eq!(events.len(), 1, "{events:?}");
        assert!(events[0].contains("event=session_ended"), "{events:?}");
        assert!(
            events[0].contains("cause=revoked_by_user by=owner"),
            "{events:?}"
        );
        assert!(!rig.is_good(&issued).await);
    }
}
