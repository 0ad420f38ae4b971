//! The command line: one file a group of commands.
//!
//! Results go to standard output, everything else to standard error; the exit status says how it
//! ended ([`failure`]).
//!
//! This room must never print a secret that isn't the command's very answer.

mod failure;
mod place;
mod serve;
mod token;

use clap::{Parser, Subcommand};
use failure::Failure;
use place::Place;
use std::process::ExitCode;

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
    /// Open and seal tokens with keys from files, as the service does, without a store
    #[command(subcommand)]
    Token(token::Command),
}

/// Parses the arguments, runs the command and says how it ended.
pub(crate) fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
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
    match dispatch(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn dispatch(arguments: Arguments) -> Result<(), Failure> {
    lacre::data_dir::keep_new_files_private();
    // Nothing else has set a logger up, and if it had, the command still works.
    let _ = lacre::telemetry::init(lacre::config::log_filter().as_deref());
    match arguments.command {
        Command::Serve(command) => command.run(&arguments.place),
        Command::Token(command) => token::run(command),
    }
}
