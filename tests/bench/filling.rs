//! Sessions by the thousand: some whose tokens are kept, and many more that are only there.

use crate::rules::grant;
use futures_util::future::join_all;
use lacre::Lacre;
use lacre::internals::token::TokenKind;
use lacre_keystore::{PrivateScalar, PutOutcome, Record, RecordKey};
use rand::Rng as _;
use tokio::runtime::Runtime;

/// How many sessions are begun at once: so many share one write that waits for the disk.
const AT_ONCE: usize = 1024;

/// Begins so many sessions, each of a user of its own, and returns their tokens.
pub(crate) fn begin(runtime: &Runtime, lacre: &Lacre, count: usize) -> Vec<String> {
    let mut tokens = Vec::with_capacity(count);
    while tokens.len() < count {
        let grants: Vec<_> = (tokens.len()..(tokens.len() + AT_ONCE).min(count))
            .map(grant)
            .collect();
        let issued = join_all(grants.iter().map(|grant| lacre.issue(grant)));
        for issued in runtime.block_on(issued) {
            tokens.push(issued.unwrap().access.token.expose().to_owned());
        }
    }
    tokens
}

/// Puts so many more records into the keystore, each like that of a session and with a name and a
/// key of its own. Nobody has their tokens.
pub(crate) fn put_more(runtime: &Runtime, lacre: &Lacre, count: usize) {
    let like = record_like(runtime, lacre);
    let mut rng = lacre::internals::entropy::system()();
    let mut left = count;
    while left > 0 {
        let now = left.min(AT_ONCE);
        let puts = (0..now).map(|_| {
            let (mut name, mut scalar) = ([0; 32], [0; 32]);
            rng.fill_bytes(&mut name);
            rng.fill_bytes(&mut scalar);
            let record = Record {
                private_scalar: PrivateScalar::new(scalar),
                ..like.clone()
            };
            async move {
                let name = RecordKey::from_bytes(&name);
                lacre.keystore().put_new(&name, &record).await.unwrap()
            }
        });
        for outcome in runtime.block_on(join_all(puts)) {
            assert_eq!(outcome, PutOutcome::Stored);
        }
        left -= now;
    }
}

/// The record of an ordinary session, begun for this and ended again.
fn record_like(runtime: &Runtime, lacre: &Lacre) -> Record {
    let issued = runtime.block_on(lacre.issue(&grant(0))).unwrap();
    let token = issued.access.token.expose().as_bytes();
    let key = runtime.block_on(lacre.guard(token, TokenKind::Access));
    let key = key.unwrap().key;
    let record = runtime.block_on(lacre.keystore().get(&key));
    let record = record.unwrap().unwrap().record;
    assert!(runtime.block_on(lacre.revoke(&key)).unwrap());
    record
}
