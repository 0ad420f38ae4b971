//! docs/scaling.md: two nodes and a `PostgreSQL` from nothing, the moves, and the drills, by the commands of the page.

use super::page::Page;
use crate::support::database::{Database, in_path};
use crate::support::redis::{free_port, is_available};
use crate::support::skipped::skip;
use serde_json::Value;
use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// What stands before every script: whatever it has started ends with it, also where it fails.
const BEGINNING: &str = r#"set -euo pipefail
PATH="$1:$PATH"
finish() {
    failed=$?
    set +e
    [ $failed = 0 ] || tail -n 20 *.log >&3
    for file in */postmaster.pid; do [ -f "$file" ] && kill -QUIT "$(head -n 1 "$file")"; done
    for file in */redis.pid; do [ -f "$file" ] && kill -9 "$(cat "$file")"; done
    kill -9 $(jobs -p)
    wait
} 3>&2 2> finish.txt
trap finish EXIT
"#;

/// The address that the page has for its database.
const URL: &str = "postgres://lacre@127.0.0.1:5440/lacre";

/// How long a script may take: a loop that waits for what doesn't come ends the test.
const PATIENCE: &str = "100";

/// A server runs beside what follows.
fn add(script: &mut String, line: &str, count: &mut usize) {
    if line.starts_with("lacre serve") {
        *count += 1;
        let out = format!("served-{count}.txt");
        let _ = write!(
            script,
            "{line} > {out} 2> log-{count}.txt &\n\
             for _ in {{1..600}}; do grep -q '^listening on' {out} && break; sleep 0.05; done\n\
             grep '^listening on' {out} || {{ cat log-{count}.txt; exit 1; }}\n"
        );
    } else if let (true, Some((_, port))) =
        (line.starts_with("redis-server"), line.split_once("--port "))
    {
        let port = port.split(' ').next().unwrap();
        let _ = write!(
            script,
            "{line}\n\
             for _ in {{1..200}}; do [ \"$(redis-cli -p {port} PING)\" = PONG ] && break; sleep 0.05; done\n"
        );
    } else {
        let _ = writeln!(script, "{line}");
    }
}

/// What stands below this heading, up to the next one that is as high.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let (_, below) = text
        .split_once(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("the page has no {heading}"));
    let depth = heading.split(' ').next().unwrap().len();
    let ends = (2..=depth).filter_map(|depth| below.find(&format!("\n{} ", "#".repeat(depth))));
    &below[..ends.min().unwrap_or(below.len())]
}

/// The text with ports that are free in place of those of the page.
fn with_own_ports(mut text: String) -> String {
    let ports = |ports: &[u16], free: fn() -> u16| {
        let ports = ports.iter();
        ports.map(|port| (*port, free())).collect::<Vec<_>>()
    };
    let mut pairs = ports(&[7301, 7302, 7303, 7304, 7305, 7306], free_port);
    let any = || {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    pairs.extend(ports(
        &[8081, 8082, 8083, 9081, 9082, 7201, 5440, 5441],
        any,
    ));
    // In two steps, for one port's digits may be in another one.
    for (index, (port, _)) in pairs.iter().enumerate() {
        text = text.replace(&port.to_string(), &format!("\u{1}{index}\u{2}"));
    }
    for (index, (_, own)) in pairs.iter().enumerate() {
        text = text.replace(&format!("\u{1}{index}\u{2}"), &own.to_string());
    }
    text
}

/// What the blocks of the last section print, and what the page says that they do.
struct Ran {
    out: String,
    said: String,
}

/// Runs what sections say, one after the other, with so many servers: on this database, or on one that they make.
/// `None`, said on standard error, where what they need isn't installed.
fn run(headings: &[&str], database: Option<&Database>, servers: usize) -> Option<Ran> {
    let page = Page::named("docs/scaling.md");
    // In memory, where that can be: flushing costs nothing there, and no test is about a loss of power.
    let root = TempDir::new_in("/dev/shm").unwrap_or_else(|_| TempDir::new().unwrap());
    let programs = match database {
        Some(_) => None,
        None => Some(in_path(root.path())?),
    };
    let mut text = String::new();
    for heading in headings {
        let _ = writeln!(text, "<!-- begins -->\n{}", section(&page.text, heading));
    }
    if let Some(database) = database {
        assert!(text.contains(URL), "{text}");
        text = text.replace(URL, &database.url());
    }
    let text = with_own_ports(text);
    let (mut script, mut nodes, mut said) = (BEGINNING.to_owned(), 0, String::new());
    for text in text.split("<!-- begins -->\n").skip(1) {
        script.push_str("echo 'it begins'\n");
        said.clear();
        let section = Page {
            path: page.path.clone(),
            text: text.to_owned(),
        };
        for (index, block) in section.blocks().into_iter().enumerate() {
            match (&*block.language, block.file) {
                // Not before its turn: another section may have one of that name.
                (_, Some(file)) => {
                    let kept = format!("{}-{index}.block", text.len());
                    std::fs::write(root.path().join(&kept), block.text).unwrap();
                    let _ = writeln!(script, "cp {kept} {file}");
                }
                ("sh", None) => block
                    .text
                    .lines()
                    .for_each(|line| add(&mut script, line, &mut nodes)),
                ("text", None) => said.push_str(&block.text),
                _ => {}
            }
        }
    }
    assert_eq!(nodes, servers, "{script}");
    let program = Path::new(env!("CARGO_BIN_EXE_lacre"));
    let folders = [programs.as_ref().map(TempDir::path), program.parent()];
    let path = std::env::join_paths(folders.into_iter().flatten()).unwrap();
    let ran = Command::new("timeout")
        .args([PATIENCE, "bash", "-c", &script, "bash"])
        .arg(path)
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
    let (_, out) = out.rsplit_once("it begins\n").unwrap();
    Some(Ran {
        out: out.to_owned(),
        said,
    })
}

#[test]
fn two_nodes_and_a_database_from_nothing_by_the_commands_of_the_page() {
    let sections = [
        "## A PostgreSQL for a first look",
        "## Two nodes in ten minutes",
    ];
    let Some(Ran { out, .. }) = run(&sections, None, 2) else {
        return;
    };
    assert!(out.contains("Access Granted"), "{out}");
    assert!(out.lines().any(|line| line.ends_with("401")), "{out}");
}

#[test]
fn the_drill_on_postgresql_word_for_word() {
    let sections = [
        "## A PostgreSQL for a first look",
        "### The drill on PostgreSQL",
    ];
    let Some(Ran { out, said }) = run(&sections, None, 0) else {
        return;
    };
    assert_eq!(out, said);
    assert_eq!(said.lines().count(), 21, "{said}");
}

#[test]
fn the_drill_with_redis_word_for_word() {
    if !is_available() {
        return;
    }
    let sections = [
        "## A PostgreSQL for a first look",
        "### The drill with Redis",
    ];
    let Some(Ran { out, said }) = run(&sections, None, 0) else {
        return;
    };
    assert_eq!(out, said);
    assert_eq!(said.lines().count(), 18, "{said}");
}

#[test]
fn two_nodes_with_their_sessions_on_redis_by_the_commands_of_the_page() {
    let (true, Some(database)) = (is_available(), Database::start()) else {
        return;
    };
    let Ran { out, .. } = run(&["## Sessions on Redis or Valkey"], Some(&database), 2).unwrap();
    assert!(out.contains("Access Granted"), "{out}");
    assert!(out.lines().any(|line| line.ends_with("401")), "{out}");
}

#[test]
fn to_redis_and_back_by_the_commands_of_the_page() {
    let (true, Some(database)) = (is_available(), Database::start()) else {
        return;
    };
    let Ran { out, .. } = run(
        &["## Sessions moved to Redis, and away from it"],
        Some(&database),
        3,
    )
    .unwrap();
    assert_eq!(out.matches("Access Granted").count(), 2, "{out}");
}

#[test]
fn from_one_machine_to_several_and_back_by_the_commands_of_the_page() {
    let Some(database) = Database::start() else {
        return;
    };
    let Ran { out, .. } = run(
        &["## From one machine to several, and back"],
        Some(&database),
        3,
    )
    .unwrap();
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
