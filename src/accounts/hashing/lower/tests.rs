use zeroize::Zeroizing;

use super::super::task::Work;
use super::*;
use crate::accounts::argon::Argon;

fn hasher(memory_kib: u32, iterations: u32) -> Arc<Hasher> {
    Arc::new(Hasher::new(Argon::new(memory_kib, iterations, 1).unwrap()))
}

fn task(work: Work) -> Task {
    Task {
        password: Zeroizing::new("correct horse battery".to_owned()),
        salt: [5; 16],
        work,
    }
}

#[cfg(target_os = "linux")]
#[test]
fn hashes_are_computed_by_a_thread_of_lower_niceness_that_ends_with_its_owner() {
    use rustix::process::getpriority_process;

    let own = || getpriority_process(Some(rustix::thread::gettid())).unwrap();
    let before = own();
    let hasher = hasher(32, 1);
    let mut hashing = Hashing::start(&hasher, 4711);
    let mut memory = Memory::new();
    let hash = hashing.done(task(Work::Hash), &mut memory).unwrap();
    assert!(hash.matches && hash.renewed.is_some());
    // The memory it was computed in is that of the owner, who wipes it.
    assert!(memory.is_dirty());
    assert_eq!(niceness_of("hashing-low-471"), Some(NICENESS));
    assert_eq!(own(), before);
    drop(hashing);
    assert_eq!(niceness_of("hashing-low-471"), None);
    assert_eq!(hasher.runs(), 1);
}

/// The niceness of a thread of this process, by the first 15 characters of its name.
#[cfg(target_os = "linux")]
fn niceness_of(name: &str) -> Option<i32> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks.flatten().find_map(|task| {
        // A thread of another test may have ended meanwhile.
        let comm = std::fs::read_to_string(task.path().join("comm")).ok()?;
        let stat = std::fs::read_to_string(task.path().join("stat")).ok()?;
        let (_, fields) = stat.rsplit_once(") ")?;
        // The fields from the state on.
        (comm.trim_end() == name).then(|| fields.split(' ').nth(16)?.parse().ok())?
    })
}

#[cfg(target_os = "linux")]
#[test]
fn whoever_waits_for_a_hash_wakes_all_the_while() {
    let wakes = || {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let mut fields = status.split_whitespace();
        assert!(fields.any(|field| field == "voluntary_ctxt_switches:"));
        fields.next().unwrap().parse::<u64>().unwrap()
    };
    // Ten milliseconds at least, on any machine.
    let mut hashing = Hashing::start(&hasher(19 * 1024, 2), 4712);
    let before = wakes();
    assert!(hashing.done(task(Work::Hash), &mut Memory::new()).is_some());
    let woken = wakes() - before;
    assert!(woken >= 5, "{woken}");
}

#[test]
fn a_task_has_the_same_answer_on_either_thread() {
    let hasher = hasher(32, 1);
    let mut beside = Hashing::start(&hasher, 4800);
    let mut alone = Hashing {
        hasher: Arc::clone(&hasher),
        lower: None,
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
    let mut hashing = Hashing::start(&hasher(32, 1), 4900);
    let mut memory = Memory::new();
    if let Some(lower) = &mut hashing.lower {
        // Its end, seen from here.
        lower.tasks = None;
    }
    // What it had been given is lost with it, and whoever waits is told so.
    assert!(hashing.done(task(Work::Hash), &mut memory).is_none());
    assert!(hashing.done(task(Work::Hash), &mut memory).is_some());
}
