use zeroize::Zeroizing;

use super::super::task::Work;
use super::*;
use crate::accounts::argon::Argon;

fn hasher() -> Arc<Hasher> {
    Arc::new(Hasher::new(Argon::new(32, 1, 1).unwrap()))
}

fn task(work: Work) -> Task {
    Task {
        password: Zeroizing::new("correct horse battery".to_owned()),
        salt: [5; 16],
        work,
    }
}

const fn spent(wall_ms: u64, processor_ms: u64) -> Spent {
    Spent {
        wall: Duration::from_millis(wall_ms),
        processor: Duration::from_millis(processor_ms),
    }
}

/// How many turns it is until the idle class has one.
fn until_idle(turns: &mut Turns) -> u32 {
    let mut others = 0;
    while !turns.take() {
        others += 1;
    }
    others
}

#[test]
fn the_idle_class_has_every_turn_while_it_is_quick() {
    let mut turns = Turns::new();
    for _ in 0..5 {
        assert_eq!(until_idle(&mut turns), 0);
        // A core that guarded calls take half of.
        turns.saw(spent(35, 16));
    }
}

#[test]
fn after_a_slow_one_some_are_computed_without_it_and_twice_as_many_each_time() {
    let mut turns = Turns::new();
    let mut found = Vec::new();
    for _ in 0..9 {
        found.push(until_idle(&mut turns));
        turns.saw(spent(4_000, 16));
    }
    assert_eq!(found, [0, 16, 32, 64, 128, 256, 512, 1024, 1024]);
    assert_eq!(until_idle(&mut turns), 1024);
    turns.saw(spent(20, 16));
    assert_eq!(until_idle(&mut turns), 0);
    turns.saw(spent(4_000, 16));
    assert_eq!(until_idle(&mut turns), 16);
}

#[test]
fn what_is_slow_is_told_by_what_it_had_of_the_processor_and_not_by_what_a_hash_costs() {
    let mut turns = Turns::new();
    turns.saw(spent(3_000, 2_900));
    assert!(turns.take());
    turns.saw(spent(40, 0));
    assert!(turns.take());
    turns.saw(spent(211, 16));
    assert!(!turns.take());
}

#[cfg(target_os = "linux")]
#[test]
fn hashes_are_computed_by_a_thread_of_the_idle_class_that_ends_with_its_owner() {
    use thread_priority::{
        NormalThreadSchedulePolicy, ThreadSchedulePolicy, thread_schedule_policy,
    };

    let hasher = hasher();
    let mut hashing = Hashing::start(&hasher, 4711);
    let mut memory = Memory::new();
    let hash = hashing.done(task(Work::Hash), &mut memory).unwrap();
    assert!(hash.matches && hash.renewed.is_some());
    // The memory it was computed in is that of the owner, who wipes it.
    assert!(memory.is_dirty());
    let (policy, mine) = (policy_of("hashing-idle-47"), thread_schedule_policy());
    // The fields of `stat` from the state on; 5 is `SCHED_IDLE`.
    assert_eq!(policy.as_deref(), Some("5"));
    let other = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Other);
    assert_eq!(mine, Ok(other));
    drop(hashing);
    assert_eq!(policy_of("hashing-idle-47"), None);
    assert_eq!(hasher.runs(), 1);
}

/// The scheduling class of a thread of this process, by the first 15 characters of its name.
#[cfg(target_os = "linux")]
fn policy_of(name: &str) -> Option<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks.flatten().find_map(|task| {
        let comm = std::fs::read_to_string(task.path().join("comm")).ok()?;
        let stat = std::fs::read_to_string(task.path().join("stat")).ok()?;
        let (_, fields) = stat.rsplit_once(") ")?;
        (comm.trim_end() == name).then(|| fields.split(' ').nth(38).map(str::to_owned))?
    })
}

#[test]
fn a_task_has_the_same_answer_on_either_thread() {
    let hasher = hasher();
    let mut beside = Hashing::start(&hasher, 4800);
    let mut alone = Hashing {
        hasher: Arc::clone(&hasher),
        idle: None,
        turns: Turns::new(),
        patience: PATIENCE,
        costs: Duration::ZERO,
    };
    let mut memory = Memory::new();
    let made = beside.done(task(Work::Hash), &mut memory).unwrap();
    let stored = made.renewed.unwrap();
    let again = alone.done(task(Work::Hash), &mut memory).unwrap();
    assert_eq!(again.renewed.as_deref(), Some(stored.as_str()));
    let verify = |stored: &str| {
        task(Work::Verify {
            stored: stored.to_owned(),
            typed: None,
            renew: false,
        })
    };
    for hashing in [&mut beside, &mut alone] {
        assert!(hashing.done(verify(&stored), &mut memory).unwrap().matches);
        let other = stored.replace("$argon2id$", "$argon2i$");
        assert!(!hashing.done(verify(&other), &mut memory).unwrap().matches);
    }
}

#[test]
fn where_the_thread_beside_has_ended_the_owner_goes_on() {
    let hasher = hasher();
    let mut hashing = Hashing::start(&hasher, 4900);
    let mut memory = Memory::new();
    if let Some(idle) = &mut hashing.idle {
        // Its end, seen from here.
        idle.tasks = None;
    }
    for _ in 0..2 {
        assert!(hashing.done(task(Work::Hash), &mut memory).is_some());
        assert!(hashing.idle.is_none());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_hash_that_is_waited_for_too_long_is_computed_by_whoever_waits() {
    // Some milliseconds, which are too long for who has no patience.
    let hasher = Arc::new(Hasher::new(Argon::new(4096, 2, 1).unwrap()));
    let mut hashing = Hashing::start(&hasher, 5000);
    hashing.patience = Duration::ZERO;
    let mut memory = Memory::new();
    let found = hashing.done(task(Work::Hash), &mut memory).unwrap();
    assert!(found.matches && memory.is_dirty());
    assert!(hashing.idle.as_ref().unwrap().is_busy);
    // What nobody waits for is counted for nobody.
    let mut asked = 1;
    assert_eq!(hasher.runs(), asked);
    // Others are as well, while it goes on and afterwards.
    let until = Instant::now() + Duration::from_secs(20);
    while hashing.idle.as_ref().unwrap().is_busy && Instant::now() < until {
        assert!(hashing.done(task(Work::Hash), &mut memory).is_some());
        asked += 1;
    }
    assert_eq!(hasher.runs(), asked);
    assert!(!hashing.idle.as_ref().unwrap().is_busy);
    assert!(hashing.costs > Duration::ZERO);
    assert!(!hashing.turns.take());
}
