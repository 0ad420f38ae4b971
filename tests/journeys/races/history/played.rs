//! The schedules played, and what is asked of the record of each.

use super::super::rounds;
use super::super::stage::{CAP, Stage};
use super::ends::Ends;
use super::{Play, THREADS, schedule};
use crate::nodes::Deployment;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::cell::{Cell, RefCell};

#[test]
fn no_answer_lets_in_what_an_earlier_answer_has_ended() {
    played(Stage::open(), u32::try_from(rounds(12, 1000)).unwrap());
}

/// The same, each request at another of three nodes.
#[test]
fn no_node_lets_in_what_an_earlier_answer_of_any_has_ended() {
    on_nodes_of(Deployment::postgres());
}

#[test]
fn no_node_on_redis_lets_in_what_an_earlier_answer_of_any_has_ended() {
    on_nodes_of(Deployment::redis());
}

fn on_nodes_of(deployment: Option<Deployment>) {
    if let Some(deployment) = deployment {
        let nodes = (0..3).map(|_| deployment.node()).collect();
        played(Stage::on(nodes), u32::try_from(rounds(12, 300)).unwrap());
    }
}

fn played(stage: Stage, cases: u32) {
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        // A schedule that fails may pass the next time: few tries, so that what fails is seen soon.
        max_shrink_iters: 20,
        ..ProptestConfig::default()
    };
    let stage = RefCell::new(stage);
    let ended = RefCell::new(Vec::new());
    let (answers, late, spared) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let outcome = TestRunner::new(config).run(&schedule(), |schedule| {
        let stage = stage.borrow();
        let play = Play::new(&stage);
        play.plays(&schedule);
        spared.set(spared.get() + play.is_over());
        let nodes = play.nodes();
        let record = play.record.into_inner().unwrap();
        let ends = Ends::of(&record, nodes);
        late.set(late.get() + ends.check(&record));
        answers.set(answers.get() + record.answers());
        ended.borrow_mut().extend(ends.access_of_ended(&record));
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let (mut stage, ended) = (stage.into_inner(), ended.into_inner());
    stage.server.kill9();
    stage.server.restart();
    for token in &ended {
        stage.server.refuses(token);
    }
    let (answers, late, spared) = (answers.get(), late.get(), spared.get());
    println!(
        "{cases} schedules of {THREADS} threads, {answers} answers: {late} to tokens that had ended \
         before, all refused; {spared} sessions that nobody ended live; after a kill {} access \
         tokens of ended sessions are refused. At most {CAP} sessions of a user.",
        ended.len()
    );
    assert!(late > 100 && ended.len() > 20, "{late}, {}", ended.len());
}
