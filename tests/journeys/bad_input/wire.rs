//! What is hardly a request, or ends in its middle.

use super::*;

#[test]
fn heads_that_are_too_large() {
    let witness = Witness::new();
    let head = |fields: &str| format!("GET /open HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let flood = |count: usize, value: &str| {
        let mut fields = String::new();
        for i in 0..count {
            let _ = write!(fields, "X-{i}: {value}\r\n");
        }
        head(&fields)
    };
    let answer = witness.sends("33 KB", flood(33, &"x".repeat(1000)).as_bytes(), 431);
    answer.refused(431, "header_too_large");
    witness.sends("200 fields", flood(200, "x").as_bytes(), 431);
    witness.sends("a megabyte", flood(1000, &"x".repeat(1000)).as_bytes(), 431);
    let line = head(&format!("X: {}\r\n", "x".repeat(1 << 20)));
    witness.sends("a megabyte in one line", line.as_bytes(), 431);

    let long = Request::get(&format!("/open?{}", "x".repeat(20_000)));
    witness.refused("a long target", &long, 414, "uri_too_long");
    let path = Request::get(&format!("/{}", "x".repeat(20_000)));
    witness.refused("a long path", &path, 414, "uri_too_long");
    witness.still_there();
}

#[test]
fn what_is_hardly_http() {
    let witness = Witness::new();
    let token = &witness.token.auth;
    let old = format!("GET /headers HTTP/1.0\r\nAuthorization: Bearer {token}\r\n\r\n");
    let answer = witness.sends("HTTP/1.0", old.as_bytes(), 200);
    assert_eq!(answer.text(), "Access Granted");

    for (what, bytes) in [
        ("noise", &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..]),
        ("no version", b"GET /open\r\n\r\n"),
        ("a version of tomorrow", b"GET /open HTTP/9.9\r\n\r\n"),
        ("a header without a colon", b"GET /open HTTP/1.1\r\nHost a\r\n\r\n"),
        ("a folded header", b"GET /open HTTP/1.1\r\nHost: a\r\n b: c\r\n\r\n"),
        ("NUL in a header", b"GET /open HTTP/1.1\r\nHost: a\0b\r\n\r\n"),
        (
            "two lengths",
            b"POST /getToken HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        ),
        (
            "a length below zero",
            b"POST /getToken HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        ),
        (
            "length and chunks (request smuggling)",
            b"POST /getToken HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\
              Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
    ] {
        witness.sends(what, bytes, 400);
    }
    witness.still_there();
}

#[test]
fn clients_that_stop_in_the_middle() {
    let witness = Witness::new();
    let began = Instant::now();
    let heads = [
        "",
        "G",
        "GET /open HTTP/1.1\r\nHo",
        "POST /getToken HTTP/1.1\r\n",
    ];
    let mut silent: Vec<Connection> = heads
        .iter()
        .map(|head| {
            let mut connection = Connection::open(witness.server.public).unwrap();
            connection.write(head.as_bytes()).unwrap();
            connection
        })
        .collect();
    let mut half = Connection::open(witness.server.public).unwrap();
    let bytes = log_in(padded(2000)).bytes();
    half.write(&bytes[..1000]).unwrap();
    // One that says that nothing more will come, in the middle of a body.
    let mut gone = Connection::open(witness.server.public).unwrap();
    gone.write(&bytes[..1000]).unwrap();
    gone.finish().unwrap();

    witness.server.is_well();
    for connection in &mut silent {
        // 408 without a body, or nothing where not a byte had come; then the end.
        if let Ok(answer) = connection.answer(false) {
            assert_eq!((answer.status, answer.text()), (408, ""));
        }
        assert!(connection.is_closed());
        witness.server.is_well();
    }
    half.answer(false).unwrap().refused(408, "request_timeout");
    println!("silent clients were cut off after {:?}", began.elapsed());
    witness.server.is_well();
    witness.still_there();
}

#[test]
fn five_hundred_connections_that_are_abandoned() {
    let witness = Witness::new();
    let bytes = log_in(padded(2000)).bytes();
    for _ in 0..2 {
        let open: Vec<TcpStream> = (0..500)
            .map(|i| {
                let mut stream = TcpStream::connect(witness.server.public).unwrap();
                std::io::Write::write_all(&mut stream, &bytes[..i * 3]).unwrap();
                stream
            })
            .collect();
        witness.server.is_well();
        drop(open);
        witness.server.is_well();
    }
    witness.still_there();
}
