//! Who ends the session: one caller, and a second one that does so once more at another node.

use super::{Steps, Under, is_confirmed, step};
use crate::rules::Case;
use crate::world::{Caller, SERVERS, Server, World};

const NAMES: [&str; 2] = ["the caller", "the second caller"];

pub(super) fn steps(world: &World, under: Under, steps: &mut Steps) {
    for (who, name) in NAMES.into_iter().enumerate() {
        let mut goes = |what: &str, caller: Caller| {
            step(steps, world, format_args!("{name}: {what}"), |next| {
                next.callers[who] = caller;
            });
        };
        match world.callers[who] {
            Caller::Idle if who == 0 || under.faults.twice && world.callers[0] != Caller::Idle => {
                begins(world, under, (who, name), steps);
            }
            Caller::UnderWay { longer } => makes(world, under, (who, name), longer, steps),
            Caller::Written { again } => {
                makes(world, under, (who, name), 0, steps);
                // A server has found that it came too late, and hasn't made it.
                step(
                    steps,
                    world,
                    format_args!("{name}: too late, it is taken back"),
                    |next| {
                        next.journal[who] = again;
                        next.callers[who] = Caller::Failed;
                    },
                );
            }
            made @ Caller::Made { .. } => confirmed(world, under, (who, name), made, steps),
            Caller::Confirmed { left } => writes(world, (who, name), Caller::Waits { left }, steps),
            Caller::Waits { left: 0 } => goes("ANSWERED, it has ended", Caller::Answered),
            Caller::Failed if who == 0 && !world.asked_again => {
                step(
                    steps,
                    world,
                    format_args!("{name}: asks once more"),
                    |next| {
                        next.asked_again = true;
                        next.callers[who] = Caller::Idle;
                    },
                );
            }
            Caller::Idle | Caller::Waits { .. } | Caller::Failed | Caller::Answered => {}
        }
    }
}

fn begins(world: &World, under: Under, (who, name): (usize, &str), steps: &mut Steps) {
    if under.case == Case::End && under.rules.journal_first {
        let again = world.journal[who];
        writes(world, (who, name), Caller::Written { again }, steps);
    } else if under.faults.lengthened {
        step(
            steps,
            world,
            format_args!("{name}: reads for how long it will wait"),
            |next| {
                next.callers[who] = Caller::UnderWay {
                    longer: world.longer,
                };
            },
        );
    } else {
        makes(world, under, (who, name), 0, steps);
    }
}

fn writes(world: &World, (who, name): (usize, &str), then: Caller, steps: &mut Steps) {
    step(
        steps,
        world,
        format_args!("{name}: writes it down"),
        |next| {
            next.journal[who] = true;
            next.callers[who] = then;
        },
    );
}

fn makes(world: &World, under: Under, (who, name): (usize, &str), longer: u8, steps: &mut Steps) {
    let rules = under.rules;
    let lost = if rules.unknown_fails {
        Caller::Failed
    } else {
        Caller::Waits {
            left: rules.wait + longer,
        }
    };
    step(
        steps,
        world,
        format_args!("{name}: the question is lost"),
        |next| {
            next.callers[who] = lost;
        },
    );
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
            format_args!("{name}: ends it at the {at:?}, which had {found}"),
            |next| {
                if !found_nothing || rules.confirmed_where_gone {
                    next.held_mut(at).end();
                    if at == Server::Primary && rules.synced {
                        next.disk = next.primary;
                    }
                }
                next.callers[who] = Caller::Made {
                    longer,
                    at,
                    history: world.history(at),
                    found_nothing,
                    copied: false,
                };
            },
        );
    }
}

/// What becomes of a change that was made.
fn confirmed(
    world: &World,
    under: Under,
    (who, name): (usize, &str),
    made: Caller,
    steps: &mut Steps,
) {
    let Caller::Made {
        longer,
        at,
        history,
        found_nothing,
        copied,
    } = made
    else {
        return;
    };
    let rules = under.rules;
    let waits = !found_nothing || rules.waits_where_gone;
    let left = if waits { rules.wait + longer } else { 0 };
    let then = if under.case == Case::End && !rules.journal_first {
        Caller::Confirmed { left }
    } else {
        Caller::Waits { left }
    };
    let due = rules.replicated && (!found_nothing || rules.confirmed_where_gone);
    let connected = world.connected(at, history);
    let led =
        !under.case.is_redis() || !rules.ends_by_who_leads || world.is_seen(at, rules.all_agree);
    if connected && led && (!due || is_confirmed(world, under, at, copied)) {
        step(steps, world, format_args!("{name}: confirmed"), |next| {
            next.callers[who] = then;
        });
    }
    let (what, then) = if rules.unknown_fails {
        ("no confirmation, 503", Caller::Failed)
    } else {
        ("no confirmation, and it goes on", then)
    };
    step(steps, world, format_args!("{name}: {what}"), |next| {
        next.callers[who] = then;
    });
}
