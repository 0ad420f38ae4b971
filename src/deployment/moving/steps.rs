//! The steps of a move, in the one order that loses nothing.
//!
//! This room must never let the new store be used before the one of before answers nothing any more.

use super::error::MoveError;
use super::sides::{Arriving, Leaving};
use crate::entropy::Entropy;
use crate::service::Caller;
use crate::token::base64url;
use lacre_keystore::KeystoreError;
use lacre_keystore::moving::{Round, bring};
use rand::Rng as _;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

/// How many differences are few enough to stop changes for.
const FEW: u64 = 200;
/// How often everything is walked through while the store of before serves.
const MOST_ROUNDS: usize = 6;

/// A step of a move that is done.
#[derive(Debug, Clone, Copy)]
pub enum Heard {
    /// A walk is done.
    Walked {
        /// Which, from 1.
        number: usize,
        /// What it did.
        round: Round,
    },
    /// Changes are refused from now on.
    Held,
}

/// Who waits for a move. Where it says `false` nobody does any more, and the move is given up while it can be.
pub trait Waiting: Send {
    /// So many sessions of so many are done of a walk.
    fn walking(&mut self, done: u64, total: u64) -> bool;

    /// A step is done.
    fn heard(&mut self, step: Heard) -> Pin<Box<dyn Future<Output = bool> + Send + '_>>;
}

/// A move that is done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MovedAll {
    /// How many sessions; `None` where an earlier command had moved them.
    pub sessions: Option<u64>,
    /// How many accounts, where they were in a file.
    pub accounts: Option<u64>,
    /// For how long changes were refused.
    pub held: Duration,
}

/// Moves everything.
pub(super) async fn move_all(
    from: &dyn Leaving,
    to: &dyn Arriving,
    (id, deployment, place): (&str, &str, &str),
    waiting: &mut dyn Waiting,
) -> Result<MovedAll, MoveError> {
    let id = to.begin(id, deployment).await?;
    // Before the first session is copied: whoever breaks off has some.
    Caller::operator().acted("sessions_move_begun", None);
    let total = from.records().await?;
    for number in 1..=MOST_ROUNDS {
        let round = walk(from, to, total, waiting).await?;
        if !waiting.heard(Heard::Walked { number, round }).await {
            return Err(MoveError::GivenUp);
        }
        if round.changes() <= FEW {
            break;
        }
    }
    if !waiting.heard(Heard::Held).await {
        return Err(MoveError::GivenUp);
    }
    let held = Instant::now();
    let moved = match last(from, to, total, waiting).await {
        Ok(moved) => moved,
        Err(error) => {
            let_go(from).await;
            return Err(error);
        }
    };
    if let Err(error) = from.leave(&id, place).await {
        let_go(from).await;
        return Err(error);
    }
    if !to.ready(&id).await? {
        return Err(MoveError::Used(place.to_owned()));
    }
    Caller::operator().acted("sessions_moved", None);
    Ok(MovedAll {
        held: held.elapsed(),
        ..moved
    })
}

/// Has changes taken again, after a failure that is told instead of this one's. Where the side was left after all, it
/// takes none.
async fn let_go(from: &dyn Leaving) {
    if let Err(error) = from.hold(false).await {
        log::warn!(code = error.code(); "changes may be refused until the connection of the move has ended: {error}");
    }
}

/// What is done while changes are held.
async fn last(
    from: &dyn Leaving,
    to: &dyn Arriving,
    total: u64,
    waiting: &mut dyn Waiting,
) -> Result<MovedAll, MoveError> {
    from.hold(true).await?;
    let round = walk(from, to, total, waiting).await?;
    to.furnish(&from.keyring().await?).await?;
    Ok(MovedAll {
        sessions: Some(round.records),
        accounts: from.take_along().await?,
        held: Duration::ZERO,
    })
}

async fn walk(
    from: &dyn Leaving,
    to: &dyn Arriving,
    total: u64,
    waiting: &mut dyn Waiting,
) -> Result<Round, MoveError> {
    let mut nobody_waits = false;
    let round = bring(from.origin(), to.destination(), |done| {
        if waiting.walking(done, total.max(done)) {
            return Ok(());
        }
        nobody_waits = true;
        Err(KeystoreError::StoreContended)
    })
    .await;
    match round {
        Err(_) if nobody_waits => Err(MoveError::GivenUp),
        round => round.map_err(MoveError::target),
    }
}

/// A number for a move, which no other one has.
pub(super) fn number(entropy: &Entropy) -> String {
    let mut bytes = [0; 16];
    entropy().fill_bytes(&mut bytes);
    base64url::encode(bytes)
}
