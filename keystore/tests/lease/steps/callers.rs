//! Who ends the session: one caller, and a second one that does so once more at another node.

use super::{Steps, step};
use crate::rules::{Faults, Rules};
use crate::world::{Caller, SERVERS, Server, World};

const NAMES: [&str; 2] = ["the caller", "the second caller"];

pub(super) fn steps(world: &World, rules: &Rules, faults: &Faults, steps: &mut Steps) {
    for (who, name) in NAMES.into_iter().enumerate() {
        match world.callers[who] {
            Caller::Idle if who == 0 || world.callers[0] != Caller::Idle => {
                if faults.lengthened {
                    step(
                        steps,
                        world,
                        format!("{name}: reads for how long it will wait"),
                        |next| {
                            next.callers[who] = Caller::UnderWay {
                                longer: world.longer,
                            };
                        },
                    );
                } else {
                    makes(world, rules, (who, name), 0, steps);
                }
            }
            Caller::UnderWay { longer } => makes(world, rules, (who, name), longer, steps),
            Caller::Made {
                longer,
                at,
                history,
                found_nothing,
            } => {
                let due = !found_nothing || rules.confirmed_where_gone;
                if !due || confirmed(world, rules, at) && world.history(at) == history {
                    let waits = !found_nothing || rules.waits_where_gone;
                    let left = if waits { rules.wait + longer } else { 0 };
                    step(steps, world, format!("{name}: confirmed"), |next| {
                        next.callers[who] = Caller::Waits { left };
                    });
                }
                step(
                    steps,
                    world,
                    format!("{name}: no confirmation, 503"),
                    |next| {
                        next.callers[who] = Caller::Failed;
                    },
                );
            }
            Caller::Waits { left: 0 } => {
                step(
                    steps,
                    world,
                    format!("{name}: ANSWERED, it has ended"),
                    |next| {
                        next.callers[who] = Caller::Answered;
                    },
                );
            }
            Caller::Failed if who == 0 && !world.asked_again => {
                step(steps, world, format!("{name}: asks once more"), |next| {
                    next.asked_again = true;
                    next.callers[who] = Caller::Idle;
                });
            }
            Caller::Idle | Caller::Waits { .. } | Caller::Failed | Caller::Answered => {}
        }
    }
}

fn makes(world: &World, rules: &Rules, (who, name): (usize, &str), longer: u8, steps: &mut Steps) {
    for at in SERVERS {
        if !world.serves(at) {
            continue;
        }
        let found_nothing = !world.held(at).record;
        let found = if found_nothing {
            "nothing"
        } else {
            "the record"
        };
        step(
            steps,
            world,
            format!("{name}: ends it at the {at:?}, which had {found}"),
            |next| {
                if !found_nothing || rules.confirmed_where_gone {
                    let held = next.held_mut(at);
                    held.record = false;
                    held.end = true;
                    if !found_nothing {
                        held.trimmed = false;
                    }
                    if at == Server::Primary && rules.synced {
                        next.disk = (false, true);
                    }
                }
                next.callers[who] = Caller::Made {
                    longer,
                    at,
                    history: world.history(at),
                    found_nothing,
                };
            },
        );
    }
}

/// Whether a change at this server survives what is to be survived. What the replica takes when it leads is held
/// by others.
fn confirmed(world: &World, rules: &Rules, at: Server) -> bool {
    let replicated = !world.replica.record && world.replica.end;
    let synced = world.disk == (false, true);
    at == Server::Replica || (!rules.replicated || replicated) && (!rules.synced || synced)
}
