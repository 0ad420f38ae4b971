//! The options that say which deployment a command is about.
//!
//! This room must never read the environment itself: [`lacre::config`] does.

use super::failure::{self, Failure};
use clap::Args;
use lacre::internals::config::Config;
use lacre::internals::telemetry;
use std::path::PathBuf;

/// Where the deployment is and how it is configured.
#[derive(Debug, Clone, Args)]
pub(crate) struct Place {
    /// The data directory [default: ./data]
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<String>,
    /// The configuration file [default: ./lacre.toml, where there is one]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

impl Place {
    /// Resolves the configuration: these options, then `flags`, over environment and file. From then on the
    /// log is written as it says.
    pub(super) fn resolve(
        &self,
        flags: &[(&str, Option<&String>)],
        dev: bool,
    ) -> Result<Config, Failure> {
        let own = [("data_dir", self.data_dir.as_ref())];
        let given = own
            .iter()
            .chain(flags)
            .filter_map(|(key, value)| value.map(|value| ((*key).to_owned(), value.clone())));
        let loaded = Config::load(self.config.clone(), given.collect(), dev);
        let config = loaded.map_err(|errors| {
            let first = errors
                .iter()
                .next()
                .map_or("config_invalid", |error| error.code());
            Failure::new(failure::CONFIG, first, errors)
        })?;
        // Also of a command, which writes the events of its changes where no server runs.
        telemetry::set_format(config.log.format);
        telemetry::set_audit_stream(config.log.audit.clone());
        Ok(config)
    }
}
