//! A web origin: one page, and the service behind it, as a reverse proxy puts the two together.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

/// What stands at `/page`. What the service answers itself forbids a page's scripts everything.
const PAGE: &str = "<!doctype html><title>a page</title><body></body>";

/// Serves on a free port until the process ends, and says which.
pub(crate) fn before(service: SocketAddr) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for browser in listener.incoming().flatten() {
            // A browser that goes away in the middle is no failure of the test.
            std::thread::spawn(move || drop(serve(&browser, service)));
        }
    });
    port
}

/// One request for each connection, so that each is looked at.
fn serve(browser: &TcpStream, service: SocketAddr) -> io::Result<()> {
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
    if head.is_empty() {
        return Ok(()); // a connection that the browser opened in advance
    }
    head.push("Connection: close\r\n\r\n".to_owned());
    let mut writer = browser;
    if head[0].starts_with("GET /page ") {
        let length = PAGE.len();
        return write!(
            writer,
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{PAGE}"
        );
    }
    let mut answers = TcpStream::connect(service)?;
    let mut asks = answers.try_clone()?;
    asks.write_all(head.concat().as_bytes())?;
    std::thread::spawn(move || io::copy(&mut reader, &mut asks));
    io::copy(&mut answers, &mut writer)?;
    browser.shutdown(Shutdown::Both)
}
