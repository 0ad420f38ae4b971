//! What the fuzz targets ask of any input, asked here of some thousands.
//!
//! Each file below is both: its `check` is the body of the target of its name, which `make fuzz`
//! runs for long, and here it gets inputs of chance and seeds of the target that were damaged.

mod bodies;
mod claims;
mod configuration;
mod cookies;
mod header;
mod json;
mod record;
mod stages;
mod token;

use super::builder;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::path::Path;

/// Inputs for a target: its seeds, damaged in a few places, and bytes of chance.
fn inputs(target: &str) -> BoxedStrategy<Vec<u8>> {
    let noise = vec(any::<u8>(), 0..200);
    let seeds = seeds(target);
    if seeds.is_empty() {
        return noise.boxed();
    }
    let edits = vec((0..5_u8, any::<Index>(), any::<Index>(), any::<u8>()), 0..5);
    let damaged = (select(seeds), edits).prop_map(|(mut seed, edits)| {
        for (kind, place, other, byte) in edits {
            edit(&mut seed, kind, place, other, byte);
        }
        seed
    });
    prop_oneof![1 => noise, 4 => damaged].boxed()
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds");
    let files = std::fs::read_dir(folder.join(target)).into_iter().flatten();
    files
        .map(|file| std::fs::read(file.unwrap().path()).unwrap())
        .collect()
}

/// One change: a byte another, one more, one fewer, two exchanged, or a part repeated.
fn edit(bytes: &mut Vec<u8>, kind: u8, place: Index, other: Index, byte: u8) {
    if bytes.is_empty() {
        return bytes.push(byte);
    }
    let (place, other) = (place.index(bytes.len()), other.index(bytes.len()));
    match kind {
        0 => bytes[place] = byte,
        1 => bytes.insert(place, byte),
        2 => drop(bytes.remove(place)),
        3 => bytes.swap(place, other),
        _ => {
            let part = bytes[place.min(other)..place.max(other)].to_vec();
            bytes.splice(place..place, part);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_token(input in inputs("token")) {
        token::check(&input);
    }

    #[test]
    fn any_json(input in inputs("claims")) {
        json::check(&input);
    }

    #[test]
    fn any_header(input in inputs("header")) {
        header::check(&input);
    }

    #[test]
    fn any_claims(input in inputs("claims")) {
        claims::check(&input);
    }

    #[test]
    fn any_record(input in inputs("record")) {
        record::check(&input);
    }

    #[test]
    fn any_cookies(input in inputs("cookies")) {
        cookies::check(&input);
    }

    #[test]
    fn any_body(input in inputs("bodies")) {
        bodies::check(&input);
    }
}

proptest! {
    #[test]
    fn any_configuration(input in inputs("configuration")) {
        configuration::check(&input);
    }

    #[test]
    fn any_bytes_at_a_stage(stage: u8, bytes in vec(any::<u8>(), 0..200)) {
        stages::check(&[&[stage], &bytes[..]].concat());
    }
}

/// Whether a target takes an input.
type Check = fn(&[u8]) -> bool;

/// Else a target, and its mirror above, would ask nothing of what is good.
#[test]
fn each_target_has_seeds_that_are_taken_and_seeds_that_are_refused() {
    let targets: [(&str, Check); 6] = [
        ("header", header::check),
        ("claims", claims::check),
        ("record", record::check),
        ("configuration", configuration::check),
        ("cookies", cookies::check),
        ("bodies", bodies::check),
    ];
    for (target, check) in targets {
        let taken = seeds(target).iter().filter(|seed| check(seed)).count();
        println!(
            "{target}: {taken} of {} seeds are taken",
            seeds(target).len()
        );
        assert!(
            taken >= 1 && taken < seeds(target).len(),
            "{target}: {taken}"
        );
    }
}
