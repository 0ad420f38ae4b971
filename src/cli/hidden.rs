//! A terminal that shows nothing of what is typed, and is put back however that ends.
//!
//! Whoever asks on a terminal and is ended by a signal leaves it silent: the shell that comes back shows
//! nothing of what is typed. So a thread waits for the signals that end or suspend a program, puts the
//! terminal back, and then lets the signal do what it does. What was typed so far is thrown away, since
//! otherwise the shell would read it, and show it. Nothing can be done against SIGKILL and SIGSTOP.
//!
//! This room must never swallow a signal.

use rustix::stdio::stdin;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How the terminal was, and how it is while it is hidden; nothing at other times.
static MODES: Mutex<Option<Modes>> = Mutex::new(None);

/// Whether the thread waits for signals. It does so to the end of the program: what was once caught goes
/// nowhere by itself any more.
static WATCHED: Mutex<bool> = Mutex::new(false);

struct Modes {
    before: Termios,
    hidden: Termios,
}

/// A terminal with other modes, until this is dropped.
pub(super) struct Hidden(());

impl Hidden {
    /// Changes the modes of the terminal. What was typed before anybody asked was shown, and is no
    /// answer: it is thrown away.
    pub(super) fn begin(change: impl FnOnce(&mut Termios)) -> io::Result<Self> {
        watch()?;
        let before = tcgetattr(stdin())?;
        let mut hidden = before.clone();
        change(&mut hidden);
        let mut modes = lock(&MODES);
        tcsetattr(stdin(), OptionalActions::Flush, &hidden)?;
        *modes = Some(Modes { before, hidden });
        Ok(Self(()))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some(modes) = lock(&MODES).take() {
            let _ = tcsetattr(stdin(), OptionalActions::Drain, &modes.before);
        }
    }
}

fn watch() -> io::Result<()> {
    let mut watched = lock(&WATCHED);
    if *watched {
        return Ok(());
    }
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP])?;
    let thread = std::thread::Builder::new().name("lacre-signals".to_owned());
    thread.spawn(move || signals.forever().for_each(act))?;
    *watched = true;
    Ok(())
}

/// Puts the terminal back and ends or suspends the program. After a suspension it is hidden again.
fn act(signal: i32) {
    let modes = lock(&MODES);
    if let Some(modes) = &*modes {
        let _ = tcsetattr(stdin(), OptionalActions::Flush, &modes.before);
    }
    let _ = emulate_default_handler(signal);
    if let Some(modes) = &*modes {
        let _ = tcsetattr(stdin(), OptionalActions::Flush, &modes.hidden);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
