//! Against an issuer on loopback that answers as it is told, and counts.

use super::super::issuer::KeySource;
use super::super::tests::issuer;
use super::super::tests::signing::{KeyPair, set};
use super::*;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex as StdMutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An issuer's server.
struct Site {
    address: SocketAddr,
    answer: Arc<StdMutex<Answer>>,
    asked: Arc<AtomicUsize>,
}

#[derive(Clone)]
enum Answer {
    Whole(String),
    /// The head, and then nothing.
    Stuck,
    /// The head, and then a byte now and then.
    Slow,
    Endless,
}

fn ok(body: &str) -> Answer {
    let length = body.len();
    Answer::Whole(format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"
    ))
}

impl Site {
    fn new(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let site = Self {
            address: listener.local_addr().unwrap(),
            answer: Arc::new(StdMutex::new(answer)),
            asked: Arc::default(),
        };
        let (answer, asked) = (Arc::clone(&site.answer), Arc::clone(&site.asked));
        std::thread::spawn(move || {
            for peer in listener.incoming().flatten() {
                asked.fetch_add(1, Ordering::SeqCst);
                let answer = answer.lock().unwrap().clone();
                std::thread::spawn(move || drop(serve(&peer, answer)));
            }
        });
        site
    }

    fn say(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn keys(&self, pace: Pace) -> Keys {
        let url = format!("http://{}/keys", self.address);
        let inside = vec!["127.0.0.1".parse().unwrap()];
        let issuer = Issuer {
            keys: KeySource::Url { url, inside },
            ..issuer()
        };
        Keys::with_pace(Arc::new(issuer), pace).unwrap()
    }
}

fn serve(mut peer: &TcpStream, answer: Answer) -> std::io::Result<()> {
    let mut lines = BufReader::new(peer).lines();
    while lines
        .next()
        .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
    {}
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    match answer {
        Answer::Whole(text) => peer.write_all(text.as_bytes()),
        Answer::Stuck => {
            peer.write_all(head.as_bytes())?;
            std::thread::sleep(Duration::from_secs(30));
            Ok(())
        }
        Answer::Slow => {
            peer.write_all(head.as_bytes())?;
            loop {
                peer.write_all(b"1\r\n \r\n")?;
                std::thread::sleep(Duration::from_millis(200));
            }
        }
        Answer::Endless => {
            peer.write_all(head.as_bytes())?;
            let chunk = format!("4000\r\n{}\r\n", " ".repeat(0x4000));
            loop {
                peer.write_all(chunk.as_bytes())?;
            }
        }
    }
}

const OFTEN: Pace = Pace {
    every: Duration::ZERO,
    renew_after: Duration::from_mins(5),
};

fn one(kid: &'static str) -> Answer {
    ok(&set(&[KeyPair::ec(kid)]))
}

#[tokio::test]
async fn keys_are_fetched_once_and_again_for_a_new_name() {
    let site = Site::new(one("a"));
    let keys = site.keys(OFTEN);
    assert_eq!(site.asked(), 0, "nobody has asked for a key");
    for _ in 0..3 {
        assert!(keys.with(Some("a")).await.is_ok());
    }
    assert_eq!(site.asked(), 1);
    site.say(ok(&set(&[KeyPair::ec("a"), KeyPair::ec("b")])));
    assert!(keys.with(Some("b")).await.is_ok());
    assert!(keys.with(Some("a")).await.is_ok());
    assert_eq!(site.asked(), 2);
}

#[tokio::test]
async fn unknown_names_are_no_storm() {
    let site = Site::new(one("a"));
    let keys = site.keys(PACE);
    let mut asking = Vec::new();
    for n in 0..200 {
        let keys = keys.clone();
        asking.push(tokio::spawn(async move {
            let kid = format!("k{n}");
            keys.with(Some(&kid)).await.err()
        }));
    }
    for one in asking {
        assert_eq!(one.await.unwrap(), Some(FederationError::KeyUnknown));
    }
    assert_eq!(site.asked(), 1, "in half a minute");
    assert!(keys.with(Some("a")).await.is_ok());
    assert_eq!(
        keys.with(None).await.err(),
        Some(FederationError::KidMissing)
    );
    assert_eq!(site.asked(), 1);
}

#[tokio::test]
async fn a_set_that_cannot_be_used_leaves_the_one_of_before() {
    let site = Site::new(one("a"));
    let keys = site.keys(OFTEN);
    assert!(keys.with(Some("a")).await.is_ok());
    let weak = set(&[KeyPair::rsa("b", 1024)]);
    let twice = set(&[KeyPair::ec("b"), KeyPair::ec("b")]);
    let status =
        |line: &str| Answer::Whole(format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n"));
    for (answer, expected) in [
        (ok(""), KeysError::NoSet),
        (ok("<html>garbage</html>"), KeysError::NoSet),
        (ok("{\"keys\":[]}"), KeysError::NoKey),
        (ok(&twice), KeysError::KidTwice),
        (ok(&weak), KeysError::WeakRsa),
        (
            ok("{\"keys\":[{\"kty\":\"oct\",\"kid\":\"b\",\"k\":\"AA\"}]}"),
            KeysError::Symmetric,
        ),
        (
            status("302 Found\r\nLocation: http://127.0.0.1/"),
            KeysError::Status(302),
        ),
        (
            status("307 Temporary\r\nLocation: https://8.8.8.8/"),
            KeysError::Status(307),
        ),
        (status("500 No"), KeysError::Status(500)),
        (status("503 No"), KeysError::Status(503)),
        (status("404 No"), KeysError::Status(404)),
        (status("204 No"), KeysError::Status(204)),
        (Answer::Endless, KeysError::TooLarge),
        (
            Answer::Whole("HTTP/1.1 200 OK\r\nContent-Length: 52428800\r\n\r\n".to_owned()),
            KeysError::Unreachable,
        ),
        (
            Answer::Whole("garbage\r\n\r\n".to_owned()),
            KeysError::Unreachable,
        ),
        (Answer::Whole(String::new()), KeysError::Unreachable),
    ] {
        let before = site.asked();
        site.say(answer);
        let unknown = keys.with(Some("b")).await.err();
        assert_eq!(unknown, Some(FederationError::KeyUnknown), "{expected}");
        assert_eq!(site.asked(), before + 1, "{expected}");
        let failing = keys.0.reading.lock().await.failing;
        assert_eq!(failing, Some(expected));
        assert!(keys.with(Some("a")).await.is_ok(), "{expected}");
    }
    site.say(one("b"));
    assert!(keys.with(Some("b")).await.is_ok());
    assert_eq!(keys.0.reading.lock().await.failing, None);
    assert_eq!(
        keys.with(Some("a")).await.err(),
        Some(FederationError::KeyUnknown),
        "the issuer has withdrawn it"
    );
}

#[tokio::test]
async fn an_issuer_that_takes_its_time_is_not_waited_for() {
    for answer in [Answer::Stuck, Answer::Slow] {
        let site = Site::new(one("a"));
        let keys = site.keys(OFTEN);
        assert!(keys.with(Some("a")).await.is_ok());
        site.say(answer);
        let began = Instant::now();
        let asking = keys.clone();
        let unknown = tokio::spawn(async move { asking.with(Some("b")).await.err() });
        while site.asked() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(keys.with(Some("a")).await.is_ok());
        assert!(
            began.elapsed() < Duration::from_secs(2),
            "a known key waits for nobody"
        );
        assert_eq!(unknown.await.unwrap(), Some(FederationError::KeyUnknown));
        let took = began.elapsed().as_secs_f64();
        assert!((2.5..10.0).contains(&took), "{took}");
        assert_eq!(
            keys.0.reading.lock().await.failing,
            Some(KeysError::Timeout)
        );
    }
}

#[tokio::test]
async fn old_keys_are_read_again_and_stay_where_that_fails() {
    let site = Site::new(one("a"));
    let keys = site.keys(Pace {
        every: Duration::ZERO,
        renew_after: Duration::ZERO,
    });
    assert!(keys.with(Some("a")).await.is_ok());
    site.say(Answer::Whole(String::new()));
    assert!(keys.with(Some("a")).await.is_ok(), "the last good ones");
    site.say(one("b"));
    let withdrawn = keys.with(Some("a")).await.err();
    assert_eq!(withdrawn, Some(FederationError::KeyUnknown));
    assert_eq!(site.asked(), 3);
}

#[tokio::test]
async fn without_any_keys_nobody_can_say_whether_a_token_is_good() {
    let site = Site::new(Answer::Whole(String::new()));
    let keys = site.keys(OFTEN);
    let unavailable = Some(FederationError::KeysUnavailable);
    assert_eq!(keys.with(Some("a")).await.err(), unavailable);
    site.say(one("a"));
    assert!(keys.with(Some("a")).await.is_ok());
}

/// Else whoever hangs up could use up each half minute's only reading.
#[tokio::test]
async fn a_reading_goes_on_where_whoever_began_it_has_gone() {
    let site = Site::new(one("a"));
    let keys = site.keys(PACE);
    {
        let asking = keys.with(Some("a"));
        let hung_up = tokio::time::timeout(Duration::from_micros(1), asking).await;
        drop(hung_up);
    }
    assert!(keys.with(Some("a")).await.is_ok());
    assert_eq!(site.asked(), 1);
}
