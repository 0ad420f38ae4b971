//! Breadth first, from the beginning to every state that can be reached.

use std::hash::{Hash, Hasher};

use crate::rules::{Case, Faults, Rules};
use crate::steps::{After, Steps, steps};
use crate::world::World;

/// What a search has found.
pub(crate) enum Outcome {
    /// No request that began after the answer is let in.
    Holds {
        /// How many states there are.
        states: usize,
    },
    /// One is, and this is a shortest way to it.
    LetIn(Vec<String>),
}

pub(crate) fn search(case: Case, rules: &Rules, faults: &Faults) -> Outcome {
    let mut known = Known::new();
    known.add(World::new(), 0);
    let (mut at, mut found) = (0, Steps::new(false));
    while let Some(&(world, _)) = known.states.get(at) {
        steps(&world, case, rules, faults, &mut found);
        for (_, after) in &found.found {
            match after {
                After::Goes(next) => known.add(*next, at),
                After::LetsIn => {
                    let named = |world: &World| {
                        let mut named = Steps::new(true);
                        steps(world, case, rules, faults, &mut named);
                        named.found
                    };
                    return Outcome::LetIn(way_to(&known.states, at, named));
                }
            }
        }
        at += 1;
    }
    Outcome::Holds {
        states: known.states.len(),
    }
}

/// The states that are known, each with that from which it was reached first. There are tens of millions, so that each is
/// there once.
struct Known {
    states: Vec<(World, u32)>,
    /// By their hashes, the places of the states, and one more.
    places: Vec<u32>,
}

impl Known {
    fn new() -> Self {
        Self {
            states: Vec::new(),
            places: vec![0; 1 << 10],
        }
    }

    fn add(&mut self, world: World, from: usize) {
        if self.states.len() * 4 > self.places.len() * 3 {
            self.places = vec![0; self.places.len() * 2];
            for at in 0..self.states.len() {
                let slot = self.slot(&self.states[at].0);
                self.places[slot] = number(at + 1);
            }
        }
        let slot = self.slot(&world);
        if self.places[slot] == 0 {
            self.states.push((world, number(from)));
            self.places[slot] = number(self.states.len());
        }
    }

    /// Where the state is, or would be.
    fn slot(&self, world: &World) -> usize {
        let mut hash = Mixed(0);
        world.hash(&mut hash);
        let last = self.places.len() - 1;
        let hash = hash.finish() ^ (hash.finish() >> 32);
        let mut slot = usize::try_from(hash).expect("64 bits") & last;
        loop {
            match self.places[slot] {
                0 => return slot,
                place if self.states[place as usize - 1].0 == *world => return slot,
                _ => slot = (slot + 1) & last,
            }
        }
    }
}

fn number(place: usize) -> u32 {
    u32::try_from(place).expect("fewer states than 4 billion")
}

/// A quick hash, which nobody chooses the states for.
struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u8(*byte);
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(byte.into());
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u64(number.cast_unsigned() as u64);
    }
}

/// The names of the steps to a state, and of the one that lets the request in.
fn way_to(
    states: &[(World, u32)],
    last: usize,
    steps: impl Fn(&World) -> Vec<(String, After)>,
) -> Vec<String> {
    let mut places = vec![last];
    while let Some(&place) = places.last().filter(|place| **place != 0) {
        places.push(states[place].1 as usize);
    }
    places.reverse();
    let mut way = Vec::new();
    for pair in places.windows(2) {
        let (from, to) = (states[pair[0]].0, states[pair[1]].0);
        let step = steps(&from)
            .into_iter()
            .find(|(_, after)| *after == After::Goes(to));
        way.push(step.expect("there was a step").0);
    }
    let let_in = steps(&states[last].0)
        .into_iter()
        .find(|(_, after)| *after == After::LetsIn);
    way.push(let_in.expect("it was found").0);
    way
}
