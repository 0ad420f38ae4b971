//! The Python package below `clients/python`: its own tests, with this program behind three
//! frameworks, and its types, form and wheel.

use super::peer::Peer;
use crate::pages::page;
use std::process::Command;

/// Runs this module of Python in the package's folder, demands that it worked, and returns what it
/// printed.
fn run(peer: &Peer, module: &str, words: &[&str]) -> String {
    let folder = page::root().join("clients/python");
    let mut command: Command = peer.command();
    command
        .args(["-m", module])
        .args(words)
        .env("PYTHONPATH", folder.join("src"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONUTF8", "1")
        .env("LACRE_TEST_PROGRAM", env!("CARGO_BIN_EXE_lacre"))
        .current_dir(folder);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{module} {words:?}: {text}\n{told}"
    );
    text
}

/// Runs one file of tests, of which none may be left out.
fn tests(file: &str) {
    let Some(peer) = Peer::python() else { return };
    let text = run(
        &peer,
        "pytest",
        &[&format!("tests/{file}.py"), "--color=no"],
    );
    let last = text.lines().last().unwrap_or_default();
    println!("{file}: {last}");
    assert!(last.contains(" passed"), "{text}");
    let left_out = ["skipped", "deselected", "xfailed", "error"];
    assert!(!left_out.iter().any(|word| last.contains(word)), "{text}");
}

#[test]
fn without_a_verdict_the_python_package_answers_503_and_lets_nobody_in() {
    tests("test_alone");
}

#[test]
fn flask_fastapi_and_django_are_guarded_by_the_python_package() {
    tests("test_frameworks");
}

#[test]
fn accounts_are_let_in_by_the_python_package_until_their_sessions_end() {
    tests("test_accounts");
}

#[test]
fn the_python_package_keeps_connections_and_shares_none_between_processes() {
    tests("test_connections");
}

#[test]
fn an_application_of_flask_jwt_extended_runs_on_lacre_by_another_import() {
    tests("test_same_application");
}

#[test]
fn what_differs_from_flask_jwt_extended_is_as_its_page_says() {
    tests("test_flask_jwt_extended");
}

#[test]
fn the_page_on_python_is_done_as_it_says() {
    tests("test_page");
}

#[test]
fn the_python_package_is_typed_well_formed_and_built_as_a_wheel() {
    let Some(peer) = Peer::python() else { return };
    let made = tempfile::tempdir().unwrap();
    let place = made.path().to_str().unwrap();
    run(&peer, "mypy", &["--cache-dir", place]);
    run(&peer, "ruff", &["check", "--no-cache", "."]);
    run(&peer, "ruff", &["format", "--check", "--no-cache", "."]);
    run(
        &peer,
        "build",
        &["--no-isolation", "--wheel", "--outdir", place, "."],
    );
    let wheels = page::files_below(made.path(), "whl");
    assert_eq!(wheels.len(), 1, "{wheels:?}");
    let into = made.path().join("installed");
    let words = ["install", "--quiet", "--no-deps", "--no-index", "--target"];
    let mut words = words.to_vec();
    words.extend([into.to_str().unwrap(), wheels[0].to_str().unwrap()]);
    run(&peer, "pip", &words);
    // From the wheel alone: every module is in it, and it needs nothing that it doesn't name.
    let all = "import lacre, lacre.flask, lacre.fastapi, lacre.django, lacre.flask_jwt_extended as all; \
               print(lacre.__file__, len(all.__all__))";
    let output = peer
        .command()
        .args(["-c", all])
        .env("PYTHONPATH", &into)
        .current_dir(made.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.starts_with(into.to_str().unwrap()), "{output:?}");
    assert!(into.join("lacre/py.typed").is_file());
}
