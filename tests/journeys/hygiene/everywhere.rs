//! Every route and every command is driven with secrets that are known, and the secrets are looked
//! for in whatever comes out: logs at their noisiest, answers, metrics, the admin socket, what commands
//! print and write, the process's arguments and environment, and the files that stay.

use super::spellings::spellings;
use crate::support::http::{Answer, Request, send_bytes};
use crate::support::promise::broken_by;
use crate::support::robbed::Robbed;
use crate::support::server::{Server, Setup, Token};
use lacre::internals::http::routes::ROUTES;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;

const ADMIN: &str = "root@example.com";
const ADMINS_PASSWORD: &str = "Chimborazo-crumpet-3141";
const PASSWORD: &str = "Zanzibar-marmalade-4711";
const NEW_PASSWORD: &str = "Kamchatka-porridge-2718";
const WRONG_PASSWORD: &str = "Kilimanjaro-biscuit-0815";

/// What came out, and where.
#[derive(Default)]
struct Seen(Vec<(String, String)>);

impl Seen {
    fn note(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.0.push((place.into(), text.into()));
    }

    /// An answer, unless it is one that hands out tokens.
    fn answer(&mut self, request: &str, answer: &Answer) {
        let gives = ["/getToken", "/login", "/refresh", "/reauth"];
        if answer.status == 200 && gives.iter().any(|route| request.ends_with(route)) {
            return;
        }
        let body = String::from_utf8_lossy(&answer.body);
        self.note(request, format!("{:?}\n{body}", answer.headers));
    }

    /// Everything below a directory but what is named.
    fn files(&mut self, folder: &Path, but: &str) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.files(&path, but);
            } else if path.is_file() && path.file_name().unwrap() != but {
                let bytes = std::fs::read(&path).unwrap();
                self.note(path.display().to_string(), String::from_utf8_lossy(&bytes));
                // A number as it is, which is no text.
                self.note(path.display().to_string(), format!("{bytes:?}"));
            }
        }
    }

    /// One walk over each text, for all spellings of all secrets at once.
    fn has_none_of(&self, secrets: &[(&str, Vec<u8>)]) {
        const START: usize = 12;
        let mut needles: HashMap<[u8; START], Vec<(&str, String)>> = HashMap::new();
        for (name, secret) in secrets {
            for spelling in spellings(secret) {
                let start = *spelling.as_bytes().first_chunk().unwrap();
                needles.entry(start).or_default().push((name, spelling));
            }
        }
        for (place, text) in &self.0 {
            for at in 0..text.len().saturating_sub(START) {
                let rest = &text.as_bytes()[at..];
                let start: &[u8; START] = rest.first_chunk().unwrap();
                for (name, spelling) in needles.get(start).into_iter().flatten() {
                    if rest.starts_with(spelling.as_bytes()) {
                        let start = text[..at].rfind('\n').map_or(0, |at| at + 1);
                        let line = text[start..].lines().next().unwrap_or_default();
                        panic!("{name} is in {place}: {line:.300}");
                    }
                }
            }
        }
    }
}

/// A request to a route of the table, with a body in which every member that any route knows has
/// a secret, as it should be or in the wrong type.
fn requests(method: &str, pattern: &str, token: &str, refresh: &str) -> Vec<Request> {
    let target = pattern.replace("{crt}", token).replace("{id}", PASSWORD);
    let right = json!({
        "email": "ada@example.com", "password": PASSWORD, "current": PASSWORD, "new": NEW_PASSWORD,
        "refresh": refresh, "name": "Ada", "label": "here",
    });
    let wrong = json!({
        "email": [PASSWORD], "id": {"x": WRONG_PASSWORD}, "password": [PASSWORD],
        "current": {"x": PASSWORD}, "new": [NEW_PASSWORD], "refresh": [refresh], "name": [PASSWORD],
        "user_session": [refresh], "roles": PASSWORD, "active": PASSWORD,
    });
    let request = || Request::new(method, &target).bearer(token);
    let cut_off = right.to_string().replace('}', "");
    vec![
        request(),
        request().json(
            json!({"email": "ada@example.com", "password": WRONG_PASSWORD,
            "current": WRONG_PASSWORD, "new": "short"}),
        ),
        request().json(wrong),
        request()
            .header("Content-Type", "application/json")
            .body(cut_off),
        request().header("Content-Type", PASSWORD).body(PASSWORD),
        request().form(&[
            ("email", "ada@example.com"),
            ("password", WRONG_PASSWORD),
            ("x", refresh),
        ]),
        Request::new(
            method,
            &format!("{target}?token={token}&password={PASSWORD}"),
        ),
        Request::new(method, &target).header("Cookie", &format!("__Host-lacre_access={token}")),
        request().bearer(token),
        request().basic(PASSWORD, WRONG_PASSWORD),
        request().json(right),
    ]
}

/// Every command there is, as its help tells; each is a list of words.
fn commands(setup: &Setup, words: &[String]) -> Vec<Vec<String>> {
    let mut help = setup.lacre(words);
    let help = help.arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let Some((_, list)) = help.split_once("Commands:\n") else {
        return vec![words.to_vec()];
    };
    let lines = list.lines().take_while(|line| !line.is_empty());
    let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .flat_map(|name| commands(setup, &[words, &[name.to_owned()]].concat()))
        .collect()
}

/// Runs a command, tells it secrets, and notes what it prints; gives what it printed.
fn run(setup: &Setup, seen: &mut Seen, words: &[&str], told: &str) -> String {
    let mut command = setup.lacre(words);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Most read nothing and are gone.
    let _ = child.stdin.take().unwrap().write_all(told.as_bytes());
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    // A client's secret is shown once, where it is made.
    if !words.starts_with(&["clients", "add"]) {
        seen.note(words.join(" "), stdout.as_str());
    }
    seen.note(words.join(" "), String::from_utf8_lossy(&output.stderr));
    stdout
}

/// Each command as it should be called, and each with something in the place of its argument; they
/// work beside a server and without one.
fn operate(setup: &Setup, seen: &mut Seen, jwk: &Path) -> Vec<u8> {
    let told = format!("{ADMINS_PASSWORD}\n");
    let listed = commands(setup, &[]);
    let mut ran = BTreeSet::new();
    let jwk = jwk.to_str().unwrap();
    for words in [
        "users list --json",
        "users show ada@example.com --json",
        "users set ada@example.com --name Ada --json",
        "users disable ada@example.com",
        "users enable ada@example.com",
        "users set-password bea@example.com --password-stdin",
        "users add cleo@example.com --password-stdin --json",
        "users delete cleo@example.com",
        "clients list --json",
        "keystore list --json",
        "keystore stats --json",
        "sessions revoke --all --dry-run",
        "config show --json",
        "config check",
        &format!("token open --recipient {jwk} --signer {jwk} --issuer i --audience a"),
        &format!("token seal --recipient {jwk} --signer {jwk} --kid h"),
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        run(setup, seen, &words, &told);
    }
    let added = run(setup, seen, &["clients", "add", "shop", "--json"], "");
    let added: Value = serde_json::from_str(&added).unwrap();
    for words in &listed {
        let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
        if words == ["serve"] || words == ["demo"] {
            continue; // the one is what all this is about; the other shows a story of its own
        }
        ran.insert(words.join(" "));
        run(setup, seen, &words, &told);
        words.push("written-by-a-command");
        run(setup, seen, &words, &told);
    }
    println!("{} commands: {ran:?}", ran.len());
    assert!(ran.len() >= 18, "{ran:?}");
    added["secret"].as_str().unwrap().as_bytes().to_vec()
}

/// What the admin socket answers, to good questions and to what is none.
fn ask_the_socket(server: &Server, seen: &mut Seen) {
    for line in [
        r#"{"users_list":{"after":null}}"#.to_owned(),
        r#"{"users_show":{"user":"ada@example.com"}}"#.to_owned(),
        r#"{"keystore_list":{"user":null,"after":null,"limit":100}}"#.to_owned(),
        r#""keystore_stats""#.to_owned(),
        r#""clients_list""#.to_owned(),
        format!(r#"{{"users_set_password":{{"user":"nobody","password":"{PASSWORD}"}}}}"#),
        format!(r#"{{"users_set_password":{{"user":"nobody","password":["{PASSWORD}"]}}}}"#),
        format!(r#"{{"{PASSWORD}":1}}"#),
        PASSWORD.to_owned(),
    ] {
        let mut socket = UnixStream::connect(server.data().join("admin.sock")).unwrap();
        let length = u32::try_from(line.len()).unwrap().to_be_bytes();
        let asked = [b"lacre/3\n", &length[..], line.as_bytes()].concat();
        socket.write_all(&asked).unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with("lacre/3\n"), "{line}: {answer}");
        assert!(
            answer.ends_with('}') || answer.ends_with(']'),
            "{line}: {answer}"
        );
        seen.note("the admin socket", answer);
    }
}

#[test]
fn no_secret_stands_where_it_is_not_due() {
    let mut seen = Seen::default();
    let mut secrets: Vec<(&str, Vec<u8>)> = [
        ("an admin's password", ADMINS_PASSWORD),
        ("a password", PASSWORD),
        ("a new password", NEW_PASSWORD),
        ("a wrong password", WRONG_PASSWORD),
    ]
    .map(|(name, text)| (name, text.as_bytes().to_vec()))
    .into();
    let setup = Setup::new()
        .env("LACRE_LOG", "trace")
        .env("LACRE_LOG__REQUESTS", "all")
        .env("LACRE_TOKEN__LOCATIONS", "header,cookie,query,json")
        .env("LACRE_LIMITS__LOGIN_PER_ADDRESS", "10000/1m")
        .env("LACRE_LIMITS__LOGIN_PER_ACCOUNT", "10000/1m");
    let mut server = setup.start();
    server.sign_up("ada@example.com", PASSWORD);
    server.sign_up("bea@example.com", PASSWORD);
    let add = ["users", "add", ADMIN, "--role", "admin", "--password-stdin"];
    server.operator_telling(&add, ADMINS_PASSWORD);

    // Every route, with a token of its own that is good at first.
    for route in ROUTES {
        let (method, pattern) = (route.method.as_str(), route.pattern);
        let token = server.get_token(ADMIN, ADMINS_PASSWORD);
        let refresh = token.refresh.unwrap();
        for token in [&token.auth, &refresh] {
            for part in token.split('.').skip(1) {
                secrets.push(("a part of a token", part.as_bytes().to_vec()));
            }
            for request in requests(method, pattern, token, &refresh) {
                let answer = server.send(&request);
                assert_eq!(broken_by(route, &answer), None);
                seen.answer(&format!("{method} {pattern}"), &answer);
            }
        }
    }
    for line in [PASSWORD, &format!("GET /{PASSWORD} HTTP/1.1\r\n{PASSWORD}")] {
        if let Ok(answer) = send_bytes(server.public, format!("{line}\r\n\r\n").as_bytes()) {
            seen.answer("no request", &answer);
        }
    }

    // Live sessions, whose keys are then known: they are in the keystore of the stopped service.
    let kept: Vec<Token> = (0..3)
        .map(|_| server.get_token("bea@example.com", PASSWORD))
        .collect();
    assert!(server.stop().success());
    seen.note("the log", server.written());
    let robbed = Robbed::of(&setup);
    for key in &robbed.master_keys {
        secrets.push(("a master key", key.to_vec()));
    }
    secrets.push(("the secret of the handles", robbed.handle_secret.to_vec()));
    for key in &robbed.signers {
        secrets.push(("a signing key", key.to_vec()));
    }
    let scalars = robbed.scalars();
    assert!(scalars.len() >= kept.len());
    secrets.extend(scalars.iter().map(|key| ("a session's key", key.to_vec())));
    let jwk = josekit::jwk::Jwk::generate_ec_key(josekit::jwk::alg::ec::EcCurve::P256).unwrap();
    let private = jwk
        .parameter("d")
        .unwrap()
        .as_str()
        .unwrap()
        .as_bytes()
        .to_vec();
    secrets.push(("the private half of a key file", private));
    drop(robbed);

    // Every command without a server and beside one; the tokens are in use meanwhile.
    let files = tempfile::TempDir::new().unwrap();
    let jwk_file = files.path().join("key.jwk");
    std::fs::write(&jwk_file, jwk.to_string()).unwrap();
    secrets.push(("a client's secret", operate(&setup, &mut seen, &jwk_file)));
    server.restart();
    for token in &kept {
        let answer = server.call("GET", "/headers", &token.auth);
        seen.answer("GET /headers", &answer);
    }
    secrets.push(("a client's secret", operate(&setup, &mut seen, &jwk_file)));
    ask_the_socket(&server, &mut seen);
    for page in ["/metrics", "/readyz", "/livez", &format!("/{PASSWORD}")] {
        seen.answer(page, &server.manage(page));
    }
    for name in ["cmdline", "environ"] {
        let text = std::fs::read(format!("/proc/{}/{name}", server.pid()));
        // Who may not read it learns nothing from it.
        let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
        seen.note(format!("/proc/PID/{name}"), text);
    }
    assert!(server.stop().success());
    seen.note("the log", server.written());
    assert!(
        server.written().contains(" TRACE "),
        "the log isn't at its noisiest"
    );
    // What stays, and what commands have written; but the file of the master keys.
    seen.files(setup.home(), "master.key");
    println!(
        "{} texts were searched for {} secrets",
        seen.0.len(),
        secrets.len()
    );
    seen.has_none_of(&secrets);
}
