//! Breadth first, from the beginning to every state that can be reached.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::rules::{Faults, Rules};
use crate::steps::{After, steps};
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

pub(crate) fn search(rules: &Rules, faults: &Faults) -> Outcome {
    let mut states = vec![(World::new(), usize::MAX)];
    let mut known = HashMap::from([(World::new(), 0)]);
    let mut at = 0;
    while let Some(&(world, _)) = states.get(at) {
        for (_, after) in steps(&world, rules, faults) {
            let After::Goes(next) = after else {
                return Outcome::LetIn(way_to(&states, at, rules, faults));
            };
            if let Entry::Vacant(place) = known.entry(next) {
                place.insert(states.len());
                states.push((next, at));
            }
        }
        at += 1;
    }
    Outcome::Holds {
        states: states.len(),
    }
}

/// The names of the steps to a state, and of the one that lets the request in.
fn way_to(states: &[(World, usize)], last: usize, rules: &Rules, faults: &Faults) -> Vec<String> {
    let mut places = vec![last];
    while let Some(&place) = places.last() {
        match states[place].1 {
            usize::MAX => break,
            before => places.push(before),
        }
    }
    places.reverse();
    let mut way = Vec::new();
    for pair in places.windows(2) {
        let (from, to) = (states[pair[0]].0, states[pair[1]].0);
        let step = steps(&from, rules, faults)
            .into_iter()
            .find(|(_, after)| *after == After::Goes(to));
        way.push(step.expect("there was a step").0);
    }
    let let_in = steps(&states[last].0, rules, faults)
        .into_iter()
        .find(|(_, after)| *after == After::LetsIn);
    way.push(let_in.expect("it was found").0);
    way
}
