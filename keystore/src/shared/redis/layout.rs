//! Which server leads which part, as the servers that can be reached say it.
//!
//! It may be wrong: whoever takes over has told nobody yet. A poll shows it, and only then there is a lease.

use futures_util::future::join_all;

use super::bucket::Bucket;
use super::place::{Address, Place};
use super::view::{Node, View};
use super::wire::{Wire, accepted, strange, text};
use crate::error::KeystoreError;

/// A server and what it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Primary {
    /// Its id in a cluster; nothing where it is the only one.
    pub(super) id: Option<String>,
    pub(super) address: Address,
    pub(super) buckets: Vec<Bucket>,
    /// How many may take its place.
    pub(super) replicas: usize,
    /// How many it has, those that have failed as well.
    pub(super) replicas_known: usize,
}

/// The servers of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Those that lead, also where no bucket is theirs.
    pub(super) primaries: Vec<Primary>,
    /// All that are known and haven't failed.
    pub(super) known: Vec<Address>,
    /// How many have led, have failed and lead nothing any more: each is to come back as a replica.
    pub(super) to_come_back: usize,
}

impl Layout {
    /// Asks the servers that are known.
    pub(super) async fn find(place: &Place, known: &[Address]) -> Result<Self, KeystoreError> {
        if !place.cluster {
            let address = place.addresses.first().ok_or_else(strange)?.clone();
            return Ok(Self {
                known: vec![address.clone()],
                to_come_back: 0,
                primaries: vec![Primary {
                    id: None,
                    address,
                    buckets: Bucket::all().collect(),
                    replicas: 0,
                    replicas_known: 0,
                }],
            });
        }
        let asked = known.iter().chain(&place.addresses);
        let mut unique: Vec<&Address> = Vec::new();
        for address in asked {
            if !unique.contains(&address) {
                unique.push(address);
            }
        }
        let said = join_all(unique.into_iter().map(|address| view(place, address))).await;
        let mut views = Vec::new();
        let mut failure = KeystoreError::unavailable("no server can be reached");
        for said in said {
            match said {
                Ok(view) => views.push(view),
                Err(error) => failure = error,
            }
        }
        if views.is_empty() {
            return Err(failure);
        }
        Self::of(place, &views)
    }

    fn of(place: &Place, views: &[View]) -> Result<Self, KeystoreError> {
        let mut primaries: Vec<(&View, &Node)> = Vec::new();
        let newest = |views: &[View]| -> Option<View> {
            let epoch = |view: &View| view.nodes.iter().map(|node| node.epoch).max();
            views.iter().max_by_key(|view| epoch(view)).cloned()
        };
        let newest = newest(views).ok_or_else(strange)?;
        for view in [&newest] {
            for node in view.primaries() {
                primaries.push((view, node));
            }
        }
        // For each bucket the one with the highest epoch of all that are said to have it: who takes over has a new one.
        let mut owners = Vec::new();
        for bucket in Bucket::all() {
            let owner = views
                .iter()
                .filter_map(|view| Some((view, view.owner(bucket.slot())?)))
                .max_by_key(|(_, node)| node.epoch);
            let (view, owner) = owner
                .ok_or_else(|| KeystoreError::unavailable("no server has all of the slots"))?;
            if !primaries.iter().any(|(_, node)| node.id == owner.id) {
                primaries.push((view, owner));
            }
            owners.push((bucket, owner.id.clone()));
        }
        let primaries = primaries.into_iter().filter(|(_, node)| {
            // One that has lost all that it had isn't asked.
            let owns = owners.iter().any(|(_, owner)| *owner == node.id);
            owns || !node.failed
        });
        let primaries = primaries.map(|(view, node)| {
            let of_it = |node: &&Node, id: &str| node.of.as_deref() == Some(id);
            Ok(Primary {
                id: Some(node.id.clone()),
                address: reached(place, node).ok_or_else(|| {
                    KeystoreError::unavailable("nobody says where one of its servers is")
                })?,
                buckets: owners
                    .iter()
                    .filter(|(_, owner)| *owner == node.id)
                    .map(|(bucket, _)| *bucket)
                    .collect(),
                replicas: view.successors(&node.id).count(),
                replicas_known: view.nodes.iter().filter(|one| of_it(one, &node.id)).count(),
            })
        });
        let primaries = primaries.collect::<Result<Vec<_>, KeystoreError>>()?;
        let known = newest.nodes.iter().filter(|node| !node.failed);
        let leads = |node: &Node| {
            primaries
                .iter()
                .any(|one| one.id.as_deref() == Some(&node.id))
        };
        let nodes = newest.nodes.iter();
        let gone = nodes.filter(|node| node.failed && node.primary && !leads(node));
        Ok(Self {
            to_come_back: gone.count(),
            primaries,
            known: known.filter_map(|node| reached(place, node)).collect(),
        })
    }
}

/// Where a server is reached: with TLS by its name, where it says one, for that stands in its certificate.
fn reached(place: &Place, node: &Node) -> Option<Address> {
    let address = node.address.clone()?;
    Some(match &node.host_name {
        Some(name) if place.tls => Address {
            host: name.clone(),
            port: address.port,
        },
        _ => address,
    })
}

async fn view(place: &Place, address: &Address) -> Result<View, KeystoreError> {
    let wire = Wire::connect(place, address).await?;
    let mut nodes = redis::pipe();
    nodes.cmd("CLUSTER").arg("NODES");
    let said = wire.send(&nodes).await?.into_iter().next();
    let said = accepted(said.ok_or_else(strange)?).map_err(|error| KeystoreError::StoreUnfit {
        reason: format!(
            "{address} isn't one of a cluster ({error}); write redis:// for one server"
        )
        .into(),
    })?;
    let said = text(said).ok_or_else(strange)?;
    View::read(&said, address).ok_or_else(strange)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(said: &str) -> View {
        let asked = Address {
            host: "10.0.0.9".to_owned(),
            port: 1,
        };
        View::read(said, &asked).unwrap()
    }

    fn of(views: &[&str]) -> Result<Layout, KeystoreError> {
        let place = Place::of("redis+cluster://10.0.0.1:1").unwrap();
        let views: Vec<_> = views.iter().map(|said| view(said)).collect();
        Layout::of(&place, &views)
    }

    const BEFORE: &str = "\
a 10.0.0.1:1@2 master - 0 0 3 connected 0-16383
b 10.0.0.2:1@2 slave a 0 0 3 connected
";

    /// The one that has taken over says so, and its epoch is higher.
    const AFTER: &str = "\
a 10.0.0.1:1@2 master,fail - 0 0 3 disconnected
b 10.0.0.2:1@2 myself,master - 0 0 4 connected 0-16383
";

    #[test]
    fn who_leads_is_who_says_so_with_the_highest_epoch() {
        for views in [&[BEFORE, AFTER][..], &[AFTER, BEFORE], &[AFTER]] {
            let layout = of(views).unwrap();
            let leads = layout
                .primaries
                .iter()
                .find(|primary| !primary.buckets.is_empty())
                .unwrap();
            assert_eq!(leads.id.as_deref(), Some("b"));
            assert_eq!(leads.buckets.len(), super::super::bucket::BUCKETS);
            assert_eq!((leads.replicas, leads.replicas_known), (0, 0));
            assert_eq!(layout.to_come_back, 1);
            assert_eq!(layout.known.len(), 1);
        }
        let layout = of(&[BEFORE]).unwrap();
        assert_eq!(layout.primaries.len(), 1);
        assert_eq!(layout.primaries[0].id.as_deref(), Some("a"));
        assert_eq!(layout.primaries[0].replicas, 1);
    }

    #[test]
    fn slots_without_a_server_are_an_error() {
        let error = of(&[&BEFORE.replace("0-16383", "0-16000")]).unwrap_err();
        assert_eq!(error.code(), "store_unavailable");
    }
}
