//! Time, and what becomes of the store.

use super::{Steps, step};
use crate::rules::{Faults, LEASE, MORE, Rules};
use crate::world::{Caller, Takeover, World};

pub(super) fn steps(world: &World, faults: &Faults, steps: &mut Steps) {
    step(steps, world, "a tick", |next| {
        tick_callers(next);
        tick_node(next, faults);
    });
    if faults.clock_stops {
        step(
            steps,
            world,
            "a tick, and the node's clock stands still",
            tick_callers,
        );
    }
    let Takeover::None = world.takeover else {
        return taken_over(world, steps);
    };
    let (primary, replica) = (world.primary, world.replica);
    if primary.alive {
        let (one, other) = (
            (primary.record, primary.end, primary.trimmed),
            (replica.record, replica.end, replica.trimmed),
        );
        if one != other {
            step(steps, world, "the replica catches up", |next| {
                next.replica.record = primary.record;
                next.replica.end = primary.end;
                next.replica.trimmed = primary.trimmed;
            });
        }
        synced(world, steps);
        if faults.primary_dies {
            step(steps, world, "the primary dies", |next| {
                next.primary.alive = false;
            });
        }
        if faults.restart && !world.restarted {
            step(
                steps,
                world,
                "the primary is started again from its disk",
                |next| {
                    next.restarted = true;
                    (next.primary.record, next.primary.end) = world.disk;
                },
            );
        }
        if faults.trimmed && primary.end && !primary.trimmed {
            step(steps, world, "the feed is cut off", |next| {
                next.primary.trimmed = true;
            });
        }
    }
    if faults.two_primaries || !primary.alive {
        step(steps, world, "a majority votes for the replica", |next| {
            next.takeover = Takeover::Voted;
        });
    }
}

/// Once. By the rule the lock of the changes keeps it from coming between what one reads and what it makes.
pub(super) fn lengthened(world: &World, rules: &Rules, faults: &Faults, steps: &mut Steps) {
    let under_way = |caller: &Caller| matches!(caller, Caller::UnderWay { .. });
    let locked = rules.lengthened_alone && world.callers.iter().any(under_way);
    if faults.lengthened && world.longer == 0 && !locked {
        step(steps, world, "the lease is lengthened", |next| {
            next.longer = MORE;
        });
    }
}

fn taken_over(world: &World, steps: &mut Steps) {
    synced(world, steps);
    match world.takeover {
        Takeover::Voted => {
            // Until the replica has the votes, the primary goes on, and the replica follows it.
            let (primary, replica) = (world.primary, world.replica);
            if primary.alive && (primary.record, primary.end) != (replica.record, replica.end) {
                step(steps, world, "the replica catches up", |next| {
                    next.replica.record = primary.record;
                    next.replica.end = primary.end;
                    next.replica.trimmed = primary.trimmed;
                });
            }
            step(steps, world, "the replica serves", |next| {
                next.takeover = Takeover::Serves;
            });
        }
        Takeover::Serves => step(
            steps,
            world,
            "all can learn that the replica leads",
            |next| {
                next.takeover = Takeover::Announced;
            },
        ),
        Takeover::None | Takeover::Announced => {}
    }
    let alone = world.takeover >= Takeover::Serves;
    if alone && world.primary.alive && !world.primary_knows {
        step(
            steps,
            world,
            "the primary learns that it doesn't lead",
            |next| {
                next.primary_knows = true;
            },
        );
    }
}

fn synced(world: &World, steps: &mut Steps) {
    let held = (world.primary.record, world.primary.end);
    if world.primary.alive && world.disk != held {
        step(steps, world, "the primary syncs its disk", |next| {
            next.disk = held;
        });
    }
}

fn tick_callers(next: &mut World) {
    for caller in &mut next.callers {
        if let Caller::Waits { left } = caller {
            *left = left.saturating_sub(1);
        }
    }
}

fn tick_node(next: &mut World, faults: &Faults) {
    next.node.lease = next.node.lease.saturating_sub(1);
    if let Some(poll) = &mut next.node.poll {
        let longest = if faults.lengthened {
            LEASE + MORE
        } else {
            LEASE
        };
        poll.age = (poll.age + 1).min(longest);
    }
}
