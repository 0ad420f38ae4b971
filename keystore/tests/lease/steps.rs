//! What can happen next.

mod callers;
mod node;
mod store;

use crate::rules::{Faults, Rules};
use crate::world::World;

/// What follows a step.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // looked into at once
pub(crate) enum After {
    Goes(World),
    /// A request that began after the answer is let in.
    LetsIn,
}

/// The steps, each with a name.
pub(crate) type Steps = Vec<(String, After)>;

/// All steps that this state allows.
pub(crate) fn steps(world: &World, rules: &Rules, faults: &Faults) -> Steps {
    let mut steps = Steps::new();
    store::steps(world, faults, &mut steps);
    store::lengthened(world, rules, faults, &mut steps);
    callers::steps(world, rules, faults, &mut steps);
    node::polls(world, rules, &mut steps);
    node::requests(world, rules, &mut steps);
    steps
}

/// A step that changes a copy of the world.
fn step(
    steps: &mut Steps,
    world: &World,
    name: impl Into<String>,
    change: impl FnOnce(&mut World),
) {
    let mut next = *world;
    change(&mut next);
    steps.push((name.into(), After::Goes(next)));
}
