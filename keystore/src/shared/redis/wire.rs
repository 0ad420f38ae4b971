//! One connection to one server.
//!
//! It isn't made anew: what comes by it is from the process that was there when it was made.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, IntoConnectionInfo as _, Pipeline,
    RedisConnectionInfo, RedisError, ServerError, TlsCertificates, Value,
};

use super::place::{Address, Place};
use crate::error::KeystoreError;

/// How long a connection may take to be made.
const CONNECTING: Duration = Duration::from_millis(800);

/// How long an answer may take.
pub(super) const ANSWER: Duration = Duration::from_millis(800);

/// A connection.
#[derive(Clone)]
pub(super) struct Wire(MultiplexedConnection);

impl Wire {
    pub(super) async fn connect(place: &Place, to: &Address) -> Result<Self, KeystoreError> {
        let addr = if place.tls {
            ConnectionAddr::TcpTls {
                host: to.host.clone(),
                port: to.port,
                insecure: false,
                tls_params: None,
            }
        } else {
            ConnectionAddr::Tcp(to.host.clone(), to.port)
        };
        let mut who = RedisConnectionInfo::default()
            .set_db(place.database)
            .set_skip_set_lib_name();
        if let Some(user) = &place.user {
            who = who.set_username(user);
        }
        if let Some(password) = &place.password {
            who = who.set_password(password.as_str());
        }
        let info = addr
            .into_connection_info()
            .map_err(|error| failed(&error))?;
        let info = info
            .set_redis_settings(who)
            .set_tcp_settings(redis::io::tcp::TcpSettings::default().set_nodelay(true));
        // How long an answer may take is said with each question: a wait for replicas takes longer than the half
        // second that the library would allow.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECTING))
            .set_response_timeout(None);
        let client = match &place.authorities {
            Some(file) => {
                let trusted = std::fs::read(file).map_err(|error| {
                    KeystoreError::unavailable(format!(
                        "the file of sslrootcert can't be read: {}",
                        error.kind()
                    ))
                })?;
                let certificates = TlsCertificates {
                    client_tls: None,
                    root_cert: Some(trusted),
                };
                Client::build_with_tls(info, certificates)
            }
            None => Client::open(info),
        };
        let client = client.map_err(|error| failed(&error))?;
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        match tokio::time::timeout(CONNECTING, connecting).await {
            Ok(connected) => connected.map(Self).map_err(|error| failed(&error)),
            Err(_) => Err(KeystoreError::unavailable("it can't be reached in time")),
        }
    }

    /// The answers to all that is asked, refusals among them.
    pub(super) async fn send(&self, asked: &Pipeline) -> Result<Vec<Value>, KeystoreError> {
        let mut connection = self.0.clone();
        let sending = connection.send_packed_commands(asked, 0, asked.len());
        match tokio::time::timeout(ANSWER, sending).await {
            Ok(answers) => answers.map_err(|error| failed(&error)),
            Err(_) => Err(KeystoreError::unavailable("it doesn't answer in time")),
        }
    }

    /// One question; its refusal is an error.
    pub(super) async fn ask(&self, asked: Cmd) -> Result<Value, KeystoreError> {
        let mut pipeline = redis::pipe();
        pipeline.add_command(asked);
        let answers = self.send(&pipeline).await?;
        accepted(answers.into_iter().next().unwrap_or(Value::Nil))
    }
}

/// An answer that is no refusal.
pub(super) fn accepted(answer: Value) -> Result<Value, KeystoreError> {
    match answer {
        Value::ServerError(error) => Err(refused(&error)),
        answer => Ok(answer),
    }
}

/// Whether a refusal says that this server isn't the one to ask any more.
pub(super) fn says_elsewhere(answer: &Value) -> bool {
    let codes = [
        "MOVED",
        "ASK",
        "TRYAGAIN",
        "READONLY",
        "CLUSTERDOWN",
        "MASTERDOWN",
        "LOADING",
        "UNBLOCKED",
        "LACREGONE",
        "LACREMOVED",
        "LACRECOMING",
    ];
    matches!(answer, Value::ServerError(error) if codes.contains(&error.code()))
}

/// Whether a refusal says that a change came too late: it isn't made, and won't be.
pub(super) fn says_late(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(error) if error.code() == "LACRELATE")
}

/// A refusal, by its code alone: the rest may repeat what was sent.
fn refused(error: &ServerError) -> KeystoreError {
    match error.code() {
        "LACREGONE" => KeystoreError::unavailable("the store has been emptied"),
        "LACREMOVED" => KeystoreError::unavailable("all records were moved to another store"),
        "LACRECOMING" => KeystoreError::unavailable("records are being brought here"),
        "LACREHELD" => changes_held(),
        code => KeystoreError::unavailable(format!("the server answers with error {code}")),
    }
}

fn failed(error: &RedisError) -> KeystoreError {
    match error.code() {
        Some(code) => KeystoreError::unavailable(format!("the server answers with error {code}")),
        None => KeystoreError::unavailable(error.category()),
    }
}

/// What is in an array; nothing where it is none.
pub(super) fn items(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}

/// The bytes of a string.
pub(super) fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text.into_bytes()),
        _ => None,
    }
}

pub(super) fn text(value: Value) -> Option<String> {
    String::from_utf8(bytes(value)?).ok()
}

/// A number, also where it comes as text.
pub(super) fn number(value: Value) -> Option<u64> {
    match value {
        Value::Int(number) => number.try_into().ok(),
        other => text(other)?.parse().ok(),
    }
}

/// A number of eight bytes, the greatest first.
pub(super) fn big_endian(value: Value) -> Option<u64> {
    let bytes = bytes(value)?.as_slice().try_into().ok()?;
    Some(u64::from_be_bytes(bytes))
}

/// Changes are refused while all records are moved.
pub(super) fn changes_held() -> KeystoreError {
    KeystoreError::unavailable("changes are refused while all records are moved")
}

/// An answer that isn't what such a server gives.
pub(super) fn strange() -> KeystoreError {
    KeystoreError::unavailable("its answer can't be read")
}
