//! A session outlives the process that began it.

use super::PASSWORD;
use crate::support::server::Server;

#[test]
fn a_session_outlives_a_stop_and_a_kill() {
    let mut server = Server::start();
    server.sign_up("ada@example.com", PASSWORD);
    let first = server.get_token("ada@example.com", PASSWORD);
    assert_eq!(server.stop().code(), Some(0));

    server.restart();
    server.accepts(&first.auth);
    let second = server.get_token("ada@example.com", PASSWORD);
    server.revoke(&second.auth, &first.crt).expect(204);
    server.kill9();

    server.restart();
    server.accepts(&second.auth);
    server.refuses(&first.auth);
    let left: Vec<_> = server
        .sessions(&second.auth)
        .iter()
        .map(|session| session["crt"].clone())
        .collect();
    assert_eq!(left, [second.crt]);
}
