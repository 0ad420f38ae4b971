//! A test that can't be run here says so: it must not look like one that has passed.
//!
//! What is said goes past the capture of the test runner. `make test` hands over a directory, where each
//! skipped test leaves a file, and counts them at its end (`.ci/skipped`).

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

/// Says that the test that runs is skipped, since `missing`; `cure` is what would run it. With
/// `LACRE_TEST_ALL`, as in `.ci/run`, that is a failure.
#[track_caller]
#[allow(clippy::disallowed_methods)] // a switch of the tests, not configuration
pub(crate) fn skip(missing: &str, cure: &str) {
    let required = std::env::var_os("LACRE_TEST_ALL").is_some();
    assert!(!required, "{missing}: {cure}");
    record(missing, cure);
}

/// The same where it depends on the machine and not on what is installed: never a failure.
#[allow(dead_code)] // not every crate of tests has such tests
pub(crate) fn cannot_run_here(missing: &str, cure: &str) {
    record(missing, cure);
}

#[allow(clippy::disallowed_methods)] // a switch of the tests, not configuration
fn record(missing: &str, cure: &str) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("a test");
    let _ = writeln!(std::io::stderr(), "SKIPPED {name}: {missing}: {cure}");
    let Some(folder) = std::env::var_os("LACRE_TEST_SKIPPED").map(PathBuf::from) else {
        return;
    };
    let file = folder.join(name.replace("::", "."));
    let file = OpenOptions::new().create(true).append(true).open(&file);
    // Two things may be missing for one test.
    writeln!(file.unwrap(), "{missing}: {cure}").unwrap();
}
