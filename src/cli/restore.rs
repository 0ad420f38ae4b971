//! `lacre restore` and `lacre keystore import`: a deployment from a backup.
//!
//! This room must never say less than what a restore has undone.

use super::backup::read_passphrase;
use super::failure::{self, Failure};
use super::out;
use super::place::Place;
use super::printable::printable;
use super::progress::Progress;
use clap::Args;
use lacre::clock::SystemClock;
use lacre::internals::accounts::{Replaced, Some20};
use lacre::internals::archive::Holds;
use lacre::internals::deployment::{
    Given, GoneOn, RestoreError, Restored, RestoredSessions, Wanted, restore,
};
use lacre::internals::entropy;
use lacre::internals::ops::AdminError;
use lacre::internals::telemetry;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

/// How many sessions are named to a person; `--json` names more.
const NAMED: usize = 20;

/// What is taken in, and how.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The backup
    file: PathBuf,
    /// The passphrase that it is encrypted under is in this file
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// The master keys of the time of the backup are in this file [default: `master_key_file`]
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_file")]
    key_file: Option<PathBuf>,
    /// Keep the sessions of a backup that was taken while no server ran: say so only if the deployment
    /// hasn't run anywhere since
    #[arg(long)]
    keep_sessions: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// All of a backup.
#[derive(Debug, Args)]
pub(crate) struct RestoreAll {
    #[command(flatten)]
    restore: Restore,
    /// Restore over what is there
    #[arg(long)]
    replace: bool,
}

impl RestoreAll {
    pub(super) fn run(self, place: &Place) -> Result<(), Failure> {
        self.restore.run(place, Holds::Everything, self.replace)
    }
}

impl Restore {
    pub(super) fn run(self, place: &Place, holds: Holds, replace: bool) -> Result<(), Failure> {
        telemetry::leads_somewhere().map_err(Failure::log_closed)?;
        let config = place.resolve(&[], false)?;
        let passphrase = self.passphrase_file.as_deref();
        let given = Given {
            file: self.file,
            passphrase: passphrase.map(read_passphrase).transpose()?,
            key_file: self.key_file,
        };
        let wanted = Wanted {
            holds,
            replace,
            keep_sessions: self.keep_sessions,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let mut progress = Progress::new();
        let parts = (Arc::new(SystemClock::default()) as _, entropy::system());
        let restored = runtime.block_on(restore(&config, &given, wanted, parts, |done, total| {
            if done < total {
                progress.bar("bytes checked", done, total);
            } else {
                // What follows writes lines of the log.
                progress.clear();
            }
        }));
        progress.clear();
        let restored = restored.map_err(failed)?;
        let data_dir = std::path::absolute(&config.data_dir)?.display().to_string();
        let mut stdout = std::io::stdout().lock();
        let text = if self.json {
            format!("{}\n", out::json(&as_json(&restored, &data_dir))?)
        } else {
            said(&restored, &data_dir)
        };
        Ok(stdout.write_all(text.as_bytes())?)
    }
}

fn failed(error: RestoreError) -> Failure {
    let status = match error {
        RestoreError::Open(error) => return error.into(),
        RestoreError::Accounts(error) => return AdminError::from(error).into(),
        RestoreError::Keystore(error) => return AdminError::from(error).into(),
        RestoreError::Service(error) => return AdminError::from(error).into(),
        RestoreError::Receipts(error) => return error.into(),
        RestoreError::DataDir(ref error) if error.code() == "data_dir_held" => {
            return Failure::new(
                failure::UNAVAILABLE,
                "restore_server_running",
                format_args!("{error}; nothing was changed: restore while no server runs"),
            );
        }
        RestoreError::DataDir(_) | RestoreError::MasterKeyOther { .. } => failure::CONFIG,
        _ => failure::FAILED,
    };
    Failure::new(status, error.code(), error)
}

fn said(restored: &Restored, data_dir: &str) -> String {
    let mut lines = vec![format!(
        "restored the backup of {} into {data_dir}",
        out::time(restored.about.made_at)
    )];
    if let Some(aside) = &restored.aside {
        lines.push(format!(
            "what was there lies in {}: it has keys; remove it when nobody needs it any more",
            aside.display()
        ));
    }
    if let Some(accounts) = &restored.accounts {
        lines.push(format!("accounts: {}", accounts.accounts));
        lines.extend(changes(accounts, is_compared(restored)));
    }
    lines.extend(of_sessions(restored));
    lines.extend(restored.receipts.map(of_receipts));
    lines.push(String::new());
    lines.join("\n")
}

/// Whether the accounts of before were there to be compared with.
fn is_compared(restored: &Restored) -> bool {
    restored.living && restored.ended_all.is_none()
}

/// What the accounts have lost, which nobody must have to guess.
fn changes(accounts: &Replaced, compared: bool) -> Vec<String> {
    if !compared {
        return vec![
            "  as they were then: repeat the changes that the audit log has from later on, above all \
             accounts that were disabled or deleted, passwords that were changed and clients that were deleted"
                .to_owned(),
        ];
    }
    let named = [
        (
            &accounts.back,
            "had been deleted since, or are new here, and are there again",
        ),
        (
            &accounts.gone,
            "were made since, and are gone with their sessions",
        ),
        (&accounts.disabled, "were disabled since, and stay so"),
        (
            &accounts.passwords,
            "have their password of then again; their sessions ended",
        ),
        (
            &accounts.rights,
            "have their roles and permissions of then again",
        ),
        (
            &accounts.links_back,
            "have links to subjects of outside issuers again that had been removed",
        ),
        (
            &accounts.clients_back,
            "of the clients had been deleted since, or are new here, and are there again with their secrets",
        ),
        (
            &accounts.clients_gone,
            "of the clients were made since, and are gone with their sessions",
        ),
    ];
    let some = named.into_iter().filter(|(which, _)| which.count > 0);
    some.map(|(which, what)| format!("  {} {what}: {}", which.count, names(which)))
        .collect()
}

fn names(which: &Some20) -> String {
    let more = which.count.saturating_sub(which.names.len() as u64);
    let named = printable(&which.names.join(", ")).replace('\n', "\\n");
    if more == 0 {
        named
    } else {
        format!("{named}, and {more} more")
    }
}

fn of_receipts(GoneOn { seq, new_file }: GoneOn) -> String {
    match (seq, new_file) {
        (..=2, true) => "receipts: a new log begins".to_owned(),
        (_, true) => format!(
            "receipts: a new file goes on with line {}; the lines before it are in what was exported, or with the \
             deployment that was lost",
            seq - 1
        ),
        (_, false) => {
            format!("receipts: line {seq} of the file that is here says that this was restored")
        }
    }
}

fn of_sessions(restored: &Restored) -> Vec<String> {
    let RestoredSessions {
        in_backup,
        live,
        kept,
        ended,
        named,
    } = &restored.sessions;
    let mut lines = vec![format!(
        "sessions in the backup: {in_backup}; live here: {}; not brought back: {ended}",
        live + kept
    )];
    if let Some(all) = restored.ended_all {
        lines.push(format!(
            "  all {all} sessions here ended: the accounts of before are lost, and with them who was disabled"
        ));
    } else if *ended > 0 && restored.living {
        lines.push("  they have ended since, as the keystore here knows:".to_owned());
    } else if *ended > 0 {
        lines.push(
            "  nobody can tell which of them ended or were refreshed after the backup: they have all ended, and \
             users log in again:"
                .to_owned(),
        );
    }
    lines.extend(
        named
            .iter()
            .take(NAMED)
            .map(|handle| format!("  {}", handle.as_str())),
    );
    if named.len() > NAMED {
        lines.push(format!(
            "  and {} more; --json names them",
            *ended - NAMED as u64
        ));
    }
    lines
}

fn as_json(restored: &Restored, data_dir: &str) -> Value {
    let sessions = &restored.sessions;
    let named: Vec<_> = sessions.named.iter().map(lacre::Handle::as_str).collect();
    let some = |which: &Some20| json!({ "count": which.count, "emails": which.names });
    let clients = |which: &Some20| json!({ "count": which.count, "names": which.names });
    json!({
        "made_at": out::time(restored.about.made_at),
        "data_dir": data_dir,
        "aside": restored.aside,
        "accounts": restored.accounts.as_ref().map(|accounts| json!({
            "count": accounts.accounts,
            "compared": is_compared(restored),
            "back": some(&accounts.back),
            "gone": some(&accounts.gone),
            "still_disabled": some(&accounts.disabled),
            "passwords_of_then": some(&accounts.passwords),
            "rights_of_then": some(&accounts.rights),
            "links_back": some(&accounts.links_back),
            "clients_back": clients(&accounts.clients_back),
            "clients_gone": clients(&accounts.clients_gone),
        })),
        "receipts": restored.receipts.map(|gone_on| json!({
            "line": gone_on.seq,
            "new_file": gone_on.new_file,
        })),
        "sessions": {
            "in_backup": sessions.in_backup,
            "live": sessions.live + sessions.kept,
            "ended": sessions.ended,
            "ended_handles": named,
            "all_ended": restored.ended_all.is_some(),
        },
    })
}
