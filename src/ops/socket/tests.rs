//! A real socket in a real directory, with real peers.

use super::*;
use crate::lacre::testing::Deployed;
use crate::ops::{
    AdminClient, Answer, ClientError, ClientsRequest, KeystoreRequest, LastUse, MAX_PAGE, Step,
};
use std::os::unix::fs::symlink;
use tempfile::TempDir;

struct Here {
    _temp: TempDir,
    data_dir: DataDir,
    deployed: Deployed,
}

impl Here {
    async fn new() -> Self {
        let temp = TempDir::new().unwrap();
        Self {
            data_dir: DataDir::open(&temp.path().join("data")).unwrap(),
            deployed: Deployed::new().await,
            _temp: temp,
        }
    }

    fn open(&self) -> Result<AdminSocket, SocketError> {
        AdminSocket::open(&self.data_dir, self.deployed.service.clone())
    }

    fn path(&self) -> PathBuf {
        DataDir::admin_socket(self.data_dir.path())
    }

    /// What the server says to these bytes.
    async fn say(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = UnixStream::connect(self.path()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        // A server that hangs up while it is written to resets the connection.
        let _ = stream.read_to_end(&mut answer).await;
        answer
    }

    async fn ask(&self, request: Request) -> Result<Answer, ClientError> {
        let data_dir = self.data_dir.path().to_owned();
        tokio::task::spawn_blocking(move || {
            AdminClient::find(&data_dir, |_| {})?
                .unwrap()
                .ask(&request, |_| Ok(()))
        })
        .await
        .unwrap()
    }
}

fn clients() -> Request {
    Request::Clients(ClientsRequest::List)
}

/// A hello and a frame with this content.
fn framed(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&HELLO[..], &length, content].concat()
}

/// The only reply of an answer with a hello.
async fn reply(answer: &[u8]) -> Result<Answer, AdminError> {
    let mut frames = answer.strip_prefix(&HELLO).unwrap();
    let content = frame::read(&mut frames, frame::MAX_REPLY).await.unwrap();
    assert!(frames.is_empty());
    match serde_json::from_slice(&content.unwrap()).unwrap() {
        Reply::Answer(answer) => answer,
        other => panic!("{other:?}"),
    }
}

async fn code(answer: &[u8]) -> String {
    let error = reply(answer).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable);
    error.code.into_owned()
}

#[tokio::test]
async fn a_question_is_answered_and_the_socket_is_private_and_goes() {
    let here = Here::new().await;
    let socket = here.open().unwrap();
    let mode = std::fs::symlink_metadata(here.path())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o600);
    let answer = here.ask(clients()).await.unwrap();
    assert!(matches!(answer, Answer::Clients(clients) if clients.is_empty()));
    socket.stop().await;
    assert!(!here.path().exists());
    assert!(
        AdminClient::find(here.data_dir.path(), |_| {})
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_dead_socket_is_replaced_and_nothing_else() {
    let here = Here::new().await;
    drop(std::os::unix::net::UnixListener::bind(here.path()).unwrap());
    let socket = here.open().unwrap();
    assert!(here.ask(clients()).await.is_ok());
    drop(socket);
    std::fs::write(here.path(), "precious").unwrap();
    assert_eq!(here.open().unwrap_err().code(), "admin_socket_failed");
    assert_eq!(std::fs::read(here.path()).unwrap(), b"precious");
    std::fs::remove_file(here.path()).unwrap();
    symlink("/etc/passwd", here.path()).unwrap();
    assert!(here.open().is_err());
}

#[tokio::test]
async fn a_directory_with_a_long_name_has_a_socket_too() {
    let temp = TempDir::new().unwrap();
    let long = temp.path().join("a".repeat(100)).join("b".repeat(100));
    let data_dir = DataDir::open(&long).unwrap();
    let deployed = Deployed::new().await;
    let _socket = AdminSocket::open(&data_dir, deployed.service.clone()).unwrap();
    let asked = tokio::task::spawn_blocking(move || {
        AdminClient::find(&long, |_| {})
            .unwrap()
            .unwrap()
            .ask::<ClientError>(&clients(), |_| Ok(()))
    });
    assert!(asked.await.unwrap().is_ok());
}

#[tokio::test]
async fn what_is_no_request_is_refused_without_being_repeated() {
    let here = Here::new().await;
    let _socket = here.open().unwrap();
    for bad in [
        "",
        "{}",
        "\"users_fly\"",
        "{\"users\":{\"change\":{\"user\":1,\"to\":{\"password\":\"hunter2!\"}}}}",
        "\u{fffd}",
    ] {
        let answer = here.say(&framed(bad.as_bytes())).await;
        assert_eq!(code(&answer).await, "admin_request_unknown", "{bad}");
        assert!(!String::from_utf8_lossy(&answer).contains("hunter2"));
    }
    assert!(here.ask(clients()).await.is_ok(), "it goes on");
}

#[tokio::test]
async fn a_request_without_an_end_is_cut_off() {
    let here = Here::new().await;
    let _socket = here.open().unwrap();
    let whole = framed(b"{\"clients\":\"list\"}");
    assert!(reply(&here.say(&whole).await).await.is_ok());
    for end in [
        HELLO.len(),
        HELLO.len() + 2,
        HELLO.len() + 4,
        whole.len() - 1,
    ] {
        let mut stream = UnixStream::connect(here.path()).await.unwrap();
        stream.write_all(&whole[..end]).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert_eq!(code(&answer).await, "admin_request_cut", "{end}");
    }
}

#[tokio::test]
async fn a_request_that_is_too_long_is_not_read_to_its_end() {
    let here = Here::new().await;
    let _socket = here.open().unwrap();
    let length = u32::try_from(frame::MAX_REQUEST + 1).unwrap().to_be_bytes();
    let answer = here.say(&[&HELLO[..], &length].concat()).await;
    assert_eq!(code(&answer).await, "admin_request_long");
    assert!(here.ask(clients()).await.is_ok(), "it goes on");
}

#[tokio::test]
async fn each_end_tells_another_version_from_its_own() {
    let here = Here::new().await;
    let _socket = here.open().unwrap();
    assert_eq!(here.say(b"lacre/9\n").await, HELLO, "a newer command");
    let line = here.say(b"\"clients_list\"\n").await;
    let answer: Result<(), AdminError> = serde_json::from_slice(&line).unwrap();
    assert_eq!(answer.unwrap_err().code, "admin_request_unknown");
    assert_eq!(
        line.last(),
        Some(&b'\n'),
        "a command from before the frames"
    );
    assert!(here.ask(clients()).await.is_ok(), "it goes on");

    for server in [&b"lacre/9\n"[..], b"{\"Err\":{\"code\":\"x\"}}\n"] {
        let other = Here::new().await;
        let listener = UnixListener::bind(other.path()).unwrap();
        let answering = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            // Found first, then asked by the same connection.
            let mut hello = [0; 8];
            stream.read_exact(&mut hello).await.unwrap();
            stream.write_all(server).await.unwrap();
            stream
        };
        let (asked, _stream) = tokio::join!(other.ask(clients()), answering);
        assert_eq!(asked.unwrap_err().code(), "admin_answer_unknown");
    }
}

#[tokio::test]
async fn a_long_listing_comes_in_several_pages() {
    let here = Here::new().await;
    let _socket = here.open().unwrap();
    for number in 0..=MAX_PAGE {
        here.deployed.fixture.log_in(&format!("u{number}")).await;
    }
    let all = |limit| {
        let (user, after) = (None, None);
        Request::Keystore(KeystoreRequest::List {
            user,
            last_use: LastUse::default(),
            after,
            limit,
        })
    };
    for (limit, expected) in [(None, vec![MAX_PAGE, 1]), (Some(7), vec![7])] {
        let (data_dir, request) = (here.data_dir.path().to_owned(), all(limit));
        let listed = tokio::task::spawn_blocking(move || {
            let mut pages = Vec::new();
            let mut client = AdminClient::find(&data_dir, |_| {}).unwrap().unwrap();
            let last = client.ask::<ClientError>(&request, |step| {
                if let Step::Page(page) = step {
                    pages.push(page);
                }
                Ok(())
            });
            pages.push(last.unwrap());
            pages
        });
        let pages = listed.await.unwrap().into_iter().map(|page| match page {
            Answer::Sessions(page) => page.sessions.len(),
            other => panic!("{other:?}"),
        });
        assert_eq!(pages.collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn what_was_asked_is_done_also_where_nobody_takes_the_pages() {
    let here = Here::new().await;
    let _socket = here.open().unwrap();
    let ada = here.deployed.fixture.log_in("ada").await;
    let revoke = b"{\"sessions\":{\"revoke\":{\"which\":\"all\",\"dry_run\":false}}}";
    let mut stream = UnixStream::connect(here.path()).await.unwrap();
    stream.write_all(&framed(revoke)).await.unwrap();
    drop(stream);
    let lacre = &here.deployed.fixture.lacre;
    let give_up = std::time::Instant::now() + Duration::from_secs(10);
    while lacre.session(&ada.handle).await.unwrap().is_some() {
        assert!(std::time::Instant::now() < give_up);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn more_askers_than_seats_all_get_an_answer() {
    let here = Here::new().await;
    let _socket = here.open().unwrap();
    // As many silent ones as there are seats: they leave, and the others come to their turn.
    let mut silent = Vec::new();
    for _ in 0..CONNECTIONS {
        silent.push(UnixStream::connect(here.path()).await.unwrap());
    }
    let list = framed(b"{\"clients\":\"list\"}");
    let asking = futures_util::future::join_all((0..20).map(|_| here.say(&list)));
    let leaving = async { drop(silent) };
    let (answers, ()) = tokio::join!(asking, leaving);
    for answer in answers {
        assert!(reply(&answer).await.is_ok());
    }
}

#[tokio::test]
async fn a_stopping_server_waits_for_no_one_who_has_not_asked() {
    let here = Here::new().await;
    let socket = here.open().unwrap();
    let mut silent = UnixStream::connect(here.path()).await.unwrap();
    assert!(here.ask(clients()).await.is_ok());
    socket.stop().await;
    let mut rest = Vec::new();
    assert_eq!(silent.read_to_end(&mut rest).await.unwrap(), 0);
}

#[test]
fn the_servers_user_and_root_may_ask() {
    assert!(may_ask(1000, 1000) && may_ask(0, 1000) && may_ask(0, 0));
    assert!(!may_ask(1001, 1000) && !may_ask(1000, 0));
}
