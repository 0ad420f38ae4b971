//! A cluster, as one of its servers sees it: who leads, and who may take whose place.
//!
//! This room must never leave a server out of those that may take another's place unless the cluster has agreed that it
//! has failed.

use super::place::Address;

/// A cluster, as one of its servers sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct View {
    pub(super) nodes: Vec<Node>,
}

/// A server of a cluster, as another one sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) id: String,
    /// Where it is; nothing where that isn't known.
    pub(super) address: Option<Address>,
    /// Its name, for TLS.
    pub(super) host_name: Option<String>,
    /// Whether it is the one that says so.
    pub(super) myself: bool,
    pub(super) primary: bool,
    /// Whose replica it is.
    pub(super) of: Option<String>,
    /// The cluster has agreed that it has failed.
    pub(super) failed: bool,
    pub(super) epoch: u64,
    slots: Vec<(u16, u16)>,
}

impl View {
    /// What `CLUSTER NODES` says. A place without a host is that of the server that was asked.
    pub(super) fn read(said: &str, asked: &Address) -> Option<Self> {
        let nodes = said
            .lines()
            .filter(|line| !line.is_empty())
            .map(|line| Node::read(line, asked))
            .collect::<Option<Vec<_>>>()?;
        Some(Self { nodes })
    }

    pub(super) fn myself(&self) -> Option<&Node> {
        self.nodes.iter().find(|node| node.myself)
    }

    /// The primary that has this slot.
    pub(super) fn owner(&self, slot: u16) -> Option<&Node> {
        self.nodes
            .iter()
            .find(|node| node.primary && node.has(slot))
    }

    /// The primaries that have slots.
    pub(super) fn primaries(&self) -> impl Iterator<Item = &Node> {
        self.nodes
            .iter()
            .filter(|node| node.primary && !node.slots.is_empty())
    }

    /// The servers that may take the place of this one.
    pub(super) fn successors<'v>(&'v self, id: &'v str) -> impl Iterator<Item = &'v Node> {
        let replicas = self.nodes.iter();
        replicas.filter(move |node| node.of.as_deref() == Some(id) && !node.failed)
    }

    /// Whether this server leads all of these slots, by this view.
    pub(super) fn leads(&self, id: &str, slots: &[u16]) -> bool {
        let node = self.nodes.iter().find(|node| node.id == id);
        node.is_some_and(|node| {
            node.primary && !node.failed && slots.iter().all(|slot| node.has(*slot))
        })
    }
}

impl Node {
    fn read(line: &str, asked: &Address) -> Option<Self> {
        let mut fields = line.split(' ');
        let id = fields.next()?.to_owned();
        let (place, mut names) = match fields.next()?.split_once(',') {
            Some((place, names)) => (place, names.split(',')),
            None => ("", "".split(',')),
        };
        let place = if place.is_empty() {
            line.split(' ').nth(1)?
        } else {
            place
        };
        let host_name = names.next().filter(|name| !name.is_empty() && *name != "?");
        let flags: Vec<_> = fields.next()?.split(',').collect();
        let of = fields.next().filter(|of| *of != "-").map(str::to_owned);
        let epoch = fields.nth(2)?.parse().ok()?;
        let _link = fields.next()?;
        let slots = fields
            // In brackets: on its way to or from another server. It is still the first one's.
            .filter(|slots| !slots.starts_with('['))
            .map(|slots| {
                let (first, last) = slots.split_once('-').unwrap_or((slots, slots));
                Some((first.parse().ok()?, last.parse().ok()?))
            })
            .collect::<Option<Vec<_>>>()?;
        let is = |flag| flags.contains(&flag);
        Some(Self {
            id,
            address: address(place, asked).filter(|_| !is("noaddr")),
            host_name: host_name.map(str::to_owned),
            myself: is("myself"),
            primary: is("master"),
            of,
            // `fail?` is the suspicion of one.
            failed: is("fail"),
            epoch,
            slots,
        })
    }

    fn has(&self, slot: u16) -> bool {
        self.slots
            .iter()
            .any(|(first, last)| (first..=last).contains(&&slot))
    }
}

/// `host:port@bus`.
fn address(text: &str, asked: &Address) -> Option<Address> {
    let (place, _) = text.split_once('@').unwrap_or((text, ""));
    let (host, port) = place.rsplit_once(':')?;
    let host = if host.is_empty() { &asked.host } else { host };
    Some(Address {
        host: host.trim_matches(['[', ']']).to_owned(),
        port: port.parse().ok().filter(|port| *port > 0)?,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What a server says of a cluster of six.
    pub(in crate::shared::redis) const SAID: &str = "\
a 10.0.0.1:7000@17000,one.example myself,master - 0 0 3 connected 0-5460 [93->-b]
b 10.0.0.2:7000@17000 master - 0 1 2 connected 5461-10922 16000
c :7002@17002 slave a 0 1 3 connected
d 10.0.0.4:7000@17000,?,shard-id=x slave,fail? a 1 1 3 disconnected
e 10.0.0.5:7000@17000, slave,fail a 1 1 3 disconnected
f :0@0 master,fail,noaddr - 1 1 1 disconnected
";

    /// Where that server is.
    pub(in crate::shared::redis) fn asked() -> Address {
        Address {
            host: "10.0.0.9".to_owned(),
            port: 7000,
        }
    }

    #[test]
    fn a_view_says_who_leads_and_who_may_take_its_place() {
        let view = View::read(SAID, &asked()).unwrap();
        assert_eq!(view.myself().unwrap().id, "a");
        assert_eq!(view.owner(93).unwrap().id, "a", "it is still there");
        assert_eq!(view.owner(16000).unwrap().id, "b");
        assert_eq!(view.owner(16001), None);
        assert_eq!(view.primaries().count(), 2);
        assert_eq!(view.successors("a").count(), 2, "a suspicion isn't enough");
        assert_eq!(view.successors("b").count(), 0);
        assert!(view.leads("a", &[0, 5460]) && !view.leads("a", &[5461]));
        assert!(!view.leads("f", &[]) && !view.leads("c", &[]));
        let places: Vec<_> = view.nodes.iter().map(|node| node.address.clone()).collect();
        assert_eq!(places[2].as_ref().unwrap().to_string(), "10.0.0.9:7002");
        assert_eq!(places[5], None);
        let names: Vec<_> = view
            .nodes
            .iter()
            .map(|node| node.host_name.as_deref())
            .collect();
        assert_eq!(names, [Some("one.example"), None, None, None, None, None]);
        assert_eq!(View::read("what is this", &asked()), None);
    }
}
