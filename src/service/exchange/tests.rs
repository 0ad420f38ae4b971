//! Exchanges that meet a change of the link or of the account.

use super::*;
use crate::accounts::{NewAccount, Reach, UserId};
use crate::clock::Clock as _;
use crate::federation::Federation;
use crate::federation::testing::{Signing, claims};
use crate::lacre::testing::{Deployed, at_once};
use crate::token::TokenKind;

struct Rig {
    deployed: Deployed,
    service: Service,
    signing: Signing,
    user: UserId,
}

impl Rig {
    /// One account, linked to the subject `ada`.
    async fn new(make_accounts: bool) -> Self {
        let deployed = Deployed::new().await;
        let signing = Signing::new(make_accounts);
        let federation = Federation::open(vec![signing.issuer.clone()], 0).await;
        let service = deployed.service.clone().believing(federation.unwrap());
        let new = NewAccount::with_email("ada@example.com".parse().unwrap());
        let user = service
            .create_user(&Caller::operator(), new)
            .await
            .unwrap()
            .id;
        let rig = Self {
            deployed,
            service,
            signing,
            user,
        };
        rig.link().await;
        rig
    }

    fn outside(&self) -> OutsideSubject {
        OutsideSubject {
            issuer: self.signing.issuer.issuer.clone(),
            subject: "ada".to_owned(),
        }
    }

    async fn link(&self) {
        let caller = Caller::operator();
        let linking = self.service.link_user(&caller, &self.user, self.outside());
        linking.await.unwrap();
    }

    async fn unlink(&self) {
        let (caller, issuer) = (Caller::operator(), &self.signing.issuer.issuer);
        let unlinking = self.service.unlink_user(&caller, &self.user, issuer);
        unlinking.await.unwrap();
    }

    /// A token of this subject, unlike all others.
    fn token(&self, subject: &str, n: u64) -> String {
        let mut claims = claims(subject, self.deployed.fixture.clock.now() + 600);
        claims["jti"] = n.into();
        self.signing.token(&claims)
    }

    fn exchange(
        &self,
        token: String,
    ) -> impl Future<Output = Result<Issued, ServiceError>> + use<> {
        let service = self.service.clone();
        async move {
            let request = Exchange {
                token: Zeroizing::new(token),
                origin: Origin::default(),
            };
            service.exchange(request, &audit::Origin::default()).await
        }
    }

    fn is_good(&self, issued: &Issued) -> bool {
        let token = issued.access.token.expose().as_bytes();
        at_once(self.service.lacre().guard(token, TokenKind::Access)).is_ok()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_session_survives_an_unlinking_that_comes_while_it_begins() {
    let rig = Rig::new(false).await;
    for round in 0..5 {
        let coming: Vec<_> = (0..4)
            .map(|n| tokio::spawn(rig.exchange(rig.token("ada", round * 4 + n))))
            .collect();
        rig.unlink().await;
        let mut begun = 0;
        for one in coming {
            if let Ok(issued) = one.await.unwrap() {
                begun += 1;
                assert!(!rig.is_good(&issued), "a session of round {round} is left");
            }
        }
        assert!(begun <= 4);
        rig.link().await;
    }
    let issued = rig.exchange(rig.token("ada", 99)).await.unwrap();
    assert!(rig.is_good(&issued));
}

#[tokio::test]
async fn an_unlinking_that_was_cut_off_is_finished_at_the_next_start() {
    let rig = Rig::new(false).await;
    let begun = rig.exchange(rig.token("ada", 1)).await.unwrap();
    let own = rig.deployed.fixture.log_in(rig.user.as_str()).await;
    let issuer = &rig.signing.issuer.issuer;
    let ends = rig.service.ends(Reach::Through(issuer.clone()));
    let unlinking = rig.service.accounts().unlink(&rig.user, issuer, ends);
    assert_eq!(unlinking.await.unwrap().0, 1);
    // Here the process dies.
    assert!(rig.is_good(&begun));
    assert_eq!(rig.service.deliver_all().await.unwrap(), 1);
    assert!(!rig.is_good(&begun) && rig.is_good(&own));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_who_come_at_first_sight_all_are_one_account() {
    let rig = Rig::new(true).await;
    let coming: Vec<_> = (0..8)
        .map(|n| tokio::spawn(rig.exchange(rig.token("new", n))))
        .collect();
    let mut users = std::collections::BTreeSet::new();
    for one in coming {
        users.insert(one.await.unwrap().unwrap().user_id);
    }
    assert_eq!(users.len(), 1);
    assert!(!users.contains(rig.user.as_str()));
}

#[tokio::test]
async fn each_reason_has_its_code_and_makes_no_session() {
    let rig = Rig::new(false).await;
    let code = async |token: String| rig.exchange(token).await.unwrap_err().code();
    assert_eq!(
        code(rig.token("eve", 1)).await,
        "outside_subject_not_linked"
    );
    assert_eq!(code("x".to_owned()).await, "outside_token_malformed");
    let expired = rig.signing.token(&claims("ada", 1));
    assert_eq!(code(expired).await, "outside_token_expired");
    let closed = Change {
        active: Some(false),
        ..Change::default()
    };
    let caller = Caller::operator();
    let change = rig.service.change_user(&caller, &rig.user, closed, None);
    change.await.unwrap();
    assert_eq!(code(rig.token("ada", 2)).await, "invalid_credentials");
    let sessions = rig.service.lacre().sessions_of(rig.user.as_str());
    assert_eq!(sessions.await.unwrap().len(), 0);
}
