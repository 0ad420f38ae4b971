//! `docs/configuration.md`, made from the table of keys.
//!
//! This room must never say anything of a key that the table doesn't.

use std::fmt::Write as _;

use super::key::{Row, variable};
use super::schema::{Section, Shape};
use super::sections::SCHEMA;

const HEAD: &str = "\
# Configuration

Flags win over the environment, the environment wins over the file.

- **Flags**: `lacre serve --help` lists them.
- **Environment**: the key `a.b` is the variable `LACRE_A__B`. A list has commas between its words.
- **File**: TOML, named by `--config` or `LACRE_CONFIG`, else `lacre.toml` in the working directory
  if there is one. The key `a.b` is `b = …` below `[a]`.

Sections that may occur several times (`[[a]]` or `[a.NAME]`) are set by the file only: a variable's
name would have to say which entry it means.

A secret key is never shown. It may also be given as the path of a file that holds it, by the key
with `_file` behind its name.

An unknown key or variable, a value outside its limits, and values
that don't go together (two listeners at one address, access tokens that outlive sessions, a
`data_dir` that is a file, an issuer twice, two services of one audience) are errors, all reported at once, with exit status 78;
`lacre config check` reports the same as `lacre serve` without starting anything.
`lacre config show` prints every key with its value and where the value came from.
`LACRE_LOG` says what is logged: `info` (the default), `debug`, or by target, such as
`warn,lacre::audit=info`.
";

/// The text of `docs/configuration.md`.
#[must_use]
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    for section in SCHEMA {
        let _ = write!(page, "\n## {}\n", title(section));
        for key in section.keys {
            let _ = write!(page, "\n{}", entry(*key, section.shape));
        }
    }
    page
}

fn title(section: &Section) -> String {
    match (section.name, section.shape) {
        ("", _) => "Top level".to_owned(),
        (name, Shape::Single) => name.to_owned(),
        (name, Shape::Array) => format!("[[{name}]]"),
        (name, Shape::Named) => format!("[{name}.NAME]"),
    }
}

fn entry(key: &dyn Row, shape: Shape) -> String {
    let mut text = format!("### `{}`\n\n{}\n\n", key.name(), key.doc());
    let _ = writeln!(text, "- default: {}", key.default_text());
    let _ = writeln!(text, "- takes: {}", key.takes());
    if shape == Shape::Single {
        let _ = writeln!(text, "- environment: `{}`", variable(key.name()));
    } else {
        let _ = writeln!(text, "- set by the file only");
    }
    if let Some(file_key) = key.file_key() {
        let _ = writeln!(text, "- secret; `{file_key}` names a file that holds it");
    }
    text
}
