//! docs/scaling.md: two nodes and a `PostgreSQL` from nothing, by the commands of the page.

use super::page::Page;
use crate::support::database::Database;
use crate::support::redis::is_available;
use crate::support::skipped::skip;
use serde_json::Value;
use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

/// A server runs beside what follows, and ends with the script.
fn add(script: &mut String, line: &str, count: &mut usize) {
    if line.starts_with("lacre serve") {
        *count += 1;
        let out = format!("served-{count}.txt");
        let _ = write!(
            script,
            "{line} > {out} 2> log-{count}.txt &\nnodes=\"${{nodes:-}} $!\"; trap 'kill $nodes; wait' EXIT\n\
             for _ in {{1..600}}; do grep -q '^listening on' {out} && break; sleep 0.05; done\n\
             grep '^listening on' {out} || {{ cat log-{count}.txt; exit 1; }}\n"
        );
    } else if let Some((_, port)) = line
        .split_once("redis-server")
        .and(line.split_once("--port "))
    {
        let port = port.split(' ').next().unwrap();
        let _ = write!(
            script,
            "{line}\nnodes=\"${{nodes:-}} $!\"; trap 'kill $nodes; wait' EXIT\n\
             for _ in {{1..200}}; do [ \"$(redis-cli -p {port} PING)\" = PONG ] && break; sleep 0.05; done\n"
        );
    } else {
        let _ = writeln!(script, "{line}");
    }
}

/// Runs what a section says, on this database, with so many servers, and gives what it printed.
fn run(title: &str, database: &Database, servers: usize) -> String {
    let ports = [(); 4].map(|()| {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port().to_string()
    });
    let page = Page::named("docs/scaling.md");
    let (_, below) = page.text.split_once(&format!("\n## {title}\n")).unwrap();
    let section = below.split("\n## ").next().unwrap();
    let section = Page {
        path: page.path.clone(),
        text: section
            .replace("8081", &ports[0])
            .replace("8082", &ports[1])
            .replace("8083", &ports[2])
            .replace("7201", &ports[3])
            .replace("postgres://lacre@127.0.0.1/lacre", &database.url()),
    };
    let root = tempfile::tempdir().unwrap();
    let (mut script, mut nodes) = (String::from("set -euo pipefail\n"), 0);
    for block in section.blocks() {
        match (&*block.language, block.file) {
            (_, Some(file)) => std::fs::write(root.path().join(file), block.text).unwrap(),
            ("sh", None) => block
                .text
                .lines()
                .for_each(|line| add(&mut script, line, &mut nodes)),
            _ => {}
        }
    }
    assert_eq!(nodes, servers, "{script}");
    let program = Path::new(env!("CARGO_BIN_EXE_lacre"));
    let ran = Command::new("bash")
        .args(["-c", &format!("PATH=\"$1:$PATH\"\n{script}"), "bash"])
        .arg(program.parent().unwrap())
        .current_dir(root.path())
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr),
    );
    assert!(ran.status.success(), "{script}\n{out}\n{err}");
    out.into_owned()
}

#[test]
fn two_nodes_and_a_database_from_nothing_by_the_commands_of_the_page() {
    let Some(database) = Database::start() else {
        return;
    };
    let out = run("Two nodes in ten minutes", &database, 2);
    assert!(out.contains("Access Granted"), "{out}");
    assert!(out.lines().any(|line| line.ends_with("401")), "{out}");
}

#[test]
fn two_nodes_with_their_sessions_on_redis_by_the_commands_of_the_page() {
    let (true, Some(database)) = (is_available(), Database::start()) else {
        return;
    };
    let out = run("Sessions on Redis or Valkey", &database, 2);
    assert!(out.contains("Access Granted"), "{out}");
    assert!(out.lines().any(|line| line.ends_with("401")), "{out}");
}

#[test]
fn to_redis_and_back_by_the_commands_of_the_page() {
    let (true, Some(database)) = (is_available(), Database::start()) else {
        return;
    };
    let out = run("Sessions moved to Redis, and away from it", &database, 3);
    assert_eq!(out.matches("Access Granted").count(), 2, "{out}");
}

#[test]
fn from_one_machine_to_several_and_back_by_the_commands_of_the_page() {
    let Some(database) = Database::start() else {
        return;
    };
    let out = run("From one machine to several, and back", &database, 3);
    assert_eq!(out.matches("Access Granted").count(), 2, "{out}");
}

/// YAML as JSON, by a parser; `None`, said on standard error, where there is none.
fn parsed(yaml: &str) -> Option<Value> {
    let script = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.argv[1])))";
    let own = super::page::root().join("target/interop/venv/bin/python3");
    for python in [own.as_path(), Path::new("python3")] {
        let has_one = Command::new(python).args(["-c", "import yaml"]).output();
        if has_one.is_ok_and(|tried| tried.status.success()) {
            let parsed = Command::new(python).args(["-c", script, yaml]).output();
            let parsed = parsed.unwrap();
            assert!(parsed.status.success(), "{yaml}\n{parsed:?}");
            return Some(serde_json::from_slice(&parsed.stdout).unwrap());
        }
    }
    skip(
        "no parser of YAML read the compose file",
        "run .ci/need interop",
    );
    None
}

/// What a compose file names is there, and the addition for Redis fits into it.
#[test]
fn the_compose_file_is_whole() {
    let page = Page::named("docs/scaling.md");
    let blocks = page.blocks();
    let mut yaml = blocks.iter().filter(|block| block.language == "yaml");
    let (Some(file), Some(redis), None) = (yaml.next(), yaml.next(), yaml.next()) else {
        panic!("the page has two blocks of YAML");
    };
    let (Some(mut file), Some(redis)) = (parsed(&file.text), parsed(&redis.text)) else {
        return;
    };
    let services = file["services"].as_object_mut().unwrap();
    services.extend(redis.as_object().unwrap().clone());
    // As the page says.
    assert!(
        page.text
            .contains("`volumes: {db: {}, one: {}, two: {}, redis: {}}`")
    );
    file["volumes"]["redis"] = serde_json::json!({});
    let services = file["services"].as_object().unwrap();
    for name in ["db", "one", "two", "redis"] {
        assert!(services.contains_key(name), "{name}");
    }
    assert_eq!(services["one"]["image"], services["two"]["image"]);
    assert_ne!(services["one"]["ports"], services["two"]["ports"]);
    let listed = |value: &Value| value.as_array().cloned().unwrap_or_default();
    for (name, service) in services {
        assert!(service["image"].is_string(), "{name}");
        for volume in listed(&service["volumes"]) {
            let (from, _) = volume.as_str().unwrap().split_once(':').unwrap();
            let there = from.starts_with("./") || file["volumes"].get(from).is_some();
            assert!(there, "{name}: {from}");
        }
        for secret in listed(&service["secrets"]) {
            let secret = secret.as_str().or(secret["source"].as_str()).unwrap();
            let file = &file["secrets"][secret]["file"];
            // Without `./` podman-compose takes it for the name of a volume.
            let here = file.as_str().is_some_and(|file| file.starts_with("./"));
            assert!(here, "{name}: {secret}");
        }
        for other in listed(&service["depends_on"]) {
            assert!(
                services.contains_key(other.as_str().unwrap()),
                "{name}: {other}"
            );
        }
    }
}
