//! The tarball of a release, and the files of the image.

use super::{EPOCH, packaging, program, run, script};
use crate::pages::page::root;
use crate::support::skipped::cannot_run_here;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// Where `chroot` is; nothing else is handed on.
const SEARCHED: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Unpacks it, and says where its one directory is.
fn unpacked(tarball: &str, into: &Path) -> std::path::PathBuf {
    run(Command::new("tar")
        .arg("-C")
        .arg(into)
        .arg("-xzf")
        .arg(tarball));
    let entries = std::fs::read_dir(into).unwrap();
    let found: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    let [only] = &found[..] else {
        panic!("{found:?}");
    };
    only.clone()
}

#[test]
fn a_release_made_twice_is_the_same_and_says_what_it_is_made_of() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = run(&mut script("dist", one.path()));
    let mut again = script("dist", other.path());
    let second = run(again.current_dir("/").env("TZ", "Asia/Tokyo"));
    let read = |path: &str| std::fs::read(path.trim_end()).unwrap();
    assert!(read(&first) == read(&second), "{first} {second}");
    run(Command::new("sh")
        .args(["-c", "sha256sum --check --status *.sha256"])
        .current_dir(one.path()));

    let place = tempfile::tempdir().unwrap();
    let tree = unpacked(first.trim_end(), place.path());
    let version = env!("CARGO_PKG_VERSION");
    let name = tree.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(
        name.starts_with(&format!("lacre-{version}-linux-")),
        "{name}"
    );
    run(Command::new("sha256sum")
        .args(["--check", "--status", "SHA256SUMS"])
        .current_dir(&tree));
    let said = run(Command::new(tree.join("lacre")).arg("--version"));
    assert_eq!(said.trim_end(), format!("lacre {version}"));
    for file in [
        "README.md",
        "LICENSE",
        "docs/operating.md",
        "docs/scaling.md",
        "docs/monitoring/alerts.yml",
        "man/lacre-serve.1",
        "completions/lacre.zsh",
        "systemd/lacre.service",
        "compose.yaml",
    ] {
        assert!(tree.join(file).is_file(), "{file}");
    }

    let text = |name: &str| std::fs::read_to_string(tree.join(name)).unwrap();
    let bill: Value = serde_json::from_str(&text("sbom.cdx.json")).unwrap();
    assert_eq!(
        (&bill["bomFormat"], &bill["specVersion"]),
        (&"CycloneDX".into(), &"1.5".into())
    );
    assert_eq!(bill["metadata"]["timestamp"], "2025-11-24T16:00:00Z");
    assert_eq!(bill["metadata"]["component"]["name"], "lacre");
    let components = bill["components"].as_array().unwrap();
    let refs: BTreeSet<_> = components
        .iter()
        .map(|one| one["bom-ref"].as_str().unwrap())
        .collect();
    assert_eq!(refs.len(), components.len());
    let licences = text("licences.txt");
    for component in components {
        let member = |name: &str| component[name].as_str().unwrap();
        let line = format!("\n{} {}: ", member("name"), member("version"));
        assert!(licences.contains(&line), "{line}");
        let is_ours = member("name") == "lacre-keystore";
        assert_eq!(component.get("hashes").is_none(), is_ours, "{component}");
    }
    // What the program is built with; what tests alone use isn't in it.
    let has = |name: &str| components.iter().any(|one| one["name"] == name);
    for built in [
        "actix-web",
        "rustls",
        "aws-lc-rs",
        "openssl",
        "josekit",
        "sled",
        "sqlx",
        "sd-notify",
    ] {
        assert!(has(built), "{built}");
    }
    assert!(!has("criterion") && !has("loom") && !has("cc"));
    for one in bill["dependencies"].as_array().unwrap() {
        for used in one["dependsOn"].as_array().unwrap() {
            assert!(refs.contains(used.as_str().unwrap()), "{used}");
        }
    }
    for text in ["Apache License", "ISC", "Permission is hereby granted"] {
        assert!(licences.contains(text), "{text}");
    }
    // No place of the machine that made it.
    let home = root().to_str().unwrap();
    assert!(!licences.contains(home) && !text("sbom.cdx.json").contains(home));
}

/// As the container's engine would start it: nothing of the machine, the user of the image, no rights.
#[test]
fn the_files_of_the_image_are_all_that_the_service_needs() {
    if !rustix::process::geteuid().is_root() {
        return cannot_run_here("only root changes the root of a process", "run as root");
    }
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    run(Command::new(packaging("image"))
        .arg("tree")
        .arg(program())
        .arg(&tree)
        .env("SOURCE_DATE_EPOCH", EPOCH));
    let programs = run(Command::new("find")
        .arg(&tree)
        .args(["-type", "f", "-perm", "-100", "!", "-name", "*.so*"]));
    assert_eq!(
        programs.trim_end(),
        tree.join("usr/bin/lacre").to_str().unwrap(),
        "no shell"
    );
    assert!(tree.join("usr/share/doc/lacre/licences.txt").is_file());
    run(Command::new("chown")
        .args(["65532:65532"])
        .arg(tree.join("var/lib/lacre")));
    let mut serve = Command::new("chroot")
        .args(["--userspec=65532:65532"])
        .arg(&tree)
        .args(["/usr/bin/lacre", "serve", "--data-dir", "/var/lib/lacre"])
        .args([
            "--listen",
            "127.0.0.1:0",
            "--management-listen",
            "127.0.0.1:0",
        ])
        .env_clear()
        .env("PATH", SEARCHED)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(serve.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let management = lines.find_map(|line| line.strip_prefix("management on ").map(str::to_owned));
    let public = lines.find_map(|line| line.strip_prefix("listening on ").map(str::to_owned));
    let healthy = management.map(|url| {
        Command::new("chroot")
            .args(["--userspec=65532:65532"])
            .arg(&tree)
            .args(["/usr/bin/lacre", "health", &url])
            .env_clear()
            .env("PATH", SEARCHED)
            .output()
            .unwrap()
    });
    let _ = serve.kill();
    let _ = serve.wait();
    assert!(public.is_some(), "it doesn't listen");
    let healthy = healthy.unwrap();
    assert!(healthy.status.success(), "{healthy:?}");
}
