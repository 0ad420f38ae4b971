//! What is wrong, or risky, with a deployment, its settings and its machine, each with what to do.
//!
//! Pure: it is told what was found, and says what that means.
//!
//! This room must never say that something is good that wasn't looked at.

mod clients;
mod machine;
mod settings;

pub use machine::Machine;

use crate::config::{Config, Engine};
use crate::deployment::Examined;
use crate::ops::answer::Client;
use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It was looked at, and it is good.
    Good,
    /// It may be meant so; whoever didn't mean it wants to know.
    Advice,
    /// The service doesn't start, doesn't answer, or is open to strangers.
    Wrong,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// The stable name of what was looked at, or the stable code of what is wrong.
    pub code: &'static str,
    /// What was found, and where it isn't good, what to do.
    pub text: String,
}

impl Finding {
    fn good(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(Level::Good, code, text)
    }

    fn advice(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(Level::Advice, code, text)
    }

    /// Something is wrong.
    pub fn wrong(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(Level::Wrong, code, text)
    }

    /// A finding of this level.
    pub fn new(level: Level, code: &'static str, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { level, code, text }
    }
}

/// All findings: the deployment's first, then the settings', then the machine's.
#[must_use]
pub fn doctor(config: &Config, examined: &Examined, machine: &Machine) -> Vec<Finding> {
    let mut findings = deployment(config, examined);
    findings.extend(settings::look(config));
    findings.extend(machine.look(config, examined));
    findings
}

/// What a running server's clients are bound to, against the settings.
#[must_use]
pub fn examine_clients(config: &Config, clients: &[Client]) -> Vec<Finding> {
    clients::look(config, clients)
}

fn deployment(config: &Config, examined: &Examined) -> Vec<Finding> {
    let path = config.data_dir.display();
    if !examined.problems.is_empty() {
        let found = examined.problems.iter();
        return found
            .map(|error| Finding::wrong(error.code(), error.to_string()))
            .collect();
    }
    if !examined.is_there {
        return vec![Finding::wrong(
            "deployment_missing",
            format!(
                "there is no deployment in {path}: choose another --data-dir or --config, or make one \
                 with `lacre serve`"
            ),
        )];
    }
    let weak = examined.weak.iter();
    let weak = weak.map(|(code, text)| Finding::advice(code, *text));
    let mut findings = vec![Finding::good(
        "deployment",
        format!(
            "{path}: owners and modes are right, the master key opens the keyring, and the accounts are \
             there"
        ),
    )];
    findings.extend(weak);
    findings.extend(epoch(config, examined));
    findings
}

/// Whether a directory of before would be noticed.
fn epoch(config: &Config, examined: &Examined) -> Option<Finding> {
    if config.keystore.engine != Engine::Sled {
        return None;
    }
    let Some(file) = &config.keystore.epoch_file else {
        return Some(Finding::advice(
            "epoch_unset",
            "keystore.epoch_file isn't set: a data directory that is put back as it was, from a copy or a \
             snapshot, is taken, and sessions that have ended since are good again. Name a file outside of the \
             data directory",
        ));
    };
    let file = file.display();
    Some(match examined.epoch.as_ref()? {
        Ok(Some(group)) => Finding::good(
            "epoch",
            format!("{file} says that the keystore has come to change group {group}"),
        ),
        Ok(None) => Finding::advice(
            "epoch_missing",
            format!(
                "{file} isn't there: the next start makes it, or refuses a keystore that had one"
            ),
        ),
        Err(error) => Finding::wrong(error.code(), error.to_string()),
    })
}

#[cfg(test)]
mod tests;
