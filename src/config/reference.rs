//! `docs/configuration.md`, made from the table of keys.
//!
//! This room must never say anything of a key that the table doesn't.

use std::fmt::Write as _;

use super::{Fallback, KEYS, Key};

const HEAD: &str = "\
# Configuration

Flags win over the environment, the environment wins over the file.

- **Flags**: `lacre serve --help` lists them.
- **Environment**: the key `a.b` is the variable `LACRE_A__B`. A list has commas between its words.
- **File**: TOML, named by `--config` or `LACRE_CONFIG`, else `lacre.toml` in the working directory
  if there is one. The key `a.b` is `b = …` below `[a]`.

A secret key is never shown. It may also be given as the path of a file that holds it, by the key
with `_file` behind its name.

An unknown key or variable, a value outside its limits, and a value that isn't built yet are
errors, all reported at once; `lacre config check` reports them without starting anything.
`lacre config show` prints every key with its value and where the value came from.
`LACRE_LOG` says what is logged: `info` (the default), `debug`, or by target, such as
`warn,lacre::audit=info`.
";

/// The text of `docs/configuration.md`.
#[must_use]
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    let mut section = "";
    for key in KEYS {
        let own = key.name.split_once('.').map_or("", |(section, _)| section);
        if key.name == KEYS[0].name || own != section {
            section = own;
            let title = if section.is_empty() {
                "Top level"
            } else {
                section
            };
            let _ = write!(page, "\n## {title}\n");
        }
        let _ = write!(page, "\n{}", entry(key));
    }
    page
}

fn entry(key: &Key) -> String {
    let mut text = format!("### `{}`\n\n{}\n\n", key.name, key.doc);
    let _ = writeln!(text, "- default: {}", default_text(key));
    let _ = writeln!(text, "- takes: {}", key.kind.takes());
    if !key.kind.planned().is_empty() {
        let words: Vec<_> = key
            .kind
            .planned()
            .iter()
            .map(|word| format!("`{word}`"))
            .collect();
        let _ = writeln!(
            text,
            "- refused, for it isn't built yet: {}",
            words.join(", ")
        );
    }
    let _ = writeln!(text, "- environment: `{}`", key.environment());
    if let Some(file_key) = key.file_key() {
        let _ = writeln!(text, "- secret; `{file_key}` names a file that holds it");
    }
    text
}

fn default_text(key: &Key) -> String {
    let quoted = |text: &str| {
        if key.kind.is_list() {
            let words: Vec<_> = text.split(',').filter(|word| !word.is_empty()).collect();
            format!("`{words:?}`")
        } else {
            format!("`{text}`")
        }
    };
    match key.default {
        Fallback::Text(text) => quoted(text),
        Fallback::Dev(text, with_dev) => {
            format!("{}, with `--dev` {}", quoted(text), quoted(with_dev))
        }
        Fallback::From(text, _) | Fallback::Unset(text) => text.to_owned(),
    }
}
