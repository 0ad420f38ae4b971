//! A deployment whose records on Redis are all lost, begun anew without any because an operator says so.
//!
//! This room must never begin anew where there are records, or where a node is at work.

use super::about::About;
use super::records::Records;
use super::{check_moved, drawn};
use crate::clock;
use crate::config::Config;
use crate::deployment::error::OpenError;
use crate::entropy::Entropy;
use lacre_keystore::{KeystoreError, PostgresOptions, PostgresStore, look};
use std::sync::Arc;

/// Whether all records are lost, of a deployment that has them on Redis. If so, and not for a look alone, the next start makes
/// another store in their place, and nobody uses the one of before again: no node may be at work.
pub(in crate::deployment) async fn begin_anew(
    config: &Config,
    dry_run: bool,
    entropy: &Entropy,
) -> Result<bool, OpenError> {
    let url = config.shared_url();
    let looked = look(url).await?;
    check_moved(&looked)?;
    let records = Records::of(config);
    records.check(&looked)?;
    match records.examine(&looked).await {
        Err(OpenError::Keystore(KeystoreError::StoreEmptied)) if dry_run => return Ok(true),
        Err(OpenError::Keystore(KeystoreError::StoreEmptied)) => {}
        found => return found.map(|_| false),
    }
    let options = PostgresOptions {
        connections: config.keystore.connections,
        lease: config.keystore.lease,
        node: i64::from_be_bytes(drawn(entropy)),
        writer: None,
    };
    let store = PostgresStore::open(url, options, Arc::new(clock::running)).await?;
    let cluster = store.cluster();
    let alone = cluster.alone().await?;
    if let Some(peer) = cluster.peers().await?.first() {
        return Err(OpenError::NodesAtWork {
            host: About::host(peer),
        });
    }
    Records::begin_anew(&cluster, entropy).await?;
    drop(alone);
    Ok(true)
}
