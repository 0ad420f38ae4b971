//! What an entry takes, and for whom it is found.

use super::*;
use crate::issuer::{Issued, Occasion, Origin};
use crate::lacre::testing::{Fixture, grant};
use crate::token::TokenKind;

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
    fixture.lacre.guard(token, TokenKind::Access).unwrap();
    issued
}

fn found(fixture: &Fixture, token: &str) -> Option<Arc<Entry>> {
    let segments = Segments::split(token.as_bytes()).unwrap();
    fixture.lacre.parts().content_keys.find(&segments)
}

#[tokio::test]
async fn an_entry_counts_all_that_it_holds() {
    let fixture = Fixture::new();
    let issued = in_use(&fixture).await;
    let token = issued.access.token.expose();
    let entry = found(&fixture, token).unwrap();

    let beginning = token.match_indices('.').nth(1).unwrap().0;
    let of_token = size_of::<KnownToken>() + beginning + OWN_HANDLE;
    assert_eq!(entry.token.size(), of_token);
    let texts = 3 + 5 + 70 + "u1".len();
    let version = entry.stored.version.len();
    let whole = PLACE + size_of::<Entry>() + of_token + version + texts;
    assert_eq!(entry.size(), whole);
    let content_keys = &fixture.lacre.parts().content_keys;
    assert_eq!(content_keys.entries.weight(), whole as u64);
    assert_eq!(format!("{content_keys:?}"), "ContentKeys(1 entries)");
}

/// Who knows a handle, and not the token, is told nothing by the work that is done.
#[tokio::test]
async fn an_entry_is_found_for_its_own_token_only() {
    let fixture = Fixture::new();
    let issued = in_use(&fixture).await;
    let token = issued.access.token.expose();
    let refresh = issued.refresh.as_ref().unwrap().token.expose();
    assert!(found(&fixture, token).is_some());
    assert!(found(&fixture, refresh).is_none(), "of the same session");
    let (header, rest) = token.split_once('.').unwrap();
    let other = if rest.starts_with('A') { 'B' } else { 'A' };
    let changed = format!("{header}.{other}{}", &rest[1..]);
    assert!(found(&fixture, &changed).is_none(), "another encrypted key");
    let (all, tag) = token.rsplit_once('.').unwrap();
    let other_tag = format!("{all}.A{}", &tag[1..]);
    assert!(
        found(&fixture, &other_tag).is_some(),
        "its content is looked at later"
    );
}
