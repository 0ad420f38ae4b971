use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use log::{Level, Log, Record};

use super::started::builder;
use super::*;

/// The real logger, writing into memory.
pub(super) struct Captured {
    logger: env_logger::Logger,
    written: Memory,
}

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Captured {
    pub(super) fn with_filter(filter: Option<&str>) -> Self {
        let written = Memory::default();
        let pipe = env_logger::Target::Pipe(Box::new(written.clone()));
        let logger = builder(filter).target(pipe).build();
        Self { logger, written }
    }

    pub(super) fn logger(&self) -> &dyn Log {
        &self.logger
    }

    fn text(&self) -> String {
        String::from_utf8(self.written.0.lock().unwrap().clone()).unwrap()
    }

    /// The only line there is, without its time.
    pub(super) fn line(&self) -> String {
        let text = self.text();
        assert_eq!(text.matches('\n').count(), 1, "{text:?}");
        let (time, line) = text.trim_end().split_once(' ').unwrap();
        assert!(time.ends_with('Z') && time.contains('T'), "{time}");
        line.to_owned()
    }

    fn log(&self, level: Level, target: &str) {
        let record = Record::builder();
        let mut record = record;
        self.logger.log(
            &record
                .level(level)
                .target(target)
                .args(format_args!("x"))
                .build(),
        );
    }
}

/// The audit events of this request, from the one logger of the process. It writes into memory.
pub(crate) fn audited(request_id: &str) -> Vec<String> {
    written_with(&format!("request_id={request_id}"))
}

/// The lines that were written so far with this in them.
pub(crate) fn written_with(field: &str) -> Vec<String> {
    static CAPTURED: OnceLock<Memory> = OnceLock::new();
    let written = CAPTURED.get_or_init(|| {
        let written = Memory::default();
        let pipe = env_logger::Target::Pipe(Box::new(written.clone()));
        let logger = builder(Some("off")).target(pipe).build();
        log::set_max_level(log::LevelFilter::Info);
        log::set_boxed_logger(Box::new(logger)).unwrap();
        written
    });
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    let lines = text.lines().filter(|line| line.contains(field));
    lines.map(str::to_owned).collect()
}

#[test]
fn info_and_above_is_logged_unless_the_filter_says_otherwise() {
    let usual = Captured::with_filter(None);
    usual.log(Level::Debug, "lacre::http");
    assert_eq!(usual.text(), "");
    usual.log(Level::Info, "lacre::http");
    assert_eq!(usual.line(), "INFO lacre::http msg=x");

    let chatty = Captured::with_filter(Some("warn,lacre::http=debug"));
    chatty.log(Level::Info, "lacre::token");
    chatty.log(Level::Debug, "lacre::http");
    assert_eq!(chatty.line(), "DEBUG lacre::http msg=x");
}

#[test]
fn a_filter_silences_the_audit_only_by_naming_it() {
    let quiet = Captured::with_filter(Some("off"));
    quiet.log(Level::Error, "lacre::http");
    assert_eq!(quiet.text(), "");
    quiet.log(Level::Info, audit::TARGET);
    assert_eq!(quiet.line(), "INFO lacre::audit msg=x");

    let silent = Captured::with_filter(Some("info,lacre::audit=off"));
    silent.log(Level::Error, audit::TARGET);
    assert_eq!(silent.text(), "");
}

/// What the child of the next test does. The hook and the logger belong to a whole process.
#[test]
#[ignore = "the child of a_panic_is_reported_without_its_payload"]
fn child_that_panics() {
    if Path::new("this-is-the-child").exists() {
        init(None).unwrap();
        assert!(init(None).is_err(), "a second logger was taken");
        let caught = std::panic::catch_unwind(|| panic!("token {}", "hunter".repeat(2)));
        assert!(caught.is_err());
        std::panic::catch_unwind(|| panic!("hunter2 in a literal")).unwrap_err();
    }
}

#[test]
fn a_panic_is_reported_without_its_payload() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("this-is-the-child"), "").unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture"])
        .arg("telemetry::tests::child_that_panics")
        .current_dir(dir.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8(child.stderr).unwrap();
    assert!(child.status.success(), "{stderr}");
    let lines: Vec<_> = stderr
        .lines()
        .filter(|line| line.contains("lacre::panic"))
        .collect();
    assert_eq!(lines.len(), 2, "{stderr}");
    for line in lines {
        assert!(
            line.contains(" ERROR lacre::panic code=panic place=src/telemetry/tests.rs:"),
            "{line}"
        );
    }
    assert!(!stderr.contains("hunter"), "{stderr}");
}
