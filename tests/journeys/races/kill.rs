//! Kills in the middle of what ends sessions: after the next start each event has happened or it
//! hasn't, to the account and to each of the sessions.

use super::rounds;
use crate::journeys::revocation::event::{Event, Rules, Verdict, Whose};
use crate::journeys::revocation::place::Place;
use crate::journeys::revocation::scene::{CAP, Held, House, NEW_PASSWORD, Scene};
use lacre::internals::config::Engine;
use lacre::internals::token::TokenKind;
use rand::rngs::{StdRng, SysRng};
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use std::sync::Barrier;
use std::time::Duration;

/// What is left of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Whole,
    /// Its refresh token brings new access.
    Refresh,
    Nothing,
}

impl Left {
    fn of(house: &House, held: &mut Held) -> Self {
        let access = Place::Header.tries_access(house, &held.auth);
        let current = held.auth.clone();
        match (access, Place::Header.tries_refresh(house, held, &current)) {
            (Verdict::Noise, Some(Verdict::Noise)) => Self::Nothing,
            (Verdict::Noise, Some(_)) => Self::Refresh,
            (_, Some(Verdict::Stays)) => Self::Whole,
            torn => panic!("half a session: {torn:?}"),
        }
    }

    /// What an event leaves.
    fn by(event: Event, whose: Whose) -> Self {
        match [TokenKind::Access, TokenKind::Refresh].map(|kind| event.verdict(whose, kind)) {
            [Verdict::Noise, Verdict::Noise] => Self::Nothing,
            [Verdict::Noise, _] => Self::Refresh,
            _ => Self::Whole,
        }
    }
}

/// Whether the account is as the event leaves it; `None` of an event that leaves it alone.
fn changed(event: Event, user: &str, house: &House) -> Option<bool> {
    let account = || {
        let listed = house.server.operator(&["users", "list", "--json"]);
        let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
        listed.into_iter().find(|account| account["id"] == user)
    };
    match event {
        Event::Disabled | Event::PutInactive => Some(account().unwrap()["active"] == false),
        Event::Deleted | Event::DeletedOverHttp => Some(account().is_none()),
        Event::RightsSet | Event::RightsPut => Some(account().unwrap()["role"] == "clerk"),
        Event::PasswordSet | Event::PasswordPut | Event::PasswordChanged => {
            Some(house.server.try_get_token(user, NEW_PASSWORD).status == 200)
        }
        Event::Refreshed
        | Event::SpentAfterGrace
        | Event::SpentLongAgo
        | Event::LoggedOut
        | Event::LoggedOutByRefresh
        | Event::EndedItself
        | Event::EndedAnother
        | Event::EndedAllButItself
        | Event::EndedAll
        | Event::Expired
        | Event::PushedOut
        | Event::Replaced
        | Event::HandleRevoked
        | Event::UserRevoked
        | Event::UserSessionsDeleted
        | Event::AllRevoked
        | Event::ClientEndedOne
        | Event::ClientEndedOthers
        | Event::ClientEndedAll
        | Event::ClientTold
        | Event::ClientRevoked
        | Event::ClientDeleted => None,
    }
}

/// How many live sessions the user has.
fn sessions(user: &str, house: &House) -> usize {
    let listed = ["keystore", "list", "--json", "--user", user];
    let listed: Value = serde_json::from_str(&house.server.operator(&listed)).unwrap();
    listed["sessions"].as_array().unwrap().len()
}

/// Demands that the event has happened as a whole or not at all; that it has, where it was answered.
fn is_whole(scene: &mut Scene, answered: bool, house: &House) {
    let event = scene.event;
    let user = scene.user();
    let sessions = sessions(&user, house);
    let [left, due]: [Vec<Left>; 2] = [
        Whose::ALL
            .iter()
            .map(|whose| Left::of(house, scene.held(*whose)))
            .collect(),
        Whose::ALL
            .iter()
            .map(|whose| Left::by(event, *whose))
            .collect(),
    ];
    let changed = changed(event, &user, house);
    let happened = left == due && changed != Some(false);
    let nothing = left.iter().all(|left| *left == Left::Whole) && changed != Some(true);
    // Sessions of any users that are picked end one after the other: each of them as a whole.
    let partly = event == Event::ClientRevoked
        && left
            .iter()
            .zip(&due)
            .all(|(left, due)| left == due || *left == Left::Whole);
    assert!(
        happened || (!answered && (nothing || partly)),
        "{event:?}, answered: {answered}: own, other and another have {left:?}, are due {due:?}, \
         the account has changed: {changed:?}"
    );
    // One session more, and one less, or neither.
    if event == Event::PushedOut {
        assert_eq!(sessions, CAP, "{left:?}");
    }
}

/// Brings all these events about at once and kills the server in the middle. How many were
/// answered.
fn killed(house: &mut House, events: &[Event], moment: Duration) -> usize {
    let mut scenes: Vec<Scene> = events.iter().map(|e| Scene::set(*e, house)).collect();
    let (address, setup) = (house.server.public, house.server.setup().clone());
    let start = Barrier::new(scenes.len() + 1);
    let answered: Vec<bool> = std::thread::scope(|scope| {
        let threads: Vec<_> = scenes
            .iter()
            .map(|scene| {
                let act = scene.act();
                let (setup, start) = (&setup, &start);
                scope.spawn(move || {
                    start.wait();
                    act.tries(address, setup)
                })
            })
            .collect();
        start.wait();
        // Not to wait for something: the moment of the kill is what is being tried.
        std::thread::sleep(moment);
        house.server.kill9();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    house.restart();
    for (scene, answered) in scenes.iter_mut().zip(&answered) {
        is_whole(scene, *answered, house);
    }
    answered.into_iter().filter(|answered| *answered).count()
}

#[test]
fn after_a_kill_in_the_middle_each_event_is_whole_or_nothing() {
    let mut dice = StdRng::try_from_rng(&mut SysRng).unwrap();
    let mut house = House::open(Rules::Patient, Engine::Sled);
    let patient = Event::ALL.iter().filter(|e| e.rules() == Rules::Patient);
    // What ends everything leaves nothing to see of the others.
    let (alone, together): (Vec<Event>, Vec<Event>) =
        patient.partition(|event| **event == Event::AllRevoked);
    let (mut kills, mut asked, mut answered) = (0, 0, 0);
    for _ in 0..rounds(3, 100) {
        for events in [&together, &alone] {
            let moment = Duration::from_micros(dice.random_range(0..100_000));
            answered += killed(&mut house, events, moment);
            asked += events.len();
            kills += 1;
        }
    }
    println!("{kills} kills in the middle of {asked} events, {answered} of which were answered");
}
