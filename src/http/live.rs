//! For the tests of this room: both real servers on free ports, and a client that can send what no
//! library would.

use super::body::{Json, JsonOrForm, OptionalJson};
use super::credentials::bearer;
use super::edge::Edge;
use super::management::{Management, StoreCheck};
use super::metrics::{Measured, Metrics, Reading};
use super::problem::{Code, Problem};
use super::request_id::RequestId;
use super::server::{Ended, Listener, Listeners, Reached, ServerError, Settings, Stop};
use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// Both servers, running in a thread.
pub(crate) struct Live {
    pub(crate) public: SocketAddr,
    pub(crate) management: SocketAddr,
    stop: UnboundedSender<Stop>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) keystore_up: Arc<AtomicBool>,
    thread: JoinHandle<Result<Ended, ServerError>>,
}

/// Holds `GET /gate` until it is opened.
pub(crate) struct Gate {
    pub(crate) entered: std::sync::Mutex<mpsc::Receiver<()>>,
    enter: mpsc::Sender<()>,
    pub(crate) open: Semaphore,
}

/// An answer as it came over the wire.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The code of the problem, after checking that it is a whole one.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let body = self.json();
        assert_eq!(body["status"], self.status, "{self:?}");
        assert_eq!(
            body["request_id"],
            self.header("x-request-id").unwrap(),
            "{self:?}"
        );
        body["code"].as_str().unwrap().to_owned()
    }
}

impl Live {
    pub(crate) fn start() -> Self {
        Self::with(Settings {
            workers: 1,
            ..Settings::default()
        })
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let any = "127.0.0.1:0".parse().unwrap();
        let listeners = Listeners::bind(&any, &any).unwrap();
        let address = |listener: &Listener| match listener.reached().unwrap() {
            Reached::Tcp(address) => address,
            other => panic!("{other}"),
        };
        let public = address(&listeners.public);
        let management_address = address(&listeners.management);
        let (stop, mut told) = unbounded_channel();
        let stops = futures_util::stream::poll_fn(move |context| told.poll_recv(context));
        let (enter, entered) = mpsc::channel();
        let gate = Arc::new(Gate {
            entered: entered.into(),
            enter,
            open: Semaphore::new(0),
        });
        let keystore_up = Arc::new(AtomicBool::new(true));
        let metrics = Arc::new(Metrics::default());
        let (shared, asked) = (Data::from(Arc::clone(&gate)), Arc::clone(&keystore_up));
        let management = Management::new(
            Arc::clone(&metrics),
            move || {
                let up = asked.load(Ordering::SeqCst);
                async move {
                    vec![
                        StoreCheck {
                            store: "accounts",
                            up: true,
                            needed: true,
                        },
                        StoreCheck {
                            store: "keystore",
                            up,
                            needed: true,
                        },
                    ]
                }
            },
            || async {
                vec![Measured {
                    name: "lacre_hash_queue_length",
                    help: "Waiting.",
                    value: Reading::Gauge(3),
                }]
            },
        );
        let edge = Edge::new(&mut StdRng::seed_from_u64(1), metrics);
        let thread = std::thread::spawn(move || {
            tokio::runtime::Runtime::new()
                .unwrap()
                .block_on(async move {
                    let routes = move |config: &mut ServiceConfig| routes(config, &shared);
                    listeners
                        .serve(&settings, &edge, routes, None, management)?
                        .until(stops)
                        .await
                })
        });
        Self {
            public,
            management: management_address,
            stop,
            gate,
            keystore_up,
            thread,
        }
    }

    /// Tells it to stop.
    pub(crate) fn stop(&self) {
        self.stop.send(Stop::AfterDelay).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn ended(self) -> Ended {
        self.thread.join().unwrap().unwrap()
    }

    /// Sends these bytes to the public listener and reads until the connection closes.
    pub(crate) fn send(&self, request: impl AsRef<[u8]>) -> Answer {
        exchange(self.public, request.as_ref())
    }

    /// A request without a body, on its own connection.
    pub(crate) fn call(&self, method: &str, target: &str) -> Answer {
        self.send(format!(
            "{method} {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        ))
    }

    /// The same, to the management listener.
    pub(crate) fn ask(&self, target: &str) -> Answer {
        let text = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        exchange(self.management, text.as_bytes())
    }

    /// A POST with a body and these further header lines.
    pub(crate) fn post(&self, target: &str, fields: &str, body: &[u8]) -> Answer {
        let length = body.len();
        let mut request = format!(
            "POST {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
             Content-Length: {length}\r\n{fields}\r\n"
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.send(request)
    }
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    // A test that would hang fails instead.
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream
}

pub(crate) fn exchange(address: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = connect(address);
    // A server that refuses early may close while we still write.
    let _ = stream.write_all(request);
    answer(&mut stream)
}

/// Reads one answer up to the end of the connection.
pub(crate) fn answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    assert!(!bytes.is_empty(), "no answer: {read:?}");
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

fn routes(config: &mut ServiceConfig, gate: &Data<Gate>) {
    config
        .app_data(gate.clone())
        .route(
            "/form",
            web::post().to(async |JsonOrForm(mut body): JsonOrForm| body.required_text("email")),
        )
        .route(
            "/json",
            web::post().to(async |Json(mut body): Json| body.required_text("email")),
        )
        .route(
            "/optional",
            web::post().to(async |OptionalJson(body): OptionalJson| body.is_empty().to_string()),
        )
        .service(
            web::resource("/me")
                .route(web::get().to(me))
                .route(web::put().to(me)),
        )
        .route(
            "/things/{id}",
            web::get().to(async |id: Path<u32>| id.to_string()),
        )
        .route("/panic", web::get().to(panics))
        .route(
            "/panic-later",
            web::get().to(async || {
                tokio::task::yield_now().await;
                panics().await
            }),
        )
        .route(
            "/error",
            web::get().to(async || {
                Err::<&str, _>(actix_web::error::ErrorInternalServerError("s3cret text"))
            }),
        )
        .route(
            "/bare/{status}",
            web::get().to(async |status: Path<u16>| {
                HttpResponse::new(actix_web::http::StatusCode::from_u16(*status).unwrap())
            }),
        )
        .route(
            "/own",
            web::get()
                .to(async || HttpResponse::Conflict().json(serde_json::json!({"mine": true}))),
        )
        .route(
            "/busy",
            web::get().to(async || Err::<&str, _>(Problem::new(Code::HashingBusy))),
        )
        .route(
            "/id",
            web::get()
                .to(async |request: HttpRequest| RequestId::of(&request).unwrap().to_string()),
        )
        .route(
            "/gate",
            web::get().to(async |gate: Data<Gate>| {
                gate.enter.send(()).unwrap();
                gate.open.acquire().await.unwrap().forget();
                "through"
            }),
        );
}

async fn me(request: HttpRequest) -> Result<&'static str, Problem> {
    bearer(request.headers())?.ok_or_else(Problem::no_credentials)?;
    Ok("me")
}

async fn panics() -> &'static str {
    panic!("s3cret in a panic")
}
