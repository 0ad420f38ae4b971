//! A person at a real terminal: passwords are asked for, and nothing of them is shown.

use super::{PASSWORD, add_user, lacre, lacre_with, log_in};
use crate::support::server::Setup;
use crate::support::wait::until;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::Child;
use std::sync::{Arc, Mutex};

/// A terminal, with the program on it.
struct Terminal {
    keyboard: File,
    screen: Arc<Mutex<String>>,
    /// The program's end: stays open, so that its modes can be looked at afterwards.
    line: File,
    child: Child,
}

impl Terminal {
    /// `lacre` with these words, and a terminal of its own.
    fn run(setup: &Setup, words: &str) -> Self {
        let of_its_own = setup.clone().through(&["setsid", "--ctty", "--wait"]);
        let mut command = of_its_own.lacre(words.split(' '));
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let keyboard = openpt(flags).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let path = ptsname(&keyboard, Vec::new()).unwrap();
        let open = OpenOptions::new().read(true).write(true).to_owned();
        let line = open.open(path.to_str().unwrap()).unwrap();
        let end = || line.try_clone().unwrap();
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn();
        let screen = Arc::new(Mutex::new(String::new()));
        let keyboard = File::from(keyboard);
        let (mut shown, on) = (keyboard.try_clone().unwrap(), Arc::clone(&screen));
        std::thread::spawn(move || {
            let mut bytes = [0; 1024];
            while let Ok(length @ 1..) = shown.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..length]);
                on.lock().unwrap().push_str(&text);
            }
        });
        Self {
            keyboard,
            screen,
            line,
            child: child.unwrap(),
        }
    }

    fn screen(&self) -> String {
        self.screen.lock().unwrap().clone()
    }

    fn is_shown(&self) -> bool {
        let modes = tcgetattr(&self.line).unwrap().local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ISIG | LocalModes::ICANON)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the question, then types.
    fn answer(&mut self, question: &str, keys: &str) {
        until(question, || self.screen().contains(question).then_some(()));
        assert!(!self.is_shown(), "what is typed would be shown");
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// The exit status and all that was shown.
    fn ended(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        assert!(self.is_shown(), "the terminal is left as it was found");
        // What the program wrote last comes through the same line.
        (&self.line).write_all(b"-- end --").unwrap();
        until("all is shown", || {
            self.screen().contains("-- end --").then_some(())
        });
        (status.code(), self.screen())
    }
}

const NEW: &str = "New password: ";
const AGAIN: &str = "The same again: ";

#[test]
fn a_password_is_asked_for_twice_and_not_shown() {
    for words in [
        "users add ada@example.com",
        "users add ada@example.com --password-stdin",
        "users set-password ada@example.com",
        "users set-password ada@example.com --password-stdin",
    ] {
        let setup = Setup::new();
        if words.starts_with("users set") {
            lacre(&setup, "users add ada@example.com").ok();
        }
        let mut terminal = Terminal::run(&setup, words);
        terminal.answer(NEW, &format!("{PASSWORD}\n"));
        terminal.answer(AGAIN, &format!("{PASSWORD}\n"));
        let (status, screen) = terminal.ended();
        assert_eq!(status, Some(0), "{words}: {screen}");
        assert!(!screen.contains("horse"), "{words}: {screen}");
        setup.start().get_token("ada@example.com", PASSWORD);
    }
}

#[test]
fn a_slip_in_a_password_changes_nothing() {
    let setup = Setup::new();
    let mut terminal = Terminal::run(&setup, "users add ada@example.com");
    terminal.answer(NEW, &format!("{PASSWORD}\n"));
    terminal.answer(AGAIN, &format!("{PASSWORD}!\n"));
    let (status, screen) = terminal.ended();
    assert_eq!(status, Some(1), "{screen}");
    assert!(screen.contains("(passwords_differ)"), "{screen}");
    assert!(!setup.data().exists());
}

#[test]
fn ctrl_c_at_the_question_ends_it_and_puts_the_terminal_back() {
    for keys in ["\u{3}", "half a passw\u{3}"] {
        let setup = Setup::new();
        let mut terminal = Terminal::run(&setup, "users add ada@example.com");
        terminal.answer(NEW, keys);
        let (status, screen) = terminal.ended();
        assert_eq!(status, Some(130), "{screen}");
        assert!(screen.contains("(interrupted)"), "{screen}");
        assert!(!screen.contains("passw\u{3}") && !setup.data().exists());
    }
    let setup = Setup::new();
    let mut terminal = Terminal::run(&setup, "users add ada@example.com");
    terminal.answer(NEW, &format!("{PASSWORD}\n"));
    terminal.answer(AGAIN, "\u{3}");
    assert_eq!(terminal.ended().0, Some(130));
    assert!(!setup.data().exists());
}

/// Signals from elsewhere: the shell that comes back must show what is typed, and get none of what was.
#[test]
fn a_signal_at_the_question_ends_it_and_puts_the_terminal_back() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
        for half in ["", "half a passw"] {
            let setup = Setup::new();
            let mut terminal = Terminal::run(&setup, "users add ada@example.com");
            terminal.answer(NEW, half);
            terminal.signal(signal);
            let status = terminal.child.wait().unwrap();
            assert_eq!(status.signal(), Some(signal.as_raw()), "{status}");
            let left = rustix::io::ioctl_fionread(&terminal.line).unwrap();
            assert_eq!(left, 0, "{signal:?}: the shell would read it");
            let (_, screen) = terminal.ended();
            assert!(
                !screen.contains("passw\n") && !screen.contains("half"),
                "{screen}"
            );
            assert!(!setup.data().exists());
        }
    }
}

#[test]
fn a_suspension_at_the_question_shows_what_is_typed_and_hides_it_again() {
    let setup = Setup::new();
    let mut terminal = Terminal::run(&setup, "users add ada@example.com");
    terminal.answer(NEW, "half");
    terminal.signal(Signal::TSTP);
    let state = format!("/proc/{}/stat", terminal.child.id());
    until("it is suspended", || {
        let state = std::fs::read_to_string(&state).unwrap();
        state.contains(") T ").then_some(())
    });
    assert!(terminal.is_shown());
    terminal.signal(Signal::CONT);
    until("it is hidden again", || {
        (!terminal.is_shown()).then_some(())
    });
    terminal.answer(NEW, &format!("{PASSWORD}\n"));
    terminal.answer(AGAIN, &format!("{PASSWORD}\n"));
    let (status, screen) = terminal.ended();
    assert_eq!(status, Some(0), "{screen}");
    assert!(!screen.contains("horse"), "{screen}");
    setup.start().get_token("ada@example.com", PASSWORD);
}

#[test]
fn no_answer_is_no_password() {
    let setup = Setup::new();
    let mut terminal = Terminal::run(&setup, "users add ada@example.com");
    terminal.answer(NEW, "\n");
    let (status, screen) = terminal.ended();
    assert_eq!(status, Some(0), "{screen}");
    assert!(screen.contains("has no password"), "{screen}");

    let set = "users set-password ada@example.com";
    let mut terminal = Terminal::run(&setup, set);
    terminal.answer(NEW, "\n");
    let (status, screen) = terminal.ended();
    assert_eq!(status, Some(2), "{screen}");
    assert!(screen.contains("(password_missing)"), "{screen}");

    // The end of the input, Ctrl-D.
    let mut terminal = Terminal::run(&setup, set);
    terminal.answer(NEW, "\u{4}");
    let (status, screen) = terminal.ended();
    assert_eq!(status, Some(1), "{screen}");
    assert!(screen.contains("(input_unreadable)"), "{screen}");
}

#[test]
fn where_there_is_no_terminal_nobody_is_asked() {
    let setup = Setup::new();
    let added = lacre_with(&setup, "users add ada@example.com", b"never read\n").ok();
    assert!(added.stderr.contains("has no password"), "{added:?}");
    let set = "users set-password ada@example.com";
    let refused = lacre_with(&setup, set, PASSWORD.as_bytes()).failed(2, "password_missing");
    assert!(refused.stderr.contains("--password-stdin"), "{refused:?}");
}

#[test]
fn the_end_of_all_sessions_is_asked_about_on_a_terminal() {
    let setup = Setup::new();
    let server = setup.start();
    add_user(&setup, "ada@example.com");
    let token = log_in(&server, "ada@example.com").auth;
    let question = format!(
        "End all sessions of everybody in {}? [y/N] ",
        setup.data().display()
    );
    for keys in ["\n", "n\n", "all\n", "\u{4}"] {
        let mut terminal = Terminal::run(&setup, "sessions revoke --all");
        until("the question", || {
            terminal.screen().contains(&question).then_some(())
        });
        terminal.keyboard.write_all(keys.as_bytes()).unwrap();
        let (status, screen) = terminal.ended();
        assert_eq!(status, Some(1), "{screen}");
        assert!(screen.contains("(not_confirmed)"), "{screen}");
        server.accepts(&token);
    }
    // What ends nothing isn't asked about.
    let (status, screen) = Terminal::run(&setup, "sessions revoke --all --dry-run").ended();
    assert_eq!(
        (status, screen.contains("1 session would end")),
        (Some(0), true),
        "{screen}"
    );
    let mut terminal = Terminal::run(&setup, "sessions revoke --all");
    until("the question", || {
        terminal.screen().contains(&question).then_some(())
    });
    terminal.keyboard.write_all(b"Yes\n").unwrap();
    assert_eq!(terminal.ended().0, Some(0));
    server.refuses(&token);
    let token = log_in(&server, "ada@example.com").auth;
    let (status, screen) = Terminal::run(&setup, "sessions revoke --all --yes").ended();
    assert_eq!(
        (status, screen.contains("[y/N]")),
        (Some(0), false),
        "{screen}"
    );
    server.refuses(&token);
}
