//! A server by TLS: its certificate is checked.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use tempfile::TempDir;

use super::beside::journal_url;
use super::server::{Server, free_port, is_available};
use super::{keystore, opened_beside, options, put};
use crate::skipped::skip;
use crate::support::key;

/// A key and a certificate of this machine, signed by itself.
fn certified(place: &Path) -> bool {
    let made = Command::new("openssl")
        .current_dir(place)
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args([
            "-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=here",
        ])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .stderr(Stdio::null())
        .status();
    made.is_ok_and(|status| status.success())
}

#[test]
fn a_server_is_asked_by_tls_only_where_its_certificate_is_trusted() {
    if !is_available() {
        return;
    }
    let place = TempDir::new().unwrap();
    if !certified(place.path()) {
        skip("no server was asked by TLS", "install openssl");
        return;
    }
    let file = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    let (cert, private) = (file("cert.pem"), file("key.pem"));
    let port = free_port().to_string();
    let settings = [
        "--tls-port",
        &port,
        "--tls-cert-file",
        &cert,
        "--tls-key-file",
        &private,
        "--tls-ca-cert-file",
        &cert,
        "--tls-auth-clients",
        "no",
    ];
    let server = Server::start(&settings);
    let url = format!("rediss://127.0.0.1:{port}");
    let journal = journal_url(&server.url());
    lacre_keystore::conformance::run(async {
        let refused = opened_beside(&journal, &url, options()).await.unwrap_err();
        assert_eq!(refused.code(), "store_unavailable", "{refused}");
        // And where TLS is asked for, nothing is sent without.
        let plain = server.url().replace("redis:", "rediss:");
        let refused = opened_beside(&journal, &plain, options())
            .await
            .unwrap_err();
        assert_eq!(refused.code(), "store_unavailable", "{refused}");
    });
    assert_eq!(server.says(&["DBSIZE"]).trim(), "0");
    lacre_keystore::conformance::run(async {
        let trusting = format!("{url}?sslrootcert={cert}");
        assert!(opened_beside(&journal, &trusting, options()).await.is_ok());
        for file in [&private, "/nowhere.pem"] {
            let url = format!("{url}?sslrootcert={file}");
            let refused = opened_beside(&journal, &url, options()).await;
            assert_eq!(refused.unwrap_err().code(), "store_unavailable");
        }
    });
    // What is trusted is read once in a process.
    let mut trusting = Command::new(std::env::current_exe().unwrap())
        .args([
            "redis::tls::who_trusts_it",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env("SSL_CERT_FILE", &cert)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(trusting.stdin.take().unwrap(), "{journal} {url}").unwrap();
    assert!(trusting.wait().unwrap().success());
}

#[test]
#[ignore = "the process of a_server_is_asked_by_tls_only_where_its_certificate_is_trusted"]
fn who_trusts_it() {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    lacre_keystore::conformance::run(async {
        let (journal, url) = line.trim().split_once(' ').unwrap();
        let store = opened_beside(journal, url, options()).await;
        let one = keystore(&Arc::new(store.unwrap()));
        put(&one, &key(1, 1)).await;
        assert_eq!(one.remove(&key(1, 1)).await, Ok(true));
        assert!(one.get(&key(1, 1)).await.unwrap().is_none());
    });
}
