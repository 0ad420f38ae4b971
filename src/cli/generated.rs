//! `lacre completions` and `lacre man`: made from the definition of the command line, so that they can't
//! say anything else than it does.
//!
//! This room must never open a deployment.

use super::failure::Failure;
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lacre completions bash > /etc/bash_completion.d/lacre\n  lacre completions zsh > \"${fpath[1]}/_lacre\"\n  lacre completions fish > ~/.config/fish/completions/lacre.fish"
)]
pub(crate) struct Completions {
    /// For which shell
    shell: Shell,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lacre man | man -l -\n  lacre man --to /usr/local/share/man/man1\n\nWithout --to the page of `lacre` itself is printed; with it each command has a page of its own in the directory, which must be there. Pages that are there already are replaced."
)]
pub(crate) struct Man {
    /// Writes all pages into this directory
    #[arg(long = "to", value_name = "DIR")]
    directory: Option<PathBuf>,
}

impl Completions {
    /// Writes the completions of the program whose definition is `P`.
    pub(super) fn run<P: CommandFactory>(&self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut P::command(), "lacre", &mut script);
        print(&script)
    }
}

impl Man {
    /// Writes the pages of the program whose definition is `P`.
    pub(super) fn run<P: CommandFactory>(&self) -> Result<(), Failure> {
        let mut program = P::command();
        program.build();
        let Some(directory) = &self.directory else {
            return print(&page(program)?);
        };
        let mut pages = Vec::new();
        collect(&program, &mut pages);
        for command in pages {
            let name = command
                .get_display_name()
                .unwrap_or_else(|| command.get_name());
            let path = directory.join(format!("{name}.1"));
            let page = page(command)?;
            let mut options = OpenOptions::new();
            let file = options.write(true).create(true).truncate(true).open(&path);
            let written = file.and_then(|mut file| file.write_all(&page));
            written.map_err(|why| {
                let text = format!("can't write {}: {why}", path.display());
                Failure::failed("man_unwritten", text)
            })?;
        }
        Ok(())
    }
}

/// The command and all below it, but `help`, which clap adds.
fn collect(command: &clap::Command, pages: &mut Vec<clap::Command>) {
    pages.push(command.clone());
    let below = command
        .get_subcommands()
        .filter(|below| below.get_name() != "help");
    below.for_each(|below| collect(below, pages));
}

fn page(command: clap::Command) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    Ok(page)
}

fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(bytes)?;
    Ok(stdout.flush()?)
}
