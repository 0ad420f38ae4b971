//! Servers of a cluster of Redis that fail or hand over while nodes are at work: what was answered holds, and the service is
//! back. One that is cut off is in `cut`.

use super::ends::rounds;
use super::failover::{ends_around, lets_in, stay_out};
use super::redis::{is_repaired, with_sessions};
use super::{Deployment, EMAIL, PASSWORD, Store};
use crate::support::redis::{Cluster, Server};
use crate::support::wait::until;

/// What happens to a primary.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// It is killed.
    Killed,
    /// It stands still, and goes on when another one leads.
    Still,
    /// Its replica takes over without asking it.
    Forced,
    /// It hands over to its replica.
    HandedOver,
}

impl Fault {
    fn comes(self, primary: &Server, replica: &Server) {
        let take_over = |how: &[&str]| {
            let said = replica.says(&[&["CLUSTER", "FAILOVER"], how].concat());
            assert_eq!(said.trim(), "OK");
        };
        match self {
            Self::Killed => primary.kill(),
            Self::Still => primary.pause(),
            Self::Forced => take_over(&["FORCE"]),
            Self::HandedOver => take_over(&[]),
        }
        until("the replica leads", || leads(replica).then_some(()));
    }
}

fn leads(server: &Server) -> bool {
    server.says(&["ROLE"]).starts_with("master")
}

fn replica_of(cluster: &Cluster, primary: usize) -> &Server {
    let port = cluster.servers[primary].port.to_string();
    let follows = |server: &&Server| {
        let role = server.says(&["ROLE"]);
        role.starts_with("slave") && role.lines().nth(2) == Some(&port)
    };
    let mut found = cluster.servers.iter().filter(follows);
    found.next().expect("the primary has no replica")
}

fn breaks(fault: Fault, full: usize) {
    let Some(deployment) = Deployment::cluster() else {
        return;
    };
    let Store::Six(cluster) = &deployment.store else {
        return;
    };
    let nodes = deployment.start::<3>();
    let nodes = nodes.each_ref();
    nodes[0].sign_up(EMAIL, PASSWORD);
    let kept = nodes[0].get_token(EMAIL, PASSWORD);
    let mut answered = 0;
    for _ in 0..rounds(1, full) {
        let number = with_sessions(cluster);
        let (primary, replica) = (&cluster.servers[number], replica_of(cluster, number));
        let ((), mut ended) = ends_around(&nodes, &kept, || fault.comes(primary, replica));
        answered += ended.len();
        // It comes back, and believes for a moment that it leads.
        let ((), since) = match fault {
            Fault::Killed => ends_around(&nodes, &kept, || assert!(primary.begin())),
            Fault::Still => ends_around(&nodes, &kept, || primary.go_on()),
            Fault::Forced | Fault::HandedOver => Default::default(),
        };
        ended.extend(since);
        until("the cluster is repaired", || {
            is_repaired(cluster).then_some(())
        });
        assert_ne!(with_sessions(cluster), number, "{fault:?}");
        for node in nodes {
            lets_in(node, &kept);
        }
        stay_out(&nodes, &ended);
    }
    assert!(answered > 0, "no end was answered in time");
}

#[test]
fn a_replica_takes_over_from_a_primary_that_was_killed() {
    breaks(Fault::Killed, 100);
}

#[test]
fn a_replica_takes_over_from_a_primary_that_stands_still_and_comes_back() {
    breaks(Fault::Still, 50);
}

#[test]
fn a_replica_takes_over_without_asking_the_primary() {
    breaks(Fault::Forced, 20);
}

#[test]
fn a_primary_hands_over_to_its_replica() {
    breaks(Fault::HandedOver, 40);
}
