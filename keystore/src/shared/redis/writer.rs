//! What writes to one server: many changes with one wait for its replicas.
//!
//! This room must never answer a change that isn't confirmed by all who may take the server's place.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redis::{Cmd, Value};
use tokio::sync::{mpsc, oneshot};

use super::wire::{Wire, says_elsewhere, strange};
use super::witness::{ASKED, Lack, Witness};
use crate::error::KeystoreError;

/// How many changes go together at most.
const MANY: usize = 256;

/// How long replicas get.
const PATIENCE_MS: u64 = 300;

/// A change that is asked for. Its answer is what the server says, a refusal as well.
pub(super) struct Job {
    pub(super) asked: Cmd,
    pub(super) answer: oneshot::Sender<Result<Value, KeystoreError>>,
}

/// Writes until nobody can ask any more.
pub(super) async fn run(
    wire: Wire,
    mut jobs: mpsc::UnboundedReceiver<Job>,
    witness: Arc<Witness>,
    broken: Arc<AtomicBool>,
) {
    let mut asked = Vec::new();
    while jobs.recv_many(&mut asked, MANY).await > 0 {
        let mut pipeline = redis::pipe();
        for job in &asked {
            pipeline.add_command(job.asked.clone());
        }
        let waited_for = witness.ask(&mut pipeline, PATIENCE_MS);
        let said = wire.send(&pipeline).await;
        let said = said.map(|mut said| {
            let behind = said.split_off(said.len().saturating_sub(ASKED));
            (said, behind)
        });
        let (answers, behind) = match said {
            Ok((answers, behind)) if answers.len() == asked.len() => (answers, behind),
            failed => {
                broken.store(true, Ordering::SeqCst);
                let error = failed.err().unwrap_or_else(strange);
                for job in asked.drain(..) {
                    let _ = job.answer.send(Err(error.clone()));
                }
                continue;
            }
        };
        let mut confirmed = witness.hear(behind).map(drop);
        if confirmed == Err(Lack::Replicas) && waited_for < witness.replicas() {
            // A replica has come since the server was last asked.
            confirmed = again(&wire, &witness).await;
        }
        let deposed = matches!(confirmed, Err(Lack::Deposed | Lack::Strange(_)));
        if deposed || answers.iter().any(says_elsewhere) {
            broken.store(true, Ordering::SeqCst);
        }
        for (job, answer) in asked.drain(..).zip(answers) {
            let answer = match &confirmed {
                Ok(()) => Ok(answer),
                Err(lack) => Err(lack.clone().into_error()),
            };
            let _ = job.answer.send(answer);
        }
    }
}

async fn again(wire: &Wire, witness: &Witness) -> Result<(), Lack> {
    let mut pipeline = redis::pipe();
    witness.ask(&mut pipeline, PATIENCE_MS);
    let said = wire.send(&pipeline).await.map_err(Lack::Strange)?;
    witness.hear(said).map(drop)
}
