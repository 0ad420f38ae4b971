//! A database, and a cluster of Redis, that are reached by TLS.

use super::ends::never_after;
use super::failover::ended_at_last;
use super::redis::with_sessions;
use super::{Deployment, EMAIL, PASSWORD, Store};
use crate::support::https::{certificates, certificates_for};
use crate::support::redis::{Cluster, SETTINGS_OF_A_CLUSTER, Server, free_port, is_available};
use crate::support::server::Setup;
use crate::support::wait::until;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Every connection of a node is encrypted, and goes to the server that its authority vouches for alone.
#[test]
fn nodes_reach_a_database_by_tls_whose_certificate_they_check() {
    let Some(deployment) = Deployment::new() else {
        return;
    };
    let home = TempDir::new().unwrap();
    let [authority, certificate, key] = certificates();
    let file = |name: &str, text: &[u8]| {
        let path = home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let trusted = file("authority.pem", &authority);
    let other = file("other.pem", &certificates()[0]);
    deployment.database.demand_tls(&certificate, &key);
    let url = |host: &str, rest: &str| {
        let port = deployment.database.port();
        format!("postgres://lacre@{host}:{port}/lacre?{rest}")
    };
    let node = |url: String| deployment.node().env("LACRE_ACCOUNTS__URL", &url);
    let checked =
        |host: &str, file: &str| url(host, &format!("sslmode=verify-full&sslrootcert={file}"));
    let [a, b] = [(); 2].map(|()| node(checked("localhost", &trusted)).start());
    a.sign_up(EMAIL, PASSWORD);
    let token = a.get_token(EMAIL, PASSWORD);
    never_after(&[&a, &b], &token.auth, || {
        b.revoke(&token.auth, &token.crt).expect(204);
    });
    let plain = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                 WHERE NOT ssl AND backend_type = 'client backend'";
    assert_eq!(deployment.database.sql(plain), "0");
    for refused in [
        // Another authority, a name that the certificate doesn't have, and no TLS at all.
        checked("localhost", &other),
        checked("127.0.0.1", &trusted),
        url("localhost", "sslmode=disable"),
    ] {
        node(refused).start_refused().with(69, "store_unavailable");
    }
}

/// Its servers talk by TLS among each other as well, and the nodes have a user with a password.
#[test]
fn nodes_reach_a_cluster_by_tls_with_a_user_of_their_own() {
    if !is_available() {
        return;
    }
    let home = TempDir::new().unwrap();
    let [authority, certificate, key] = certificates_for("127.0.0.1");
    let file = |name: &str, text: &[u8]| {
        let path = home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let trusted = file("authority.pem", &authority);
    let other = file("other.pem", &certificates()[0]);
    let (certificate, key) = (file("server.pem", &certificate), file("server.key", &key));
    let by_tls: Vec<_> = (0..6).map(|_| free_port().to_string()).collect();
    let servers = by_tls.iter().map(|port| {
        let tls = [
            ["--tls-port", port],
            ["--tls-cert-file", &certificate],
            ["--tls-key-file", &key],
            ["--tls-ca-cert-file", &trusted],
            ["--tls-auth-clients", "no"],
            ["--tls-cluster", "yes"],
            ["--tls-replication", "yes"],
        ];
        Server::start(&[&SETTINGS_OF_A_CLUSTER[..], &tls.concat()].concat())
    });
    let servers: Vec<_> = servers.collect();
    let addresses: Vec<_> = by_tls
        .iter()
        .map(|port| format!("127.0.0.1:{port}"))
        .collect();
    let asking = ["--tls", "--cacert", &trusted];
    let cluster = Cluster::of_servers(servers, &addresses, true, &asking);
    for server in &cluster.servers {
        let user = [
            "ACL",
            "SETUSER",
            "ann",
            "on",
            ">secret",
            "~{lacre-*",
            "&*",
            "+@all",
        ];
        assert_eq!(server.says(&user).trim(), "OK");
    }
    let Some(deployment) = Deployment::with(|| Store::Six(cluster)) else {
        return;
    };
    let Store::Six(cluster) = &deployment.store else {
        return;
    };
    let some = addresses[1..4].join(",");
    let node = |url: String, password: &str| -> Setup {
        let node = deployment.node().env("LACRE_KEYSTORE__URL", &url);
        node.env("LACRE_KEYSTORE__USER", "ann")
            .env("LACRE_KEYSTORE__PASSWORD", password)
    };
    let checked = |file: &str| format!("rediss+cluster://{some}?sslrootcert={file}");
    for (url, password) in [
        (checked(&trusted), "another secret"),
        (checked(&other), "secret"),
        (format!("rediss+cluster://{some}"), "secret"),
        (format!("redis+cluster://{some}"), "secret"),
    ] {
        node(url, password)
            .start_refused()
            .with(69, "store_unavailable");
    }
    let [a, b] = [(); 2].map(|()| node(checked(&trusted), "secret").start());
    a.sign_up(EMAIL, PASSWORD);
    let (token, kept) = (a.get_token(EMAIL, PASSWORD), a.get_token(EMAIL, PASSWORD));
    never_after(&[&a, &b], &token.auth, || ended_at_last(&b, &token));
    let mut connections = 0;
    for (server, port) in cluster.servers.iter().zip(&by_tls) {
        let all = server.says(&["CLIENT", "LIST"]);
        for line in all.lines().filter(|line| line.contains(" user=ann ")) {
            assert!(
                line.contains(&format!(" laddr=127.0.0.1:{port} ")),
                "{line}"
            );
            connections += 1;
        }
    }
    assert!(connections >= 6, "{connections}");
    // A replica takes over, which is asked by TLS as well.
    cluster.servers[with_sessions(cluster)].kill();
    let begun = Instant::now();
    for node in [&a, &b] {
        until("a replica has taken over", || {
            let answer = node.call("GET", "/headers", &kept.auth);
            assert!(matches!(answer.status, 200 | 503), "{answer:?}");
            (answer.status == 200).then_some(())
        });
        node.refuses(&token.auth);
    }
    assert!(begun.elapsed() < Duration::from_secs(15));
}
