//! The node: its polls, and the requests that it guards.

use super::{After, Steps, step};
use crate::rules::{LEASE, Rules};
use crate::world::{Evidence, Node, Poll, Request, SERVERS, Served, Server, Takeover, World};

pub(super) fn polls(world: &World, rules: &Rules, steps: &mut Steps) {
    let node = world.node;
    let announced = world.takeover == Takeover::Announced;
    if announced && node.to == Server::Primary && !rules.evidence {
        step(steps, world, "the node connects to the replica", |next| {
            next.node.to = Server::Replica;
        });
    }
    let Some(poll) = node.poll else {
        return step(steps, world, "a poll is sent", |next| {
            next.node.poll = Some(Poll {
                age: 0,
                to: node.to,
                served: None,
                evidence: None,
            });
        });
    };
    if poll.served.is_none() && world.serves(poll.to) {
        let held = world.held(poll.to);
        let served = Served {
            lease: LEASE + world.longer,
            brings_end: held.end && !held.trimmed,
            trimmed: held.trimmed,
            history: world.history(poll.to),
        };
        step(
            steps,
            world,
            format!("the {:?} answers the poll", poll.to),
            |next| {
                next.node.poll = Some(Poll {
                    served: Some(served),
                    ..poll
                });
            },
        );
    }
    if rules.evidence && poll.evidence.is_none() {
        let evidence = Evidence {
            new_epoch: world.takeover >= Takeover::Voted,
            names_replica: announced,
        };
        step(steps, world, "a majority says who leads", |next| {
            next.node.poll = Some(Poll {
                evidence: Some(evidence),
                ..poll
            });
        });
    }
    if let Some(evidence) = poll.evidence {
        let other = evidence.new_epoch != node.knows_new_epoch;
        if other && (evidence.names_replica || !rules.claimed) {
            step(steps, world, "the node adopts the new epoch", |next| {
                next.node.poll = None;
                next.node.knows_new_epoch = evidence.new_epoch;
                next.node.lease = 0;
                next.node.forget();
                if evidence.names_replica {
                    next.node.to = Server::Replica;
                }
            });
        }
    }
    if let Some(served) = poll.served
        && (poll.evidence.is_some() || !rules.evidence)
    {
        step(steps, world, "the poll is applied", |next| {
            applied(&mut next.node, rules, poll, served);
        });
    }
    step(steps, world, "the poll is given up", |next| {
        next.node.poll = None;
    });
}

fn applied(node: &mut Node, rules: &Rules, poll: Poll, served: Served) {
    node.poll = None;
    let other_epoch = poll
        .evidence
        .is_some_and(|evidence| evidence.new_epoch != node.knows_new_epoch);
    if other_epoch {
        return; // it doesn't count
    }
    let gap = rules.gaps && (served.trimmed || served.history != node.history);
    if served.brings_end || gap {
        node.forget();
    }
    node.history = served.history;
    node.lease = if rules.from_sending {
        served.lease.saturating_sub(poll.age)
    } else {
        served.lease
    };
}

pub(super) fn requests(world: &World, rules: &Rules, steps: &mut Steps) {
    let node = world.node;
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
            if node.lease > 0 {
                let history = node.history;
                goes("the lease is good", Request::Leased { late, history });
            } else {
                goes("there is no lease, 503", Request::None);
            }
        }
        Request::Begun { late } => {
            if node.keeps {
                goes("the entry is there", Request::Found { late });
            } else if node.lease > 0 {
                goes("the store is asked", reading(&node, late, node.to));
            } else {
                goes("there is no lease, 503", Request::None);
            }
        }
        Request::Found { late } if node.lease > 0 => let_in(world, late, None, steps),
        Request::Found { .. } => goes("there is no lease, 503", Request::None),
        Request::Leased { late, .. } if node.keeps => let_in(world, late, None, steps),
        Request::Leased { late, history } => {
            // Any connection may serve it, the lease's or another.
            for from in SERVERS {
                if from == Server::Primary || world.takeover >= Takeover::Serves {
                    let asked = Node { history, ..node };
                    let name = format!("the {from:?} is asked");
                    goes(&name, reading(&asked, late, from));
                }
            }
        }
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
            let stands = !overtaken && (!rules.one_server || node.history == history);
            let_in(world, late, Some(stands || !rules.stamps), steps);
        }
    }
}

fn reading(node: &Node, late: bool, from: Server) -> Request {
    Request::Reading {
        late,
        from,
        overtaken: false,
        history: node.history,
        answer: None,
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
            format!("the {from:?} answers the read"),
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
        steps.push(("the request is LET IN".to_owned(), After::LetsIn));
        return;
    }
    step(steps, world, "the request is let in", |next| {
        next.node.request = Request::None;
        if kept == Some(true) {
            next.node.keeps = true;
        }
    });
}
