//! What the operating system says of this process, under the names that every exporter uses.
//!
//! This room must never fail a scrape: what can't be read is left out.

use std::path::Path;
use std::time::Duration;

/// The process at one moment; `None` for what this system doesn't tell.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Process {
    /// Processor time, user and system, of all threads.
    pub cpu: Option<Duration>,
    /// Bytes of memory that are in use.
    pub resident_bytes: Option<u64>,
    /// Files and connections that are open.
    pub open_fds: Option<u64>,
    /// How many may be open.
    pub max_fds: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
}

impl Process {
    /// Reads the process that asks.
    #[must_use]
    pub fn read() -> Self {
        Self::read_from(Path::new("/proc/self"))
    }

    fn read_from(root: &Path) -> Self {
        let page = rustix::param::page_size() as u64;
        #[allow(clippy::disallowed_methods)] // processor time is no time of day
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Self {
            cpu: Duration::try_from(time).ok(),
            resident_bytes: second_number(&root.join("statm")).map(|pages| pages * page),
            open_fds: entries(&root.join("fd")),
            max_fds: rustix::process::getrlimit(rustix::process::Resource::Nofile).current,
            threads: entries(&root.join("task")),
        }
    }
}

/// The second number of a file such as `statm`, where it is the resident pages.
fn second_number(path: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    text.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn entries(directory: &Path) -> Option<u64> {
    Some(std::fs::read_dir(directory).ok()?.count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_told_as_it_is() {
        let process = Process::read();
        assert!(process.cpu.unwrap() > Duration::ZERO);
        assert!(process.resident_bytes.unwrap() > 1 << 20, "{process:?}");
        assert!(process.threads.unwrap() >= 1);
        let before = process.open_fds.unwrap();
        let held: Vec<_> = (0..20)
            .map(|_| std::fs::File::open("/dev/null").unwrap())
            .collect();
        let after = Process::read().open_fds.unwrap();
        // Other tests of this process open and close files meanwhile.
        assert!(after > before.saturating_sub(10), "{before} {after}");
        assert!(process.max_fds.unwrap() >= after);
        drop(held);
    }

    #[test]
    fn what_is_not_there_is_left_out() {
        let none = Process::read_from(Path::new("/nonexistent"));
        assert_eq!(
            (none.resident_bytes, none.open_fds, none.threads),
            (None, None, None)
        );
        assert!(none.cpu.is_some());
    }
}
