//! `lacre config`: what a server would be started with, and where each value comes from.
//!
//! This room must never show a secret, and never open the deployment.

use super::failure::Failure;
use super::out::{self, Table};
use super::place::Place;
use clap::Subcommand;
use serde_json::{Value, json};
use std::io::{BufWriter, Write as _};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print every key with its value and where the value comes from; secrets are masked
    #[command(
        after_help = "Example:\n  LACRE_TOKEN__ACCESS_TTL=5m lacre config show --config /etc/lacre.toml"
    )]
    Show {
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Check the configuration and name everything that is wrong with it
    #[command(after_help = "Example:\n  lacre config check --config /etc/lacre.toml")]
    Check,
}

impl Command {
    pub(super) fn run(self, place: &Place) -> Result<(), Failure> {
        let config = place.resolve(&[], false)?;
        let mut stdout = BufWriter::new(std::io::stdout().lock());
        match self {
            Self::Check => writeln!(stdout, "the configuration is good")?,
            Self::Show { json: true } => {
                let settings: Vec<Value> = config
                    .settings()
                    .iter()
                    .map(|setting| {
                        json!({
                            "key": setting.key,
                            "value": setting.value,
                            "source": setting.source.to_string(),
                        })
                    })
                    .collect();
                writeln!(stdout, "{}", out::json(&settings)?)?;
            }
            Self::Show { json: false } => {
                let rows = config.settings().iter().map(|setting| {
                    [
                        setting.key.clone(),
                        out::optional(Some(&setting.value)),
                        setting.source.to_string(),
                    ]
                });
                Table::new(["KEY", "VALUE", "SOURCE"]).write(&mut stdout, rows)?;
            }
        }
        Ok(stdout.flush()?)
    }
}
