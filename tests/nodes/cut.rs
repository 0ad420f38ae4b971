//! A primary of Redis that is cut off from the network while it goes on: nothing that it says then counts.

use super::ends::rounds;
use super::failover::{ends_around, lets_in, stay_out};
use super::redis::{is_repaired, with_sessions};
use super::{Deployment, EMAIL, PASSWORD, Store};
use crate::support::network::{Host, Network, inside};
use crate::support::wait::until;

/// From whom it is cut off.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// From everybody.
    All,
    /// From the other servers: the nodes hear it, as it goes on to believe for a moment that it leads.
    Servers,
}

#[test]
fn nothing_that_was_answered_is_let_in_when_a_primary_is_cut_off() {
    inside("nodes::cut::in_a_network_of_its_own");
}

#[test]
#[ignore = "runs in a network of its own, by nothing_that_was_answered_is_let_in_when_a_primary_is_cut_off"]
fn in_a_network_of_its_own() {
    let network = Network::begin(6);
    let places: Vec<_> = network
        .hosts
        .iter()
        .map(|host| host.place.clone())
        .collect();
    let Some(deployment) = Deployment::cluster_at(&places) else {
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
    for round in 0..rounds(2, 50) {
        let cut = [Cut::All, Cut::Servers][round % 2];
        let primary = with_sessions(cluster);
        let host = &network.hosts[primary];
        let others = || -> Vec<&Host> {
            let others = network.hosts.iter().enumerate();
            let others = others.filter(|(number, _)| *number != primary);
            others.map(|(_, host)| host).collect()
        };
        let ((), first) = ends_around(&nodes, &kept, || match cut {
            Cut::All => host.cut(),
            Cut::Servers => host.cut_from(others()),
        });
        answered += first.len();
        assert_ne!(with_sessions(cluster), primary, "{cut:?}: nobody took over");
        match cut {
            Cut::All => host.mend(),
            Cut::Servers => host.mend_to(others()),
        }
        // It hears that another one leads, and follows that.
        until("the cluster is repaired", || {
            is_repaired(cluster).then_some(())
        });
        for node in nodes {
            lets_in(node, &kept);
        }
        stay_out(&nodes, &first);
    }
    assert!(answered > 0, "no end was answered in time");
}
