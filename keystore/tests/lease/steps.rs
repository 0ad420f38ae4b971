//! What can happen next.

mod callers;
mod node;
mod store;

use std::fmt::Display;

use crate::rules::{Case, Faults, Rules};
use crate::world::{Link, Server, World};

/// What follows a step.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // looked into at once
pub(crate) enum After {
    Goes(World),
    /// A request that began after the answer is let in.
    LetsIn,
}

/// The steps, each with a name where those are wanted: most of a search's time would be spent on them.
pub(crate) struct Steps {
    named: bool,
    pub(crate) found: Vec<(String, After)>,
}

impl Steps {
    pub(crate) fn new(named: bool) -> Self {
        Self {
            named,
            found: Vec::new(),
        }
    }

    fn add(&mut self, name: impl Display, after: After) {
        let name = if self.named {
            name.to_string()
        } else {
            String::new()
        };
        self.found.push((name, after));
    }
}

/// What is searched: where the session is, the rules that hold, and what may go wrong.
#[derive(Clone, Copy)]
struct Under<'u> {
    case: Case,
    rules: &'u Rules,
    faults: &'u Faults,
}

/// All steps that this state allows.
pub(crate) fn steps(world: &World, case: Case, rules: &Rules, faults: &Faults, steps: &mut Steps) {
    steps.found.clear();
    let under = Under {
        case,
        rules,
        faults,
    };
    store::steps(world, under, steps);
    callers::steps(world, under, steps);
    node::connections(world, under, steps);
    node::polls(world, under, steps);
    node::requests(world, under, steps);
}

/// A step that changes a copy of the world.
fn step(steps: &mut Steps, world: &World, name: impl Display, change: impl FnOnce(&mut World)) {
    let mut next = *world;
    change(&mut next);
    next.tidy();
    steps.add(name, After::Goes(next));
}

/// Whether what a server has written counts as confirmed: the replica has a copy, or can't take the server's place by the
/// word of the cluster. What the replica takes when it leads is held by others.
fn is_confirmed(world: &World, under: Under, at: Server, copied: bool) -> bool {
    let left_out = match world.link {
        Link::Follows => false,
        Link::Away => !under.rules.failed_by_agreement,
        Link::Failed => true,
    };
    at == Server::Replica || copied || (under.case.is_redis() && left_out)
}
