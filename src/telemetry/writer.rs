//! The one thread that writes lines: what is blocked there blocks nobody else.
//!
//! It writes what waits in one go, as far as a pipe takes it whole, and before it begins with what has come
//! meanwhile. Where the system takes a part, it goes on with the
//! rest; where it refuses, it tries the rest again until it is taken, so that no line is lost and none is
//! written twice.
//!
//! This room must never give a line up.

use super::queue::{Queue, Trouble};
use super::stream::AuditFile;
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

/// How long after a failure the rest of a line is tried again.
const RETRY: Duration = Duration::from_millis(200);
/// The same where the other side of standard error isn't ready.
const NOT_READY: Duration = Duration::from_millis(10);

/// Where lines are written to.
pub(super) trait Outlet: Write {
    /// Follows a file that was moved away. Whether what comes now goes to another one than before.
    fn renew(&mut self) -> io::Result<bool> {
        Ok(false)
    }
}

/// A second handle to a standard stream, which doesn't move.
impl Outlet for File {}

impl Outlet for AuditFile {
    fn renew(&mut self) -> io::Result<bool> {
        Self::renew(self)
    }
}

/// Starts the thread, and calls `told` when there is room to say that lines were dropped.
pub(super) fn start(
    queue: Arc<Queue>,
    mut out: impl Outlet + Send + 'static,
    name: &str,
    told: fn(u64, u64),
) -> io::Result<()> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(move || {
        loop {
            let (ordinary, refusals) = write_next(&queue, &mut out, RETRY);
            if ordinary + refusals > 0 {
                told(ordinary, refusals);
            }
        }
    })?;
    Ok(())
}

/// A second handle to a standard stream: the first is locked by whoever prints.
pub(super) fn second_handle(stream: impl AsFd) -> io::Result<File> {
    Ok(File::from(stream.as_fd().try_clone_to_owned()?))
}

/// Writes what waits to its end; how many lines were dropped before.
fn write_next(queue: &Queue, out: &mut impl Outlet, retry: Duration) -> (u64, u64) {
    let batch = queue.next();
    let text = batch.text();
    let mut at = 0;
    while at < text.len() {
        let taken = out.renew().and_then(|renewed| {
            if renewed {
                at = batch.begins(at);
            }
            out.write(&text[at..])
        });
        match taken {
            Ok(taken) if taken > 0 => {
                at = text.len().min(at + taken);
                queue.went_on();
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Somebody has made it non-blocking; that somebody reads slowly is no failure.
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(NOT_READY),
            taken => {
                queue.failed(
                    taken
                        .err()
                        .map_or(Trouble::Failing, |error| trouble(&error)),
                );
                std::thread::sleep(retry);
            }
        }
    }
    queue.done(&batch)
}

/// What a failed write says of the other side. It may come back all the same, as the reader of a named pipe.
fn trouble(error: &io::Error) -> Trouble {
    let closed = [Errno::PIPE, Errno::BADF, Errno::CONNRESET].map(Errno::raw_os_error);
    match error.raw_os_error() {
        Some(errno) if closed.contains(&errno) => Trouble::Closed,
        _ => Trouble::Failing,
    }
}

#[cfg(test)]
mod tests {
    use super::super::queue::Kind;
    use super::*;

    /// Takes a few bytes at a time, and refuses in between, each time in another way.
    struct Fitful {
        taken: Vec<u8>,
        calls: usize,
    }

    impl Outlet for Fitful {}

    impl Write for Fitful {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.calls += 1;
            match self.calls % 5 {
                0 => Err(ErrorKind::StorageFull.into()),
                1 => Err(ErrorKind::Interrupted.into()),
                2 => Err(ErrorKind::WouldBlock.into()),
                3 => Ok(0),
                _ => {
                    let part = bytes.len().min(3);
                    self.taken.extend_from_slice(&bytes[..part]);
                    Ok(part)
                }
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_goes_on_where_it_stopped() {
        let queue = Queue::new(1 << 20);
        let mut out = Fitful {
            taken: Vec::new(),
            calls: 0,
        };
        let mut due = String::new();
        for number in 0..20 {
            let line = format!("line {number}\n");
            queue.push(Kind::Event, line.as_bytes());
            due.push_str(&line);
        }
        while queue.counts().audit_waiting > 0 {
            write_next(&queue, &mut out, Duration::ZERO);
        }
        assert_eq!(String::from_utf8(out.taken).unwrap(), due);
        assert_eq!(queue.trouble(), None);
    }

    #[test]
    fn a_line_that_was_begun_begins_anew_in_another_file() {
        /// Takes eight bytes, refuses, and is another file then.
        #[derive(Default)]
        struct Moved(Vec<Vec<u8>>);

        impl Write for Moved {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let is_first = self.0.len() == 1;
                let file = self.0.last_mut().unwrap();
                if is_first && !file.is_empty() {
                    return Err(ErrorKind::StorageFull.into());
                }
                let part = if is_first { 8 } else { bytes.len() };
                file.extend_from_slice(&bytes[..part]);
                Ok(part)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        impl Outlet for Moved {
            fn renew(&mut self) -> io::Result<bool> {
                let moves = self.0.len() == 1 && !self.0[0].is_empty();
                if moves {
                    self.0.push(Vec::new());
                }
                Ok(moves)
            }
        }

        let queue = Queue::new(1 << 20);
        for line in [b"one.\n", b"two.\n", b"six.\n"] {
            queue.push(Kind::Event, line);
        }
        let mut out = Moved(vec![Vec::new()]);
        write_next(&queue, &mut out, Duration::ZERO);
        assert_eq!(out.0, [b"one.\ntwo".to_vec(), b"two.\nsix.\n".to_vec()]);
    }

    #[test]
    fn a_full_device_is_trouble_and_loses_nothing() {
        let queue = Arc::new(Queue::new(1 << 20));
        queue.push(Kind::Event, b"line\n");
        let full = Arc::clone(&queue);
        // It ends with the process of the test.
        std::thread::spawn(move || {
            let mut out = File::options().write(true).open("/dev/full").unwrap();
            write_next(&full, &mut out, Duration::from_millis(1));
        });
        while queue.trouble() != Some(Trouble::Failing) {
            std::thread::yield_now();
        }
        assert_eq!(queue.finish(Duration::from_millis(20)).audit_waiting, 1);
    }

    #[test]
    fn a_reader_who_is_gone_is_told_from_a_full_disk() {
        let (reader, mut writer) = io::pipe().unwrap();
        drop(reader);
        let gone = writer.write(b"line").unwrap_err();
        assert_eq!(trouble(&gone), Trouble::Closed);
        let mut read_only = File::open("/dev/null").unwrap();
        assert_eq!(
            trouble(&read_only.write(b"line").unwrap_err()),
            Trouble::Closed
        );
        assert_eq!(trouble(&ErrorKind::StorageFull.into()), Trouble::Failing);
    }
}
