//! What people, back ends and operators do at a server.

use super::Server;
use crate::support::http::{self, Answer, Request};
use serde_json::{Value, json};
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Stdio;

/// An account that was signed up.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) email: String,
}

/// A trusted back end.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) secret: String,
}

/// What a log-in gives.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    /// The access token.
    pub(crate) auth: String,
    /// The session handle.
    pub(crate) crt: String,
    /// The refresh token, where the answer brings one.
    pub(crate) refresh: Option<String>,
}

impl Token {
    /// From the answer of `/getToken`.
    pub(crate) fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{answer:?}");
        let body = answer.json();
        let member = |name: &str| body[name].as_str().unwrap().to_owned();
        Self {
            auth: member("auth"),
            crt: member("crt"),
            refresh: body["refresh"].as_str().map(str::to_owned),
        }
    }
}

impl Server {
    /// Runs an operator's command beside the server and demands that it worked; its standard
    /// output.
    pub(crate) fn operator(&self, arguments: &[&str]) -> String {
        let output = self.setup.lacre(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same for a command that reads a secret from standard input.
    pub(crate) fn operator_telling(&self, arguments: &[&str], secret: &str) {
        let mut command = self.setup.lacre(arguments);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        writeln!(input, "{secret}").unwrap();
        drop(input);
        assert!(child.wait().unwrap().success(), "{arguments:?}");
    }

    /// Makes a trusted back end.
    pub(crate) fn add_client(&self, name: &str) -> Client {
        self.add_client_with(name, &[])
    }

    /// Makes one with users of its own.
    pub(crate) fn add_vouching(&self, name: &str) -> Client {
        self.add_client_with(name, &["--own-users"])
    }

    /// Makes a trusted back end with these options.
    pub(crate) fn add_client_with(&self, name: &str, options: &[&str]) -> Client {
        let made = self.operator(&[&["clients", "add", name, "--json"], options].concat());
        let made: Value = serde_json::from_str(&made).unwrap();
        Client {
            id: made["id"].as_str().unwrap().to_owned(),
            secret: made["secret"].as_str().unwrap().to_owned(),
        }
    }

    /// Sends a request on its own connection.
    pub(crate) fn send(&self, request: &Request) -> Answer {
        http::send(self.public, request)
    }

    /// The address of the gateway.
    pub(crate) fn gateway(&self) -> SocketAddr {
        self.gateway.expect("the server has no gateway")
    }

    /// Sends a request to the gateway, on its own connection.
    pub(crate) fn ask(&self, request: &Request) -> Answer {
        http::send(self.gateway(), request)
    }

    /// Makes an account and demands that it worked.
    pub(crate) fn sign_up(&self, email: &str, password: &str) -> Account {
        let body = json!({"email": email, "password": password});
        let answer = self
            .send(&Request::post("/signup").json(body))
            .expect(201)
            .json();
        Account {
            id: answer["id"].as_str().unwrap().to_owned(),
            email: answer["email"].as_str().unwrap().to_owned(),
        }
    }

    /// Logs in with JSON and demands that it worked.
    pub(crate) fn get_token(&self, email: &str, password: &str) -> Token {
        Token::of(&self.try_get_token(email, password))
    }

    /// Logs in with JSON.
    pub(crate) fn try_get_token(&self, email: &str, password: &str) -> Answer {
        let body = json!({"email": email, "password": password});
        self.send(&Request::post("/getToken").json(body))
    }

    /// Logs in with a form.
    pub(crate) fn get_token_by_form(&self, email: &str, password: &str) -> Answer {
        let fields = [("email", email), ("password", password)];
        self.send(&Request::post("/getToken").form(&fields))
    }

    /// Asks for a user's session as a trusted back end.
    pub(crate) fn client_token(&self, client: &Client, id: &str, user_session: &str) -> Answer {
        let body = json!({"id": id, "user_session": user_session});
        let request = Request::post("/getToken").basic(&client.id, &client.secret);
        self.send(&request.json(body))
    }

    /// Sends a request with a back end's credentials and, unless it is `null`, this body.
    pub(crate) fn by(&self, client: &Client, method: &str, target: &str, body: Value) -> Answer {
        let request = Request::new(method, target).basic(&client.id, &client.secret);
        self.send(&if body.is_null() {
            request
        } else {
            request.json(body)
        })
    }

    /// Begins a session of a back end's own user.
    pub(crate) fn vouched(&self, client: &Client, body: Value) -> Token {
        Token::of(&self.by(client, "POST", "/getToken", body))
    }

    /// Calls a resource with a token.
    pub(crate) fn call(&self, method: &str, target: &str, token: &str) -> Answer {
        self.send(&Request::new(method, target).bearer(token))
    }

    /// Asks for new tokens with a refresh token.
    pub(crate) fn refresh(&self, token: &Token) -> Answer {
        let refresh = token.refresh.as_deref().expect("no refresh token");
        self.call("POST", "/refresh", refresh)
    }

    /// Demands that this token is let in.
    pub(crate) fn accepts(&self, token: &str) {
        let answer = self.call("GET", "/headers", token);
        assert_eq!((answer.status, answer.text()), (200, "Access Granted"));
    }

    /// Demands that this token is noise.
    pub(crate) fn refuses(&self, token: &str) {
        self.call("GET", "/headers", token)
            .refused(401, "invalid_token");
    }

    /// Ends one session of the token's owner.
    pub(crate) fn revoke(&self, token: &str, crt: &str) -> Answer {
        self.call("DELETE", &format!("/sessions/{crt}"), token)
    }

    /// The sessions of the token's owner.
    pub(crate) fn sessions(&self, token: &str) -> Vec<Value> {
        let answer = self.call("GET", "/sessions", token).expect(200);
        answer.json().as_array().unwrap().clone()
    }

    /// A request to the management listener.
    pub(crate) fn manage(&self, target: &str) -> Answer {
        http::send(self.management, &Request::get(target))
    }

    /// Demands that the server answers the next good request.
    pub(crate) fn is_well(&self) {
        let answer = self.send(&Request::get("/open")).expect(200);
        assert_eq!(answer.json(), json!({"user": null}));
    }
}
