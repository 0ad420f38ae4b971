//! Receipts of a deployment's ends: each once, in order, whatever is opened anew.

use crate::lacre::Lacre;
use crate::lacre::testing::{Fixture, NOW, on_behalf};
use crate::receipts::{Chain, Event, Line};
use crate::sessions::end::End;
use crate::sessions::rules::Rules;
use crate::telemetry::audit::{Actor, Cause};
use std::path::Path;
use tempfile::TempDir;

fn rules(explain_for: u64) -> Rules {
    Rules {
        explain_for,
        max_per_user: 2,
        ..Rules::new("https://issuer.test", "api")
    }
}

fn fixture(directory: &TempDir, explain_for: u64) -> Fixture {
    let file = directory.path().join("receipts");
    Fixture::build(rules(explain_for), |builder| builder.receipts(file))
}

/// The ends in the file, after all of it was proven.
async fn proven(lacre: &Lacre) -> Vec<crate::receipts::Ended> {
    let receipts = lacre.receipts().unwrap();
    let export = receipts.export().await.unwrap();
    let mut chain = Chain::new(&receipts.keys());
    let mut ends = Vec::new();
    for text in export.lines {
        if let Event::End(end) = chain.push(&text.unwrap()).unwrap().entry.event {
            ends.push(end);
        }
    }
    chain.push(export.head.text()).unwrap();
    chain.close().unwrap();
    ends
}

fn end(cause: Cause, by: Actor) -> End {
    End::new(cause, by, Some("ada-lovelace"))
}

#[tokio::test]
async fn each_end_has_one_receipt_in_order_and_none_says_whose_it_was() {
    let directory = TempDir::new().unwrap();
    let fixture = fixture(&directory, 3600);
    let lacre = &fixture.lacre;
    assert_eq!(proven(lacre).await, []);
    let first = fixture.log_in("ada-lovelace").await;
    let named = lacre
        .issue(&on_behalf("ada-lovelace", "tab"))
        .await
        .unwrap();
    lacre
        .issue(&on_behalf("ada-lovelace", "tab"))
        .await
        .unwrap();
    let admin = end(
        Cause::RevokedByAdmin,
        Actor::Admin("bob-the-admin".to_owned()),
    );
    lacre.end(&first.key, &admin).await.unwrap();
    let last = fixture.log_in("ada-lovelace").await;
    let third = fixture.log_in("ada-lovelace").await;
    fixture.clock.advance(5);
    lacre
        .end_all(&End::new(Cause::RevokedByAdmin, Actor::Operator, None))
        .await
        .unwrap();
    let ends = proven(lacre).await;
    let said: Vec<_> = ends
        .iter()
        .map(|end| (&*end.sid, &*end.cause, &*end.by))
        .collect();
    assert_eq!(said.len(), 5);
    assert_eq!(
        said[..3],
        [
            (named.handle.as_str(), "replaced", "client"),
            (first.handle.as_str(), "revoked_by_admin", "admin"),
            (said[2].0, "pushed_out", "owner"),
        ]
    );
    let rest: Vec<_> = said[3..].iter().map(|end| end.0).collect();
    assert!(rest.contains(&third.handle.as_str()));
    assert!(said[2].0 == last.handle.as_str() || said[2].0 == named.handle.as_str());
    assert!(
        said[3..]
            .iter()
            .all(|end| (end.1, end.2) == ("revoked_by_admin", "operator"))
    );
    assert_eq!((ends[0].ended_at, ends[4].ended_at), (NOW, NOW + 5));
    let text = all_claims(&directory.path().join("receipts"));
    for name in ["ada-lovelace", "bob-the-admin"] {
        assert!(!text.contains(name), "{text}");
    }
    let receipt = lacre.receipts().unwrap().recent(&first.handle).unwrap();
    assert_eq!(receipt.seq, 3);
    let receipts = lacre.receipts().unwrap();
    let found = receipts.find(&first.handle).await.unwrap();
    assert_eq!((found.len(), &found[0].hash()), (1, &receipt.hash));
    let ended = lacre.ended(&first.key).await.unwrap().unwrap();
    let found = receipts.find_end(&ended).await.unwrap().unwrap();
    assert_eq!(found.hash(), receipt.hash);
}

fn all_claims(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let claims = text.lines().map(|line| Line::parse(line).unwrap().entry);
    format!("{:?}", claims.collect::<Vec<_>>())
}

#[tokio::test]
async fn a_receipt_that_the_keystore_has_forgotten_is_not_written_twice() {
    let directory = TempDir::new().unwrap();
    let fixture = fixture(&directory, 3600);
    let (lacre, keystore) = (&fixture.lacre, fixture.lacre.keystore());
    let logout = end(Cause::Logout, Actor::Owner);
    let mut heads = vec![keystore.head().await.unwrap()];
    for _ in 0..3 {
        let issued = fixture.log_in("u").await;
        lacre.end(&issued.key, &logout).await.unwrap();
        lacre.write_receipts().await;
        heads.push(keystore.head().await.unwrap());
    }
    let written = std::fs::read(directory.path().join("receipts")).unwrap();
    for head in heads.into_iter().flatten() {
        // As a crash leaves it: the receipts are there, and how far they are is forgotten.
        keystore.keep_head(head).await.unwrap();
        let receipts = lacre.receipts().unwrap();
        *receipts.open.lock().await = None;
        receipts.write().await.unwrap();
        assert_eq!(
            std::fs::read(directory.path().join("receipts")).unwrap(),
            written
        );
    }
    assert_eq!(proven(lacre).await.len(), 3);
}

#[tokio::test]
async fn ends_wait_for_their_receipts_and_are_kept_until_then() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("receipts");
    std::fs::create_dir(&path).unwrap();
    let fixture = fixture(&directory, 1);
    let (lacre, keystore) = (&fixture.lacre, fixture.lacre.keystore());
    let issued = fixture.log_in("u").await;
    let logout = end(Cause::Logout, Actor::Owner);
    assert!(
        lacre.end(&issued.key, &logout).await.unwrap(),
        "the end itself fails not"
    );
    lacre.write_receipts().await;
    assert_eq!(
        lacre.receipts_written(),
        Some((0, Some("receipts_unavailable")))
    );
    fixture.clock.advance(100);
    lacre.sweep().await.unwrap();
    assert_eq!(
        keystore.left(None, 9).await.unwrap().len(),
        1,
        "it is needed"
    );
    std::fs::remove_dir(&path).unwrap();
    lacre.write_receipts().await;
    assert_eq!(lacre.receipts_written(), Some((2, None)));
    let ends = proven(lacre).await;
    assert_eq!((ends.len(), ends[0].ended_at), (1, NOW));
    lacre.sweep().await.unwrap();
    assert_eq!(keystore.left(None, 9).await.unwrap(), []);
}

#[tokio::test]
async fn where_ends_are_not_explained_they_have_receipts_all_the_same() {
    let directory = TempDir::new().unwrap();
    let fixture = fixture(&directory, 0);
    let issued = fixture.log_in("u").await;
    let logout = end(Cause::Logout, Actor::Owner);
    fixture.lacre.end(&issued.key, &logout).await.unwrap();
    assert_eq!(fixture.lacre.ended(&issued.key).await, Ok(None));
    assert_eq!(proven(&fixture.lacre).await.len(), 1);
    fixture.lacre.sweep().await.unwrap();
    assert_eq!(fixture.lacre.keystore().left(None, 9).await.unwrap(), []);
}
