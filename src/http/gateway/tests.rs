use super::*;
use crate::accounts::{ClientTerms, NewClient};
use crate::config::{Config, Sources};
use crate::lacre::testing::{Deployed, Fixture};
use crate::sessions::rules::Rules;
use actix_web::body::{MessageBody, to_bytes};
use actix_web::dev::ServiceResponse;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, http::header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lacre_keystore::{Change, Engine, KeyBytes, KeyRange, KeystoreError, MemoryEngine};
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// A store that nobody can read while it is down.
#[derive(Clone, Default)]
struct Failing {
    engine: Arc<MemoryEngine>,
    down: Arc<AtomicBool>,
}

impl Engine for Failing {
    fn get(&self, key: &KeyBytes) -> Result<Option<Vec<u8>>, KeystoreError> {
        if self.down.load(SeqCst) {
            return Err(KeystoreError::unavailable("the store is down"));
        }
        self.engine.get(key)
    }
    fn scan(
        &self,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<(KeyBytes, Vec<u8>)>, KeystoreError> {
        self.engine.scan(range, limit)
    }
    fn count_up_to(&self, range: &KeyRange, most: usize) -> Result<usize, KeystoreError> {
        self.engine.count_up_to(range, most)
    }
    fn count(&self) -> Result<u64, KeystoreError> {
        self.engine.count()
    }
    fn apply(&self, changes: &[Change]) -> Result<bool, KeystoreError> {
        self.engine.apply(changes)
    }
    fn note_emptying(
        &self,
        under_way: bool,
        note: Option<&lacre_keystore::Note>,
    ) -> Result<(), KeystoreError> {
        self.engine.note_emptying(under_way, note)
    }
    fn persist(&self) -> Result<(), KeystoreError> {
        self.engine.persist()
    }
    fn size_on_disk(&self) -> Result<u64, KeystoreError> {
        self.engine.size_on_disk()
    }
}

fn gateway(service: &Service) -> Gateway {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "[service.wiki]\n").unwrap();
    let config = Config::resolve(Sources {
        file: Some(file.path().to_owned()),
        env: std::iter::empty(),
        flags: Vec::new(),
        dev: false,
    })
    .unwrap();
    let proxies = TrustedProxies::default();
    Gateway::new(service.clone(), proxies, &config.services, &config.gateway)
}

fn basic(client: &NewClient) -> String {
    let pair = format!("{}:{}", client.id, client.secret.expose());
    format!("Basic {}", STANDARD.encode(pair))
}

async fn told<B: MessageBody>(answer: ServiceResponse<B>) -> (u16, Value) {
    let status = answer.status().as_u16();
    assert_eq!(answer.headers().get(header::WWW_AUTHENTICATE), None);
    assert_eq!(
        answer.headers().contains_key(header::RETRY_AFTER),
        status == 503
    );
    let body = to_bytes(answer.into_body()).await.ok().unwrap_or_default();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

#[actix_web::test]
async fn a_store_that_is_down_is_503_to_whoever_asks_and_lets_nobody_in() {
    let store = Failing::default();
    let fixture = Fixture::on(store.clone(), Rules::new("https://issuer.test", "api"));
    let deployed = Deployed::of(fixture).await;
    let client = deployed
        .service
        .accounts()
        .create_client(&ClientTerms::named("api"))
        .await
        .unwrap();
    let issued = deployed.fixture.log_in("u1").await;
    let token = issued.access.token.expose().to_owned();
    // Nothing is kept of the token, so that the store has to be asked.
    deployed.fixture.lacre.forget_content_keys();
    let gateway = gateway(&deployed.service);
    let app = App::new().wrap(Gateway::edge(&Edge::default()));
    let app = init_service(app.configure(|config| gateway.routes(config))).await;
    let authz = || {
        let bearer = (header::AUTHORIZATION, format!("Bearer {token}"));
        TestRequest::get()
            .uri("/authz/wiki")
            .insert_header(bearer)
            .to_request()
    };
    let post = |target: &str| {
        let request = TestRequest::post().uri(target);
        let request = request.insert_header((header::AUTHORIZATION, basic(&client)));
        request.set_form([("token", &token)]).to_request()
    };
    store.down.store(true, SeqCst);
    let (status, body) = told(call_service(&app, authz()).await).await;
    assert_eq!((status, &body["code"]), (503, &"store_unavailable".into()));
    for target in [metadata::INTROSPECT, metadata::REVOKE] {
        let (status, body) = told(call_service(&app, post(target)).await).await;
        assert_eq!(
            (status, &body["error"]),
            (503, &"temporarily_unavailable".into()),
            "{target}"
        );
    }
    store.down.store(false, SeqCst);
    assert_eq!(told(call_service(&app, authz()).await).await.0, 200);
    let (status, body) = told(call_service(&app, post(metadata::INTROSPECT)).await).await;
    assert_eq!(
        (status, &body["active"]),
        (200, &true.into()),
        "it wasn't revoked"
    );
    assert_eq!(
        told(call_service(&app, post(metadata::REVOKE)).await)
            .await
            .0,
        200
    );
    let (_, body) = told(call_service(&app, post(metadata::INTROSPECT)).await).await;
    assert_eq!(body, serde_json::json!({"active": false}));
}
