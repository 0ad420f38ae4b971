//! A real socket in a real directory, with real peers.

use super::*;
use crate::lacre::testing::Deployed;
use crate::ops::{Asker, Kind};
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
    async fn say(&self, bytes: &[u8]) -> String {
        let mut stream = UnixStream::connect(self.path()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = String::new();
        // A server that hangs up while it is written to resets the connection.
        let _ = stream.read_to_string(&mut answer).await;
        answer
    }

    async fn ask(&self, request: Request) -> Result<Answer, super::super::AskError> {
        let data_dir = self.data_dir.path().to_owned();
        tokio::task::spawn_blocking(move || Asker::find(&data_dir)?.unwrap().ask(&request))
            .await
            .unwrap()
    }
}

fn code(answer: &str) -> String {
    let answer: Result<Answer, AdminError> = serde_json::from_str(answer).unwrap();
    let error = answer.unwrap_err();
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
    let answer = here.ask(Request::ClientsList).await.unwrap();
    assert!(matches!(answer, Answer::Clients(clients) if clients.is_empty()));
    socket.stop().await;
    assert!(!here.path().exists());
    assert!(Asker::find(here.data_dir.path()).unwrap().is_none());
}

#[tokio::test]
async fn a_dead_socket_is_replaced_and_nothing_else() {
    let here = Here::new().await;
    drop(std::os::unix::net::UnixListener::bind(here.path()).unwrap());
    let socket = here.open().unwrap();
    assert!(here.ask(Request::ClientsList).await.is_ok());
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
        Asker::find(&long)
            .unwrap()
            .unwrap()
            .ask(&Request::ClientsList)
    });
    assert!(asked.await.unwrap().is_ok());
}

#[tokio::test]
async fn what_is_no_request_is_refused_without_being_repeated() {
    let here = Here::new().await;
    let _socket = here.open().unwrap();
    for bad in [
        "\n",
        "{}\n",
        "\"users_fly\"\n",
        "{\"users_set_password\":{\"user\":1,\"password\":\"hunter2!\"}}\n",
        "\u{fffd}\n",
    ] {
        let answer = here.say(bad.as_bytes()).await;
        assert_eq!(code(&answer), "admin_request_unknown", "{bad}");
        assert!(!answer.contains("hunter2"));
    }
    assert!(here.ask(Request::ClientsList).await.is_ok(), "it goes on");
}

#[tokio::test]
async fn a_request_without_an_end_is_cut_off() {
    let here = Here::new().await;
    let _socket = here.open().unwrap();
    let mut stream = UnixStream::connect(here.path()).await.unwrap();
    stream.write_all(b"\"clients_list\"").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(code(&answer), "admin_request_cut");
}

#[tokio::test]
async fn a_request_that_is_too_long_is_not_read_to_its_end() {
    let here = Here::new().await;
    let _socket = here.open().unwrap();
    let mut stream = UnixStream::connect(here.path()).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let endless = async {
        let chunk = vec![b' '; 64 * 1024];
        let mut sent = 0;
        while writing.write_all(&chunk).await.is_ok() {
            sent += chunk.len();
            assert!(sent < 16 * LONGEST_REQUEST, "it reads on and on");
        }
    };
    let mut answer = String::new();
    let read = async {
        let _ = reading.read_to_string(&mut answer).await;
    };
    tokio::join!(endless, read);
    if !answer.is_empty() {
        assert_eq!(code(&answer), "admin_request_long");
    }
    assert!(here.ask(Request::ClientsList).await.is_ok(), "it goes on");
}

#[tokio::test]
async fn the_longest_line_is_measured_to_the_byte() {
    for (spaces, fits) in [(LONGEST_REQUEST - 1, true), (LONGEST_REQUEST + 1, false)] {
        let (mut near, mut far) = UnixStream::pair().unwrap();
        let mut text = vec![b' '; spaces];
        text.push(b'\n');
        let writing = tokio::spawn(async move { far.write_all(&text).await });
        let read = read_line(&mut near).await;
        match read {
            Ok(line) => assert!(fits && line.unwrap().len() == spaces),
            Err(error) => assert!(!fits && error.code == "admin_request_long"),
        }
        drop(near);
        let _ = writing.await;
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
    let asking = futures_util::future::join_all((0..20).map(|_| here.say(b"\"clients_list\"\n")));
    let leaving = async { drop(silent) };
    let (answers, ()) = tokio::join!(asking, leaving);
    for answer in answers {
        assert_eq!(answer, "{\"Ok\":{\"clients\":[]}}\n");
    }
}

#[tokio::test]
async fn a_stopping_server_waits_for_no_one_who_has_not_asked() {
    let here = Here::new().await;
    let socket = here.open().unwrap();
    let mut silent = UnixStream::connect(here.path()).await.unwrap();
    assert!(here.ask(Request::ClientsList).await.is_ok());
    socket.stop().await;
    let mut rest = Vec::new();
    assert_eq!(silent.read_to_end(&mut rest).await.unwrap(), 0);
}

#[test]
fn the_servers_user_and_root_may_ask() {
    assert!(may_ask(1000, 1000) && may_ask(0, 1000) && may_ask(0, 0));
    assert!(!may_ask(1001, 1000) && !may_ask(1000, 0));
}
