//! What `tests/hostile/fuzzed/claims.rs` asks, of whatever the fuzzer finds.

#![no_main]

#[path = "../../hostile/fuzzed/claims.rs"]
mod fuzzed;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    fuzzed::check(input);
});
