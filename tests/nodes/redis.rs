//! Nodes with their sessions on Redis: what is refused, and what becomes of servers.

use super::ends::rounds;
use super::failover::stay_out;
use super::{Deployment, EMAIL, PASSWORD, Store};
use crate::support::database::Database;
use crate::support::redis::{Cluster, Server, copied, is_available};
use crate::support::server::{Setup, Token};
use crate::support::wait::until;
use serde_json::Value;
use std::time::{Duration, Instant};

fn one(deployment: &Deployment) -> &Server {
    match &deployment.store {
        Store::One(server) => server,
        _ => panic!("it has no server of its own"),
    }
}

fn doctor(setup: &Setup) -> Vec<(String, String)> {
    let output = setup.lacre(["doctor", "--json"]).output().unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let found = found.as_array().unwrap().iter();
    found
        .map(|one| (text(&one["code"]), text(&one["text"])))
        .collect()
}

#[test]
fn servers_that_dont_keep_what_they_say_are_refused_and_doctor_says_the_same() {
    let Some(deployment) = Deployment::redis() else {
        return;
    };
    let server = one(&deployment);
    for (name, value, good) in [
        ("maxmemory-policy", "allkeys-lru", "noeviction"),
        ("appendfsync", "everysec", "always"),
        ("appendonly", "no", "yes"),
    ] {
        server.says(&["CONFIG", "SET", name, value]);
        let node = deployment.node();
        node.start_refused()
            .with(78, "store_not_durable")
            .saying(&format!("set {name} {good}"));
        let found = doctor(&node);
        let (_, text) = found
            .iter()
            .find(|(code, _)| code == "store_not_durable")
            .unwrap();
        assert!(text.contains(&format!("set {name} {good}")), "{text}");
        server.says(&["CONFIG", "SET", name, good]);
    }
    let nothing = "SELECT to_regclass('keystore_meta') IS NULL";
    assert_eq!(deployment.database.sql(nothing), "t", "nothing was made");
    assert_eq!(server.says(&["DBSIZE"]).trim(), "0");
    let [node] = deployment.start();
    let codes: Vec<_> = doctor(node.setup())
        .into_iter()
        .map(|(code, _)| code)
        .collect();
    for code in ["deployment", "store_alone", "store_no_standby"] {
        assert!(codes.iter().any(|found| found == code), "{codes:?}");
    }
}

/// The database says which store it is: no node goes by another one, whatever its configuration says.
#[test]
fn nodes_have_one_store_and_a_store_has_one_deployment() {
    let Some(deployment) = Deployment::redis() else {
        return;
    };
    let [mut running] = deployment.start();
    let empty = Server::start(&[]);
    let elsewhere = || deployment.node().env("LACRE_KEYSTORE__URL", &empty.url());
    elsewhere()
        .start_refused()
        .with(78, "store_emptied")
        .saying("Lead keystore.url to those of before");
    assert!(
        doctor(&elsewhere())
            .iter()
            .any(|(code, _)| code == "store_emptied")
    );
    assert_eq!(empty.says(&["DBSIZE"]).trim(), "0");
    let accept = |arguments: &[&str]| {
        let arguments = [&["keystore", "accept"], arguments].concat();
        elsewhere().lacre(arguments).output().unwrap()
    };
    let beside = accept(&["--yes"]);
    let said = String::from_utf8(beside.stderr).unwrap();
    assert!(said.trim_end().ends_with("(nodes_at_work)"), "{said}");
    // Another engine on the same database.
    deployment
        .node()
        .env("LACRE_KEYSTORE__ENGINE", "postgres")
        .env("LACRE_KEYSTORE__URL", &deployment.database.url())
        .start_refused()
        .with(78, "keystore_engine_changed")
        .saying("sessions are by keystore.engine = \"redis\"");
    // Another deployment on the same server.
    let Some(other) = Database::start() else {
        return;
    };
    let another = Setup::new()
        .env("LACRE_KEYSTORE__ENGINE", "redis")
        .env("LACRE_ACCOUNTS__URL", &other.url())
        .env("LACRE_KEYSTORE__URL", &one(&deployment).url());
    another.start_refused().with(78, "store_foreign");
    running.sign_up(EMAIL, PASSWORD);
    let token = running.get_token(EMAIL, PASSWORD);
    // All sessions are lost, and an operator says that nodes are to begin with none: those of before aren't used again.
    assert!(running.stop().success());
    assert!(accept(&["--yes"]).status.success());
    let node = elsewhere().start();
    node.refuses(&token.auth);
    node.accepts(&node.get_token(EMAIL, PASSWORD).auth);
    deployment.node().start_refused().with(78, "store_foreign");
}

#[test]
fn a_password_comes_from_a_file_and_is_in_no_line() {
    let Some(deployment) = Deployment::redis() else {
        return;
    };
    let server = one(&deployment);
    let user = [
        "ACL",
        "SETUSER",
        "ann",
        "on",
        ">secret/word",
        "~{lacre-*",
        "&*",
        "+@all",
    ];
    assert_eq!(server.says(&user).trim(), "OK");
    let node = || deployment.node().env("LACRE_KEYSTORE__USER", "ann");
    let with = |password: &str| {
        let node = node();
        let file = node.home().join("password");
        std::fs::write(&file, format!("{password}\n")).unwrap();
        node.env("LACRE_KEYSTORE__PASSWORD_FILE", file.to_str().unwrap())
    };
    let refused = with("another secret/word").start_refused();
    assert!(!refused.stderr.contains("secret"), "{refused:?}");
    refused.with(69, "store_unavailable");
    let setup = with("secret/word");
    let node = setup.start();
    node.is_well();
    let shown = setup.lacre(["config", "show"]).output().unwrap();
    assert!(!String::from_utf8(shown.stdout).unwrap().contains("secret"));
    assert!(!node.written().contains("secret"));
    // Nobody is there.
    let gone = deployment
        .node()
        .env("LACRE_KEYSTORE__URL", "redis://127.0.0.1:1");
    gone.start_refused().with(69, "store_unavailable");
}

/// Sessions have ended since the copy was made that a server comes back with: none is let in, neither by the nodes that were
/// at work nor by one that starts afterwards.
#[test]
fn a_server_as_it_was_earlier_brings_no_session_back_that_nodes_have_ended() {
    let Some(deployment) = Deployment::redis() else {
        return;
    };
    let server = one(&deployment);
    let [a, b, c] = deployment.start();
    a.sign_up(EMAIL, PASSWORD);
    for _ in 0..rounds(1, 20) {
        let kept = a.get_token(EMAIL, PASSWORD);
        let ended = [&a, &b, &c].map(|node| node.get_token(EMAIL, PASSWORD));
        let earlier = copied(server.home());
        a.revoke(&ended[0].auth, &ended[0].crt).expect(204);
        b.call("POST", "/logout", &ended[1].auth).expect(204);
        c.operator(&["sessions", "revoke", &ended[2].crt]);
        server.put_back(earlier.path());
        let fresh = deployment.node().start();
        let nodes = [&a, &b, &c, &fresh];
        for node in nodes {
            until("the node lets in again", || {
                for token in &ended {
                    let answer = node.call("GET", "/headers", &token.auth);
                    assert!(matches!(answer.status, 401 | 503), "{answer:?}");
                }
                let answer = node.call("GET", "/headers", &kept.auth);
                (answer.status == 200).then_some(())
            });
        }
        stay_out(&nodes, &ended);
        fresh.operator(&["sessions", "revoke", "--all", "--yes"]);
        server.put_back(earlier.path());
        for node in nodes {
            until("the node knows that all have ended", || {
                let answer = node.call("GET", "/headers", &kept.auth);
                assert!(matches!(answer.status, 401 | 503), "{answer:?}");
                (answer.status == 401).then_some(())
            });
        }
    }
}

/// Whoever asks for an end is told within a second that there is none, however many do, and none is made afterwards.
#[test]
fn ends_are_503_within_a_second_while_their_journal_stands_still() {
    let Some(deployment) = Deployment::redis() else {
        return;
    };
    let nodes = deployment.start::<2>();
    nodes[0].sign_up(EMAIL, PASSWORD);
    let tokens: Vec<_> = (0..24)
        .map(|_| nodes[0].get_token(EMAIL, PASSWORD))
        .collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let held =
                "BEGIN; LOCK TABLE keystore_journal, keystore_notes; SELECT pg_sleep(2.5); COMMIT";
            deployment.database.sql(held)
        });
        until("it is locked", || {
            let locks = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' \
                         AND relation = 'keystore_notes'::regclass";
            (deployment.database.sql(locks) == "1").then_some(())
        });
        let ending = tokens.iter().enumerate().map(|(number, token)| {
            let node = &nodes[number % 2];
            scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(60 * number as u64));
                let begun = Instant::now();
                let answer = match number % 3 {
                    0 => node.revoke(&token.auth, &token.crt),
                    1 => node.call("POST", "/logout", &token.auth),
                    _ => node.call("DELETE", "/sessions?except=current", &token.auth),
                };
                let took = begun.elapsed();
                assert!(took < Duration::from_millis(1_300), "{took:?}");
                answer.refused(503, "store_unavailable");
            })
        });
        let ending: Vec<_> = ending.collect();
        for end in ending {
            end.join().unwrap();
        }
    });
    let taken_back = || {
        deployment
            .database
            .sql("SELECT count(*) FROM keystore_journal")
            == "0"
    };
    until("what is written down is taken back", || {
        taken_back().then_some(())
    });
    // Nor when ends are made once more.
    let server = one(&deployment);
    server.kill();
    assert!(server.begin());
    for node in &nodes {
        for token in &tokens {
            // A node may let in by the lease of before the kill, and then have none for a moment.
            until("the node lets in", || {
                let answer = node.call("GET", "/headers", &token.auth);
                assert!(matches!(answer.status, 200 | 503), "{answer:?}");
                (answer.status == 200).then_some(())
            });
        }
    }
    nodes[1].revoke(&tokens[0].auth, &tokens[0].crt).expect(204);
    nodes[0].refuses(&tokens[0].auth);
}

/// The server that leads and has sessions, where all are of one user. One that is cut off isn't asked what the others know: of
/// those that say they lead, it is the one with the latest epoch.
pub(super) fn with_sessions(cluster: &Cluster) -> usize {
    let epoch = |server: &Server| -> u64 {
        let said = server.says(&["CLUSTER", "NODES"]);
        let own = said.lines().find(|line| line.contains("myself"));
        let epoch = own.and_then(|line| line.split(' ').nth(6)?.parse().ok());
        epoch.unwrap_or_default()
    };
    let servers = cluster.servers.iter().enumerate();
    let leading = servers
        .filter(|(_, server)| server.says(&["ROLE"]).starts_with("master") && has_records(server));
    let latest = leading.max_by_key(|(_, server)| epoch(server));
    latest.expect("no server has sessions").0
}

/// Whether all servers are there again, three of them replicas that follow.
pub(super) fn is_repaired(cluster: &Cluster) -> bool {
    let follows = |role: &str| role.starts_with("slave") && role.contains("connected");
    let well = |server: &Server| {
        let info = server.says(&["CLUSTER", "INFO"]);
        info.contains("cluster_state:ok") && !server.says(&["CLUSTER", "NODES"]).contains("fail")
    };
    let roles = cluster.servers.iter().map(|server| server.says(&["ROLE"]));
    roles.filter(|role| follows(role)).count() == 3 && cluster.servers.iter().all(well)
}

/// A refresh since is lost: the tokens of before are good until a later one is shown. Then the session ends, which the audit
/// log and the metrics say.
#[test]
fn a_server_as_it_was_before_a_refresh_ends_the_session_when_its_token_is_shown() {
    let Some(deployment) = Deployment::redis() else {
        return;
    };
    let server = one(&deployment);
    let [node] = deployment.start();
    node.sign_up(EMAIL, PASSWORD);
    let first = node.get_token(EMAIL, PASSWORD);
    let earlier = copied(server.home());
    let second = Token::of(&node.refresh(&first));
    server.put_back(earlier.path());
    until("the node lets in what was good then", || {
        let answer = node.call("GET", "/headers", &first.auth);
        (answer.status == 200).then_some(())
    });
    for token in [&second, &first] {
        node.refuses(&token.auth);
    }
    let written = node.written();
    let mut ends = written
        .lines()
        .filter(|line| line.contains("event=session_ended"));
    let end = ends.next().expect("no end is written");
    let session = format!("session={}… cause=record_behind by=lacre", &second.crt[..8]);
    assert!(end.contains(&session), "{end}");
    assert_eq!(ends.next(), None);
    let counted = "lacre_sessions_ended_total{cause=\"record_behind\"} 1\n";
    assert!(node.manage("/metrics").text().contains(counted));
}

fn has_records(server: &Server) -> bool {
    let keys = server.says(&["--scan", "--pattern", "*:r"]);
    !keys.trim().is_empty()
}

/// A cluster whose primaries have no replicas keeps nothing when one of them dies.
#[test]
fn a_cluster_without_replicas_is_refused() {
    if !is_available() {
        return;
    }
    let Some(database) = Database::start() else {
        return;
    };
    let cluster = Cluster::start(false);
    let node = Setup::new()
        .env("LACRE_KEYSTORE__ENGINE", "redis")
        .env("LACRE_ACCOUNTS__URL", &database.url())
        .env("LACRE_KEYSTORE__URL", &cluster.url());
    node.start_refused()
        .with(78, "store_not_durable")
        .saying("add a replica to each primary");
}
