//! Keys that `ssh-keygen` and `openssl` make, as an operator calls them: taken as an issuer's, used, and
//! shown by `lacre keys status`.

use crate::support::http::{Answer, Request};
use crate::support::server::{Server, Setup};
use crate::support::skipped::skip;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};

/// Whether both programs are there. Says so if not.
fn programs_are_there() -> bool {
    let there = |program: &str, word: &str| {
        let mut command = Command::new(program);
        let command = command.arg(word).stdin(Stdio::null());
        command.output().is_ok()
    };
    let there = there("openssl", "version") && there("ssh-keygen", "-?");
    if !there {
        skip("openssl or ssh-keygen is missing", "`.ci/need interop`");
    }
    there
}

/// Runs a line of words in a folder; what it prints.
fn run(folder: &Path, words: &[&str]) -> Vec<u8> {
    let mut command = Command::new(words[0]);
    let command = command.args(&words[1..]).current_dir(folder);
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    output.stdout
}

/// A token whose signature `openssl` makes with the private key in a file.
fn token(folder: &Path, key: &str, issuer: &str) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({"iss": issuer, "aud": "lacre", "sub": "ada", "exp": 4_000_000_000_u64});
    let signed = format!("{}.{}", part(json!({"alg": "RS256"})), part(claims));
    std::fs::write(folder.join("signed"), &signed).unwrap();
    let words = ["openssl", "dgst", "-sha256", "-sign", key, "signed"];
    let signature = run(folder, &words);
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The digest of a public key, as `docs/operating.md` has it worked out.
fn digest(folder: &Path, public: &str) -> String {
    let pem = if public == "ssh.pub.pem" {
        // PKCS#1, which `openssl pkey` reads as well.
        run(
            folder,
            &[
                "openssl",
                "rsa",
                "-RSAPublicKey_in",
                "-in",
                public,
                "-outform",
                "DER",
            ],
        )
    } else {
        run(
            folder,
            &[
                "openssl", "pkey", "-pubin", "-in", public, "-outform", "DER",
            ],
        )
    };
    std::fs::write(folder.join("der"), pem).unwrap();
    let line = run(folder, &["openssl", "dgst", "-sha256", "-r", "der"]);
    let line = String::from_utf8(line).unwrap();
    line.split_whitespace().next().unwrap().to_owned()
}

/// The way of making it, the file with the public half, and the size.
const MADE: [(&[&[&str]], &str, u32); 3] = [
    // As the fourth service's page has it.
    (
        &[
            &[
                "ssh-keygen",
                "-q",
                "-t",
                "rsa",
                "-b",
                "4096",
                "-m",
                "PEM",
                "-N",
                "",
                "-f",
                "jwtRS256.key",
            ],
            &[
                "openssl",
                "rsa",
                "-in",
                "jwtRS256.key",
                "-pubout",
                "-outform",
                "PEM",
                "-out",
                "jwtRS256.key.pub",
            ],
        ],
        "jwtRS256.key.pub",
        4096,
    ),
    (
        &[&[
            "ssh-keygen",
            "-q",
            "-t",
            "rsa",
            "-b",
            "3072",
            "-m",
            "PEM",
            "-N",
            "",
            "-f",
            "ssh.key",
        ]],
        "ssh.pub.pem",
        3072,
    ),
    (
        &[
            &[
                "openssl",
                "genpkey",
                "-algorithm",
                "RSA",
                "-pkeyopt",
                "rsa_keygen_bits:2048",
                "-out",
                "openssl.key",
            ],
            &[
                "openssl",
                "pkey",
                "-in",
                "openssl.key",
                "-pubout",
                "-out",
                "openssl.pub",
            ],
        ],
        "openssl.pub",
        2048,
    ),
];

const PRIVATE: [&str; 3] = ["jwtRS256.key", "ssh.key", "openssl.key"];

fn section(place: usize, path: &Path) -> String {
    format!(
        "[[issuer]]\nname = \"i{place}\"\nissuer = \"https://i{place}.example/\"\n\
         audience = \"lacre\"\nalgorithms = [\"RS256\"]\nmake_accounts = true\n\
         pem_file = \"{}\"\n",
        path.display()
    )
}

fn exchange(server: &Server, token: &str) -> Answer {
    server.send(&Request::post("/getToken").json(json!({"user_session": token})))
}

#[test]
fn keys_of_ssh_keygen_and_openssl_are_taken_and_shown() {
    if !programs_are_there() {
        return;
    }
    let setup = Setup::new();
    let folder = setup.home();
    let mut sections = String::new();
    for (place, (lines, public, _)) in MADE.iter().enumerate() {
        for words in *lines {
            run(folder, words);
        }
        if *public == "ssh.pub.pem" {
            let pem = run(folder, &["ssh-keygen", "-e", "-m", "PEM", "-f", "ssh.key"]);
            std::fs::write(folder.join(public), pem).unwrap();
        }
        sections += &section(place, &folder.join(public));
    }
    std::fs::write(folder.join("lacre.toml"), sections).unwrap();
    let mut server = setup.start();
    for (place, private) in PRIVATE.iter().enumerate() {
        let own = format!("https://i{place}.example/");
        exchange(&server, &token(folder, private, &own)).expect(200);
        let others = format!("https://i{}.example/", (place + 1) % 3);
        let refused = exchange(&server, &token(folder, private, &others));
        refused.refused(401, "invalid_credentials");
    }

    let shown = server.operator(&["keys", "status", "--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    for (place, (_, public, bits)) in MADE.iter().enumerate() {
        let issuer = &shown["issuers"][place];
        assert_eq!(issuer["name"], format!("i{place}"));
        assert_eq!(issuer["source"], folder.join(public).to_str().unwrap());
        assert!(issuer["read_at"].is_string() && issuer["failing"].is_null());
        let due = json!([{
            "kid": null, "kty": "RSA", "bits": bits, "algorithms": ["RS256"],
            "sha256": digest(folder, public),
        }]);
        assert_eq!(issuer["keys"], due, "{public}");
    }
    let table = server.operator(&["keys", "status"]);
    assert!(table.contains("RSA   4096  RS256"), "{table}");
    // Beside a server and without one: the files are the same.
    assert!(server.stop().success());
    let alone: Value =
        serde_json::from_str(&server.operator(&["keys", "status", "--json"])).unwrap();
    for place in 0..MADE.len() {
        let keys = |shown: &Value| shown["issuers"][place]["keys"].clone();
        assert_eq!(keys(&alone), keys(&shown));
    }
    assert_eq!(
        (&alone["master"], &alone["signing"]),
        (&shown["master"], &shown["signing"])
    );
}

/// Whoever may read the file of an issuer's keys could sign, if one of them were private.
#[test]
fn the_private_half_of_such_a_key_is_refused_at_the_start() {
    if !programs_are_there() {
        return;
    }
    let setup = Setup::new();
    let folder = setup.home();
    for (place, private) in PRIVATE.iter().enumerate() {
        run(folder, MADE[place].0[0]);
        let section = section(place, &folder.join(private));
        std::fs::write(folder.join("lacre.toml"), section).unwrap();
        setup.start_refused().with(78, "keys_private");
    }
}
