//! TLS where no proxy stands before the service: who connects, what is refused, and certificates that are
//! renewed while it runs.

use super::PASSWORD;
use crate::support::server::{Server, Setup};
use crate::support::wait::until;
use openssl::ssl::{HandshakeError, SslConnector, SslMethod, SslStream, SslVerifyMode, SslVersion};
use rustix::process::Signal;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Writes a certificate of this name by itself, for `localhost` and loopback addresses, and its key.
fn make(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let (certificate, key) = (folder.join("tls.crt"), folder.join("tls.key"));
    let (new_certificate, new_key) = (folder.join("new.crt"), folder.join("new.key"));
    let output = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-days", "30", "-newkey", "ec"])
        .args(["-pkeyopt", "ec_paramgen_curve:P-256"])
        .args(["-subj", &format!("/CN={name}")])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .arg("-keyout")
        .arg(&new_key)
        .arg("-out")
        .arg(&new_certificate)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    std::fs::set_permissions(&new_key, PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::rename(new_key, &key).unwrap();
    std::fs::rename(new_certificate, &certificate).unwrap();
    (certificate, key)
}

/// A deployment whose public listener speaks TLS, and its certificate.
fn with_tls() -> (Setup, PathBuf) {
    let setup = Setup::new();
    let (certificate, key) = make(setup.home(), "first");
    let setup = setup
        .env("LACRE_TLS__CERT_FILE", &certificate.display().to_string())
        .env("LACRE_TLS__KEY_FILE", &key.display().to_string());
    (setup, certificate)
}

fn curl(server: &Server, target: &str, arguments: &[&str]) -> Output {
    let url = format!("https://{}{target}", server.public);
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-w", "\n%{http_code} %{http_version}"]);
    curl.args(arguments).arg(url).output().unwrap()
}

fn connect(
    address: SocketAddr,
    newest: Option<SslVersion>,
) -> Result<SslStream<TcpStream>, String> {
    let mut builder = SslConnector::builder(SslMethod::tls()).unwrap();
    builder.set_verify(SslVerifyMode::NONE);
    // What a client of today doesn't offer any more by itself.
    builder.set_cipher_list("ALL:@SECLEVEL=0").unwrap();
    builder.set_min_proto_version(None).unwrap();
    builder.set_max_proto_version(newest).unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    builder
        .build()
        .connect("localhost", stream)
        .map_err(|error: HandshakeError<_>| error.to_string())
}

/// One request on an open connection; the status.
fn ask(stream: &mut SslStream<TcpStream>) -> io::Result<u16> {
    stream.write_all(b"GET /open HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    // The body of this answer is one small object.
    while !answer.ends_with(b"}") {
        match stream.read(&mut part)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => answer.extend_from_slice(&part[..length]),
        }
    }
    let text = String::from_utf8_lossy(&answer);
    let status = text.split(' ').nth(1).unwrap();
    Ok(status.parse().unwrap())
}

/// The name that the service shows of itself.
fn name(stream: &SslStream<TcpStream>) -> String {
    let certificate = stream.ssl().peer_certificate().unwrap();
    let name = certificate.subject_name().entries().next().unwrap();
    name.data().to_string().unwrap()
}

#[test]
fn a_client_that_trusts_the_certificate_goes_the_whole_way_and_no_other_does() {
    let (setup, certificate) = with_tls();
    let mut server = setup.start();
    let trusted = ["--cacert", certificate.to_str().unwrap()];
    let password = format!("password={PASSWORD}");
    let form = ["-d", "email=ada@example.com", "--data-urlencode", &password];
    let said = |target: &str, more: &[&str]| {
        let output = curl(&server, target, &[&trusted[..], more].concat());
        assert!(output.status.success(), "{target}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(said("/signup", &form).ends_with("\n201 1.1"));
    let answer = said("/getToken", &form);
    let (answer, status) = answer.rsplit_once('\n').unwrap();
    assert_eq!(status, "200 1.1");
    let answer: serde_json::Value = serde_json::from_str(answer).unwrap();
    let bearer = format!("Authorization: Bearer {}", answer["auth"].as_str().unwrap());
    // Also where the client would like HTTP/2.
    assert!(said("/me", &["--http2", "-H", &bearer]).ends_with("\n200 1.1"));
    let logged_out = said("/logout", &["-X", "POST", "-H", &bearer]);
    assert!(logged_out.ends_with("\n204 1.1"), "{logged_out}");
    assert!(said("/me", &["-H", &bearer]).ends_with("\n401 1.1"));

    let untrusted = curl(&server, "/open", &[]);
    assert_eq!(untrusted.status.code(), Some(60), "{untrusted:?}");
    let mut plain = TcpStream::connect(server.public).unwrap();
    plain
        .write_all(b"GET /open HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");

    server.manage("/readyz").expect(200);
    assert_eq!(server.stop().code(), Some(0));
    let written = server.written();
    assert!(
        written.contains("listening on https://127.0.0.1:"),
        "{written}"
    );
    assert!(written.contains("curl -k -sw '\\n' https://"), "{written}");
    // Who doesn't get through a handshake writes no line, and no library speaks for us.
    assert!(
        !written.contains("actix") && !written.contains("rustls"),
        "{written}"
    );
}

#[test]
fn versions_before_tls_1_2_are_refused() {
    let (setup, _) = with_tls();
    let server = setup.start();
    for (newest, due) in [
        (SslVersion::TLS1, None),
        (SslVersion::TLS1_1, None),
        (SslVersion::TLS1_2, Some("TLSv1.2")),
        (SslVersion::TLS1_3, Some("TLSv1.3")),
    ] {
        match (connect(server.public, Some(newest)), due) {
            (Ok(mut stream), Some(version)) => {
                assert_eq!(stream.ssl().version_str(), version);
                assert_eq!(ask(&mut stream).unwrap(), 200);
            }
            (Err(_), None) => {}
            (connected, _) => panic!("{newest:?}: {connected:?}"),
        }
    }
}

#[test]
fn a_certificate_is_renewed_under_load_without_a_failed_request() {
    let (setup, certificate) = with_tls();
    let server = setup.start();
    let over = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for keeps in [true, false, false] {
            let (over, answered, address) = (&over, &answered, server.public);
            scope.spawn(move || {
                let mut kept = connect(address, None).unwrap();
                while !over.load(SeqCst) {
                    if !keeps {
                        kept = connect(address, None).unwrap();
                    }
                    assert_eq!(ask(&mut kept).unwrap(), 200);
                    answered.fetch_add(1, SeqCst);
                }
            });
        }
        for next in ["second", "third"] {
            let before = answered.load(SeqCst);
            make(setup.home(), next);
            server.signal(Signal::HUP);
            until("the new certificate is shown", || {
                let stream = connect(server.public, None).unwrap();
                (name(&stream) == next).then_some(())
            });
            until("requests go on", || {
                (answered.load(SeqCst) > before + 50).then_some(())
            });
        }
        // What can't be used leaves the one before where it is.
        std::fs::write(&certificate, "no PEM").unwrap();
        server.signal(Signal::HUP);
        until("the failure is logged", || {
            let written = server.written();
            written
                .contains("code=tls_certificate_unusable")
                .then_some(())
        });
        assert_eq!(name(&connect(server.public, None).unwrap()), "third");
        over.store(true, SeqCst);
    });
    let metrics = server.manage("/metrics").expect(200);
    let (_, expires) = metrics
        .text()
        .split_once("\nlacre_tls_certificate_expires_timestamp_seconds ")
        .unwrap();
    let expires: u64 = expires.lines().next().unwrap().parse().unwrap();
    assert!(
        (1_700_000_000..4_200_000_000).contains(&expires),
        "{expires}"
    );
    let written = server.written();
    assert!(
        written.contains("the certificate of before stays in use"),
        "{written}"
    );
    assert_eq!(
        written
            .matches("SIGHUP: the certificate was read anew")
            .count(),
        2
    );
}

#[test]
fn a_start_without_a_certificate_that_fits_is_refused() {
    let (setup, certificate) = with_tls();
    let key = setup.home().join("tls.key");
    let set = |mode| std::fs::set_permissions(&key, PermissionsExt::from_mode(mode)).unwrap();
    set(0o644);
    setup
        .start_refused()
        .with(78, "tls_key_exposed")
        .saying("chmod 600");
    let doctor = setup.lacre(["doctor"]).output().unwrap();
    assert!(String::from_utf8_lossy(&doctor.stdout).contains("may be used by others"));
    set(0o600);
    let doctor = setup.lacre(["doctor"]).output().unwrap();
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(
        said.contains("the certificate and its key fit, and expire in "),
        "{said}"
    );
    std::fs::write(&certificate, "").unwrap();
    setup.start_refused().with(78, "tls_certificate_unusable");
    std::fs::remove_file(&certificate).unwrap();
    setup.start_refused().with(78, "tls_file_unreadable");
    let alone = Setup::new().env("LACRE_TLS__CERT_FILE", "a");
    alone.start_refused().with(78, "config_tls_incomplete");
    let file = setup.listen("unix:/run/lacre.sock");
    file.start_refused().with(78, "config_tls_incomplete");
    assert!(!file.data().exists());
}

/// More than the 256 handshakes at which actix stops to accept by itself.
#[test]
fn slow_handshakes_hold_nobody_up_and_end() {
    const SLOW: usize = 400;
    let (setup, _) = with_tls();
    let server = setup
        .env("LACRE_SERVER__WORKERS", "1")
        .env("LACRE_TLS__HANDSHAKE_TIMEOUT", "5s")
        .start();
    let mut slow = Vec::new();
    for number in 0..SLOW {
        let mut stream = TcpStream::connect(server.public).unwrap();
        // Silent ones, and some that begin.
        if number % 2 == 0 {
            stream.write_all(b"\x16\x03\x01\x02\x00\x01").unwrap();
        }
        slow.push(stream);
    }
    let began = Instant::now();
    let mut stream = connect(server.public, None).unwrap();
    assert_eq!(ask(&mut stream).unwrap(), 200);
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
    for mut stream in slow {
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let mut rest = Vec::new();
        // Its end, or a reset.
        let _ = stream.read_to_end(&mut rest);
    }
    assert!(
        began.elapsed() < Duration::from_secs(25),
        "{:?}",
        began.elapsed()
    );
}
