//! What `tests/hostile/fuzzed/bodies.rs` asks, of whatever the fuzzer finds.

#![no_main]

#[path = "../../hostile/fuzzed/bodies.rs"]
mod fuzzed;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    fuzzed::check(input);
});
