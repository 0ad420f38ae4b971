//! What the machine has, against what the settings may take of it.

use super::Finding;
use crate::config::Config;
use crate::deployment::Examined;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Below this much free space a start is warned of.
const LITTLE_SPACE: u64 = 1 << 30;
/// Below this much the next flush may fail.
const NO_SPACE: u64 = 64 << 20;
/// Files that a process has open besides its connections.
const OTHER_FILES: u64 = 128;
/// How far a file may lie ahead of the clock: two clocks of one network file system differ.
const AHEAD: Duration = Duration::from_mins(1);
/// A backup that is older than this was forgotten.
const BACKUP_OLD: Duration = Duration::from_hours(7 * 24);
/// Certificates of ninety days are renewed a month before, and then there is time for doing it by hand.
const EXPIRES_SOON: Duration = Duration::from_hours(14 * 24);

/// The machine at one moment; `None` for what it doesn't tell.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// Bytes that are free where the data directory is.
    pub free_space: Option<u64>,
    /// Whether it can only be read.
    pub read_only: bool,
    /// Bytes of memory that this process may use: the machine's, or less by its control group.
    pub memory: Option<u64>,
    /// How many files a process started like this one may open.
    pub max_files: Option<u64>,
    /// The machine's clock.
    pub now: Option<SystemTime>,
}

impl Machine {
    /// Asks the system. `now` is what its clock says.
    #[must_use]
    pub fn ask(config: &Config, now: SystemTime) -> Self {
        let disk = rustix::fs::statvfs(existing(&config.data_dir)).ok();
        let read_only = rustix::fs::StatVfsMountFlags::RDONLY;
        let system = rustix::system::sysinfo();
        let whole = u64::from(system.mem_unit).saturating_mul(system.totalram as u64);
        let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
        let group = group.and_then(|text| text.trim().parse().ok());
        Self {
            free_space: disk
                .as_ref()
                .map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
            read_only: disk
                .as_ref()
                .is_some_and(|disk| disk.f_flag.contains(read_only)),
            memory: Some(group.map_or(whole, |group: u64| group.min(whole))),
            max_files: rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum,
            now: Some(now),
        }
    }

    pub(super) fn look(&self, config: &Config, examined: &Examined) -> Vec<Finding> {
        let mut findings = Vec::new();
        findings.extend(self.disk(config));
        findings.extend(self.memory(config));
        findings.extend(self.files(config));
        findings.extend(self.clock(examined));
        findings.extend(self.backup(examined));
        findings.extend(leftovers(examined));
        findings.extend(self.certificate(examined));
        findings
    }

    fn backup(&self, examined: &Examined) -> Option<Finding> {
        if !examined.is_there {
            return None;
        }
        let Some(taken) = examined.last_backup else {
            return Some(Finding::advice(
                "backup_none",
                "no backup was taken here by `lacre backup`: take one each night, and keep the master key apart",
            ));
        };
        let age = self.now?.duration_since(taken).unwrap_or_default();
        let hours = age.as_secs() / 3600;
        Some(if age > BACKUP_OLD {
            Finding::advice(
                "backup_old",
                format!("the last backup was taken {} days ago", hours / 24),
            )
        } else {
            Finding::good(
                "backup",
                format!("the last backup was taken {hours} hours ago"),
            )
        })
    }

    fn disk(&self, config: &Config) -> Option<Finding> {
        let path = config.data_dir.display();
        if self.read_only {
            return Some(Finding::wrong(
                "disk_read_only",
                format!(
                    "{path} is on a file system that is mounted read-only: mount it for writing"
                ),
            ));
        }
        let free = self.free_space?;
        let text = format!("{} free where {path} is", mib(free));
        Some(if free < NO_SPACE {
            Finding::wrong(
                "disk_full",
                format!("{text}: free some; the next change may fail"),
            )
        } else if free < LITTLE_SPACE {
            Finding::advice(
                "disk_nearly_full",
                format!("{text}: free some, or watch it"),
            )
        } else {
            Finding::good("disk", text)
        })
    }

    fn memory(&self, config: &Config) -> Option<Finding> {
        let memory = self.memory?;
        let hashing = u64::from(config.hashing.memory_kib) * 1024 * config.hashing.threads as u64;
        let taken = hashing + config.token.content_key_memory;
        let text = format!(
            "{} for hashing (hashing.threads times hashing.memory_kib) and {} for content keys \
             (token.content_key_memory), of {}",
            mib(hashing),
            mib(config.token.content_key_memory),
            mib(memory),
        );
        Some(if taken > memory / 4 * 3 {
            Finding::advice(
                "memory_short",
                format!("{text}: lower one of them, or add memory"),
            )
        } else {
            Finding::good("memory", text)
        })
    }

    fn files(&self, config: &Config) -> Option<Finding> {
        let max = self.max_files?;
        let needed = u64::from(config.server.max_connections) + OTHER_FILES;
        Some(if max < needed {
            Finding::advice(
                "open_files_few",
                format!(
                    "a process started here may open {max} files, and server.max_connections asks for {needed}: \
                     raise the limit (LimitNOFILE in a unit, ulimit -n in a shell)"
                ),
            )
        } else {
            Finding::good(
                "open_files",
                format!("{max} files may be open, {needed} are needed"),
            )
        })
    }

    fn clock(&self, examined: &Examined) -> Option<Finding> {
        let (now, written) = (self.now?, examined.last_written?);
        Some(match written.duration_since(now) {
            Ok(ahead) if ahead > AHEAD => Finding::wrong(
                "clock_behind",
                format!(
                    "a file of the data directory was written {} s later than the clock says it is: set the clock, \
                     or tokens that have expired are taken again",
                    ahead.as_secs()
                ),
            ),
            _ => Finding::good("clock", "the clock is later than all that was written"),
        })
    }

    fn certificate(&self, examined: &Examined) -> Option<Finding> {
        let expires_at = match examined.certificate.as_ref()? {
            Ok(expires_at) => (*expires_at)?,
            Err(error) => return Some(Finding::wrong(error.code(), error.to_string())),
        };
        let now = self.now?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let left = expires_at.saturating_sub(now.as_secs());
        Some(if left == 0 {
            Finding::wrong(
                "tls_certificate_expired",
                "the certificate in tls.cert_file has expired: put a new one there and send SIGHUP",
            )
        } else if left < EXPIRES_SOON.as_secs() {
            Finding::advice(
                "tls_certificate_expires",
                format!(
                    "the certificate in tls.cert_file expires in {} days: put a new one there and send SIGHUP",
                    left / 86_400
                ),
            )
        } else {
            Finding::good(
                "tls_certificate",
                format!(
                    "the certificate and its key fit, and expire in {} days",
                    left / 86_400
                ),
            )
        })
    }
}

/// Half of a file of keys is as much of a secret as the file.
fn leftovers(examined: &Examined) -> Option<Finding> {
    let left = examined.leftovers.iter();
    let left: Vec<_> = left.map(|path| path.display().to_string()).collect();
    (!left.is_empty()).then(|| {
        Finding::advice(
            "key_file_left",
            format!(
                "{}: a process that was killed while it wrote master keys has left this behind; where no `lacre keys \
                 rotate` is under way, remove it",
                left.join(", ")
            ),
        )
    })
}

/// The directory itself, or the nearest one above it that is there.
fn existing(path: &Path) -> &Path {
    let mut ancestors = path.ancestors().filter(|path| !path.as_os_str().is_empty());
    ancestors
        .find(|path| path.exists())
        .unwrap_or(Path::new("."))
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}
