use super::*;
use crate::accounts::{Accounts, Email, HashingSettings, NewAccount, Password};
use crate::lacre::testing::Fixture;
use crate::service::{LimitSettings, LogIn, OnBehalf, Rate, Said};
use crate::sessions::grant;
use crate::telemetry::tests::audited;
use rand::SeedableRng as _;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Instant;
use tempfile::TempDir;

const EMAIL: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery";
const WRONG: &str = "wrong horse battery";
const COUNT: u32 = 12;

struct Rig {
    service: Service,
    user: UserId,
    _directory: TempDir,
}

impl Rig {
    async fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let fixture = Fixture::new();
        let hashing = HashingSettings {
            threads: 1,
            ..HashingSettings::default()
        };
        let accounts = Accounts::open(
            &Accounts::sqlite_url(&directory.path().join("accounts.sqlite")),
            hashing,
            fixture.clock.clone(),
            Box::new(rand::rngs::StdRng::seed_from_u64(5)),
        )
        .await
        .unwrap();
        let rate = Some(Rate {
            count: COUNT,
            period: Duration::from_hours(1),
        });
        let limits = Limits::new(&LimitSettings {
            login_per_address: rate,
            login_per_account: rate,
            signup_per_address: None,
        });
        let new = NewAccount {
            password: Some(Password::parse(PASSWORD).unwrap()),
            ..NewAccount::with_email(Email::parse(EMAIL).unwrap())
        };
        let user = accounts.create(new).await.unwrap().id;
        Self {
            service: Service::new(fixture.lacre, accounts, limits),
            user,
            _directory: directory,
        }
    }

    async fn log_in(&self, password: &str, from: &Origin) -> Result<(), ServiceError> {
        let request = LogIn {
            user: EMAIL.to_owned(),
            password: PresentedPassword::parse(password).unwrap(),
            user_session: None,
            origin: grant::Origin::default(),
        };
        self.service.log_in(request, from).await.map(drop)
    }

    async fn on_behalf(&self, secret: &str, from: &Origin) -> Result<(), ServiceError> {
        let request = OnBehalf {
            client_id: "client_0123456789abcdef".to_owned(),
            client_secret: zeroize::Zeroizing::new(secret.to_owned()),
            user_id: self.user.as_str().to_owned(),
            user_session: Some("s".to_owned()),
            said: Said::default(),
            fresh: None,
            claims: serde_json::Map::new(),
            origin: grant::Origin::default(),
        };
        self.service.on_behalf(request, from).await.map(drop)
    }
}

fn from(id: &str) -> Origin {
    assert_eq!(audited(id), [""; 0]);
    Origin {
        request_id: Some(id.to_owned()),
        address: Some([192, 0, 2, 1].into()),
    }
}

/// Polls so often, unless it ends before, and drops it.
async fn give_up_after(polls: u32, work: impl Future) {
    let mut work = Box::pin(work);
    for _ in 0..polls {
        let polled = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx)));
        if polled.await.is_ready() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The one event of a request, which may come later than its caller goes.
async fn event(id: &str) -> String {
    let give_up = Instant::now() + Duration::from_secs(10);
    while audited(id).is_empty() {
        assert!(Instant::now() < give_up, "no event of {id}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mut events = audited(id);
    assert_eq!(events.len(), 1, "{events:?}");
    events.remove(0)
}

#[tokio::test]
async fn a_guess_that_nobody_waits_for_is_counted_and_logged() {
    let rig = Rig::new().await;
    let user = format!("user={}", rig.user.as_str());
    for polls in 1..=COUNT {
        let id = format!("abandoned-{polls}");
        let from = from(&id);
        give_up_after(polls, rig.log_in(WRONG, &from)).await;
        let event = event(&id).await;
        assert!(event.contains("event=login_failed"), "{event}");
        assert!(event.contains(&user), "{event}");
    }
    let from = from("abandoned-none-left");
    let refused = rig.log_in(PASSWORD, &from).await.unwrap_err();
    assert_eq!(refused.code(), "rate_limited");
    let event = event("abandoned-none-left").await;
    assert!(event.contains("code=rate_limited"), "{event}");
}

#[tokio::test]
async fn a_hash_that_nobody_waits_for_is_not_done() {
    let rig = Rig::new().await;
    // The one thread is busy, so the others wait for their turn.
    let (first, last) = (from("busy-first"), from("busy-last"));
    let busy = rig.log_in(PASSWORD, &first);
    let gone = async {
        for n in 0..5 {
            let from = from(&format!("busy-{n}"));
            give_up_after(3, rig.log_in(WRONG, &from)).await;
        }
    };
    let before = rig.service.accounts().hashes();
    let (done, ()) = tokio::join!(busy, gone);
    done.unwrap();
    rig.log_in(PASSWORD, &last).await.unwrap();
    let hashes = rig.service.accounts().hashes() - before;
    assert!((2..=4).contains(&hashes), "{hashes} of 7");
    for n in 0..5 {
        event(&format!("busy-{n}")).await;
    }
}

#[tokio::test]
async fn a_secret_that_nobody_waits_for_is_counted_and_logged() {
    let rig = Rig::new().await;
    for polls in 1..=COUNT {
        let id = format!("secret-{polls}");
        let from = from(&id);
        give_up_after(polls % 3 + 1, rig.on_behalf("wrong", &from)).await;
        let event = event(&id).await;
        assert!(event.contains("event=login_failed"), "{event}");
    }
    let from = from("secret-none-left");
    let refused = rig.on_behalf("wrong", &from).await.unwrap_err();
    assert_eq!(refused.code(), "rate_limited");
}

#[tokio::test]
async fn what_says_nothing_about_the_password_is_not_counted() {
    let rig = Rig::new().await;
    for n in 0..3 * COUNT {
        let from = from(&format!("right-{n}"));
        rig.log_in(PASSWORD, &from).await.unwrap();
    }
    rig.service.accounts().close().await;
    for n in 0..3 * COUNT {
        let id = format!("down-{n}");
        let from = from(&id);
        let down = rig.log_in(WRONG, &from).await.unwrap_err();
        assert_eq!(down.code(), "accounts_unavailable");
        let event = event(&id).await;
        assert!(event.contains("code=accounts_unavailable"), "{event}");
    }
}

#[tokio::test]
async fn whoever_lacks_the_role_is_counted_as_a_wrong_password_is_and_begins_nothing() {
    let rig = Rig::new().await;
    let as_admin = async |password: &str, from: &Origin| {
        let request = LogIn {
            user: EMAIL.to_owned(),
            password: PresentedPassword::parse(password).unwrap(),
            user_session: None,
            origin: grant::Origin::default(),
        };
        let issued = rig.service.log_in_with_role(request, "admin", from).await;
        issued.map(drop).map_err(|error| error.code())
    };
    for number in 0..COUNT {
        let from = from(&format!("no-role-{number}"));
        assert_eq!(as_admin(PASSWORD, &from).await, Err("role_missing"));
        assert!(
            event(from.request_id.as_ref().unwrap())
                .await
                .contains("code=role_missing")
        );
    }
    let sessions = rig.service.lacre().sessions_of(rig.user.as_str()).await;
    assert_eq!(sessions.unwrap().len(), 0);
    // The right password no more than a wrong one.
    let limited = Err("rate_limited");
    assert_eq!(as_admin(PASSWORD, &from("no-role-more")).await, limited);
    assert_eq!(
        as_admin("wrong horse battery", &from("no-role-wrong")).await,
        limited
    );
}
