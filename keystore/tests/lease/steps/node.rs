//! The node: its connections, its polls, and the requests that it guards.

use super::store::replayed;
use super::{After, Steps, Under, is_confirmed, step};
use crate::rules::{Case, LEASE};
use crate::world::{Feed, History, Node, Place, Poll, Request, SERVERS, Served, Server, World};

/// A node connects to any server that takes changes: who leads may have told nobody yet.
pub(super) fn connections(world: &World, under: Under, steps: &mut Steps) {
    match world.node.place {
        Place::Nowhere => {
            for to in SERVERS {
                if world.serves(to) {
                    step(
                        steps,
                        world,
                        format_args!("the node connects to the {to:?}"),
                        |next| {
                            next.node.cursor = world.held(to).feed;
                            next.node.place = Place::Arriving {
                                to,
                                history: world.history(to),
                                journal: None,
                            };
                        },
                    );
                }
            }
        }
        Place::Arriving {
            to,
            history,
            journal,
        } => arriving(world, under, (to, history), journal, steps),
        Place::There { .. } => {
            step(steps, world, "the node gives up its connections", |next| {
                next.node.poll = None;
                next.node.place = Place::Nowhere;
            });
        }
    }
}

fn arriving(
    world: &World,
    under: Under,
    (to, history): (Server, History),
    journal: Option<bool>,
    steps: &mut Steps,
) {
    let due = under.case == Case::End && under.rules.replayed_first;
    if !world.connected(to, history) {
        step(steps, world, "a connection breaks", |next| {
            next.node.place = Place::Nowhere;
        });
    } else if due && journal.is_none() {
        if under.rules.journal_by_who_leads && !world.is_seen(to, under.rules.all_agree) {
            return step(steps, world, "the node gives up", |next| {
                next.node.place = Place::Nowhere;
            });
        }
        step(
            steps,
            world,
            "the node reads what is written down",
            |next| {
                next.node.place = Place::Arriving {
                    to,
                    history,
                    journal: Some(world.journal.contains(&true)),
                };
            },
        );
    } else {
        let ended = journal == Some(true);
        let name = if ended {
            "the node makes that once more, and begins anew"
        } else {
            "the node begins anew"
        };
        step(steps, world, name, |next| {
            if ended {
                replayed(next, to);
            }
            next.node.place = Place::There { to, history };
            next.node.lease = 0;
            next.node.forget();
        });
    }
}

pub(super) fn polls(world: &World, under: Under, steps: &mut Steps) {
    let Place::There { to, history } = world.node.place else {
        return;
    };
    let rules = under.rules;
    let Some(poll) = world.node.poll else {
        return step(steps, world, "a poll is sent", |next| {
            next.node.poll = Some(Poll {
                age: 0,
                served: None,
                copied: false,
                confirmed: false,
                agreed: !under.case.is_redis() || !rules.agreed,
            });
        });
    };
    let mut goes = |name: std::fmt::Arguments<'_>, poll: Poll| {
        step(steps, world, name, |next| next.node.poll = Some(poll));
    };
    // By the rule another process than that it has connected to answers nothing.
    let connected = world.connected(to, history) || (!rules.gaps && world.serves(to));
    if poll.served.is_none() && connected {
        let served = Some(Served {
            lease: LEASE + world.longer,
            feed: world.held(to).feed,
            history: world.history(to),
        });
        goes(
            format_args!("the {to:?} answers the poll"),
            Poll { served, ..poll },
        );
    }
    if !poll.agreed && world.is_seen(to, rules.all_agree) {
        goes(
            format_args!("most see the {to:?} lead"),
            Poll {
                agreed: true,
                ..poll
            },
        );
    }
    if let Some(served) = poll.served
        && !poll.confirmed
        && world.connected(to, served.history)
        && (!rules.confirmed_polls || is_confirmed(world, under, to, poll.copied))
    {
        let confirmed = Poll {
            confirmed: true,
            copied: false,
            ..poll
        };
        goes(format_args!("the {to:?} confirms the poll"), confirmed);
    }
    if let Some(served) = poll.served
        && poll.confirmed
        && poll.agreed
    {
        step(steps, world, "the poll is applied", |next| {
            applied(&mut next.node, under, (poll, to, history), served);
        });
    }
    step(steps, world, "the poll is given up", |next| {
        // What it brought is applied, and gives no lease.
        if let Some(served) = poll.served
            && served.feed == Feed::End
            && next.node.cursor == Feed::Start
        {
            next.node.cursor = Feed::End;
            next.node.forget();
        }
        next.node.poll = None;
    });
}

fn applied(
    node: &mut Node,
    under: Under,
    (poll, to, history): (Poll, Server, History),
    served: Served,
) {
    let rules = under.rules;
    node.poll = None;
    let brings_end = served.feed == Feed::End && node.cursor == Feed::Start;
    let missing = served.feed != node.cursor && !brings_end;
    if rules.gaps && (missing || served.history != history) {
        node.place = Place::Nowhere;
        return;
    }
    if brings_end {
        node.forget();
    }
    node.cursor = served.feed;
    node.place = Place::There {
        to,
        history: served.history,
    };
    node.lease = if rules.from_sending {
        served.lease.saturating_sub(poll.age)
    } else {
        served.lease
    };
}

pub(super) fn requests(world: &World, under: Under, steps: &mut Steps) {
    let (node, rules) = (world.node, under.rules);
    let mut goes = |name: &str, request: Request| {
        step(steps, world, name, |next| next.node.request = request);
    };
    match node.request {
        Request::None => {
            let late = world.answered();
            let name = if late {
                "a request begins AFTER THE ANSWER"
            } else {
                "a request begins"
            };
            goes(name, Request::Begun { late });
        }
        Request::Begun { late } if rules.lease_first => {
            if node.lease > 0 || !rules.leased_reads && !node.keeps {
                let name = if node.lease > 0 {
                    "the lease is good"
                } else {
                    "it looks at what is kept WITHOUT A LEASE"
                };
                goes(name, Request::Leased { late });
            } else {
                goes("there is no lease, 503", Request::None);
            }
        }
        Request::Begun { late } => {
            if node.keeps {
                goes("the entry is there", Request::Found { late });
            } else if node.lease > 0 {
                asks(world, late, steps);
            } else {
                goes("there is no lease, 503", Request::None);
            }
        }
        Request::Found { late } if node.lease > 0 => let_in(world, late, None, steps),
        Request::Found { .. } => goes("there is no lease, 503", Request::None),
        Request::Leased { late } if node.keeps => let_in(world, late, None, steps),
        // A read goes by a lease of its own.
        Request::Leased { late } if node.lease > 0 || !rules.leased_reads => {
            asks(world, late, steps);
        }
        Request::Leased { .. } => goes("there is no lease any more, 503", Request::None),
        Request::Reading { answer: None, .. } => read(world, steps),
        Request::Reading {
            late,
            overtaken,
            history,
            answer: Some((found, of)),
            ..
        } => {
            let counts = !rules.one_server || of == history;
            if !(found && counts) {
                return goes("refused", Request::None);
            }
            let_in(world, late, Some(!overtaken || !rules.stamps), steps);
        }
    }
}

/// The store is asked. Any connection may serve it, the lease's or another.
fn asks(world: &World, late: bool, steps: &mut Steps) {
    let Place::There { history, .. } = world.node.place else {
        return step(steps, world, "no server is known, 503", |next| {
            next.node.request = Request::None;
        });
    };
    for from in SERVERS {
        if from == Server::Primary || world.serves(from) {
            step(
                steps,
                world,
                format_args!("the {from:?} is asked"),
                |next| {
                    next.node.request = Request::Reading {
                        late,
                        from,
                        overtaken: false,
                        history,
                        answer: None,
                    };
                },
            );
        }
    }
}

/// The store answers a read, or it fails.
fn read(world: &World, steps: &mut Steps) {
    let Request::Reading {
        late,
        from,
        overtaken,
        history,
        ..
    } = world.node.request
    else {
        return;
    };
    if world.serves(from) {
        let answer = Some((world.held(from).record, world.history(from)));
        step(
            steps,
            world,
            format_args!("the {from:?} answers the read"),
            |next| {
                next.node.request = Request::Reading {
                    late,
                    from,
                    overtaken,
                    history,
                    answer,
                };
            },
        );
    }
    step(steps, world, "the read fails, 503", |next| {
        next.node.request = Request::None;
    });
}

/// The request is let in, and what was read is kept where it may be.
fn let_in(world: &World, late: bool, kept: Option<bool>, steps: &mut Steps) {
    if late {
        steps.add("the request is LET IN", After::LetsIn);
        return;
    }
    step(steps, world, "the request is let in", |next| {
        next.node.request = Request::None;
        if kept == Some(true) {
            next.node.keeps = true;
        }
    });
}
