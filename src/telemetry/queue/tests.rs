//! What waits, what is dropped, and what a reader who stalls does.

use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Wake};

const LINE: &[u8] = b"line\n";
const SIZE: usize = LINE.len() + PLACE;

fn drain(queue: &Queue) -> usize {
    let mut lines = 0;
    while queue.counts().audit_waiting + queue.counts().ordinary_waiting > 0 {
        let batch = queue.next();
        queue.done(&batch);
        lines += batch.lines();
    }
    lines
}

#[test]
fn lines_leave_in_the_order_in_which_they_came() {
    let queue = Queue::new(1 << 20);
    let kinds = [Kind::Ordinary, Kind::Event, Kind::Refusal, Kind::Ordinary];
    for (number, kind) in kinds.into_iter().enumerate() {
        queue.push(kind, number.to_string().as_bytes());
    }
    let batch = queue.next();
    assert_eq!(batch.text(), b"0123");
    queue.done(&batch);
    assert_eq!(queue.counts(), Counts::default());
    let state = queue.state();
    assert_eq!((state.audit_bytes, state.ordinary_bytes), (0, 0));
}

#[test]
fn as_many_lines_as_a_pipe_takes_whole_are_written_together() {
    let queue = Queue::new(1 << 20);
    let lengths = [1_000, 3_096, 1, 5_000, 10, 20];
    for length in lengths {
        queue.push(Kind::Event, &vec![b'x'; length]);
    }
    for (lines, length) in [(2, 4_096), (1, 1), (1, 5_000), (2, 30)] {
        let batch = queue.next();
        assert_eq!((batch.lines(), batch.text().len()), (lines, length));
        queue.done(&batch);
    }
    let state = queue.state();
    assert_eq!((state.audit_bytes, state.counts), (0, Counts::default()));
}

#[test]
fn ordinary_lines_beyond_their_bound_are_dropped_counted_and_told_of() {
    let queue = Queue::new(1 << 20);
    let fit = MAX_ORDINARY / SIZE;
    for _ in 0..fit + 3 {
        queue.push(Kind::Ordinary, LINE);
    }
    assert_eq!(queue.counts().ordinary_dropped, 3);
    assert_eq!(queue.counts().ordinary_waiting, fit as u64);
    // They take nothing of what events need.
    queue.push(Kind::Event, LINE);
    assert_eq!(queue.trouble(), None);
    let mut told = Vec::new();
    while queue.counts().audit_waiting + queue.counts().ordinary_waiting > 0 {
        told.push(queue.done(&queue.next()));
    }
    told.retain(|told| *told != (0, 0));
    assert_eq!(told, [(3, 0)], "told once");
}

#[test]
fn refusals_have_half_of_the_room_and_events_the_whole_of_it() {
    let room = 20 * SIZE;
    let queue = Queue::new(room);
    for _ in 0..12 {
        queue.push(Kind::Refusal, LINE);
    }
    assert_eq!(queue.counts().refusals_dropped, 2);
    assert!(queue.has_room());
    for _ in 0..10 {
        queue.push(Kind::Event, LINE);
    }
    assert!(!queue.has_room(), "the next change is refused");
    // What belongs to a change that has begun is kept all the same.
    for _ in 0..10 {
        queue.push(Kind::Event, LINE);
    }
    assert_eq!(queue.counts().audit_waiting, 30);
    assert_eq!(queue.trouble(), Some(Trouble::Full));
    assert_eq!(drain(&queue), 30);
    assert!(queue.has_room());
    assert_eq!(queue.trouble(), None);
}

#[test]
fn a_write_that_fails_is_trouble_until_a_line_is_written() {
    let queue = Queue::new(1 << 20);
    queue.push(Kind::Ordinary, LINE);
    let batch = queue.next();
    queue.failed(Trouble::Failing);
    assert_eq!(queue.trouble(), Some(Trouble::Failing));
    // A part of a line isn't the line.
    queue.went_on();
    assert_eq!(queue.trouble(), Some(Trouble::Failing));
    queue.done(&batch);
    assert_eq!(queue.trouble(), None);
}

#[test]
fn a_write_that_lasts_too_long_is_a_reader_who_stalls() {
    let queue = Queue::new(1 << 20);
    queue.push(Kind::Event, LINE);
    let batch = queue.next();
    assert_eq!(queue.trouble(), None);
    let long_ago = Instant::now().checked_sub(STALLED_AFTER + Duration::from_secs(1));
    queue.state().since = long_ago;
    assert_eq!(queue.trouble(), Some(Trouble::Stalled));
    queue.went_on();
    assert_eq!(queue.trouble(), None);
    queue.done(&batch);
}

#[test]
fn the_end_waits_for_the_last_line_and_no_longer_than_it_may() {
    let queue = Queue::new(1 << 20);
    assert_eq!(queue.finish(Duration::from_mins(1)), Counts::default());
    queue.push(Kind::Event, LINE);
    queue.push(Kind::Ordinary, LINE);
    let left = queue.finish(Duration::from_millis(1));
    assert_eq!((left.audit_waiting, left.ordinary_waiting), (1, 1));
    std::thread::scope(|scope| {
        scope.spawn(|| drain(&queue));
        assert_eq!(queue.finish(Duration::from_mins(1)), Counts::default());
    });
}

#[tokio::test]
async fn who_asks_waits_until_its_own_lines_are_written() {
    let queue = Queue::new(1 << 20);
    let (long, short) = (Duration::from_mins(1), Duration::from_millis(1));
    assert!(queue.written(long).await, "nothing to wait for");
    queue.push(Kind::Event, LINE);
    assert!(!queue.written(short).await);
    let written = queue.written(long);
    let batch = queue.next();
    // A line that came later isn't waited for.
    let (done, ()) = futures_util::future::join(written, async {
        queue.push(Kind::Event, LINE);
        queue.done(&batch);
    })
    .await;
    assert!(done);
    queue.next();
    queue.failed(Trouble::Failing);
    assert!(!queue.written(long).await, "no wait where writing fails");
}

/// How often a task was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[tokio::test]
async fn who_waits_is_woken_once_and_when_its_own_lines_are_written() {
    let queue = Queue::new(1 << 20);
    let woken = [Arc::<Woken>::default(), Arc::default()];
    let mut waiting = [(); 2].map(|()| Box::pin(queue.written(Duration::from_mins(1))));
    let mut batches = Vec::new();
    let counts = || woken.each_ref().map(|woken| woken.0.load(Relaxed));
    for (waits, woken) in waiting.iter_mut().zip(&woken) {
        queue.push(Kind::Event, &[b'x'; 4_096]);
        let waker = Arc::clone(woken).into();
        let polled = waits.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    }
    for due in [[1, 0], [1, 1]] {
        let batch = queue.next();
        queue.done(&batch);
        assert_eq!(counts(), due);
        batches.push(batch.lines());
    }
    assert_eq!(batches, [1, 1]);
    for waits in waiting {
        assert!(waits.await);
    }
    assert!(queue.state().waiting.is_empty());
}
