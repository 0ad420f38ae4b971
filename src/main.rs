//! The `lacre` program: the command line over the library.
//!
//! This room must never do what the library should: it parses, calls and chooses the exit status.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
