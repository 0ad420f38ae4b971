//! Any text as a token. None is one: nobody can seal by chance.

#![no_main]

#[allow(dead_code)]
#[path = "../../hostile/builder.rs"]
mod builder;

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static FORGE: LazyLock<builder::Forge> = LazyLock::new(builder::Forge::new);

fuzz_target!(|text: &[u8]| {
    assert!(FORGE.verdict(text).is_err());
});
