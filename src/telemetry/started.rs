//! The logger of the program, and its queue where it has one.
//!
//! This room must never write to standard error from a thread that serves requests.

use super::queue::{Counts, Kind, Queue, Trouble};
use super::stream::{self, AuditFile, AuditStream};
use super::{audit, broken, format, panic, standard_error, writer};
use log::kv::Key;
use log::{LevelFilter, Log, Metadata, Record, SetLoggerError};
use std::cell::Cell;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use std::time::Instant;

/// How long an answer waits for its lines. A reader that stalls delays a few answers by this, and then none.
const WRITTEN_WITHIN: Duration = Duration::from_millis(100);

/// The queues of the process, once there are any.
static QUEUES: OnceLock<Queues> = OnceLock::new();

/// Each outlet has one, so that neither waits for the other's reader.
struct Queues {
    log: Arc<Queue>,
    /// Where audit events have a stream of their own.
    audit: Option<Arc<Queue>>,
}

/// Whether [`init`] was called.
static STARTED: OnceLock<()> = OnceLock::new();

/// Audit events that a command could not write.
static LOST: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// What this thread's logger is writing.
    static WRITING: Cell<Kind> = const { Cell::new(Kind::Ordinary) };

    /// Whether more lines of this thread follow at once.
    static TOGETHER: Cell<bool> = const { Cell::new(false) };
}

/// Starts logging to standard error, and reports panics there.
///
/// `filter` is what [`crate::config::log_filter`] found, in the syntax of `env_logger`; without it
/// everything from `info` up is logged. Audit events are logged under any filter that doesn't name
/// [`audit::TARGET`] itself. Fails where a logger runs already.
pub fn init(filter: Option<&str>) -> Result<(), SetLoggerError> {
    let target = env_logger::Target::Pipe(Box::new(Outlet));
    let logger = Logger(builder(filter).target(target).build());
    let most = logger.0.filter();
    log::set_boxed_logger(Box::new(logger))?;
    log::set_max_level(most);
    panic::install();
    let _ = STARTED.set(());
    Ok(())
}

/// From now on a line waits in a queue, with room for so many bytes of audit events, until a thread of its
/// own has written it. Fails where that thread can't be started, or the stream of the audit not be opened.
pub fn never_wait(max_audit: usize) -> io::Result<()> {
    let queue = || Arc::new(Queue::new(max_audit));
    let (log, audit) = (queue(), queue());
    let (error, output) = (io::stderr(), io::stdout());
    writer::start(
        Arc::clone(&log),
        writer::second_handle(error)?,
        "lacre-log",
        tell,
    )?;
    let own = Arc::clone(&audit);
    let name = "lacre-audit";
    let has_own = match stream::chosen() {
        AuditStream::StandardError => false,
        AuditStream::StandardOutput => {
            writer::start(own, writer::second_handle(output)?, name, tell)?;
            true
        }
        AuditStream::File(path) => {
            writer::start(own, AuditFile::open(path)?, name, tell)?;
            true
        }
    };
    // A second time they would never get a line, and their threads would wait for ever.
    let audit = has_own.then_some(audit);
    let _ = QUEUES.set(Queues { log, audit });
    Ok(())
}

impl Queues {
    fn of(&self, kind: Kind) -> &Queue {
        match kind {
            Kind::Ordinary => &self.log,
            Kind::Event | Kind::Refusal => self.audit.as_ref().unwrap_or(&self.log),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Queue> {
        std::iter::once(&*self.log).chain(self.audit.as_deref())
    }
}

/// Says that lines were dropped, when there is room for saying so.
fn tell(ordinary: u64, refusals: u64) {
    if ordinary > 0 {
        log::warn!(target: "lacre::log", code = "lines_dropped", dropped = ordinary; "");
    }
    if refusals > 0 {
        audit::Event::RefusalsDropped { count: refusals }.record(&audit::Origin::default());
    }
}

/// Whether the events of another change can be kept. Where they can't, the change must not be made.
#[must_use]
pub fn has_room() -> bool {
    match QUEUES.get() {
        Some(queues) => queues.of(Kind::Event).has_room(),
        // A command writes at once. In an application of somebody else the log isn't ours.
        None => STARTED.get().is_none() || stream::audit_is_kept().is_ok(),
    }
}

/// What is wrong with writing the log. That nobody can read it is known before the first line fails.
#[must_use]
pub fn trouble() -> Option<Trouble> {
    let queues = QUEUES.get()?;
    let left = || standard_error::reader_is_gone().then_some(Trouble::Closed);
    queues.log.trouble().or_else(left)
}

/// The same of the audit, where it is a stream of its own.
#[must_use]
pub fn audit_trouble() -> Option<Trouble> {
    let own = QUEUES.get()?.audit.as_ref()?;
    let left = || stream::reader_is_gone().then_some(Trouble::Closed);
    own.trouble().or_else(left)
}

/// How many lines wait, and how many were dropped.
#[must_use]
pub fn counts() -> Counts {
    let all = QUEUES.get().into_iter().flat_map(Queues::all);
    all.map(Queue::counts).fold(Counts::default(), Counts::and)
}

/// Does what logs several lines, and has them written when all are there: whoever writes them is woken once.
pub fn together(work: impl FnOnce()) {
    struct Ends;
    impl Drop for Ends {
        fn drop(&mut self) {
            TOGETHER.set(false);
            let queues = QUEUES.get().into_iter().flat_map(Queues::all);
            queues.for_each(Queue::wake);
        }
    }
    TOGETHER.set(true);
    let _ends = Ends;
    work();
}

/// Waits until the lines up to now are written, for a tenth of a second at most, and not at all where the
/// log doesn't get on. So a line is out before the answer to what it tells of, as long as somebody reads.
pub async fn written() {
    for queue in QUEUES.get().into_iter().flat_map(Queues::all) {
        queue.written(WRITTEN_WITHIN).await;
    }
}

/// Waits until all lines are written, for so long at most, and says what is left.
pub fn finish(limit: Duration) -> Counts {
    let Some(queues) = QUEUES.get() else {
        return Counts {
            audit_waiting: LOST.load(Ordering::Relaxed),
            ..Counts::default()
        };
    };
    let began = Instant::now();
    let left = |queue: &Queue| queue.finish(limit.saturating_sub(began.elapsed()));
    queues.all().map(left).fold(Counts::default(), Counts::and)
}

/// Where `env_logger` writes to: a queue, or at once where there is none.
struct Outlet;

impl Write for Outlet {
    /// Takes one line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match QUEUES.get() {
            Some(queues) => {
                let kind = WRITING.get();
                let queue = queues.of(kind);
                if TOGETHER.get() {
                    queue.put(kind, line);
                } else {
                    queue.push(kind, line);
                }
            }
            None => write_now(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a line of a command. An event that can't be written is counted, for the end of the command.
fn write_now(line: &[u8]) -> io::Result<()> {
    let is_event = WRITING.get() != Kind::Ordinary;
    let own = is_event.then(|| stream::write_now(line)).flatten();
    let written = own.unwrap_or_else(|| io::stderr().write_all(line));
    if written.is_err() && is_event {
        LOST.fetch_add(1, Ordering::Relaxed);
    }
    written
}

fn kind(record: &Record<'_>) -> Kind {
    if record.target() != audit::TARGET {
        return Kind::Ordinary;
    }
    let event = record.key_values().get(Key::from("event"));
    let refusal = event.is_some_and(|name| name.to_borrowed_str().is_some_and(audit::is_refusal));
    if refusal { Kind::Refusal } else { Kind::Event }
}

/// The logger of `env_logger`, and before it what is heard and not written.
struct Logger(env_logger::Logger);

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        broken::may_be(metadata) || self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !broken::heard(record) {
            WRITING.set(kind(record));
            self.0.log(record);
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

pub(super) fn builder(filter: Option<&str>) -> env_logger::Builder {
    let mut builder = env_logger::Builder::new();
    builder
        .filter_level(LevelFilter::Info)
        // It tells each start and stop of a worker; what concerns an operator is a warning.
        .filter_module("actix_server", LevelFilter::Warn)
        // That tables are there already is said at each start.
        .filter_module("sqlx::postgres::notice", LevelFilter::Warn)
        // Before the filter: `LACRE_LOG=error` is about noise, and must not blind the audit.
        .filter_module(audit::TARGET, LevelFilter::Info)
        .parse_filters(filter.unwrap_or_default())
        .format(format::write);
    builder
}
