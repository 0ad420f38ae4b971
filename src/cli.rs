//! The command line: one file a group of commands.
//!
//! Results go to standard output, everything else to standard error; the exit status says how it
//! ended ([`failure`]).
//!
//! This room must never print a secret that isn't the command's very answer.

mod accept;
mod backup;
mod clients;
mod config;
mod cores;
mod demo;
mod doctor;
mod explain;
mod failure;
mod generated;
mod handed_over;
mod health;
mod hidden;
mod keys;
mod keystore;
mod measured;
mod migrate;
mod notify;
mod out;
mod place;
mod printable;
mod progress;
mod prompt;
mod receipts;
mod restore;
mod serve;
mod sessions;
mod stand_in;
mod token;
mod users;
mod way;

use clap::{Parser, Subcommand};
use failure::Failure;
use lacre::internals::archive::Holds;
use lacre::internals::telemetry;
use place::Place;
use std::process::ExitCode;
use std::time::Duration;

/// How long the last lines of the log may take when the program ends.
const LAST_LINES: Duration = Duration::from_secs(5);

/// Encrypted session tokens, one key per session, revocable at once.
#[derive(Debug, Parser)]
#[command(
    name = "lacre",
    version,
    about,
    propagate_version = true,
    max_term_width = 100
)]
struct Arguments {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service
    Serve(serve::Serve),
    /// Tell the whole story: sign up, get a token, use it, end the session
    Demo(demo::Demo),
    /// Make, show and change accounts
    #[command(subcommand)]
    Users(users::Command),
    /// Make and delete trusted back ends
    #[command(subcommand)]
    Clients(clients::Command),
    /// Look into the keystore
    #[command(subcommand)]
    Keystore(keystore::Command),
    /// Say which keys are in use
    #[command(subcommand)]
    Keys(keys::Command),
    /// Write sessions, keys and accounts into one encrypted file
    #[command(
        after_help = "Examples:\n  lacre backup /backup/lacre.backup\n  lacre backup /backup/lacre.backup --force --passphrase-file /root/lacre.passphrase\n\nWorks while the server runs. Without a passphrase the file opens with the master key alone; under a passphrase it has all that is needed. --json prints {\"file\":…,\"accounts\":n,\"sessions\":n,\"data_dir\":…}."
    )]
    Backup(backup::Backup),
    /// Make a deployment from a backup
    #[command(
        after_help = "Examples:\n  lacre restore /backup/lacre.backup\n  lacre restore /backup/lacre.backup --key-file /safe/master.key\n  lacre restore /backup/lacre.backup --replace --json\n\nNo server may run. A session comes back only where it is known not to have ended since: where the keystore of the deployment is there, or with --keep-sessions. All others end, and are named."
    )]
    Restore(restore::RestoreAll),
    /// End sessions
    #[command(subcommand)]
    Sessions(sessions::Command),
    /// Show, export and prove the signed log of ends
    #[command(subcommand)]
    Receipts(receipts::Command),
    /// Ask a running server whether it is ready
    Health(health::Health),
    /// Examine a deployment, its settings and its machine, and say what to do
    Doctor(doctor::Doctor),
    /// Show and check the configuration
    #[command(subcommand)]
    Config(config::Command),
    /// Say why a token is refused; open and seal tokens with keys from files
    #[command(subcommand)]
    Token(token::Command),
    /// Print what a shell needs to complete the command line
    Completions(generated::Completions),
    /// Print the manual page, or write those of all commands
    Man(generated::Man),
}

/// Parses the arguments, runs the command and says how it ended.
pub(crate) fn run() -> ExitCode {
    // Before the arguments are looked at in earnest. A command with such a word in another place goes on
    // after a hang-up, and that is all.
    if std::env::args_os().skip(1).any(|word| word == "serve") {
        serve::outlive_hang_ups();
    }
    // A bare `cargo run` is a developer who wants to see it work; a bare `lacre` is misuse.
    let parsed = if std::env::args_os().len() == 1 && lacre::internals::config::started_by_cargo() {
        Arguments::try_parse_from(["lacre", "serve", "--dev"])
    } else {
        Arguments::try_parse()
    };
    let arguments = match parsed {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version go to standard output with status 0, misuse to standard error.
            let status = if error.use_stderr() {
                failure::USAGE
            } else {
                0
            };
            let _ = error.print();
            return ExitCode::from(status);
        }
    };
    let ended = {
        let _last_lines = LastLines;
        dispatch(arguments)
    };
    // What is left now is left for good: nothing may wait for standard error any more.
    let lost = telemetry::finish(Duration::ZERO);
    let (lost, events) = (
        lost.audit_waiting + lost.ordinary_waiting,
        lost.audit_waiting,
    );
    match ended {
        ended if lost > 0 => failure::report_lost(ended.err(), lost, events),
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Writes the lines that wait in the log's queue before anything else is printed, also after a panic.
struct LastLines;

impl Drop for LastLines {
    fn drop(&mut self) {
        telemetry::finish(LAST_LINES);
    }
}

fn dispatch(arguments: Arguments) -> Result<(), Failure> {
    cores::leave_none()?;
    lacre::internals::deployment::data_dir::keep_new_files_private();
    // Nothing else has set a logger up, and if it had, the command still works.
    let _ = telemetry::init(lacre::internals::config::log_filter().as_deref());
    match arguments.command {
        Command::Serve(command) => command.run(&arguments.place),
        Command::Demo(command) => command.run(),
        Command::Users(command) => command.run(&arguments.place),
        Command::Clients(command) => command.run(&arguments.place),
        Command::Keystore(command) => command.run(&arguments.place),
        Command::Keys(command) => command.run(&arguments.place),
        Command::Backup(command) => command.run(&arguments.place, Holds::Everything),
        Command::Restore(command) => command.run(&arguments.place),
        Command::Sessions(command) => command.run(&arguments.place),
        Command::Receipts(command) => command.run(&arguments.place),
        Command::Health(command) => command.run(&arguments.place),
        Command::Doctor(command) => command.run(&arguments.place),
        Command::Completions(command) => command.run::<Arguments>(),
        Command::Man(command) => command.run::<Arguments>(),
        Command::Config(command) => command.run(&arguments.place),
        Command::Token(command) => token::run(command, &arguments.place),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn leaves(command: &clap::Command, path: &str, found: &mut Vec<(String, clap::Command)>) {
        for sub in command.get_subcommands() {
            leaves(sub, &format!("{path} {}", sub.get_name()), found);
        }
        if !command.has_subcommands() {
            found.push((path.to_owned(), command.clone()));
        }
    }

    #[test]
    fn every_command_helps_with_an_example_of_itself() {
        let program = Arguments::command();
        program.clone().debug_assert();
        let mut found = Vec::new();
        leaves(&program, "lacre", &mut found);
        assert!(found.len() > 15, "{}", found.len());
        for (path, mut command) in found {
            let help = command.render_long_help().to_string();
            let (_, examples) = help.split_once("Example").unwrap_or_default();
            assert!(examples.contains(&path), "{path}: {help}");
        }
    }

    #[test]
    fn whoever_ends_sessions_says_which() {
        let parse = |arguments: &str| {
            let words = ["lacre", "sessions", "revoke"].into_iter();
            Arguments::try_parse_from(words.chain(arguments.split_whitespace())).is_ok()
        };
        for good in [
            "-abc",
            "abc --dry-run",
            "--dry-run -abc",
            "--user -u --json",
            "--all",
        ] {
            assert!(parse(good), "{good}");
        }
        for bad in [
            "",
            "--dry-run",
            "abc --all",
            "abc --user u",
            "--user u --all",
            "a.b",
            "a b",
        ] {
            assert!(!parse(bad), "{bad}");
        }
    }

    #[test]
    fn a_change_of_nothing_is_misuse() {
        let parse = |arguments: &str| {
            let words = ["lacre", "users", "set", "ada"].into_iter();
            Arguments::try_parse_from(words.chain(arguments.split_whitespace())).is_ok()
        };
        assert!(!parse("") && !parse("--json") && !parse("--permission a --no-permissions"));
        assert!(parse("--role a --role b --name x") && parse("--no-permissions"));
    }
}
