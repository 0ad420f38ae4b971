//! Whether servers keep what they say.
//!
//! This room must never change a setting.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use super::layout::Layout;
use super::place::Place;
use super::wire::{Wire, items, strange, text};
use crate::error::KeystoreError;

/// What a server doesn't keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RedisWeakness {
    /// The version is below 7.
    TooOld,
    /// What is kept is thrown away where memory is short.
    Evicts,
    /// Nothing is written down.
    NotWritten,
    /// What is written down is flushed only now and then.
    NotFlushed,
    /// A primary has no replica.
    NoReplica,
    /// A replica may be promoted however long it has been away.
    StaleReplicas,
    /// The server is one of a cluster, and the URL names it as the only one.
    OneOfACluster,
    /// The settings can't be read.
    Unreadable,
    /// One server alone: what it says is kept if it crashes, and gone with its disk.
    Alone,
}

impl RedisWeakness {
    /// Whether a service must not start on such servers.
    #[must_use]
    pub fn forbids_serving(self) -> bool {
        self != Self::Alone
    }

    /// What is wrong, and what to change.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::TooOld => "the server's version is below 7.0: install a later one",
            Self::Evicts => {
                "maxmemory-policy isn't noeviction: sessions would vanish where memory is short, and what tells of \
                 ended ones with them; set maxmemory-policy noeviction"
            }
            Self::NotWritten => {
                "appendonly is off: a restart would bring ended sessions back; set appendonly yes"
            }
            Self::NotFlushed => {
                "appendfsync isn't always, or no-appendfsync-on-rewrite is on: a crash would bring ended sessions back; \
                 set appendfsync always and no-appendfsync-on-rewrite no"
            }
            Self::NoReplica => {
                "a primary of the cluster has no replica: what it holds would be gone with it; add a replica to each \
                 primary"
            }
            Self::StaleReplicas => {
                "cluster-replica-validity-factor is 0: a replica that has been away for long could be promoted, and would \
                 bring ended sessions back; set it to 10"
            }
            Self::OneOfACluster => {
                "the server is one of a cluster: write redis+cluster:// in keystore.url"
            }
            Self::Unreadable => {
                "the server's settings can't be read, so nobody knows whether it keeps ended sessions ended; let the user \
                 of keystore.url call CONFIG GET and INFO"
            }
            Self::Alone => {
                "one server without a cluster: nothing takes its place, and what it has is gone with its disk"
            }
        }
    }
}

/// What the servers of a layout don't keep: those that lead, and those that may come to.
pub(super) async fn weaknesses(
    place: &Place,
    layout: &Layout,
) -> Result<Vec<RedisWeakness>, KeystoreError> {
    let each = layout.known.iter().map(async |address| {
        let wire = Wire::connect(place, address).await?;
        of_server(place, &wire).await
    });
    let mut found = Vec::new();
    for one in join_all(each).await {
        found.extend(one?);
    }
    let primaries = layout.primaries.iter();
    let alone = primaries
        .filter(|primary| !primary.buckets.is_empty() && primary.replicas_known == 0)
        .count();
    if !place.cluster {
        found.push(RedisWeakness::Alone);
    } else if alone > layout.to_come_back {
        found.push(RedisWeakness::NoReplica);
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

async fn of_server(place: &Place, wire: &Wire) -> Result<Vec<RedisWeakness>, KeystoreError> {
    // Who may not ask anything is told so.
    wire.ask(redis::cmd("PING")).await?;
    let mut info = redis::cmd("INFO");
    info.arg("server");
    let Ok(info) = wire.ask(info).await else {
        return Ok(vec![RedisWeakness::Unreadable]);
    };
    let info = text(info).ok_or_else(strange)?;
    let says = |name: &str| {
        let mut lines = info.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    };
    let version = says("redis_version").and_then(|version| version.split('.').next());
    let version: Option<u32> = version.and_then(|version| version.parse().ok());
    if version.is_none_or(|version| version < 7) {
        return Ok(vec![RedisWeakness::TooOld]);
    }
    let mode = says("redis_mode").or_else(|| says("server_mode"));
    let mut config = redis::cmd("CONFIG");
    config.arg("GET");
    config.arg(&[
        "maxmemory-policy",
        "appendonly",
        "appendfsync",
        "no-appendfsync-on-rewrite",
        "cluster-replica-validity-factor",
    ]);
    let Ok(config) = wire.ask(config).await else {
        return Ok(vec![RedisWeakness::Unreadable]);
    };
    let said = items(config)
        .into_iter()
        .filter_map(text)
        .collect::<Vec<_>>();
    let (pairs, _) = said.as_chunks::<2>();
    let config: BTreeMap<&str, &str> = pairs
        .iter()
        .map(|[name, value]| (name.as_str(), value.as_str()))
        .collect();
    let is = |name: &str, value: &str| config.get(name) == Some(&value);
    if !config.contains_key("appendonly") {
        return Ok(vec![RedisWeakness::Unreadable]);
    }
    let all = [
        (!is("maxmemory-policy", "noeviction"), RedisWeakness::Evicts),
        (!is("appendonly", "yes"), RedisWeakness::NotWritten),
        (
            !is("appendfsync", "always") || is("no-appendfsync-on-rewrite", "yes"),
            RedisWeakness::NotFlushed,
        ),
        (
            place.cluster && is("cluster-replica-validity-factor", "0"),
            RedisWeakness::StaleReplicas,
        ),
        (
            !place.cluster && mode == Some("cluster"),
            RedisWeakness::OneOfACluster,
        ),
    ];
    Ok(all
        .into_iter()
        .filter_map(|(found, weakness)| found.then_some(weakness))
        .collect())
}
