//! What `tests/hostile/fuzzed/cookies.rs` asks, of whatever the fuzzer finds.

#![no_main]

#[path = "../../hostile/fuzzed/cookies.rs"]
mod fuzzed;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    fuzzed::check(input);
});
