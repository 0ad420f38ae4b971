//! A database that is reached by TLS.

use super::ends::never_after;
use super::{Deployment, EMAIL, PASSWORD};
use crate::support::https::certificates;
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
