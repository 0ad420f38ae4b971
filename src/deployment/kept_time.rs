//! The time of a deployment goes on from start to start.
//!
//! A restart forgets which time it was, and the machine's clock may have been set back meanwhile: tokens
//! that had expired would be good again (threat: clock). So a thread writes the latest time into the data
//! directory, once a minute and at an orderly end, and each opening goes on from there.
//!
//! This room must never stop a running service, and never write for a command.

use super::data_dir::{DataDir, Mark, read_mark, write_mark};
use super::error::OpenError;
use crate::clock::{Clock, UnixSeconds};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// A clock that is so far behind the mark, or less, is taken for wrong, and time goes on from the mark.
/// Further behind, one of the two is wrong, and only a person can tell which.
const TRUSTED: u64 = 24 * 3600;

/// A clock that is so far behind the mark, or less, isn't worth a warning.
const NEAR: u64 = 5;

/// How far the mark is behind the time that was shown, at most. In the first minute it is behind by no more
/// than half of the time since the start: else time would stand still for a process that is killed again
/// and again before its first minute is over, while the machine's clock is behind.
const WRITTEN_EVERY: u64 = 60;

/// How often the clock is asked for the time, so that it notices a jump also while nobody else asks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Has `clock` go on from the mark of the deployment in `directory`. Writes nothing.
///
/// Fails where the clock is more than a day behind the mark.
pub(super) fn go_on(directory: &Path, clock: &dyn Clock) -> Result<(), OpenError> {
    let path = DataDir::clock(directory);
    let mark = match read_mark(&path)? {
        Mark::Time(mark) => mark,
        Mark::Missing => return Ok(()),
        Mark::Damaged => {
            log::warn!(
                code = "clock_mark_damaged";
                "{}: no time: the machine's clock is believed, and the file is written anew by the \
                 server", path.display()
            );
            return Ok(());
        }
    };
    let behind = behind(path, mark, clock.now())?;
    if behind > NEAR {
        log::warn!(
            code = "clock_behind_mark";
            "the machine's clock is {behind} seconds behind the time at which this deployment was last in \
             use: time goes on from there, a tenth slower until the clock has caught up"
        );
    }
    clock.raise_to(mark);
    Ok(())
}

/// Fails where [`go_on`] would, and says and changes nothing.
#[cfg(feature = "server")]
pub(super) fn check(directory: &Path, now: UnixSeconds) -> Result<(), OpenError> {
    let path = DataDir::clock(directory);
    match read_mark(&path)? {
        Mark::Time(mark) => behind(path, mark, now).map(drop),
        Mark::Missing | Mark::Damaged => Ok(()),
    }
}

/// By how many seconds a clock that says `now` is behind the mark.
fn behind(path: PathBuf, mark: UnixSeconds, now: UnixSeconds) -> Result<u64, OpenError> {
    let behind = mark.saturating_sub(now);
    if behind > TRUSTED {
        return Err(OpenError::ClockFarBehind { path, mark, behind });
    }
    Ok(behind)
}

/// Keeps the mark of a data directory, which this process must hold, until the value is dropped.
#[derive(Debug)]
pub(super) struct TimeKeeper {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl TimeKeeper {
    /// Writes the first mark and starts the thread that writes the next ones. What can't be written is
    /// logged, and no reason not to serve; fails where there can be no thread.
    pub(super) fn start(data_dir: &DataDir, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        let path = DataDir::clock(data_dir.path());
        if !path.exists() {
            log::info!(code = "clock_mark_made"; "the latest time is kept in {} from now on", path.display());
        }
        let mut writer = Writer::new(path, clock);
        writer.write();
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new()
            .name("lacre-clock".to_owned())
            .spawn(move || writer.run(&stopped, LOOK_EVERY))?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

/// Waits for the last mark: what follows may give the directory free.
impl Drop for TimeKeeper {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It has nothing to say, and a panic of its own is in the log.
            let _ = thread.join();
        }
    }
}

struct Writer {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    began: UnixSeconds,
    next: UnixSeconds,
    fails: bool,
}

impl Writer {
    fn new(path: PathBuf, clock: Arc<dyn Clock>) -> Self {
        let began = clock.now();
        Self {
            path,
            clock,
            began,
            next: 0,
            fails: false,
        }
    }

    fn run(mut self, stopped: &Receiver<()>, look_every: Duration) {
        while stopped.recv_timeout(look_every) == Err(RecvTimeoutError::Timeout) {
            self.look();
        }
        self.write();
    }

    fn look(&mut self) {
        if self.clock.now() >= self.next {
            self.write();
        }
    }

    fn write(&mut self) {
        let now = self.clock.now();
        self.next = now + now.saturating_sub(self.began).clamp(1, WRITTEN_EVERY);
        let written = write_mark(&self.path, now);
        let failed_before = std::mem::replace(&mut self.fails, written.is_err());
        match written {
            Err(error) if !failed_before => log::warn!(
                code = "clock_mark_unwritten";
                "{error}; if the machine's clock is set back before the next start, tokens that expire \
                 from now on are good again"
            ),
            Ok(()) if failed_before => {
                log::warn!(code = "clock_mark_written"; "{} is written again", self.path.display());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
