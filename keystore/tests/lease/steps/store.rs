//! Time, and what becomes of the store.

use super::{Steps, Under, step};
use crate::rules::{Case, Faults, LEASE, MORE};
use crate::world::{BEFORE, Caller, Feed, Link, Place, Server, Takeover, World};

pub(super) fn steps(world: &World, under: Under, steps: &mut Steps) {
    let faults = under.faults;
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
    lengthened(world, under, steps);
    if world.takeover < Takeover::Serves {
        replicates(world, faults, steps);
        if world.primary_alive {
            of_the_primary(world, faults, steps);
        }
        takes_over(world, under, steps);
    } else {
        has_taken_over(world, under, steps);
    }
    if under.case == Case::End && world.journal.contains(&true) {
        for at in [Server::Primary, Server::Replica] {
            if world.serves(at) && world.held(at).record {
                step(
                    steps,
                    world,
                    format_args!("another node makes at the {at:?} what is written down"),
                    |next| replayed(next, at),
                );
            }
        }
    }
}

/// What is written down is made.
pub(super) fn replayed(next: &mut World, at: Server) {
    // An end that finds nothing is told of to nobody.
    if next.held(at).record {
        next.held_mut(at).end();
        if at == Server::Primary {
            next.disk = next.primary;
        }
    }
}

fn replicates(world: &World, faults: &Faults, steps: &mut Steps) {
    if world.primary_alive && world.link == Link::Follows {
        let mut next = *world;
        next.replica = next.primary;
        if let (Some(poll), Place::There { to, .. }) = (&mut next.node.poll, next.node.place) {
            let here = to == Server::Primary
                && (poll.served).is_some_and(|served| served.history == world.history(to));
            poll.copied |= here && !poll.confirmed;
        }
        for caller in &mut next.callers {
            if let Caller::Made {
                at: Server::Primary,
                history,
                copied,
                ..
            } = caller
            {
                *copied |= *history == world.history(Server::Primary);
            }
        }
        if next != *world {
            step(steps, world, "the replica catches up", |world| {
                *world = next;
            });
        }
    }
    if faults.replica_away {
        let mut goes = |name: &str, link: Link| {
            step(steps, world, name, |next| next.link = link);
        };
        match world.link {
            Link::Follows => goes("the replica is cut off", Link::Away),
            Link::Away => {
                goes("the replica is back", Link::Follows);
                if faults.replica_fails {
                    goes("all agree that the replica has failed", Link::Failed);
                }
            }
            Link::Failed => goes("the replica is back", Link::Follows),
        }
    }
}

fn of_the_primary(world: &World, faults: &Faults, steps: &mut Steps) {
    if world.disk != world.primary {
        step(steps, world, "the primary syncs its disk", |next| {
            next.disk = next.primary;
        });
    }
    if faults.primary_dies {
        step(steps, world, "the primary dies", |next| {
            next.primary_alive = false;
        });
    }
    if faults.restart && !world.restarted {
        step(
            steps,
            world,
            "the primary is started again from its disk",
            |next| {
                next.restarted = true;
                next.primary = next.disk;
            },
        );
    }
    if faults.older && !world.restarted {
        step(
            steps,
            world,
            "the primary is started again with FILES OF BEFORE",
            |next| {
                next.restarted = true;
                next.primary = BEFORE;
                next.disk = BEFORE;
            },
        );
    }
    if faults.trimmed && world.primary.feed == Feed::End {
        step(steps, world, "the feed is cut off", |next| {
            next.primary.feed = Feed::Cut;
            next.disk.feed = Feed::Cut;
        });
    }
}

fn takes_over(world: &World, under: Under, steps: &mut Steps) {
    let faults = under.faults;
    let may = faults.two_primaries || !world.primary_alive;
    if !under.case.is_redis() {
        if may {
            step(steps, world, "the standby is promoted", |next| {
                next.takeover = Takeover::Serves;
            });
        }
        return;
    }
    if world.takeover == Takeover::Failed {
        step(steps, world, "a majority votes for the replica", |next| {
            next.takeover = Takeover::Serves;
        });
        if world.primary_alive {
            step(
                steps,
                world,
                "a majority sees the primary lead again",
                |next| {
                    next.takeover = Takeover::None;
                },
            );
        }
        return;
    }
    if may {
        step(
            steps,
            world,
            "a majority sees the primary as failed",
            |next| {
                next.takeover = Takeover::Failed;
            },
        );
    }
    if faults.by_hand {
        step(steps, world, "the replica is MADE to take over", |next| {
            next.takeover = Takeover::Serves;
            next.unnoticed = true;
        });
    }
}

fn has_taken_over(world: &World, under: Under, steps: &mut Steps) {
    if under.case.is_redis() {
        let next = match world.takeover {
            Takeover::Serves => Some(("one who voted hears", Takeover::Heard)),
            Takeover::Heard => Some(("all hear", Takeover::Announced)),
            Takeover::None | Takeover::Failed | Takeover::Announced => None,
        };
        if let Some((who, takeover)) = next {
            step(
                steps,
                world,
                format_args!("{who} that the replica leads"),
                |next| {
                    next.takeover = takeover;
                },
            );
        }
        let unheard = world.takeover == Takeover::Serves && !world.unnoticed;
        if under.faults.claim_lost && unheard && world.serves(Server::Primary) {
            step(
                steps,
                world,
                "nobody hears that the replica leads, it is CUT OFF, and the primary is seen again",
                |next| {
                    next.unnoticed = true;
                    next.link = Link::Failed;
                },
            );
        }
    }
    if world.serves(Server::Primary) {
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

/// Once. By the rule the lock of the changes keeps it from coming between what one reads and what it makes.
fn lengthened(world: &World, under: Under, steps: &mut Steps) {
    let under_way = |caller: &Caller| matches!(caller, Caller::UnderWay { .. });
    let locked = under.rules.lengthened_alone && world.callers.iter().any(under_way);
    if under.faults.lengthened && world.longer == 0 && !locked {
        step(steps, world, "the lease is lengthened", |next| {
            next.longer = MORE;
        });
    }
}

fn tick_callers(next: &mut World) {
    for caller in &mut next.callers {
        if let Caller::Waits { left } | Caller::Confirmed { left } = caller {
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
