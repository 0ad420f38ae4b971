use super::*;
use crate::accounts::{Change, Email, Kept, NewAccount, Password, PresentedPassword};
use crate::clock::Clock as _;
use crate::lacre::Lacre;
use crate::lacre::testing::{Deployed, at_once};
use crate::service::{Changed, Limits, LogIn};
use crate::sessions::grant::{Issued, Origin};
use crate::sessions::guard::LiveSession;
use crate::sessions::rules::Rules;
use crate::telemetry::audit;
use crate::token::TokenKind;
use std::future::poll_fn;
use std::task::Poll;
use std::time::{Duration, Instant};

/// A service whose process can die: the stores outlive it.
struct Rig {
    deployed: Deployed,
    user: UserId,
}

impl Rig {
    async fn new() -> Self {
        let deployed = Deployed::new().await;
        let email = Email::parse("ada@example.com").unwrap();
        let new = NewAccount::with_email(email);
        let user = deployed
            .service
            .create_user(&Caller::operator(), new)
            .await
            .unwrap()
            .id;
        Self { deployed, user }
    }

    fn service(&self) -> &Service {
        &self.deployed.service
    }

    async fn begin(&self) -> Issued {
        self.deployed.fixture.log_in(self.user.as_str()).await
    }

    /// Changes the account and dies before any session ends.
    async fn dies_after(&self, change: Change, reach: Reach) -> OutboxRow {
        let ends = self.service().ends(reach);
        let accounts = self.service().accounts();
        let change = accounts.change(&self.user, change, None, Some(ends));
        change.await.unwrap().1.unwrap()
    }

    async fn change(&self, change: Change) -> Result<Changed, ServiceError> {
        let caller = Caller::operator();
        let changed = self
            .service()
            .change_user(&caller, &self.user, change, None);
        changed.await
    }

    async fn set_password(&self, new: Password) -> Result<Changed, ServiceError> {
        let (caller, change) = (Caller::operator(), Change::default());
        let service = self.service();
        let changed = service.change_user(&caller, &self.user, change, Some(new));
        changed.await
    }

    fn good(&self, issued: &[&Issued]) -> Vec<bool> {
        let token = |issued: &Issued| issued.access.token.expose().as_bytes().to_vec();
        let guard = |issued: &&Issued| {
            let lacre = &self.deployed.fixture.lacre;
            at_once(lacre.guard(&token(issued), TokenKind::Access))
        };
        issued.iter().map(|one| guard(one).is_ok()).collect()
    }
}

fn open() -> Change {
    Change {
        active: Some(true),
        ..Change::default()
    }
}

fn closed() -> Change {
    Change {
        active: Some(false),
        ..Change::default()
    }
}

#[tokio::test]
async fn the_next_start_ends_what_the_last_process_left() {
    let rig = Rig::new().await;
    let (one, two) = (rig.begin().await, rig.begin().await);
    let stranger = rig.deployed.fixture.log_in("somebody-else").await;
    rig.dies_after(closed(), Reach::All).await;
    assert_eq!(rig.good(&[&one, &two, &stranger]), [true, true, true]);
    assert_eq!(rig.service().deliver_all().await.unwrap(), 1);
    assert_eq!(rig.good(&[&one, &two, &stranger]), [false, false, true]);
    assert_eq!(rig.service().deliver_all().await.unwrap(), 0);
}

#[tokio::test]
async fn each_reach_ends_its_own_and_no_more() {
    let rig = Rig::new().await;
    let (one, two) = (rig.begin().await, rig.begin().await);
    let since = rig.deployed.fixture.clock.now();
    let but = |handle: &str, since| {
        let handle = handle.to_owned();
        Reach::AllBut(Kept { handle, since })
    };
    rig.dies_after(closed(), but(one.handle.as_str(), since))
        .await;
    rig.service().deliver_all().await.unwrap();
    assert_eq!(rig.good(&[&one, &two]), [true, false]);

    rig.dies_after(closed(), Reach::Access).await;
    rig.service().deliver_all().await.unwrap();
    assert_eq!(rig.good(&[&one]), [false]);
    let sessions = rig
        .deployed
        .fixture
        .lacre
        .sessions_of(rig.user.as_str())
        .await
        .unwrap();
    assert_eq!(sessions.len(), 1, "the session stays for its next refresh");

    // A handle that names nothing, or another session than it did, spares nothing.
    for named in [false, true] {
        let three = rig.begin().await;
        let handle = if named { three.handle.as_str() } else { "?" };
        rig.dies_after(closed(), but(handle, since - 1)).await;
        rig.service().deliver_all().await.unwrap();
        assert_eq!(rig.good(&[&three]), [false]);
    }
}

#[tokio::test]
async fn a_change_that_is_under_way_is_left_to_the_one_who_makes_it() {
    let rig = Rig::new().await;
    let one = rig.begin().await;
    rig.dies_after(closed(), Reach::All).await;
    assert_eq!(rig.service().deliver_rest().await.unwrap(), 0);
    rig.deployed.fixture.clock.advance(UNDER_WAY);
    assert_eq!(rig.service().deliver_rest().await.unwrap(), 0);
    assert_eq!(rig.good(&[&one]), [true]);
    rig.deployed.fixture.clock.advance(1);
    assert_eq!(rig.service().deliver_rest().await.unwrap(), 1);
    assert_eq!(rig.good(&[&one]), [false]);
}

#[tokio::test]
async fn the_outbox_is_empty_after_a_change_that_was_answered() {
    let rig = Rig::new().await;
    rig.begin().await;
    rig.change(closed()).await.unwrap();
    rig.change(open()).await.unwrap();
    let clerk = Change {
        roles: Some(vec!["clerk".to_owned()]),
        ..Change::default()
    };
    rig.change(clerk).await.unwrap();
    let new = Password::parse("correct horse battery").unwrap();
    rig.set_password(new).await.unwrap();
    rig.service()
        .delete_user(&Caller::operator(), &rig.user)
        .await
        .unwrap();
    assert_eq!(rig.service().deliver_all().await.unwrap(), 0);
}

#[tokio::test]
async fn a_row_for_another_keystore_stays_for_it() {
    let rig = Rig::new().await;
    let other = Lacre::in_memory(Rules::new("https://issuer.test", "api")).unwrap();
    let theirs = Service::new(other, rig.service().accounts().clone(), Limits::off());
    let one = rig.begin().await;
    rig.dies_after(closed(), Reach::All).await;
    assert_eq!(theirs.deliver_all().await.unwrap(), 0);
    assert_eq!(rig.good(&[&one]), [true]);
    assert_eq!(rig.service().deliver_all().await.unwrap(), 1);
    assert_eq!(rig.good(&[&one]), [false]);
}

/// Who hangs up in the middle changes nothing about the middle.
#[tokio::test]
async fn a_change_goes_on_to_its_end_where_its_caller_has_gone() {
    let rig = Rig::new().await;
    for polls in 0..20 {
        let one = rig.begin().await;
        let mut change = Box::pin(rig.change(closed()));
        for _ in 0..=polls {
            let polled = poll_fn(|cx| Poll::Ready(change.as_mut().poll(cx)));
            if polled.await.is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(change);
        let give_up = Instant::now() + Duration::from_secs(10);
        while rig.good(&[&one]) == [true] {
            assert!(Instant::now() < give_up);
            tokio::task::yield_now().await;
        }
        rig.change(open()).await.unwrap();
    }
}

/// A session that is spared by its name must be the one that asked.
#[tokio::test]
async fn a_change_of_the_password_spares_nobody_who_took_the_name_of_the_session_that_asked() {
    let rig = Rig::new().await;
    let (old, new) = ("correct horse battery", "another horse battery");
    let set = |text| rig.set_password(Password::parse(text).unwrap());
    set(old).await.unwrap();
    let nowhere = audit::Origin::default();
    let log_in = || {
        let request = LogIn {
            user: "ada@example.com".into(),
            password: PresentedPassword::parse(old).unwrap(),
            user_session: Some("phone".into()),
            origin: Origin::default(),
        };
        rig.service().log_in(request, &nowhere)
    };
    let change = async |session: &LiveSession| {
        let (current, new) = (PresentedPassword::parse(old), Password::parse(new));
        let service = rig.service();
        service
            .change_password(&Caller::operator(), session, current.unwrap(), new.unwrap())
            .await
    };
    let live = |issued: &Issued| {
        let token = issued.access.token.expose().as_bytes();
        let lacre = &rig.deployed.fixture.lacre;
        at_once(lacre.guard(token, TokenKind::Access))
    };
    let own = log_in().await.unwrap();
    let asks = live(&own).unwrap();
    rig.deployed.fixture.clock.advance(1);
    let thief = log_in().await.unwrap();
    assert_eq!(rig.good(&[&own, &thief]), [false, true]);
    change(&asks).await.unwrap();
    assert_eq!(rig.good(&[&thief]), [false]);

    set(old).await.unwrap();
    let own = log_in().await.unwrap();
    change(&live(&own).unwrap()).await.unwrap();
    assert_eq!(rig.good(&[&own]), [true]);
}
