//! What `tests/hostile/fuzzed/configuration.rs` asks, of whatever the fuzzer finds.

#![no_main]

#[path = "../../hostile/fuzzed/configuration.rs"]
mod fuzzed;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    fuzzed::check(input);
});
