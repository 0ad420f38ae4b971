//! Signing keys that are dropped while they sign the log of ends: killed anywhere, it goes on.

use super::*;
use crate::receipts::{Chain, Proven, PublicKey, ReceiptsError};
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

struct Scene {
    home: Home,
    file: PathBuf,
    _temp: TempDir,
}

impl Scene {
    fn new() -> Self {
        let temp = TempDir::new().unwrap();
        let (mut home, file) = (Home::new(), temp.path().join("receipts"));
        home.receipts = Some(file.clone());
        Self {
            home,
            file,
            _temp: temp,
        }
    }

    fn process(&self) -> Lacre {
        self.home.process(rules())
    }

    fn keyring(&self) -> Vec<u8> {
        self.home.shelf.0.lock().unwrap().keyring.clone()
    }

    fn put_keyring(&self, sealed: &[u8]) {
        self.home.shelf.0.lock().unwrap().keyring = sealed.to_vec();
    }
}

/// A session begins and ends, and its receipt is written, or waits.
async fn end_one(lacre: &Lacre) {
    let issued = begin(lacre, "u1").await;
    let end = End::new(Cause::Logout, Actor::Owner, Some("u1"));
    assert!(lacre.end(&issued.key, &end).await.unwrap());
    lacre.write_receipts().await;
}

/// What an auditor says of the log who trusts these keys.
async fn audit(lacre: &Lacre, trusted: &[PublicKey]) -> Result<Proven, ReceiptsError> {
    let export = lacre.receipts().unwrap().export().await?;
    let mut chain = Chain::new(trusted);
    for line in export.lines {
        chain.push(&line?)?;
    }
    chain.push(export.head.text())?;
    chain.close()
}

fn keys(lacre: &Lacre) -> Vec<PublicKey> {
    lacre.receipts().unwrap().keys()
}

fn has_dropped(lacre: &Lacre) -> bool {
    lacre.records().keyring().signers().has_dropped()
}

#[tokio::test]
async fn a_dropped_key_hands_the_log_over_before_it_goes() {
    let scene = Scene::new();
    let lacre = scene.process();
    end_one(&lacre).await;
    let first = keys(&lacre);
    let token = begin(&lacre, "u2").await;
    lacre.rotation().rotate_signer(true).await.unwrap();
    assert!(!accepts(&lacre, &token).await);
    assert!(!has_dropped(&lacre));
    assert_eq!(keys(&lacre).len(), 1);
    end_one(&lacre).await;
    for trusted in [first, keys(&lacre)] {
        assert_eq!(audit(&lacre, &trusted).await.unwrap().ends, 2);
    }
    // A key that has expired, too.
    let before = keys(&lacre);
    lacre.rotation().rotate_signer(false).await.unwrap();
    scene.home.clock.advance(rules().refresh_ttl + 2 * MARGIN);
    assert_eq!(lacre.rotation().drop_signers().await.unwrap().len(), 1);
    assert!(!has_dropped(&lacre));
    end_one(&lacre).await;
    assert_eq!(audit(&lacre, &before).await.unwrap().ends, 3);
}

#[tokio::test]
async fn a_kill_between_any_two_steps_of_dropping_a_key_leaves_a_log_that_goes_on() {
    let scene = Scene::new();
    let lacre = scene.process();
    end_one(&lacre).await;
    let first = keys(&lacre);
    let file = || fs::read(&scene.file).unwrap();
    let head = lacre.keystore().head().await.unwrap().unwrap();
    let (keyring_0, file_0) = (scene.keyring(), file());
    // The keyring as it is written first: nothing can be handed over.
    let elsewhere = scene.file.with_extension("away");
    fs::rename(&scene.file, &elsewhere).unwrap();
    fs::create_dir(&scene.file).unwrap();
    lacre.rotation().rotate_signer(true).await.unwrap();
    let keyring_1 = scene.keyring();
    assert!(has_dropped(&lacre), "it is needed");
    fs::remove_dir(&scene.file).unwrap();
    fs::rename(&elsewhere, &scene.file).unwrap();
    lacre.rotation().drop_signers().await.unwrap();
    let (keyring_2, file_1) = (scene.keyring(), file());
    assert!(!has_dropped(&lacre));
    assert!(file_1.len() > file_0.len() && keyring_2 != keyring_1);
    drop(lacre);
    let torn = &file_1[..file_0.len() + 40];
    let killed: [(&str, &[u8], &[u8]); 5] = [
        ("before anything", &keyring_0, &file_0),
        ("before the line", &keyring_1, &file_0),
        ("in the line", &keyring_1, torn),
        ("before the key goes", &keyring_1, &file_1),
        ("at the end", &keyring_2, &file_1),
    ];
    for (when, keyring, lines) in killed {
        scene.put_keyring(keyring);
        fs::write(&scene.file, lines).unwrap();
        let lacre = scene.process();
        // As a crash may leave it: how far the log is, is what it was before.
        lacre.keystore().keep_head(head.clone()).await.unwrap();
        end_one(&lacre).await;
        lacre.rotation().drop_signers().await.unwrap();
        assert!(!has_dropped(&lacre), "{when}");
        assert_eq!(keys(&lacre).len(), 1, "{when}");
        for trusted in [first.clone(), keys(&lacre)] {
            let proven = audit(&lacre, &trusted).await;
            assert!(proven.unwrap().ends >= 2, "{when}");
        }
        let again = scene.process();
        end_one(&again).await;
        assert!(audit(&again, &first).await.unwrap().ends >= 3, "{when}");
    }
}

#[tokio::test]
async fn keys_that_are_dropped_while_no_receipt_can_be_written_are_refused_at_once_and_kept() {
    let scene = Scene::new();
    let lacre = scene.process();
    end_one(&lacre).await;
    let first = keys(&lacre);
    let whole = fs::read(&scene.file).unwrap();
    fs::write(&scene.file, "not a receipt\n").unwrap();
    for _ in 0..3 {
        let token = begin(&lacre, "u2").await;
        assert!(accepts(&lacre, &token).await);
        lacre.rotation().rotate_signer(true).await.unwrap();
        assert!(!accepts(&lacre, &token).await);
        let published = lacre.rotation().now(|_| ()).await.unwrap();
        assert_eq!(
            published.signers.len(),
            1,
            "dropped is not shown as accepted"
        );
    }
    end_one(&lacre).await;
    assert_eq!(
        lacre.receipts_written().unwrap().1,
        Some("receipts_rolled_back")
    );
    // Also in the next process, to which nothing of the dropped keys is accepted or published.
    let lacre = scene.process();
    assert!(has_dropped(&lacre));
    let signers = lacre.records().keyring().signers();
    assert_eq!(
        (signers.iter().count(), signers.published(NOW).count()),
        (1, 1)
    );
    fs::write(&scene.file, whole).unwrap();
    lacre.rotation().drop_signers().await.unwrap();
    assert!(!has_dropped(&lacre));
    lacre.write_receipts().await;
    assert_eq!(audit(&lacre, &first).await.unwrap().ends, 2);
}
