//! The way from a command to the data: through the directory itself where it is free, through the
//! admin socket where a server holds it.
//!
//! The lock decides, never the socket: a socket may be dead, and a lock ends with its process.
//!
//! This room must never make a deployment for a command that only looks.

use super::failure::{self, Failure};
use super::place::Place;
use super::printable::printable;
use lacre::clock::SystemClock;
use lacre::internals::config::Config;
use lacre::internals::deployment::Deployment;
use lacre::internals::entropy;
use lacre::internals::ops::{self, AdminClient, Answer, Request, Step, Wait};
use lacre::internals::service::Caller;
use lacre::internals::telemetry;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// How long a held directory without a socket is tried again: a server that starts or ends, or
/// another command, needs a moment.
const HELD_TIMEOUT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);

/// What a command does where there is no deployment yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absent {
    /// Makes one: accounts may be there before the first start.
    Make,
    /// Fails.
    Fail,
}

/// A way to ask, and the data directory of the deployment that it leads to.
pub(super) struct Way {
    data_dir: PathBuf,
    through: Through,
}

enum Through {
    Directory {
        runtime: Runtime,
        deployment: Box<Deployment>,
    },
    Server(AdminClient),
}

impl Way {
    /// Finds a way, does `work` on it and closes it.
    pub(super) fn with<T>(
        place: &Place,
        absent: Absent,
        work: impl FnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut way = Self::find(&place.resolve(&[], false)?, absent)?;
        let done = work(&mut way);
        way.close();
        done
    }

    /// The data directory of the deployment, whole: a command says which one it acted on.
    pub(super) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Whether nobody but this command holds the deployment.
    pub(super) fn is_alone(&self) -> bool {
        matches!(self.through, Through::Directory { .. })
    }

    /// Asks, and waits until it is done.
    pub(super) fn ask(&mut self, request: Request) -> Result<Answer, Failure> {
        self.ask_in_steps(request, |_| Ok(()))
    }

    /// Asks, hands each step on that comes before the answer, and waits until it is done.
    pub(super) fn ask_in_steps(
        &mut self,
        request: Request,
        mut each: impl FnMut(Step) -> Result<(), Failure>,
    ) -> Result<Answer, Failure> {
        match &mut self.through {
            Through::Directory {
                runtime,
                deployment,
            } => runtime.block_on(async {
                let mut running = ops::begin(deployment.service(), Caller::operator(), request);
                while let Some(step) = running.step().await {
                    each(step)?;
                }
                Ok(running.answer().await?)
            }),
            Through::Server(client) => client.ask(&request, each),
        }
    }

    fn find(config: &Config, absent: Absent) -> Result<Self, Failure> {
        let give_up = Instant::now() + HELD_TIMEOUT;
        let data_dir = std::path::absolute(&config.data_dir)?;
        loop {
            let new = !exists(config)?;
            if absent == Absent::Fail && new {
                return Err(no_deployment(config));
            }
            if new {
                telemetry::audit_is_kept().map_err(Failure::log_closed)?;
            }
            let held = match directory(config) {
                Err(error) if error.is("data_dir_held") => error,
                Err(error) => return Err(error),
                Ok(through) => {
                    if new {
                        say_made(&data_dir);
                    }
                    return Ok(Self { data_dir, through });
                }
            };
            match AdminClient::find(&config.data_dir, say_waiting)? {
                Some(client) => {
                    let through = Through::Server(client);
                    return Ok(Self { data_dir, through });
                }
                None if Instant::now() < give_up => std::thread::sleep(PAUSE),
                None => return Err(no_answer(&held)),
            }
        }
    }

    fn close(self) {
        if let Through::Directory {
            runtime,
            deployment,
        } = self.through
        {
            runtime.block_on(deployment.close());
        }
    }
}

fn exists(config: &Config) -> Result<bool, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(Deployment::exists(config))?)
}

fn directory(config: &Config) -> Result<Through, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let deployment = runtime.block_on(Deployment::open(
        config,
        Arc::new(SystemClock::default()),
        entropy::system(),
    ))?;
    Ok(Through::Directory {
        runtime,
        deployment: Box::new(deployment),
    })
}

/// Says why nothing happens, to a person who would otherwise give up or ask again.
fn say_waiting(wait: Wait) {
    let text = match wait {
        Wait::Silent(left) => format!(
            "the running server doesn't answer; waiting {} seconds more (server_silent)",
            left.as_secs_f32().round()
        ),
        Wait::Working => "the running server is working on it (server_works)".to_owned(),
    };
    let _ = writeln!(std::io::stderr(), "lacre: {text}");
}

/// A command that meant another deployment must not make this one unnoticed.
fn say_made(data_dir: &Path) {
    let text = format!(
        "made a new deployment in {}: a server uses it only if it is started with this data directory",
        data_dir.display()
    );
    // With standard error closed the work is done all the same.
    let _ = writeln!(
        std::io::stderr(),
        "lacre: {} (deployment_made)",
        printable(&text)
    );
}

fn no_deployment(config: &Config) -> Failure {
    let path = config.data_dir.display();
    Failure::new(
        failure::CONFIG,
        "deployment_missing",
        format_args!(
            "there is no deployment in {path}: start `lacre serve`, make a first account with \
             `lacre users add`, or choose another --data-dir"
        ),
    )
}

fn no_answer(held: &Failure) -> Failure {
    Failure::new(
        failure::UNAVAILABLE,
        "server_unreachable",
        format_args!("{held}; no server answers on its admin socket"),
    )
}

/// An answer to another question: the server is of another version.
pub(super) fn unexpected() -> Failure {
    Failure::new(
        failure::UNAVAILABLE,
        "admin_answer_unknown",
        "the running server's answer is unknown: use the lacre that it was started from",
    )
}
