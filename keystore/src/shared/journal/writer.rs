//! What writes ends and notes down: many with one commit.
//!
//! Who asks is answered within a time from then on, whatever else is under way. An end of which he was told that it isn't
//! written down may be all the same: because the database answers later, or because the time was over between the answer
//! and his hearing it. Nobody has asked the store for it then, so it is taken back. Where nobody knows whether it was
//! written, because the connection broke, it counts. A note is of an end that was made, and is left also where nobody waits
//! for it any more.
//!
//! This room must never tell somebody that an end is written down that is taken back.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use super::end::{End, Ticket};
use super::line::{Failure, Line, UnderWay, late};
use super::statement::Statement;
use crate::error::KeystoreError;
use crate::shared::postgres::link::{LedSince, Link};
use crate::shared::postgres::notes::{Due, Notes};

/// How many jobs go together at most.
const MANY: usize = 512;

/// After what time it is tried again, also where nobody asks, to write what has to be written.
const AGAIN: Duration = Duration::from_millis(500);

type Answer<T> = oneshot::Sender<Result<T, KeystoreError>>;

/// What is asked for.
pub(super) enum Job {
    End(Asked),
    Note(Vec<Due>, Answer<()>),
    TakeBack(Ticket),
}

/// Ends that are to be written down.
pub(super) struct Asked {
    ends: Vec<End>,
    /// Their number has to be greater.
    above: u64,
    /// How long the answer is waited for.
    until: Instant,
    answer: Answer<Ticket>,
}

fn closed() -> KeystoreError {
    KeystoreError::unavailable("the journal of ends is closed")
}

impl Job {
    pub(super) async fn end(
        jobs: &mpsc::UnboundedSender<Self>,
        ends: Vec<End>,
        above: u64,
        until: Instant,
    ) -> Result<Ticket, KeystoreError> {
        let (answer, said) = oneshot::channel();
        let asked = Asked {
            ends,
            above,
            until,
            answer,
        };
        jobs.send(Self::End(asked)).map_err(|_| closed())?;
        heard(said, until).await
    }

    pub(super) async fn note(
        jobs: &mpsc::UnboundedSender<Self>,
        due: Vec<Due>,
        until: Instant,
    ) -> Result<(), KeystoreError> {
        let (answer, said) = oneshot::channel();
        jobs.send(Self::Note(due, answer)).map_err(|_| closed())?;
        heard(said, until).await
    }

    pub(super) fn take_back(jobs: &mpsc::UnboundedSender<Self>, ticket: Ticket) {
        // Where it can't be taken back the end may come: it was asked for.
        let _ = jobs.send(Self::TakeBack(ticket));
    }
}

/// What is said until then. Who says it later learns that nobody has heard it.
async fn heard<T>(
    mut said: oneshot::Receiver<Result<T, KeystoreError>>,
    until: Instant,
) -> Result<T, KeystoreError> {
    if let Ok(said) = timeout_at(until, &mut said).await {
        return said.map_err(|_| closed())?;
    }
    said.close();
    // It may have been said in between.
    said.try_recv().unwrap_or_else(|_| Err(late()))
}

/// Writes until nobody can ask any more.
pub(super) async fn run(
    link: Link,
    led: LedSince,
    notes: Arc<Notes>,
    mut jobs: mpsc::UnboundedReceiver<Job>,
    back: mpsc::WeakUnboundedSender<Job>,
) {
    let mut writer = Writer {
        line: Line::to(link),
        notes,
        jobs: back,
        due: Vec::new(),
        back: Vec::new(),
    };
    let mut asked = Vec::new();
    loop {
        let more = jobs.recv_many(&mut asked, MANY);
        let more = if writer.owes() {
            timeout(AGAIN, more).await
        } else {
            Ok(more.await)
        };
        if more == Ok(0) {
            return;
        }
        if !writer.writes(&mut asked).await {
            // What others have may lead to a server that leads no more.
            let mut led = led.lock().unwrap_or_else(PoisonError::into_inner);
            *led = Some(std::time::Instant::now());
        }
    }
}

struct Writer {
    line: Line,
    notes: Arc<Notes>,
    /// How what was written too late is given in to be taken back.
    jobs: mpsc::WeakUnboundedSender<Job>,
    /// Notes that haven't been asked for yet.
    due: Vec<(Vec<Due>, Answer<()>)>,
    /// Ends that haven't been taken back yet.
    back: Vec<Ticket>,
}

impl Writer {
    fn owes(&self) -> bool {
        !self.due.is_empty() || !self.back.is_empty()
    }

    /// Writes what was asked for; whether all of it went well. What comes behind a failure waits for the next time, so that
    /// a database that stands still is waited for once.
    async fn writes(&mut self, asked: &mut Vec<Job>) -> bool {
        let mut ends = Vec::new();
        for job in asked.drain(..) {
            match job {
                Job::End(asked) if asked.until <= Instant::now() => {
                    // Nobody may wait any more, here and below.
                    let _ = asked.answer.send(Err(late()));
                }
                Job::End(asked) => ends.push(asked),
                Job::Note(due, answer) => self.due.push((due, answer)),
                Job::TakeBack(ticket) => self.back.push(ticket),
            }
        }
        self.ends(ends).await && self.leave().await && self.take_back().await
    }

    /// Writes ends down under one number, and answers.
    async fn ends(&mut self, asked: Vec<Asked>) -> bool {
        if asked.is_empty() {
            return true;
        }
        let above = asked.iter().map(|asked| asked.above).max();
        let ends = asked.iter().flat_map(|asked| &asked.ends);
        let statement = Statement::ends(ends, above.unwrap_or_default());
        let error = match self.line.make(statement).await {
            Ok(number) => {
                self.tell(asked, number.cast_unsigned());
                return true;
            }
            Err(Failure::Late(under_way)) => {
                self.take_back_later(under_way, asked.iter().map(|asked| asked.ends.len()).sum());
                late()
            }
            Err(Failure::Unreached(error) | Failure::Refused(error) | Failure::Broken(error)) => {
                error
            }
        };
        for asked in asked {
            let _ = asked.answer.send(Err(error.clone()));
        }
        false
    }

    /// Says under which number they were written down, and takes those back of which nobody hears it.
    fn tell(&mut self, asked: Vec<Asked>, number: u64) {
        let mut others = 0;
        for Asked { ends, answer, .. } in asked {
            let ticket = Ticket::behind(number, others, ends.len());
            others += ends.len();
            if let Err(Ok(ticket)) = answer.send(Ok(ticket)) {
                self.back.push(ticket);
            }
        }
    }

    /// Takes so many ends back once they are written down: whoever asked for them was told that they aren't.
    fn take_back_later(&self, under_way: UnderWay, count: usize) {
        let jobs = self.jobs.clone();
        tokio::spawn(async move {
            if let Some(number) = under_way.made().await
                && let Some(jobs) = jobs.upgrade()
            {
                Job::take_back(&jobs, Ticket::behind(number.cast_unsigned(), 0, count));
            }
        });
    }

    /// Leaves notes, and answers.
    async fn leave(&mut self) -> bool {
        if self.due.is_empty() {
            return true;
        }
        let all = self.due.iter().flat_map(|(due, _)| due).cloned();
        let statement = Statement::Notes(Arc::clone(&self.notes), all.collect());
        let left = match self.line.make(statement).await {
            Ok(_) => Ok(()),
            // None of them is left, so none is left twice.
            Err(Failure::Unreached(_)) => return false,
            Err(Failure::Late(_)) => Err(late()),
            Err(Failure::Refused(error) | Failure::Broken(error)) => Err(error),
        };
        for (_, answer) in self.due.drain(..) {
            let _ = answer.send(left.clone());
        }
        left.is_ok()
    }

    /// Takes ends back.
    async fn take_back(&mut self) -> bool {
        if self.back.is_empty() {
            return true;
        }
        let statement = Statement::take_back(&self.back);
        match self.line.make(statement).await {
            Err(Failure::Unreached(_) | Failure::Broken(_) | Failure::Late(_)) => return false,
            Ok(_) => {}
            Err(Failure::Refused(error)) => {
                log::warn!("ends that were not made stay written down: {error}");
            }
        }
        self.back.clear();
        true
    }
}
