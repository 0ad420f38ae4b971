//! The lease searched exhaustively: every order in which its steps and the faults of a store can come.
//!
//! One node guards, a session is ended by one caller and, in some searches, at another node by a second one; the store is a
//! primary with a replica: `PostgreSQL` with a synchronous standby, or a part of a cluster of Redis, whose other primaries
//! are those who vote and say whom they see lead. The search is breadth first, so what it finds is a shortest way to a
//! token that is let in after an answer. The protocol of `docs/decisions/0053-lease.md`, `0058-redis.md` and
//! `0063-journal.md` holds; without any one of its rules it doesn't, and the search has to find that, or it would prove
//! nothing.
//!
//! A node only reads the store, but for making once more what is written down, which other nodes do here at any time. So
//! what one lets in depends on no other: one node finds what any number would.
//!
//! Where the records are on Redis a node needs a lease by `PostgreSQL` as well. That only keeps requests out which this
//! search lets in, and whatever is changed there is the case of `PostgreSQL`. So the two aren't searched together.
//!
//! Left out: a record that is put under the key of one that has ended (the numbers of the journal), more replicas than
//! one, and a database that loses the journal.
//!
//! `make model` searches the long ones as well, several faults at once among them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod rules;
mod search;
mod steps;
mod world;

use Case::{End, Postgres, Refresh};
use rules::{Case, Faults, Rules};
use search::{Outcome, search};

const NONE: Faults = Faults::none();

const RESTART: Faults = Faults {
    restart: true,
    ..NONE
};
const OLDER: Faults = Faults {
    older: true,
    ..NONE
};
const TRIMMED: Faults = Faults {
    trimmed: true,
    ..NONE
};
const DIES: Faults = Faults {
    primary_dies: true,
    ..NONE
};
const TWO: Faults = Faults {
    two_primaries: true,
    ..NONE
};
const BY_HAND: Faults = Faults {
    by_hand: true,
    ..NONE
};
const TWICE: Faults = Faults {
    twice: true,
    ..NONE
};

/// The replica has failed, and more happens.
const FAILED_AND: Faults = Faults {
    replica_away: true,
    replica_fails: true,
    ..NONE
};

/// The rules with which the protocol is as it was decided, and one that is weakened.
fn weakened(weaken: impl Fn(&mut Rules)) -> Rules {
    let mut rules = Rules::all();
    weaken(&mut rules);
    rules
}

#[track_caller]
fn must_fail(cases: &[Case], faults: Faults, weaken: impl Fn(&mut Rules)) {
    for case in cases {
        match search(*case, &weakened(&weaken), &faults) {
            Outcome::LetIn(way) => {
                let way: Vec<_> = way.iter().map(|step| format!("  {step}")).collect();
                println!("{case:?}:\n{}", way.join("\n"));
                assert!(way.len() > 3, "a way has some steps");
            }
            Outcome::Holds { states } => panic!("{case:?}: nothing found in {states} states"),
        }
    }
}

#[track_caller]
fn must_hold(case: Case, faults: Faults, at_least: usize) {
    match search(case, &Rules::all(), &faults) {
        Outcome::Holds { states } => {
            println!("{case:?}: {states} states");
            assert!(states >= at_least, "{states} states are too few");
        }
        Outcome::LetIn(way) => panic!("let in after the answer:\n{}", way.join("\n")),
    }
}

#[test]
fn without_faults_nobody_is_let_in_after_the_answer() {
    must_hold(Postgres, TWICE, 100_000);
    must_hold(Refresh, NONE, 20_000);
    must_hold(End, NONE, 20_000);
}

#[test]
fn an_end_that_is_answered_at_once_is_too_early() {
    must_fail(&[Postgres, Refresh, End], NONE, |rules| rules.wait = 0);
}

#[test]
fn a_wait_that_is_shorter_than_the_lease_is_too_short() {
    must_fail(&[Postgres, Refresh, End], NONE, |rules| rules.wait -= 1);
}

#[test]
fn an_end_that_was_there_already_has_to_be_waited_for_as_well() {
    must_fail(&[Postgres, Refresh], TWICE, |rules| {
        rules.waits_where_gone = false;
    });
}

#[test]
fn an_end_that_may_not_have_been_made_is_not_answered_as_one() {
    must_fail(&[Postgres, Refresh, End], NONE, |rules| {
        rules.unknown_fails = false;
    });
}

#[test]
fn the_lease_is_read_before_the_entry() {
    must_fail(&[Postgres, End], NONE, |rules| rules.lease_first = false);
}

#[test]
fn a_read_without_a_lease_may_be_answered_by_one_that_was_replaced() {
    must_fail(&[Postgres, Refresh, End], TWO, |rules| {
        rules.leased_reads = false;
    });
}

#[test]
fn what_was_read_while_an_end_came_in_is_not_kept() {
    must_fail(&[Postgres, End], NONE, |rules| rules.stamps = false);
}

#[test]
fn the_lease_counts_from_the_sending() {
    must_fail(&[Postgres, End], NONE, |rules| rules.from_sending = false);
}

#[test]
fn a_clock_that_stands_still_while_the_machine_sleeps_is_no_clock() {
    let faults = Faults {
        clock_stops: true,
        ..NONE
    };
    must_fail(&[Postgres, End], faults, |_| ());
}

#[test]
fn an_end_that_is_not_on_the_replica_is_lost_with_the_primary() {
    must_fail(&[Postgres, Refresh], DIES, |rules| rules.replicated = false);
}

#[test]
fn an_end_that_is_not_on_the_disk_is_lost_with_a_restart() {
    must_fail(&[Postgres, Refresh], RESTART, |rules| rules.synced = false);
}

#[test]
fn an_end_that_was_there_already_has_to_be_confirmed_as_well() {
    let faults = Faults {
        twice: true,
        ..DIES
    };
    must_fail(&[Postgres], faults, |rules| {
        rules.confirmed_where_gone = false;
    });
}

#[test]
fn a_poll_that_is_not_confirmed_may_be_answered_by_one_that_was_replaced() {
    must_fail(&[Postgres], TWO, |rules| rules.confirmed_polls = false);
    // Otherwise all have heard of who took over; and what is written down is made there before.
    let unheard = Faults {
        claim_lost: true,
        ..TWO
    };
    must_fail(&[Refresh], unheard, |rules| rules.confirmed_polls = false);
}

#[test]
fn a_replica_that_the_primary_alone_misses_may_take_its_place() {
    let faults = Faults {
        replica_away: true,
        ..DIES
    };
    must_fail(&[Refresh], faults, |rules| {
        rules.failed_by_agreement = false;
    });
}

#[test]
fn a_read_from_another_server_than_the_leases_is_none() {
    must_fail(&[Postgres, Refresh], TWO, |rules| rules.one_server = false);
}

#[test]
fn a_feed_that_was_cut_off_is_noticed() {
    must_fail(&[Postgres, Refresh, End], TRIMMED, |rules| {
        rules.gaps = false;
    });
}

#[test]
fn who_lets_in_before_the_journal_is_made_once_more_lets_in_what_had_ended() {
    must_fail(&[End], OLDER, |rules| rules.replayed_first = false);
}

#[test]
fn an_end_that_is_written_down_after_it_was_made_may_be_lost_before() {
    must_fail(&[End], OLDER, |rules| rules.journal_first = false);
}

const LENGTHENED: Faults = Faults {
    lengthened: true,
    ..NONE
};

#[test]
fn a_lease_that_is_lengthened_beside_a_change_is_longer_than_its_wait() {
    must_fail(&[Postgres], LENGTHENED, |rules| {
        rules.lengthened_alone = false;
    });
}

#[test]
#[ignore = "it takes long: make model"]
fn with_a_lease_that_is_lengthened_it_holds() {
    let faults = Faults {
        twice: true,
        ..LENGTHENED
    };
    must_hold(Postgres, faults, 300_000);
}

#[test]
fn with_a_feed_that_is_cut_off_it_holds() {
    must_hold(Postgres, TRIMMED, 20_000);
}

#[test]
fn with_files_of_before_the_journal_makes_it_hold() {
    must_hold(End, OLDER, 200_000);
}

#[test]
fn what_is_not_in_the_journal_is_lost_with_files_of_before() {
    must_fail(&[Postgres, Refresh], OLDER, |_| ());
}

#[test]
#[ignore = "it takes long: make model"]
fn on_postgres_it_holds_with_all_faults_at_once() {
    let faults = Faults {
        twice: true,
        primary_dies: true,
        two_primaries: true,
        restart: true,
        trimmed: true,
        ..NONE
    };
    must_hold(Postgres, faults, 5_000_000);
}

/// One fault after another, of those that a change which isn't written down survives.
#[test]
#[ignore = "it takes long: make model"]
fn on_redis_it_holds_with_each_fault() {
    for faults in [
        TWICE,
        Faults {
            restart: true,
            trimmed: true,
            ..NONE
        },
        Faults {
            twice: true,
            ..DIES
        },
        Faults {
            replica_away: true,
            two_primaries: true,
            primary_dies: true,
            ..NONE
        },
        Faults {
            replica_away: true,
            ..BY_HAND
        },
        FAILED_AND,
    ] {
        must_hold(Refresh, faults, 100_000);
    }
}

#[test]
#[ignore = "it takes long: make model"]
fn on_redis_it_holds_for_what_is_written_down() {
    for faults in [
        Faults {
            twice: true,
            ..OLDER
        },
        Faults {
            trimmed: true,
            primary_dies: true,
            ..OLDER
        },
        Faults {
            primary_dies: true,
            ..FAILED_AND
        },
        Faults { twice: true, ..TWO },
        Faults {
            replica_away: true,
            two_primaries: true,
            ..BY_HAND
        },
    ] {
        must_hold(End, faults, 200_000);
    }
}

/// A replica had failed by the word of the cluster, and its primary is cut off before it hears that the replica is back, which takes
/// over. By its own view that primary needs nobody's confirmation.
const PRIMARY_ALONE: Faults = Faults {
    two_primaries: true,
    ..FAILED_AND
};

/// Besides, nobody has heard yet that the replica leads, which was made to take over or is cut off at that very moment.
const UNHEARD: Faults = Faults {
    by_hand: true,
    claim_lost: true,
    ..PRIMARY_ALONE
};

#[test]
fn an_end_at_a_primary_that_is_alone_is_not_known_to_who_took_over() {
    must_fail(&[End], PRIMARY_ALONE, |rules| {
        rules.ends_by_who_leads = false;
    });
}

#[test]
fn a_poll_that_nobody_else_agrees_to_may_be_answered_by_one_that_was_replaced() {
    must_fail(&[End], PRIMARY_ALONE, |rules| rules.agreed = false);
}

#[test]
#[ignore = "it takes long: make model"]
fn while_nobody_has_heard_who_leads_most_may_still_believe_the_one_of_before() {
    must_fail(&[End], UNHEARD, |rules| rules.all_agree = false);
}

#[test]
#[ignore = "it takes long: make model"]
fn a_journal_that_is_read_before_anybody_has_seen_who_leads_is_read_too_early() {
    must_fail(&[End], UNHEARD, |rules| rules.journal_by_who_leads = false);
}

#[test]
#[ignore = "it takes long: make model"]
fn where_all_see_who_leads_it_holds_with_a_primary_that_is_alone() {
    for faults in [
        Faults {
            primary_dies: true,
            ..PRIMARY_ALONE
        },
        UNHEARD,
    ] {
        must_hold(End, faults, 1_000_000);
    }
}
