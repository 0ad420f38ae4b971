//! The package `clients/typescript`, built in a directory of its own below `target/typescript`, where
//! `.ci/need` has installed what its tests need.

use super::skipped::skip;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use tempfile::TempDir;

/// What is copied: everything but what npm and the compiler have made.
const SOURCES: [&str; 6] = [
    "README.md",
    "package.json",
    "tsconfig.json",
    "scripts",
    "src",
    "test",
];

/// The package and its tests, compiled.
pub(crate) struct Package {
    folder: TempDir,
}

/// A program that ends with the value.
pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Package {
    /// `None` where Node or the compiler is missing: the test is skipped.
    pub(crate) fn build() -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let installed = root.join("target/typescript");
        let compiler = installed.join("node_modules/typescript/package.json");
        let version = Command::new("node").arg("--version").output();
        if !compiler.is_file() || !version.is_ok_and(|output| output.status.success()) {
            skip("the TypeScript compiler is absent", "run make interop");
            return None;
        }
        // Node looks for packages in the directories above.
        let folder = TempDir::new_in(&installed).unwrap();
        for name in SOURCES {
            copy(
                &root.join("clients/typescript").join(name),
                &folder.path().join(name),
            );
        }
        let package = Self { folder };
        package.runs("tsc", &["-p", "test/tsconfig.json"]);
        Some(package)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What a page loads: the browser part as one module.
    pub(crate) fn bundle(&self) -> String {
        self.bundle_of("src/index.ts")
    }

    /// A script that imports `lacre`, with it, as one module.
    pub(crate) fn bundle_with(&self, script: &str) -> String {
        std::fs::write(self.folder().join("page.js"), script).unwrap();
        self.bundle_of("page.js")
    }

    fn bundle_of(&self, file: &str) -> String {
        let words = [
            file,
            "--bundle",
            "--format=esm",
            "--alias:lacre=./src/index.ts",
        ];
        self.runs("esbuild", &words)
    }

    /// What is published, beside the tests.
    pub(crate) fn publishes(&self) {
        self.runs("tsc", &["-p", "tsconfig.json"]);
    }

    /// Compiles these files, by name and text, as those of an application that has the package.
    pub(crate) fn compiles(&self, files: &[(String, String)]) {
        let folder = self.folder().join("shown");
        std::fs::create_dir(&folder).unwrap();
        for (name, text) in files {
            std::fs::write(folder.join(name).with_extension("ts"), text).unwrap();
        }
        let settings = r#"{"extends": "../tsconfig.json", "include": ["."],
            "compilerOptions": {"noEmit": true, "rootDir": "..", "noUnusedLocals": false}}"#;
        std::fs::write(folder.join("tsconfig.json"), settings).unwrap();
        self.runs("tsc", &["-p", "shown"]);
    }

    /// An application that imports the published package, until it is dropped.
    pub(crate) fn runs_script(&self, script: &str, environment: &[(&str, String)]) -> Running {
        std::fs::write(self.folder().join("application.js"), script).unwrap();
        let mut command = self.node();
        command
            .arg("application.js")
            .envs(environment.iter().map(|(name, value)| (name, value)));
        Running(command.spawn().unwrap())
    }

    /// The tests of this name in Node; each starts the real program.
    pub(crate) fn passes(&self, name: &str) {
        let mut command = self.node();
        command
            .arg("--test")
            .arg(format!("build/test/{name}.test.js"));
        let told = finished(&mut command);
        for none in ["skipped 0", "todo 0", "cancelled 0"] {
            assert!(
                told.lines().any(|line| line.ends_with(none)),
                "{name}: {told}"
            );
        }
    }

    /// A script of the package.
    pub(crate) fn script(&self, name: &str) -> String {
        finished(self.node().arg(format!("scripts/{name}.js")))
    }

    fn node(&self) -> Command {
        let mut command = Command::new("node");
        command
            .current_dir(self.folder())
            .env("LACRE_BIN", env!("CARGO_BIN_EXE_lacre"));
        command
    }

    /// A program that npm has installed.
    fn runs(&self, program: &str, words: &[&str]) -> String {
        let program: PathBuf = self.folder().join("../node_modules/.bin").join(program);
        finished(Command::new(program).args(words).current_dir(self.folder()))
    }
}

/// What a command has written, which has to end well.
fn finished(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{text}{errors}");
    text
}

fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        std::fs::copy(from, to).unwrap();
        return;
    }
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}
