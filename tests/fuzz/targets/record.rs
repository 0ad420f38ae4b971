//! What `tests/hostile/fuzzed/record.rs` asks, of whatever the fuzzer finds.

#![no_main]

#[allow(dead_code)] // the attacks need more of it
#[path = "../../hostile/builder.rs"]
mod builder;
#[path = "../../hostile/fuzzed/record.rs"]
mod fuzzed;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    fuzzed::check(input);
});
