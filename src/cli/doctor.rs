//! `lacre doctor`: what is wrong or risky with a deployment, and what to do.
//!
//! This room must never make or change anything.

use super::failure::Failure;
use super::health;
use super::out;
use super::place::Place;
use super::printable::printable;
use super::way::unexpected;
use clap::Args;
use lacre::clock::{Clock as _, SystemClock};
use lacre::internals::config::Config;
use lacre::internals::deployment::examine;
use lacre::internals::ops::{
    AdminClient, Answer, ClientError, ClientsRequest, Finding, Level, Machine, Request, doctor,
    examine_clients,
};
use std::io::{BufWriter, Write as _};
use std::time::{Duration, UNIX_EPOCH};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lacre doctor\n  lacre doctor --config /etc/lacre/lacre.toml --json\n\nIt looks at the data directory, the keys, the settings, the disk, the memory and the clock, and asks the server, where one runs, whether it is ready, and for which services its clients were made. It makes and changes nothing. Exit status: 0 where nothing is wrong, 1 where something is, 78 where the configuration isn't valid. Run it as the user of the service."
)]
pub(crate) struct Doctor {
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(super) fn run(&self, place: &Place) -> Result<(), Failure> {
        let config = place.resolve(&[], false)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let now = SystemClock::default().now();
        let examined = runtime.block_on(examine(&config, now));
        drop(runtime);
        let machine = Machine::ask(&config, UNIX_EPOCH + Duration::from_secs(now));
        let mut findings = doctor(&config, &examined, &machine);
        findings.extend(server(&config));
        self.print(&findings)?;
        let wrong = findings.iter().filter(|found| found.level == Level::Wrong);
        match wrong.count() {
            0 => Ok(()),
            wrong => Err(Failure::failed(
                "deployment_wrong",
                format_args!("{wrong} of {} findings are wrong", findings.len()),
            )),
        }
    }

    fn print(&self, findings: &[Finding]) -> Result<(), Failure> {
        let mut stdout = BufWriter::new(std::io::stdout().lock());
        if self.json {
            writeln!(stdout, "{}", out::json(&findings)?)?;
            return Ok(stdout.flush()?);
        }
        for Finding { level, code, text } in findings {
            let level = match level {
                Level::Good => "good  ",
                Level::Advice => "advice",
                Level::Wrong => "WRONG ",
            };
            writeln!(stdout, "{level}  {code}: {}", printable(text))?;
        }
        Ok(stdout.flush()?)
    }
}

/// Whether a server holds the deployment, what it says of itself, and what its clients are bound to.
fn server(config: &Config) -> Vec<Finding> {
    let mut server = match AdminClient::find(&config.data_dir, |_| ()) {
        Ok(Some(server)) => server,
        Ok(None) => {
            return vec![Finding::new(
                Level::Advice,
                "server_stopped",
                "no server holds this data directory: start it with `lacre serve`; \
                 `lacre keystore verify` reads every record",
            )];
        }
        Err(error) => return vec![not_asked(error)],
    };
    let mut findings = vec![ready(config)];
    let list = Request::Clients(ClientsRequest::List);
    match server.ask(&list, |_| Ok::<_, ClientError>(())) {
        Ok(Answer::Clients(clients)) => findings.extend(examine_clients(config, &clients)),
        Ok(_) => findings.push(Finding::wrong("server_not_asked", unexpected().text())),
        Err(error) => findings.push(not_asked(error)),
    }
    findings
}

fn not_asked(error: ClientError) -> Finding {
    Finding::wrong("server_not_asked", Failure::from(error).text())
}

fn ready(config: &Config) -> Finding {
    match health::ask_configured(config) {
        Ok(()) => Finding::new(Level::Good, "server", "the server is ready"),
        Err(failure) => Finding::wrong(
            "server_not_ready",
            format!(
                "{}. Its log says why; if it was started with another management_listen than the configuration \
                 has, `lacre health URL` asks it there",
                failure.text()
            ),
        ),
    }
}
