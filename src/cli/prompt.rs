//! Asks a person on a terminal: for a password, without showing what is typed, or whether to go on.
//!
//! The terminal keeps its own editing of a line. Instead of signals it sends characters: Ctrl-C ends
//! the line, and Ctrl-Z is a part of it. What others send by `kill` is seen to in `hidden`. The usual
//! crate for this question, rpassword, leaves the terminal silent where a signal ends the program.
//!
//! This room must never leave a terminal that shows nothing, and never ask where there is none.

use super::failure::Failure;
use super::hidden::Hidden;
use rustix::stdio::stdin;
use rustix::termios::{LocalModes, SpecialCodeIndex, Termios, isatty};
use std::fs::OpenOptions;
use std::io::Write;
use zeroize::Zeroizing;

/// More than the longest password takes, and what a terminal's line holds.
const MAX_LINE: usize = 4096;
const CTRL_C: u8 = 3;
/// What a shell says of a program that Ctrl-C has ended.
const INTERRUPTED: u8 = 130;

/// Whether there is a person to ask.
pub(super) fn can_ask() -> bool {
    isatty(stdin())
}

/// Asks for a new password, twice, so that a slip is noticed before it locks somebody out. `None`
/// where the first answer is empty.
pub(super) fn new_password(question: &str) -> Result<Option<Zeroizing<String>>, Failure> {
    let mut asking = Asking::begin()?;
    let first = asking.ask(question)?;
    if first.is_empty() {
        return Ok(None);
    }
    let again = asking.ask("The same again: ")?;
    if *first != *again {
        return Err(Failure::failed(
            "passwords_differ",
            "the two passwords differ: nothing was done",
        ));
    }
    Ok(Some(first))
}

/// Whether a person agrees: `y` or `yes`, and nothing else, is a yes. What is typed is shown.
pub(super) fn agrees(question: &str) -> Result<bool, Failure> {
    let mut out = terminal();
    let _ = write!(out, "{question} [y/N] ").and_then(|()| out.flush());
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(unreadable)?;
    Ok(["y", "yes"].contains(&line.trim().to_lowercase().as_str()))
}

/// The terminal itself, also where standard error goes to a file; standard error where the program has
/// no terminal of its own.
fn terminal() -> Box<dyn Write> {
    match OpenOptions::new().write(true).open("/dev/tty") {
        Ok(terminal) => Box::new(terminal),
        Err(_) => Box::new(std::io::stderr()),
    }
}

/// A terminal that shows nothing of what is typed, until this is dropped.
struct Asking {
    _hidden: Hidden,
    out: Box<dyn Write>,
}

impl Asking {
    fn begin() -> Result<Self, Failure> {
        let out = terminal();
        let hide = |modes: &mut Termios| {
            modes
                .local_modes
                .remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ISIG);
            modes.local_modes.insert(LocalModes::ICANON);
            modes.special_codes[SpecialCodeIndex::VEOL] = CTRL_C;
        };
        let hidden = Hidden::begin(hide).map_err(unreadable)?;
        Ok(Self {
            _hidden: hidden,
            out,
        })
    }

    fn ask(&mut self, question: &str) -> Result<Zeroizing<String>, Failure> {
        self.show(question);
        let line = read_line();
        self.show("\n");
        line
    }

    fn show(&mut self, text: &str) {
        let _ = self.out.write_all(text.as_bytes());
        let _ = self.out.flush();
    }
}

/// One line as the terminal gives it: whole, and never more than one.
fn read_line() -> Result<Zeroizing<String>, Failure> {
    let mut line = Zeroizing::new([0; MAX_LINE]);
    let length = loop {
        match rustix::io::read(stdin(), &mut line[..]) {
            Err(rustix::io::Errno::INTR) => {}
            read => break read.map_err(unreadable)?,
        }
    };
    match &line[..length] {
        [text @ .., b'\n'] => std::str::from_utf8(text)
            .map(|text| Zeroizing::new(text.to_owned()))
            .map_err(|_| unreadable("not UTF-8")),
        [.., CTRL_C] => Err(Failure::new(
            INTERRUPTED,
            "interrupted",
            "interrupted: nothing was done",
        )),
        [] => Err(unreadable("it has ended")),
        _ => Err(unreadable("the line is too long, or has no end")),
    }
}

#[allow(clippy::needless_pass_by_value)] // the form that `map_err` takes
fn unreadable(why: impl std::fmt::Display) -> Failure {
    Failure::failed("input_unreadable", format_args!("standard input: {why}"))
}
