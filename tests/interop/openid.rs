//! A real `OpenID` provider, npm's `oidc-provider`: log-in there, exchange here, and its keys rotated.

use super::peer::Peer;
use crate::support::http::{Answer, Request};
use crate::support::server::{Server, Setup, Token};
use serde_json::json;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Duration;

/// The provider, while it runs.
struct Provider {
    child: Child,
    asks: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    issuer: String,
}

impl Provider {
    fn start(peer: &Peer) -> Self {
        let mut command = peer.started();
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let asks = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let issuer = answers.next().unwrap().unwrap();
        Self {
            child,
            asks,
            answers,
            issuer,
        }
    }

    fn ask(&mut self, line: &str) -> String {
        writeln!(self.asks, "{line}").unwrap();
        self.answers.next().unwrap().unwrap()
    }

    /// The ID token of somebody who logs in there.
    fn log_in(&mut self, subject: &str) -> String {
        self.ask(&format!("login {subject}"))
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn exchange(server: &Server, token: &str) -> Answer {
    server.send(&Request::post("/getToken").json(json!({"user_session": token})))
}

#[test]
fn users_of_an_openid_provider_get_sessions_and_its_keys_may_change() {
    let Some(peer) = Peer::openid_provider() else {
        return;
    };
    let mut provider = Provider::start(&peer);
    let issuer = &provider.issuer;
    let setup = Setup::new();
    let section = format!(
        "[[issuer]]\nname = \"corp\"\nissuer = \"{issuer}\"\naudience = \"lacre\"\n\
         algorithms = [\"RS256\"]\njwks_url = \"{issuer}/jwks\"\nnetworks = [\"127.0.0.1\"]\n\
         make_accounts = true\n"
    );
    std::fs::write(setup.home().join("lacre.toml"), section).unwrap();
    // The clock of the provider is that of the test, and both count in whole seconds.
    let server = setup.env("LACRE_TOKEN__LEEWAY", "5s").start();

    let before = provider.log_in("ada");
    let session = Token::of(&exchange(&server, &before));
    let me = server.send(&Request::get("/me").bearer(&session.auth));
    let me = me.expect(200).json();
    assert_eq!(me["email"], "ada@corp.example");
    let id = me["id"].as_str().unwrap();

    provider.ask("rotate second");
    std::thread::sleep(Duration::from_secs(31)); // a set is fetched once in 30 seconds at most
    let after = provider.log_in("ada");
    let again = Token::of(&exchange(&server, &after));
    let me = server.send(&Request::get("/me").bearer(&again.auth));
    assert_eq!(me.expect(200).json()["id"], id);
    exchange(&server, &before).refused(401, "invalid_credentials");
    // What was begun by a token of the key before goes on.
    server.accepts(&session.auth);

    let said = server.operator(&["users", "unlink", id, "--issuer", "corp"]);
    assert!(said.contains("2 sessions ended"), "{said}");
    server.refuses(&session.auth);
    server.refuses(&again.auth);
}
