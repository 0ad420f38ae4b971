//! Nodes that start.

use super::{Deployment, EMAIL, PASSWORD};
use crate::support::http::Request;
use crate::support::server::Server;
use serde_json::Value;
use std::time::Duration;

on_every_engine!(
    postgres:
        readiness_and_metrics_tell_of_the_lease,
        nodes_with_the_longest_lease_start,
        metrics_say_which_node_it_is,
        the_cap_and_named_sessions_are_those_of_the_deployment,
        log_ins_at_two_nodes_at_once_leave_the_last_session;
    redis:
        readiness_and_metrics_tell_of_the_lease,
        nodes_with_the_longest_lease_start,
        metrics_say_which_node_it_is,
        the_cap_and_named_sessions_are_those_of_the_deployment,
        log_ins_at_two_nodes_at_once_leave_the_last_session;
);

#[test]
fn two_nodes_that_start_at_the_same_moment_for_the_first_time_are_one_deployment() {
    let Some(deployment) = Deployment::new() else {
        return;
    };
    // The master key is what operators copy.
    let made = deployment
        .node()
        .lacre(["users", "add", "first@example.com", "--json"])
        .output();
    drop(made);
    std::fs::remove_file(deployment.master_key()).unwrap();
    drop(deployment);
    let Some(deployment) = Deployment::new() else {
        return;
    };
    std::fs::write(
        deployment.master_key(),
        "1:C2mTCRxEnIhF0cLFmLpGXYqSe1xNLvWbiQ0n4MZ1f7k\n",
    )
    .unwrap();
    private(&deployment.master_key());
    let starting: Vec<_> = (0..3)
        .map(|_| {
            let node = deployment.node();
            std::thread::spawn(move || node.start())
        })
        .collect();
    let nodes: Vec<_> = starting
        .into_iter()
        .map(|node| node.join().unwrap())
        .collect();
    assert_eq!(
        deployment
            .database
            .sql("SELECT version FROM keystore_common"),
        "1"
    );
    assert_eq!(
        deployment
            .database
            .sql("SELECT count(*) FROM lacre_deployments"),
        "1"
    );
    nodes[0].sign_up(EMAIL, PASSWORD);
    let token = nodes[1].get_token(EMAIL, PASSWORD);
    for node in &nodes {
        node.accepts(&token.auth);
    }
    let refreshed = nodes[2].refresh(&token).expect(200);
    let auth = refreshed.json()["auth"].as_str().unwrap().to_owned();
    for node in &nodes {
        node.accepts(&auth);
        node.refuses(&token.auth);
    }
}

fn private(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn metrics_say_which_node_it_is(deployment: &Deployment) {
    let named = |node: &Server| {
        let name = std::fs::read_to_string(node.data().join("node")).unwrap();
        let line = format!("lacre_node_info{{node=\"{}\"}} 1", name.trim());
        let metrics = node.manage("/metrics").expect(200);
        let said: Vec<_> = metrics.text().lines().map(str::to_owned).collect();
        assert!(said.contains(&line), "{line}");
        name
    };
    let [one, two] = deployment.start();
    assert_ne!(named(&one), named(&two));
}

fn readiness_and_metrics_tell_of_the_lease(deployment: &Deployment) {
    let [node] = deployment.start();
    let ready = node.manage("/readyz").expect(200).json();
    assert_eq!(ready["stores"]["keystore"], "up");
    let metrics = node.manage("/metrics").expect(200);
    let value = |name: &str| -> f64 {
        let line = metrics
            .text()
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")));
        let line = line.unwrap_or_else(|| panic!("no {name} in {}", metrics.text()));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(value("lacre_lease_rounds_total") > 1.0);
    assert!(value("lacre_lease_age_seconds") < 10.0);
    assert!(value("lacre_lease_generations_total") >= 1.0);
    for name in [
        "lacre_lease_held",
        "lacre_lease_lapses_total",
        "lacre_feed_changes_total",
    ] {
        value(name);
    }
}

/// Nobody who starts waits until a poll is due: the next one may be four seconds away, or with the sessions on Redis, where
/// the lease by the database is longer, as many as a lease may be at all.
fn nodes_with_the_longest_lease_start(deployment: &Deployment) {
    let longest = || deployment.node().env("LACRE_KEYSTORE__LEASE", "10s");
    let one = longest().start();
    one.sign_up(EMAIL, PASSWORD);
    let token = one.get_token(EMAIL, PASSWORD);
    let two = longest().start();
    for node in [&one, &two] {
        node.accepts(&token.auth);
        assert_eq!(node.manage("/readyz").status, 200);
    }
}

/// The cap holds over nodes, and so does the name of a session.
fn the_cap_and_named_sessions_are_those_of_the_deployment(deployment: &Deployment) {
    let capped =
        |deployment: &Deployment| deployment.node().env("LACRE_SESSION__MAX_PER_USER", "2");
    let (one, two) = (capped(deployment).start(), capped(deployment).start());
    let account = one.sign_up(EMAIL, PASSWORD);
    let tokens = [&one, &two, &one, &two].map(|node| {
        let token = node.get_token(EMAIL, PASSWORD);
        // Sessions of one second have no order.
        std::thread::sleep(Duration::from_millis(1_100));
        token
    });
    for node in [&one, &two] {
        node.refuses(&tokens[0].auth);
        node.refuses(&tokens[1].auth);
        node.accepts(&tokens[2].auth);
        node.accepts(&tokens[3].auth);
        assert_eq!(node.sessions(&tokens[3].auth).len(), 2);
    }
    let client = one.add_client("shop");
    let named = |node: &Server| -> Value {
        node.client_token(&client, &account.id, "till-7")
            .expect(200)
            .json()
    };
    let (first, second) = (named(&one), named(&two));
    assert_eq!(first["crt"], second["crt"]);
    let auth = |token: &Value| token["auth"].as_str().unwrap().to_owned();
    for node in [&one, &two] {
        node.accepts(&auth(&second));
        node.refuses(&auth(&first));
    }
    one.send(&Request::get("/open")).expect(200);
}

fn log_ins_at_two_nodes_at_once_leave_the_last_session(deployment: &Deployment) {
    let start = || deployment.node().env("LACRE_SESSION__MAX_PER_USER", "1");
    let nodes = [start().start(), start().start()];
    let client = nodes[0].add_client("shop");
    for round in 0..15 {
        // A user for each round, so that both find room.
        let account = nodes[0].sign_up(&format!("u{round}@example.com"), PASSWORD);
        let [one, two] = std::thread::scope(|scope| {
            let begin = |at: usize| {
                let (node, client, id) = (&nodes[at], &client, &account.id);
                scope.spawn(move || node.client_token(client, id, &format!("till-{at}")))
            };
            [begin(0), begin(1)].map(|began| began.join().unwrap().expect(200).json())
        });
        let good = [one, two].map(|token| {
            let request = Request::get("/headers").bearer(token["auth"].as_str().unwrap());
            let status = nodes.each_ref().map(|node| node.send(&request).status);
            assert_eq!(status[0], status[1], "round {round}");
            status[0] == 200
        });
        assert_eq!(
            good.iter().filter(|good| **good).count(),
            1,
            "round {round}"
        );
    }
}
