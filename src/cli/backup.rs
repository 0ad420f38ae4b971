//! `lacre backup` and `lacre keystore export`: an encrypted file of a deployment.
//!
//! The file is written under another name beside its place, brought to the disk, and only then put in place.
//!
//! This room must never leave half of a file under the name that was asked for.

use super::failure::{self, Failure};
use super::out;
use super::place::Place;
use super::progress::Progress;
use super::way::{Absent, Way, unexpected};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use clap::Args;
use lacre::internals::archive::{FileKey, Holds, under_passphrase};
use lacre::internals::deployment::data_dir::{note_backup, read_secret};
use lacre::internals::entropy;
use lacre::internals::ops::{Answer, BackupRequest, Request, Secret, Step};
use serde_json::json;
use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

/// Where the file goes, and what it is encrypted under.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The file to write
    file: PathBuf,
    /// Encrypt under the passphrase in this file, instead of the master key
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Backup {
    pub(super) fn run(self, place: &Place, holds: Holds) -> Result<(), Failure> {
        if let Ok(there) = self.file.symlink_metadata() {
            // A rename would put the backup in the place of a device, a pipe or a link.
            let why = match (self.force, there.is_file()) {
                (true, true) => None,
                (true, false) => Some("no regular file: nothing was changed"),
                (false, _) => Some("there already: nothing was changed; --force writes over it"),
            };
            if let Some(why) = why {
                let text = format!("{} is {why}", self.file.display());
                return Err(Failure::failed("backup_exists", text));
            }
        }
        let passphrase = self.passphrase_file.as_deref();
        let passphrase = passphrase.map(read_passphrase).transpose()?;
        let mut file = begin(&self.file)?;
        let (accounts, sessions, data_dir) = Way::with(place, Absent::Fail, |way| {
            let file_key = match &passphrase {
                Some(passphrase) => Some(write_header(&mut file, passphrase)?),
                None => None,
            };
            let request = Request::Backup(BackupRequest {
                holds,
                file_key,
                at_rest: way.is_alone(),
            });
            let mut progress = Progress::new();
            let answer = way.ask_in_steps(request, |step| match step {
                Step::Page(Answer::BackupPart {
                    content,
                    done,
                    total,
                }) => {
                    progress.bar("sessions", done, total);
                    write(&mut file, &content, &self.file)
                }
                Step::Progress { .. } => Ok(()),
                Step::Page(_) => Err(unexpected()),
            });
            progress.clear();
            let Answer::BackedUp {
                rest,
                accounts,
                sessions,
            } = answer?
            else {
                return Err(unexpected());
            };
            write(&mut file, &rest, &self.file)?;
            Ok((accounts, sessions, way.data_dir().display().to_string()))
        })?;
        put(file, &self.file, self.force)?;
        if holds == Holds::Everything
            && let Err(error) = note_backup(Path::new(&data_dir))
        {
            // The backup is there all the same.
            let _ = writeln!(
                std::io::stderr(),
                "lacre: `lacre doctor` won't know of it: {error} ({})",
                error.code()
            );
        }
        let mut stdout = std::io::stdout().lock();
        if self.json {
            let said = json!({
                "file": self.file, "accounts": accounts, "sessions": sessions, "data_dir": data_dir,
            });
            writeln!(stdout, "{}", out::json(&said)?)?;
            return Ok(());
        }
        let accounts = match holds {
            Holds::Everything => format!("{} and ", out::count(accounts, "account", "accounts")),
            Holds::Sessions => String::new(),
        };
        writeln!(
            stdout,
            "{accounts}{} of {data_dir} are in {}",
            out::count(sessions, "session", "sessions"),
            self.file.display()
        )?;
        let under = if passphrase.is_some() {
            "keep the passphrase: without it nothing of the backup can be had"
        } else {
            "it opens with the master key alone: keep a copy of its file, apart from the backup"
        };
        let _ = writeln!(std::io::stderr(), "lacre: {under}");
        Ok(())
    }
}

/// The first line of a file that nobody else may read.
pub(super) fn read_passphrase(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let unusable = |why: &dyn std::fmt::Display| {
        Failure::usage(
            "passphrase_unusable",
            format_args!("{}: {why}", path.display()),
        )
    };
    let text = read_secret(path)
        .map_err(|error| Failure::new(failure::CONFIG, error.code(), error))?
        .ok_or_else(|| unusable(&"there is no such file"))?;
    let text = std::str::from_utf8(&text).map_err(|_| unusable(&"it is no text"))?;
    let line = text.lines().next().unwrap_or_default();
    // Whoever has the file tries without end: a short one would be found.
    if line.chars().count() < 12 {
        return Err(unusable(
            &"the passphrase is its first line, 12 characters or more",
        ));
    }
    Ok(Zeroizing::new(line.to_owned()))
}

fn begin(path: &Path) -> Result<NamedTempFile, Failure> {
    tempfile::Builder::new()
        .prefix(".lacre-backup-")
        .permissions(Permissions::from_mode(0o600))
        .tempfile_in(folder_of(path))
        .map_err(|error| unwritable(path, &error))
}

/// Seals a new key of the file under the passphrase, and gives it for whoever seals the content.
fn write_header(file: &mut NamedTempFile, passphrase: &str) -> Result<Secret, Failure> {
    let mut random = (entropy::system())();
    let key = FileKey::generate(&mut *random);
    let header = under_passphrase(passphrase, &key, &mut *random)
        .map_err(|error| Failure::failed(error.code(), error))?;
    file.write_all(&header)?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(key.expose())))
}

fn write(file: &mut NamedTempFile, content: &str, path: &Path) -> Result<(), Failure> {
    let bytes = STANDARD.decode(content).map_err(|_| unexpected())?;
    file.write_all(&bytes)
        .map_err(|error| unwritable(path, &error))
}

fn put(file: NamedTempFile, path: &Path, force: bool) -> Result<(), Failure> {
    let failed = |error: &std::io::Error| unwritable(path, error);
    file.as_file().sync_all().map_err(|error| failed(&error))?;
    let put = if force {
        file.persist(path)
    } else {
        file.persist_noclobber(path)
    };
    put.map_err(|error| failed(&error.error))?;
    let folder = File::open(folder_of(path)).and_then(|folder| folder.sync_all());
    folder.map_err(|error| failed(&error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    let text = format!("{}: no backup was written: {error}", path.display());
    Failure::failed("backup_unwritable", text)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}
