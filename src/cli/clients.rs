//! `lacre clients`: trusted back ends, which ask for tokens in the name of users.
//!
//! This room must never show a secret a second time.

use super::failure::Failure;
use super::out::{self, Table};
use super::place::Place;
use super::way::{Absent, Way, unexpected};
use clap::Subcommand;
use lacre::internals::ops::{Answer, ClientsRequest, Request};
use serde_json::{Value, json};
use std::io::{BufWriter, Write as _};
use zeroize::Zeroizing;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a client and print its secret, this once
    #[command(
        after_help = "Examples:\n  lacre clients add billing --json > billing.json\n  lacre clients add shop --own-users --service shop"
    )]
    Add {
        /// What to call it
        name: String,
        /// It has users of its own and vouches for them: it gets no sessions of accounts
        #[arg(long)]
        own_users: bool,
        /// A service of the configuration that it asks about tokens for; may be repeated [default: all]
        #[arg(long = "service", value_name = "NAME")]
        services: Vec<String>,
        /// Print {"id":…,"secret":…}
        #[arg(long)]
        json: bool,
    },
    /// List all clients
    #[command(after_help = "Example:\n  lacre clients list --json")]
    List {
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Delete a client and end the sessions that it asked for
    #[command(after_help = "Example:\n  lacre clients delete client_0123456789abcdef")]
    Delete {
        /// The client's id
        id: String,
    },
}

impl Command {
    pub(super) fn run(self, place: &Place) -> Result<(), Failure> {
        match self {
            Self::Add {
                name,
                own_users,
                services,
                json,
            } => {
                let add_client = ClientsRequest::Add {
                    name,
                    own_users,
                    services,
                };
                add(place, add_client, json)
            }
            Self::List { json } => list(place, json),
            Self::Delete { id } => delete(place, &id),
        }
    }
}

fn add(place: &Place, add_client: ClientsRequest, as_json: bool) -> Result<(), Failure> {
    let request = Request::Clients(add_client);
    let answer = Way::with(place, Absent::Make, |way| way.ask(request))?;
    let Answer::NewClient { id, secret } = answer else {
        return Err(unexpected());
    };
    // Both are plain base64url: nothing to escape.
    let text = Zeroizing::new(if as_json {
        format!("{{\"id\":\"{id}\",\"secret\":\"{}\"}}", secret.expose())
    } else {
        format!("id      {id}\nsecret  {}", secret.expose())
    });
    writeln!(std::io::stdout().lock(), "{}", text.as_str())?;
    let _ = writeln!(std::io::stderr(), "lacre: the secret is not shown again");
    Ok(())
}

fn list(place: &Place, as_json: bool) -> Result<(), Failure> {
    let answer = Way::with(place, Absent::Fail, |way| {
        way.ask(Request::Clients(ClientsRequest::List))
    })?;
    let Answer::Clients(clients) = answer else {
        return Err(unexpected());
    };
    let mut stdout = BufWriter::new(std::io::stdout().lock());
    if as_json {
        let shown: Vec<Value> = clients
            .iter()
            .map(|client| {
                json!({
                    "id": client.id,
                    "name": client.name,
                    "created_at": out::time(client.created_at),
                    "own_users": client.own_users,
                    "services": client.services,
                })
            })
            .collect();
        writeln!(stdout, "{}", out::json(&shown)?)?;
    } else {
        let rows = clients.into_iter().map(|client| {
            let users = if client.own_users { "own" } else { "accounts" };
            [
                client.id,
                out::time(client.created_at),
                users.to_owned(),
                out::words(&client.services),
                client.name,
            ]
        });
        Table::new(["ID", "CREATED", "USERS", "SERVICES", "NAME"]).write(&mut stdout, rows)?;
    }
    Ok(stdout.flush()?)
}

fn delete(place: &Place, id: &str) -> Result<(), Failure> {
    let request = Request::Clients(ClientsRequest::Delete { id: id.to_owned() });
    let answer = Way::with(place, Absent::Fail, |way| way.ask(request))?;
    let Answer::ClientDeleted = answer else {
        return Err(unexpected());
    };
    writeln!(std::io::stdout().lock(), "{id} is deleted")?;
    Ok(())
}
