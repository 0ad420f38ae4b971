//! A store that comes back as it was before a refresh.

use crate::lacre::testing::Fixture;
use crate::sessions::grant::{Issued, Subject};
use crate::sessions::guard::Refusal;
use crate::sessions::refresh::RefreshError;
use crate::telemetry::audit::MaskedHandle;
use crate::telemetry::tests::written_with;
use crate::token::{TokenError, TokenKind};
use lacre_keystore::{Record, Swap};
use std::convert::Infallible;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

async fn guard(fixture: &Fixture, issued: &Issued) -> &'static str {
    let token = issued.access.token.expose().as_bytes();
    let verified = fixture.lacre.guard(token, TokenKind::Access).await;
    verified.map_or_else(|refused| refused.code(), |_| "let in")
}

async fn refresh(fixture: &Fixture, issued: &Issued) -> Result<Issued, Refusal> {
    let token = issued.refresh.as_ref().unwrap().token.expose().as_bytes();
    let subject = async |id: &str| {
        let id = id.to_owned();
        Ok::<_, Infallible>(Some(Subject {
            id,
            ..Subject::default()
        }))
    };
    match fixture.lacre.refresh(token, subject).await {
        Ok(issued) => Ok(issued),
        Err(RefreshError::Refused(refused)) => Err(refused),
        Err(other) => panic!("{other:?}"),
    }
}

/// A session, as its log-in and as a refresh have left it, in a store that has lost the refresh.
async fn rolled_back(fixture: &Fixture) -> [Issued; 2] {
    let first = fixture.log_in("u1").await;
    let keystore = fixture.lacre.keystore();
    let before = keystore.get(&first.key).await.unwrap().unwrap();
    let second = refresh(fixture, &first).await.unwrap();
    assert_eq!(
        guard(fixture, &second).await,
        "let in",
        "and its key is kept"
    );
    let now = keystore.get(&first.key).await.unwrap().unwrap();
    let swap = keystore.compare_and_swap(&first.key, &now, &before.record);
    assert_eq!(swap.await, Ok(Swap::Won));
    assert_eq!(
        guard(fixture, &first).await,
        "let in",
        "nobody can know yet"
    );
    [first, second]
}

#[tokio::test]
async fn an_access_token_that_is_ahead_of_its_record_ends_the_session() {
    let fixture = Fixture::new();
    let [first, second] = rolled_back(&fixture).await;
    // From now on what is logged is kept.
    written_with("");
    assert_eq!(guard(&fixture, &second).await, "token_generation");
    let session = MaskedHandle::of(first.handle.as_str());
    let audited = written_with(&format!("event=session_ended user=u1 session={session} "));
    assert_eq!(audited.len(), 1, "{audited:?}");
    let why = "cause=record_behind by=lacre";
    assert!(audited[0].contains(why), "{audited:?}");
    for issued in [&first, &second] {
        assert_eq!(guard(&fixture, issued).await, "session_unknown");
    }
    let refused = refresh(&fixture, &first).await.unwrap_err();
    assert_eq!(refused, TokenError::UnknownSession.into());
    let keystore = fixture.lacre.keystore();
    assert!(keystore.get(&first.key).await.unwrap().is_none());
    let left = keystore.left(None, 10).await.unwrap();
    let said = String::from_utf8(left[0].content.clone().unwrap()).unwrap();
    assert!(
        said.contains("record_behind") && said.contains("u1"),
        "{said}"
    );
}

/// A connection that is reset drops the future of its request in the middle of the end.
#[tokio::test]
async fn an_end_that_nobody_waits_for_has_its_note_and_its_event() {
    let fixture = Fixture::new();
    let [first, second] = rolled_back(&fixture).await;
    written_with("");
    let mut asked = Box::pin(guard(&fixture, &second));
    let mut context = Context::from_waker(Waker::noop());
    assert!(asked.as_mut().poll(&mut context).is_pending());
    drop(asked);
    let session = MaskedHandle::of(first.handle.as_str());
    let begun = Instant::now();
    loop {
        let audited = written_with(&format!("event=session_ended user=u1 session={session} "));
        if let [line] = &audited[..] {
            assert!(line.contains("cause=record_behind by=lacre"), "{line}");
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "no event");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let keystore = fixture.lacre.keystore();
    assert!(keystore.get(&first.key).await.unwrap().is_none());
    assert_eq!(keystore.left(None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_refresh_token_that_is_ahead_of_its_record_ends_the_session() {
    let fixture = Fixture::new();
    let [first, second] = rolled_back(&fixture).await;
    let refused = refresh(&fixture, &second).await.unwrap_err();
    assert_eq!(refused, TokenError::Generation.into());
    for issued in [&first, &second] {
        assert_eq!(guard(&fixture, issued).await, "session_unknown");
        let refused = refresh(&fixture, issued).await.unwrap_err();
        assert_eq!(refused, TokenError::UnknownSession.into());
    }
}

/// Whose access has ended holds tokens of the record's own generation, and is behind nothing.
#[tokio::test]
async fn a_token_of_this_generation_or_an_earlier_one_ends_nothing() {
    let fixture = Fixture::new();
    let first = fixture.log_in("u1").await;
    let second = refresh(&fixture, &first).await.unwrap();
    let keystore = fixture.lacre.keystore();
    let now = keystore.get(&first.key).await.unwrap().unwrap();
    let record = Record {
        access_ended: true,
        ..now.record.clone()
    };
    let swap = keystore.compare_and_swap(&first.key, &now, &record).await;
    assert_eq!(swap, Ok(Swap::Won));
    for issued in [&first, &second] {
        assert_eq!(guard(&fixture, issued).await, "token_generation");
    }
    assert!(keystore.get(&first.key).await.unwrap().is_some());
}
