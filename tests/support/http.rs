//! A small HTTP/1.1 client that sends exactly the bytes it is told to and keeps every byte that
//! comes back: no library adds, joins or hides a header.

use super::described::{self, Asked};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A test that would hang fails after this.
const READ_TIMEOUT: Duration = Duration::from_mins(1);

/// A request that is being put together. `Host` and `Content-Length` come by themselves.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: String,
    target: String,
    fields: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            fields: Vec::new(),
            body: None,
        }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub(crate) fn post(target: &str) -> Self {
        Self::new("POST", target)
    }

    pub(crate) fn delete(target: &str) -> Self {
        Self::new("DELETE", target)
    }

    /// Adds a header field; one that is there already stays.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes the fields of this name away.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(known, _)| known != name);
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn basic(self, id: &str, secret: &str) -> Self {
        let pair = STANDARD.encode(format!("{id}:{secret}"));
        self.header("Authorization", &format!("Basic {pair}"))
    }

    #[allow(clippy::needless_pass_by_value)] // `json!(…)` reads best where it is used
    pub(crate) fn json(self, body: Value) -> Self {
        self.header("Content-Type", "application/json")
            .body(body.to_string())
    }

    pub(crate) fn form(self, fields: &[(&str, &str)]) -> Self {
        self.header("Content-Type", "application/x-www-form-urlencoded")
            .body(serde_urlencoded::to_string(fields).unwrap())
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    pub(crate) fn method(&self) -> &str {
        &self.method
    }

    /// The request as it goes over the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: lacre.test\r\n",
            self.method, self.target
        );
        for (name, value) in &self.fields {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let body = self.body.as_deref();
        if let Some(body) = body {
            let _ = write!(head, "Content-Length: {}\r\n", body.len());
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body.unwrap_or_default());
        bytes
    }
}

/// An answer as it came over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The header fields in the order in which they came, the names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The one header field of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self
            .headers
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str());
        let value = found.next();
        assert_eq!(found.next(), None, "`{name}` comes twice: {self:?}");
        value
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// Demands this status and gives the answer on.
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// Demands a whole problem (RFC 9457) with this status and code.
    pub(crate) fn refused(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let problem = self.json();
        assert_eq!(problem["code"], code, "{self:?}");
        assert_eq!(problem["status"], status, "{self:?}");
        assert_eq!(
            problem["type"],
            format!("urn:lacre:error:{code}"),
            "{self:?}"
        );
        assert_eq!(
            problem["request_id"],
            self.header("x-request-id").unwrap(),
            "{self:?}"
        );
        for member in ["title", "detail"] {
            assert!(!problem[member].as_str().unwrap().is_empty(), "{self:?}");
        }
        problem
    }

    /// Everything but what differs from answer to answer: the date and the request id.
    pub(crate) fn without_id(&self) -> Self {
        let mut answer = self.clone();
        let id = answer.header("x-request-id").unwrap().to_owned();
        answer.body = answer.text().replace(&id, "ID").into_bytes();
        for (name, value) in &mut answer.headers {
            if matches!(name.as_str(), "x-request-id" | "date") {
                value.clear();
            }
        }
        answer
    }
}

/// A connection that is kept open.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    /// Whether the description of the routes has to have every answer.
    described: bool,
    /// What was asked and isn't answered yet.
    asked: VecDeque<Asked>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
            described: described::is_described(address),
            asked: VecDeque::new(),
        })
    }

    /// Sends a request and reads its answer.
    pub(crate) fn send(&mut self, request: &Request) -> io::Result<Answer> {
        // A server that refuses early may close while we still write; its answer counts.
        let written = self.write(&request.bytes());
        self.answer(request.method() == "HEAD")
            .map_err(|error| written.err().unwrap_or(error))
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.described {
            self.asked.extend(Asked::of(bytes));
        }
        self.stream.get_mut().write_all(bytes)
    }

    /// Sends the head and half of the body; the other half, once the server has taken the head: it says
    /// so where it is asked (RFC 9110 §10.1.1).
    pub(crate) fn write_half(&mut self, request: &Request) -> Vec<u8> {
        let bytes = request.clone().header("Expect", "100-continue").bytes();
        let head = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap()
            + 4;
        let (first, second) = bytes.split_at(head + (bytes.len() - head) / 2);
        self.write(first).unwrap();
        let goes_on = self.answer(true).unwrap();
        assert_eq!(goes_on.status, 100, "{goes_on:?}");
        second.to_vec()
    }

    /// Says that nothing more will be written.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.stream.get_mut().shutdown(std::net::Shutdown::Write)
    }

    /// Breaks the connection off with a reset.
    pub(crate) fn reset(self) {
        rustix::net::sockopt::set_socket_linger(self.stream.get_ref(), Some(Duration::ZERO))
            .unwrap();
    }

    /// Whether nothing has come so far: neither an answer nor the end.
    pub(crate) fn is_silent(&mut self) -> bool {
        let stream = self.stream.get_ref();
        stream.set_nonblocking(true).unwrap();
        let waits = matches!(self.stream.fill_buf(), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        self.stream.get_ref().set_nonblocking(false).unwrap();
        waits
    }

    /// Whether the other side closes without another byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        match self.stream.fill_buf() {
            Ok(rest) => rest.is_empty(),
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    /// Reads one answer; `UnexpectedEof` where the connection ends before it does. Panics where lacre
    /// itself answers what its description doesn't have.
    pub(crate) fn answer(&mut self, without_body: bool) -> io::Result<Answer> {
        let answer = self.any_answer(without_body)?;
        if answer.status >= 200
            && let Some(asked) = self.asked.pop_front()
        {
            described::demand(&asked, &answer);
        }
        Ok(answer)
    }

    fn any_answer(&mut self, without_body: bool) -> io::Result<Answer> {
        let status_line = self.line()?;
        let status = status_line.split(' ').nth(1).and_then(|s| s.parse().ok());
        let status = status.ok_or_else(|| malformed(&status_line))?;
        let mut answer = Answer {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        };
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(": ").ok_or_else(|| malformed(&line))?;
            answer
                .headers
                .push((name.to_ascii_lowercase(), value.to_owned()));
        }
        if without_body || status == 204 {
            return Ok(answer);
        }
        if let Some(length) = answer.header("content-length") {
            let length = length.parse().map_err(|_| malformed(length))?;
            answer.body = vec![0; length];
            self.stream.read_exact(&mut answer.body)?;
        } else if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = self.chunks()?;
        } else {
            self.stream.read_to_end(&mut answer.body)?;
        }
        Ok(answer)
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let length = usize::from_str_radix(&line, 16).map_err(|_| malformed(&line))?;
            let mut chunk = vec![0; length + 2];
            self.stream.read_exact(&mut chunk)?;
            if length == 0 {
                return Ok(body);
            }
            body.extend_from_slice(&chunk[..length]);
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        match line.strip_suffix("\r\n") {
            Some(line) => Ok(line.to_owned()),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// One request on its own connection.
pub(crate) fn send(address: SocketAddr, request: &Request) -> Answer {
    Connection::open(address)
        .and_then(|mut connection| connection.send(request))
        .unwrap_or_else(|error| panic!("no answer from {address}: {error}"))
}

/// These bytes on their own connection, and the answer.
pub(crate) fn send_bytes(address: SocketAddr, bytes: &[u8]) -> io::Result<Answer> {
    let mut connection = Connection::open(address)?;
    let written = connection.write(bytes);
    connection
        .answer(false)
        .map_err(|error| written.err().unwrap_or(error))
}
