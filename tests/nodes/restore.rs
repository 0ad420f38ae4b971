//! A backup of nodes, restored into the empty databases of nodes: no session comes back, and nothing is restored beside
//! nodes at work.

use super::{Deployment, EMAIL, PASSWORD, Store};
use crate::support::server::{Server, Setup, Token};
use crate::support::wait::until;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

/// How many sessions the backup has.
const SESSIONS: usize = 3_000;

fn refused(output: &Output, code: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.trim_end().ends_with(&format!("({code})")),
        "{output:?}"
    );
    assert!(!output.status.success());
}

fn run(setup: &Setup, command: &[&str], file: &Path) -> Output {
    let arguments = [command, &[file.to_str().unwrap(), "--json"]].concat();
    setup.lacre(arguments).output().unwrap()
}

/// A deployment with so many sessions, some of which are given, and a backup of it.
fn backed_up(
    deployment: &Deployment,
    sessions: usize,
) -> ([Server; 2], Vec<Token>, PathBuf, PathBuf) {
    let nodes: [Server; 2] = std::array::from_fn(|_| {
        let most = SESSIONS.to_string();
        deployment
            .node()
            .env("LACRE_SESSION__MAX_PER_USER", &most)
            .start()
    });
    let user = nodes[0].sign_up(EMAIL, PASSWORD).id;
    let client = nodes[0].add_client("shop");
    let tokens: Vec<_> = std::thread::scope(|scope| {
        let beginning: Vec<_> = (0..8)
            .map(|thread| {
                let (node, client, user) = (&nodes[thread % 2], &client, &user);
                scope.spawn(move || {
                    let begin = |number| {
                        let name = format!("{thread}-{number}");
                        Token::of(&node.client_token(client, user, &name))
                    };
                    (0..sessions / 8).map(begin).collect::<Vec<_>>()
                })
            })
            .collect();
        let begun = beginning.into_iter().map(|thread| thread.join().unwrap());
        begun.flatten().collect()
    });
    let home = nodes[0].setup().home();
    let (file, export) = (home.join("backup"), home.join("export"));
    nodes[1].operator(&["backup", file.to_str().unwrap()]);
    nodes[1].operator(&["keystore", "export", export.to_str().unwrap()]);
    (nodes, tokens, file, export)
}

on_every_engine!(
    postgres:
        a_backup_of_nodes_is_restored_into_empty_databases_and_no_session_comes_back;
    redis:
        a_backup_of_nodes_is_restored_into_empty_databases_and_no_session_comes_back,
        nothing_is_restored_beside_servers_of_redis_that_have_something;
);

/// Nothing was made in the database either.
fn nothing_is_restored_beside_servers_of_redis_that_have_something(deployment: &Deployment) {
    let (_nodes, tokens, file, _) = backed_up(deployment, 8);
    let there = deployment.elsewhere();
    let Store::One(taken) = &deployment.store else {
        return;
    };
    let place = there.node().env("LACRE_KEYSTORE__URL", &taken.url());
    refused(&run(&place, &["restore"], &file), "store_foreign");
    assert_eq!(
        there
            .database
            .sql("SELECT to_regclass('keystore_moves') IS NULL"),
        "t"
    );
    let place = there.node();
    assert!(run(&place, &["restore"], &file).status.success());
    let node = place.start();
    node.refuses(&tokens[0].auth);
    node.accepts(&node.get_token(EMAIL, PASSWORD).auth);
}

fn a_backup_of_nodes_is_restored_into_empty_databases_and_no_session_comes_back(
    deployment: &Deployment,
) {
    // Those on Redis are as many as one part of the test needs.
    let count = match deployment.store {
        Store::Database => SESSIONS,
        _ => 200,
    };
    let (nodes, tokens, file, export) = backed_up(deployment, count);
    // Ended since: it may come back least of all.
    nodes[0].revoke(&tokens[0].auth, &tokens[0].crt).expect(204);
    let there = deployment.elsewhere();
    let place = there.node();
    refused(
        &run(&place, &["keystore", "import"], &export),
        "restore_other_deployment",
    );
    let output = run(&place, &["restore"], &file);
    assert!(output.status.success(), "{output:?}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["sessions"]["in_backup"], count);
    assert_eq!(said["sessions"]["live"], 0);
    assert_eq!(said["sessions"]["ended"], count);
    assert_eq!(said["accounts"]["count"], 1);
    let mut named: Vec<_> = said["sessions"]["ended_handles"]
        .as_array()
        .unwrap()
        .iter()
        .map(|handle| handle.as_str().unwrap().to_owned())
        .collect();
    let mut all: Vec<_> = tokens.iter().map(|token| token.crt.clone()).collect();
    named.sort();
    all.sort();
    assert_eq!(named, all);
    // The same place goes on as a node, beside another one.
    let after = [place.start(), there.node().start()];
    for node in &after {
        for token in tokens.iter().step_by(100) {
            node.refuses(&token.auth);
            assert_eq!(node.refresh(token).status, 401);
        }
    }
    let new = after[0].get_token(EMAIL, PASSWORD);
    after[1].accepts(&new.auth);
    // Nothing is restored where nodes work, or over what is there.
    let third = there.node();
    refused(&run(&third, &["restore"], &file), "restore_beside_nodes");
    refused(
        &run(&third, &["restore", "--replace"], &file),
        "restore_beside_nodes",
    );
    after[0].accepts(&new.auth);
    // An export of the sessions tells which are live, and brings none back.
    let live = nodes[1].get_token(EMAIL, PASSWORD);
    let imported = run(&deployment.node(), &["keystore", "import"], &export);
    assert!(imported.status.success(), "{imported:?}");
    let said: Value = serde_json::from_slice(&imported.stdout).unwrap();
    assert_eq!(
        said["sessions"]["ended_handles"],
        serde_json::json!([tokens[0].crt])
    );
    assert_eq!(said["sessions"]["live"], count - 1);
    for node in &nodes {
        node.refuses(&tokens[0].auth);
        node.accepts(&tokens[1].auth);
        node.accepts(&live.auth);
    }
    for mut node in after {
        assert!(node.stop().success());
    }
    let output = until("the nodes are forgotten", || {
        let output = run(&third, &["restore", "--replace"], &file);
        let beside = String::from_utf8_lossy(&output.stderr).contains("restore_beside_nodes");
        (!beside).then_some(output)
    });
    refused(&output, "restore_not_empty");
}

#[test]
fn a_restore_that_is_killed_keeps_every_node_from_starting_until_it_has_run_to_its_end() {
    let Some(deployment) = Deployment::new() else {
        return;
    };
    let (_nodes, tokens, file, _) = backed_up(&deployment, 200);
    let there = deployment.elsewhere();
    let place = there.node();
    let mut cut_off = 0;
    for millis in (50..3_000).step_by(50) {
        let mut command = place.lacre(["restore", file.to_str().unwrap()]);
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut restoring = command.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(millis));
        restoring.kill().unwrap();
        restoring.wait().unwrap();
        let moves = "SELECT count(*) FROM pg_tables WHERE tablename = 'keystore_moves'";
        let way = match there.database.sql(moves).as_str() {
            "1" => there.database.sql("SELECT way FROM keystore_moves"),
            _ => continue,
        };
        match way.as_str() {
            "coming" => cut_off += 1,
            "came" => break,
            _ => continue,
        }
        if cut_off <= 2 {
            there
                .node()
                .start_refused()
                .with(78, "migration_unfinished");
            let refused = place.start_refused();
            assert!(refused.stderr.contains("_unfinished)"), "{refused:?}");
        }
    }
    assert!(
        cut_off > 0,
        "never killed between the first change and the last"
    );
    // One that was killed behind the last change has been a node itself.
    let output = until("it is forgotten", || {
        let output = run(&place, &["restore"], &file);
        let beside = String::from_utf8_lossy(&output.stderr).contains("restore_beside_nodes");
        (!beside).then_some(output)
    });
    if !output.status.success() {
        refused(&output, "restore_not_empty");
    }
    let nodes = [place.start(), there.node().start()];
    for node in &nodes {
        node.refuses(&tokens[7].auth);
        node.accepts(&node.get_token(EMAIL, PASSWORD).auth);
    }
}
