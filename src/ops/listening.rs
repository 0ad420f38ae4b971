//! Waiting for the server: a silence is told of, and it has an end.
//!
//! This room must never wait longer than [`timeouts::SILENCE`] for a word.

use super::timeouts;
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// Why a command waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The server doesn't say a word, and is waited for so much longer.
    Silent(Duration),
    /// The server says that it works on what was asked. Said once for each request.
    Working,
}

/// Hears of a wait that a person would wonder about, once for each silence.
pub type Told = fn(Wait);

/// How long a silence has lasted, and whether it was told of.
struct Silence {
    began: Instant,
    said: bool,
    told: Told,
}

impl Silence {
    fn begin(told: Told) -> Self {
        Self {
            began: Instant::now(),
            said: false,
            told,
        }
    }

    /// How long the next wait may last. Never none at all: what has come is taken, also by a command
    /// that was stopped itself meanwhile.
    fn wait(&self) -> Duration {
        let until = if self.said {
            timeouts::SILENCE
        } else {
            timeouts::NOTICE
        };
        let left = until.saturating_sub(self.began.elapsed());
        left.max(Duration::from_millis(1))
    }

    /// After a wait in which nothing came: tells of it, or says that it was the last one.
    fn goes_on(&mut self) -> io::Result<()> {
        let left = timeouts::SILENCE.saturating_sub(self.began.elapsed());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        if !self.said && self.began.elapsed() >= timeouts::NOTICE {
            self.said = true;
            (self.told)(Wait::Silent(left));
        }
        Ok(())
    }
}

/// Connects. A server that is stopped has a queue, which is full at some time; then the system would
/// wait for ever.
pub(super) fn connect(path: &Path, told: Told) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(path)?;
    let mut silence = Silence::begin(told);
    loop {
        let socket = rustix::net::socket_with(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )?;
        set_socket_timeout(&socket, Timeout::Send, Some(silence.wait()))?;
        match rustix::net::connect(&socket, &address) {
            Ok(()) => return Ok(socket.into()),
            Err(Errno::AGAIN) => silence.goes_on()?,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// What the server says, up to a silence that lasts too long ([`ErrorKind::TimedOut`]).
pub(super) struct Listening<'a> {
    stream: &'a UnixStream,
    silence: Silence,
}

impl<'a> Listening<'a> {
    pub(super) fn to(stream: &'a UnixStream, told: Told) -> Self {
        Self {
            stream,
            silence: Silence::begin(told),
        }
    }
}

impl io::Read for Listening<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            self.stream.set_read_timeout(Some(self.silence.wait()))?;
            match self.stream.read(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.silence.goes_on()?,
                read => {
                    self.silence = Silence::begin(self.silence.told);
                    return read;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::listen;
    use std::io::Read as _;
    use std::os::unix::net::UnixListener;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn a_silence_is_told_of_once_and_ends() {
        static TOLD: Mutex<Vec<Wait>> = Mutex::new(Vec::new());
        let (ours, _silent) = UnixStream::pair().unwrap();
        let began = Instant::now();
        let mut answer = Listening::to(&ours, |wait| TOLD.lock().unwrap().push(wait));
        let error = answer.read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(began.elapsed() >= timeouts::SILENCE);
        let told = TOLD.lock().unwrap();
        let [Wait::Silent(left)] = told[..] else {
            panic!("{told:?}");
        };
        assert!(left + timeouts::NOTICE <= timeouts::SILENCE, "{left:?}");
    }

    #[test]
    fn what_comes_slowly_comes_whole() {
        static TOLD: AtomicU32 = AtomicU32::new(0);
        let (ours, theirs) = UnixStream::pair().unwrap();
        let slowly = std::thread::spawn(move || {
            use std::io::Write as _;
            for byte in *b"abc" {
                std::thread::sleep(Duration::from_millis(300));
                (&theirs).write_all(&[byte]).unwrap();
            }
        });
        let mut answer = Listening::to(&ours, |_| {
            TOLD.fetch_add(1, Ordering::Relaxed);
        });
        let mut text = String::new();
        answer.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), TOLD.load(Ordering::Relaxed)), ("abc", 0));
        slowly.join().unwrap();
    }

    #[test]
    fn a_full_queue_is_not_waited_for_without_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        listen(&listener, 0).unwrap();
        let mut connected = Vec::new();
        let error = loop {
            match connect(&path, |_| {}) {
                Ok(stream) => connected.push(stream),
                Err(error) => break error,
            }
            assert!(connected.len() < 1000, "the queue has no end");
        };
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        drop(listener);
        let error = connect(&path, |_| {}).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }
}
