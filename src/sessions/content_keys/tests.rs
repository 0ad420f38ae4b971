//! What an entry takes, and for whom it is found.

use super::*;
use crate::lacre::testing::{Fixture, grant};
use crate::sessions::grant::{Issued, Occasion, Origin};
use crate::token::TokenKind;
use std::convert::Infallible;

/// A session whose access token is in use.
async fn in_use(fixture: &Fixture) -> Issued {
    let mut grant = grant("u1", Occasion::LogIn);
    grant.origin = Origin {
        label: Some("l".repeat(3)),
        address: Some("a".repeat(5)),
        user_agent: Some("u".repeat(70)),
    };
    let issued = fixture.lacre.issue(&grant).await.unwrap();
    let token = issued.access.token.expose().as_bytes();
    fixture.lacre.guard(token, TokenKind::Access).await.unwrap();
    issued
}

fn found(fixture: &Fixture, token: &str) -> Option<Arc<Entry>> {
    let segments = Segments::split(token.as_bytes()).unwrap();
    fixture.lacre.content_keys().find(&segments)
}

#[tokio::test]
async fn an_entry_counts_all_that_it_holds() {
    let fixture = Fixture::new();
    let issued = in_use(&fixture).await;
    let token = issued.access.token.expose();
    let entry = found(&fixture, token).unwrap();

    let beginning = token.match_indices('.').nth(1).unwrap().0;
    let handle = issued.handle.as_str().len();
    let of_token = size_of::<KnownToken>() + beginning + handle;
    assert_eq!(entry.token.size(), of_token);
    let texts = 3 + 5 + 70 + "u1".len();
    let version = entry.stored.version.len();
    let whole = PLACE + size_of::<Entry>() + of_token + version + texts;
    assert_eq!(entry.size(), whole);
    let content_keys = fixture.lacre.content_keys();
    assert_eq!(content_keys.entries.weight(), whole as u64);
    assert_eq!(format!("{content_keys:?}"), "ContentKeys(1 entries)");
}

/// With a handle and without its token one finds what is found for a handle that was never given out.
#[tokio::test]
async fn an_entry_is_found_for_its_own_token_only() {
    let fixture = Fixture::new();
    let issued = in_use(&fixture).await;
    let token = issued.access.token.expose();
    let refresh = issued.refresh.as_ref().unwrap().token.expose();
    assert!(found(&fixture, token).is_some());
    assert!(found(&fixture, refresh).is_none(), "of the same session");
    let (header, rest) = token.split_once('.').unwrap();
    let changed = |at: usize, text: &str| {
        let other = if text.as_bytes()[at] == b'A' {
            "B"
        } else {
            "A"
        };
        format!("{}{other}{}", &text[..at], &text[at + 1..])
    };
    for at in [0, 23, 24, 95] {
        let other = format!("{header}.{}", changed(at, rest));
        assert!(found(&fixture, &other).is_none(), "another encrypted key");
    }
    for at in [0, header.len() - 1] {
        let other = format!("{}.{rest}", changed(at, header));
        assert!(found(&fixture, &other).is_none(), "another header");
    }
    let behind = header.len() + 1 + 96 + 1;
    let other = changed(behind + 30, token);
    assert!(
        found(&fixture, &other).is_some(),
        "its content is looked at later"
    );
    let short = format!("{header}.{}.A.A.A", &rest[..23]);
    assert!(found(&fixture, &short).is_none(), "no encrypted key");
}

#[tokio::test]
async fn a_session_has_one_entry_and_the_last_token_has_it() {
    let fixture = Fixture::new();
    let first = in_use(&fixture).await;
    let refresh = first.refresh.as_ref().unwrap().token.expose();
    let subject = async |_: &str| Ok::<_, Infallible>(Some(grant("u1", Occasion::LogIn).subject));
    let second = fixture.lacre.refresh(refresh.as_bytes(), subject).await;
    let second = second.unwrap();
    let second = second.access.token.expose();
    fixture
        .lacre
        .guard(second.as_bytes(), TokenKind::Access)
        .await
        .unwrap();
    assert!(found(&fixture, second).is_some());
    assert!(found(&fixture, first.access.token.expose()).is_none());
    let content_keys = fixture.lacre.content_keys();
    assert_eq!(content_keys.len(), 1);
    content_keys.forget(&first.key);
    assert_eq!(content_keys.len(), 0);
    content_keys.forget(&first.key);
}

#[tokio::test]
async fn an_entry_that_makes_room_for_another_leaves_no_name_behind() {
    for room in [0, 900, 1_800, 8_000] {
        let fixture = Fixture::with_content_key_bytes(room);
        let content_keys = fixture.lacre.content_keys();
        let mut most = 0;
        for user in 0..40 {
            let issued = fixture.log_in(&format!("u{user}")).await;
            let token = issued.access.token.expose().as_bytes();
            fixture.lacre.guard(token, TokenKind::Access).await.unwrap();
            most = most.max(content_keys.len());
            assert!(content_keys.entries.weight() <= room);
        }
        assert_eq!(most > 0, room >= 8_000, "{most} of {room} bytes");
        content_keys.clear();
        assert_eq!(content_keys.len(), 0);
    }
}
