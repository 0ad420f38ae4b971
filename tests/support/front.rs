//! A web origin: one page, and the service behind it, as a reverse proxy puts the two together.

use super::wait::until;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// What stands at `/page`. What the service answers itself forbids a page's scripts everything.
const PAGE: &str = "<!doctype html><title>a page</title><body></body>";

/// Serves on a free port until the process ends, and says which.
pub(crate) fn before(service: SocketAddr) -> u16 {
    Front::with_script(service, "").port
}

/// An origin that has a script at `/script.js` besides, and can be watched.
pub(crate) struct Front {
    pub(crate) port: u16,
    inside: Arc<Inside>,
}

struct Inside {
    service: SocketAddr,
    script: String,
    /// Method and target of each request that was passed on.
    seen: Mutex<Vec<String>>,
    /// Whether answers of a refresh are held back.
    holds: AtomicBool,
}

impl Front {
    pub(crate) fn with_script(service: SocketAddr, script: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let inside = Arc::new(Inside {
            service,
            script: script.to_owned(),
            seen: Mutex::default(),
            holds: false.into(),
        });
        let serving = Arc::clone(&inside);
        std::thread::spawn(move || {
            for browser in listener.incoming().flatten() {
                let inside = Arc::clone(&serving);
                // A browser that goes away in the middle is no failure of the test.
                std::thread::spawn(move || drop(inside.serve(&browser)));
            }
        });
        Self { port, inside }
    }

    /// How many requests of this method and target came.
    pub(crate) fn count(&self, asked: &str) -> usize {
        let seen = self.inside.seen.lock().unwrap();
        seen.iter().filter(|one| *one == asked).count()
    }

    /// From now on a refresh is carried out and its answer held back, or that is over.
    pub(crate) fn hold_refreshes(&self, hold: bool) {
        self.inside.holds.store(hold, Ordering::SeqCst);
    }
}

impl Inside {
    /// One request for each connection, so that each is looked at.
    fn serve(&self, browser: &TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(browser.try_clone()?);
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if line.trim_end().is_empty() {
                break;
            }
            if !line.to_ascii_lowercase().starts_with("connection:") {
                head.push(line);
            }
        }
        let Some(first) = head.first() else {
            return Ok(()); // a connection that the browser opened in advance
        };
        let asked = first.split(" HTTP/").next().unwrap_or_default().to_owned();
        head.push("Connection: close\r\n\r\n".to_owned());
        match asked.as_str() {
            "GET /page" => return write_page(browser, "text/html", PAGE),
            "GET /script.js" => return write_page(browser, "text/javascript", &self.script),
            _ => self.seen.lock().unwrap().push(asked.clone()),
        }
        let mut answers = TcpStream::connect(self.service)?;
        let mut asks = answers.try_clone()?;
        asks.write_all(head.concat().as_bytes())?;
        std::thread::spawn(move || io::copy(&mut reader, &mut asks));
        let mut writer = browser;
        if asked == "POST /refresh" && self.holds.load(Ordering::SeqCst) {
            let mut answer = Vec::new();
            io::copy(&mut answers, &mut answer)?;
            until("refreshes go on", || {
                (!self.holds.load(Ordering::SeqCst)).then_some(())
            });
            writer.write_all(&answer)?;
        } else {
            io::copy(&mut answers, &mut writer)?;
        }
        browser.shutdown(Shutdown::Both)
    }
}

fn write_page(mut browser: &TcpStream, kind: &str, text: &str) -> io::Result<()> {
    let length = text.len();
    write!(
        browser,
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{text}"
    )
}
