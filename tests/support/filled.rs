//! A keystore with many sessions that nobody has a token of.

use super::server::Setup;
use futures_util::future::join_all;
use lacre::clock::{Clock as _, SystemClock};
use lacre::{Lacre, Rules};
use lacre_keystore::{PrivateScalar, PutOutcome, Record, RecordKey};

/// How many share one write that waits for the disk.
const AT_ONCE: usize = 4096;

/// Puts records like that of a session into the keystore of a deployment that nobody holds.
pub(crate) fn fill(setup: &Setup, count: u64) {
    let lacre = Lacre::open(setup.data(), Rules::new("a", "b")).unwrap();
    let now = SystemClock::default().now();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let numbers: Vec<u64> = (0..count).collect();
    for numbers in numbers.chunks(AT_ONCE) {
        let puts = numbers.iter().map(|number| {
            let mut name = [0; 32];
            // Spread as names are.
            name[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
            name[24..].copy_from_slice(&(*number).to_be_bytes());
            let record = Record {
                private_scalar: PrivateScalar::new([7; 32]),
                user_id: format!("user-{number}"),
                created_at: now,
                authenticated_at: now,
                expires_at: now + 86_400,
                ends_at: now + 86_400,
                last_seen_at: now,
                generation: 1,
                rotated_at: now,
                access_ended: false,
                label: None,
                address: Some("192.0.2.1".to_owned()),
                user_agent: Some("Mozilla/5.0".to_owned()),
                client_id: None,
                last_seen_address: None,
                profile: None,
            };
            let keystore = lacre.keystore();
            async move {
                keystore
                    .put_new(&RecordKey::from_bytes(&name), &record)
                    .await
            }
        });
        for outcome in runtime.block_on(join_all(puts)) {
            assert_eq!(outcome.unwrap(), PutOutcome::Stored);
        }
    }
    runtime.block_on(lacre.keystore().close());
}
