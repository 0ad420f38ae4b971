//! `lacre users`: accounts.
//!
//! This room must never take a password from the command line, where every user of the machine
//! could read it.

mod import;
mod lines;

use super::failure::Failure;
use super::out::{self, Table};
use super::place::Place;
use super::printable::printable;
use super::prompt;
use super::way::{Absent, Way, unexpected};
use clap::{ArgGroup, Args, Subcommand};
use lacre::internals::accounts::{Email, UserId};
use lacre::internals::ops::{
    Answer, Link, NewUser, Request, Secret, Step, User, UserChange, UsersRequest,
};
use serde_json::{Value, json};
use std::io::{BufWriter, Read as _, Write as _};
use zeroize::Zeroizing;

/// More than the longest password takes.
const MAX_INPUT: usize = 4096;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make an account
    #[command(
        after_help = "Examples:\n  lacre users add ada@example.com\n  lacre users add ada@example.com --password-stdin < password.txt\n  lacre users add ops@example.com --role admin --role user --json\n\nOn a terminal it asks for the password and shows nothing of it; an empty one is none. An account without a password, as without a terminal and --password-stdin: only trusted clients can ask for its tokens."
    )]
    Add(Add),
    /// Make accounts with the password hashes that another system kept
    #[command(
        after_help = "Examples:\n  lacre users import users.jsonl\n  lacre users import users.jsonl --dry-run\n\nA line of FILE is an account: {\"email\":…,\"hash\":…} and, where there are any, \"id\", \"name\", \"roles\", \"permissions\" and \"active\". The hash is the other system's string: argon2, bcrypt, PBKDF2 or scrypt, as Django, Werkzeug and passlib write them; null makes an account without a password. What is refused is printed with its line and the reason, and the exit status is 1; the others are made."
    )]
    Import(import::Import),
    /// List all accounts
    #[command(after_help = "Example:\n  lacre users list --json | jq -r '.[].email'")]
    List(Listing),
    /// Show one account
    #[command(after_help = "Example:\n  lacre users show ada@example.com")]
    Show(One),
    /// Change an e-mail, a name, roles or permissions
    #[command(
        after_help = "Examples:\n  lacre users set ada@example.com --role admin --role user\n  lacre users set ada@example.com --name 'Ada Lovelace'\n\nOther roles or permissions end the access tokens of the user; the next refresh brings the new ones."
    )]
    Set(Set),
    /// Keep a user from logging in and end all of the user's sessions
    #[command(after_help = "Example:\n  lacre users disable ada@example.com")]
    Disable(One),
    /// Let a user log in again
    #[command(after_help = "Example:\n  lacre users enable ada@example.com")]
    Enable(One),
    /// Delete an account and end all of its sessions
    #[command(after_help = "Example:\n  lacre users delete ada@example.com")]
    Delete(One),
    /// Let a subject of an outside issuer log in to an account
    #[command(
        after_help = "Example:\n  lacre users link ada@example.com --issuer corp --subject 248289761001\n\nA subject is one account at most; to link it to another one, unlink it first."
    )]
    Link(LinkTo),
    /// Take an account's links to an issuer away and end the sessions begun through them
    #[command(
        after_help = "Example:\n  lacre users unlink ada@example.com --issuer corp\n\nWhere the issuer makes accounts, the subject gets a new one when it comes again: disable the account to keep it out."
    )]
    Unlink(LinkOf),
    /// Set a password and end all of the user's sessions
    #[command(
        after_help = "Examples:\n  lacre users set-password ada@example.com\n  lacre users set-password ada@example.com --password-stdin < password.txt\n\nOn a terminal it asks for the password and shows nothing of it."
    )]
    SetPassword(SetPassword),
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// The e-mail, which no other account may have
    #[arg(value_parser = Email::parse)]
    email: Email,
    /// A role, such as admin; may be repeated, the first is the role [default: user]
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// A permission; may be repeated
    #[arg(long = "permission", value_name = "PERMISSION")]
    permissions: Vec<String>,
    /// The id: 1 to 64 characters of A-Z a-z 0-9 _ - [default: a random one]
    #[arg(long, value_parser = UserId::parse, allow_hyphen_values = true)]
    id: Option<UserId>,
    /// What the user wants to be called
    #[arg(long)]
    name: Option<String>,
    /// Read the password from standard input; one line end behind it is left out
    #[arg(long)]
    password_stdin: bool,
    /// Print {"id":…,"email":…}
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Listing {
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// The user's id or e-mail
    #[arg(value_name = "USER", allow_hyphen_values = true)]
    user: String,
    /// Print the account as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("change").required(true).multiple(true).args([
    "email", "name", "roles", "permissions", "no_permissions",
])))]
pub(crate) struct Set {
    /// Another e-mail
    #[arg(long, value_parser = Email::parse)]
    email: Option<Email>,
    /// Another name; an empty one takes the name away
    #[arg(long)]
    name: Option<String>,
    /// A role, instead of all there are; may be repeated, the first is the role
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// A permission, instead of all there are; may be repeated
    #[arg(long = "permission", value_name = "PERMISSION")]
    permissions: Vec<String>,
    /// Take all permissions away
    #[arg(long, conflicts_with = "permissions")]
    no_permissions: bool,
    #[command(flatten)]
    one: One,
}

#[derive(Debug, Args)]
pub(crate) struct LinkOf {
    #[command(flatten)]
    one: One,
    /// The issuer: its name in the configuration, or its iss
    #[arg(long, value_name = "NAME")]
    issuer: String,
}

#[derive(Debug, Args)]
pub(crate) struct LinkTo {
    #[command(flatten)]
    of: LinkOf,
    /// What the issuer calls the user: the claim sub of its tokens
    #[arg(long, value_name = "SUB", allow_hyphen_values = true)]
    subject: String,
}

#[derive(Debug, Args)]
pub(crate) struct SetPassword {
    #[command(flatten)]
    one: One,
    /// Read the password from standard input; one line end behind it is left out
    #[arg(long)]
    password_stdin: bool,
}

impl Command {
    pub(super) fn run(self, place: &Place) -> Result<(), Failure> {
        match self {
            Self::Add(add) => add.run(place),
            Self::Import(import) => import.run(place),
            Self::List(listing) => listing.run(place),
            Self::Show(one) => one.show(place),
            Self::Set(set) => set.run(place),
            Self::Disable(one) => one.change(place, to_active(false), "is disabled"),
            Self::Enable(one) => one.change(place, to_active(true), "is enabled"),
            Self::Delete(one) => {
                let user = one.user.clone();
                one.changed(place, UsersRequest::Delete { user }, "is deleted")
            }
            Self::Link(link) => link.run(place),
            Self::Unlink(LinkOf { one, issuer }) => {
                let user = one.user.clone();
                let request = UsersRequest::Unlink { user, issuer };
                one.changed(place, request, "is unlinked")
            }
            Self::SetPassword(SetPassword {
                one,
                password_stdin,
            }) => {
                let to = UserChange {
                    password: Some(password(password_stdin)?.ok_or_else(no_password)?),
                    ..UserChange::default()
                };
                one.change(place, to, "has another password")
            }
        }
    }
}

impl Add {
    fn run(self, place: &Place) -> Result<(), Failure> {
        let password = password(self.password_stdin)?;
        let without_password = password.is_none();
        let request = Request::Users(UsersRequest::Add(NewUser {
            email: self.email.as_str().to_owned(),
            id: self.id.map(|id| id.as_str().to_owned()),
            name: self.name,
            roles: self.roles,
            permissions: self.permissions,
            password,
        }));
        let answer = Way::with(place, Absent::Make, |way| way.ask(request))?;
        let Answer::User(user) = answer else {
            return Err(unexpected());
        };
        let mut stdout = std::io::stdout().lock();
        if self.json {
            let made = json!({"id": user.id, "email": user.email});
            writeln!(stdout, "{}", out::json(&made)?)?;
        } else {
            writeln!(stdout, "{} is added with the id {}", user.email, user.id)?;
        }
        if without_password {
            note("the account has no password: only trusted clients can ask for its tokens");
        }
        Ok(())
    }
}

impl Set {
    fn run(self, place: &Place) -> Result<(), Failure> {
        let has_permissions = self.no_permissions || !self.permissions.is_empty();
        let to = UserChange {
            email: self.email.map(|email| email.as_str().to_owned()),
            name: self.name,
            roles: (!self.roles.is_empty()).then_some(self.roles),
            permissions: has_permissions.then_some(self.permissions),
            ..UserChange::default()
        };
        self.one.change(place, to, "is changed")
    }
}

impl LinkTo {
    fn run(self, place: &Place) -> Result<(), Failure> {
        let LinkOf { one, issuer } = self.of;
        let request = Request::Users(UsersRequest::Link {
            user: one.user.clone(),
            issuer,
            subject: self.subject,
        });
        let links = Way::with(place, Absent::Fail, |way| links(way, request))?;
        let mut stdout = std::io::stdout().lock();
        if one.json {
            writeln!(stdout, "{}", out::json(&links_shown(&links))?)?;
        } else {
            let count = links.len();
            let subjects = if count == 1 { "subject" } else { "subjects" };
            let user = printable(&one.user);
            writeln!(stdout, "{user} is linked to {count} {subjects}")?;
        }
        Ok(())
    }
}

fn links(way: &mut Way, request: Request) -> Result<Vec<Link>, Failure> {
    match way.ask(request)? {
        Answer::Links(links) => Ok(links),
        _ => Err(unexpected()),
    }
}

fn links_shown(links: &[Link]) -> Value {
    let shown = links.iter().map(|link| {
        let since = out::time(link.created_at);
        json!({"issuer": link.issuer, "subject": link.subject, "created_at": since})
    });
    shown.collect()
}

impl Listing {
    fn run(&self, place: &Place) -> Result<(), Failure> {
        Way::with(place, Absent::Fail, |way| self.write(way))
    }

    fn write(&self, way: &mut Way) -> Result<(), Failure> {
        let mut stdout = BufWriter::new(std::io::stdout().lock());
        let mut table = Table::new(["ID", "EMAIL", "ROLES", "ACTIVE", "CREATED", "NAME"]);
        let mut before = "[";
        let mut write = |page| {
            let Answer::Users { users, .. } = page else {
                return Err(unexpected());
            };
            if self.json {
                for user in &users {
                    write!(stdout, "{before}{}", out::json(&shown(user))?)?;
                    before = ",";
                }
            } else {
                table.write(&mut stdout, users.iter().map(row))?;
            }
            Ok(())
        };
        let request = Request::Users(UsersRequest::List {
            after: None,
            limit: None,
            text: None,
        });
        let last = way.ask_in_steps(request, |step| match step {
            Step::Page(page) => write(page),
            Step::Progress { .. } => Ok(()),
        })?;
        write(last)?;
        if self.json {
            let opening = if before == "[" { "[" } else { "" };
            writeln!(stdout, "{opening}]")?;
        }
        Ok(stdout.flush()?)
    }
}

impl One {
    fn show(self, place: &Place) -> Result<(), Failure> {
        let user = self.user;
        let (answer, links) = Way::with(place, Absent::Fail, |way| {
            let show = UsersRequest::Show { user: user.clone() };
            let answer = way.ask(Request::Users(show))?;
            let of = UsersRequest::Links { user: user.clone() };
            Ok((answer, links(way, Request::Users(of))?))
        })?;
        let Answer::User(user) = answer else {
            return Err(unexpected());
        };
        let mut stdout = std::io::stdout().lock();
        if self.json {
            let mut shown = shown(&user);
            shown["links"] = links_shown(&links);
            writeln!(stdout, "{}", out::json(&shown)?)?;
            return Ok(());
        }
        let fields = [
            ("id", user.id),
            ("email", user.email),
            ("name", out::optional(user.name.as_deref())),
            ("roles", out::words(&user.roles)),
            ("permissions", out::words(&user.permissions)),
            ("active", yes_or_no(user.active)),
            ("created", out::time(user.created_at)),
            ("updated", out::time(user.updated_at)),
        ];
        let links = links.into_iter().map(|link| {
            let (subject, issuer) = (link.subject, link.issuer);
            ("link", format!("{subject} at {issuer}"))
        });
        Ok(out::write_fields(
            &mut stdout,
            fields.into_iter().chain(links),
        )?)
    }

    fn change(self, place: &Place, to: UserChange, what: &str) -> Result<(), Failure> {
        let user = self.user.clone();
        self.changed(place, UsersRequest::Change { user, to }, what)
    }

    fn changed(self, place: &Place, request: UsersRequest, what: &str) -> Result<(), Failure> {
        let request = Request::Users(request);
        let answer = Way::with(place, Absent::Fail, |way| way.ask(request))?;
        let Answer::Changed { user, ended } = answer else {
            return Err(unexpected());
        };
        let mut stdout = std::io::stdout().lock();
        if self.json {
            let mut changed = shown(&user);
            changed["sessions_ended"] = ended.into();
            writeln!(stdout, "{}", out::json(&changed)?)?;
        } else {
            let sessions = if ended == 1 { "session" } else { "sessions" };
            writeln!(stdout, "{} {what}; {ended} {sessions} ended", user.email)?;
        }
        Ok(())
    }
}

fn to_active(active: bool) -> UserChange {
    UserChange {
        active: Some(active),
        ..UserChange::default()
    }
}

/// The new password: what a person types, else standard input where that was asked for. `None` where
/// there is none.
fn password(from_stdin: bool) -> Result<Option<Secret>, Failure> {
    if prompt::can_ask() {
        let typed = prompt::new_password("New password: ")?;
        return Ok(typed.map(|mut text| Secret::new(std::mem::take(&mut *text))));
    }
    from_stdin.then(read_password).transpose()
}

fn no_password() -> Failure {
    Failure::usage(
        "password_missing",
        "no password: run it on a terminal, or hand the password over with --password-stdin; \
         see `lacre users set-password --help`",
    )
}

/// Standard input as a password, without the one line end that an editor or `echo` puts behind it.
fn read_password() -> Result<Secret, Failure> {
    let unreadable = |why: &dyn std::fmt::Display| {
        Failure::failed("input_unreadable", format_args!("standard input: {why}"))
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_INPUT + 1));
    std::io::stdin()
        .lock()
        .take(MAX_INPUT as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(&error))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| unreadable(&"not UTF-8"))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.starts_with('\u{feff}') {
        return Err(unreadable(
            &"it begins with a byte-order mark, which would be of the password: save it without one",
        ));
    }
    if text.contains(['\n', '\r']) {
        return Err(unreadable(
            &"more than one line: a password is one line, and nothing follows it",
        ));
    }
    Ok(Secret::new(text.to_owned()))
}

fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "lacre: {text}");
}

fn shown(user: &User) -> Value {
    json!({
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "role": user.roles.first(),
        "roles": user.roles,
        "permissions": user.permissions,
        "active": user.active,
        "created_at": out::time(user.created_at),
        "updated_at": out::time(user.updated_at),
    })
}

fn row(user: &User) -> [String; 6] {
    [
        user.id.clone(),
        user.email.clone(),
        out::words(&user.roles),
        yes_or_no(user.active),
        out::time(user.created_at),
        out::optional(user.name.as_deref()),
    ]
}

fn yes_or_no(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}
