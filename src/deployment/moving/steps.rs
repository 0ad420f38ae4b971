//! The steps of a move, in the one order that loses nothing.
//!
//! This room must never let the new store be used before the one of before answers nothing any more.

use super::error::MoveError;
use super::in_time::{ACCOUNTS, InTime, LEAVING, Watched, in_time, within};
use super::sides::{Arriving, Gone, Leaving};
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
/// How many interruptions are gone on behind.
const MOST_INTERRUPTIONS: usize = 10;
/// How long a store is waited for that doesn't answer, and how long there is between two attempts.
const BACK: Duration = Duration::from_secs(30);
const BETWEEN: Duration = Duration::from_millis(300);

/// A step of a move that is done.
#[derive(Debug, Clone)]
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
    /// A store has failed, for this reason. Changes are taken again, unless the one of before was left already; when both answer,
    /// the move goes on.
    Interrupted(String),
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
    let mut move_on = Move::new((from, to), (&id, deployment, place));
    move_on.total = from.records().await?;
    move_on.gone(Gone::No, waiting).await
}

/// Goes on with a move out of a side that was left in part.
pub(super) async fn go_on(
    from: &dyn Leaving,
    to: &dyn Arriving,
    (id, deployment, place): (&str, &str, &str),
    waiting: &mut dyn Waiting,
) -> Result<MovedAll, MoveError> {
    let move_on = Move::new((from, to), (id, deployment, place));
    let gone = from.again(id).await?;
    move_on.gone(gone, waiting).await
}

/// A move that is under way.
struct Move<'m> {
    from: &'m dyn Leaving,
    to: &'m dyn Arriving,
    id: &'m str,
    deployment: &'m str,
    place: &'m str,
    /// How many sessions there were at the beginning.
    total: u64,
    /// How often it was interrupted.
    interruptions: usize,
    /// What was brought while changes were held last.
    brought: MovedAll,
}

impl<'m> Move<'m> {
    fn new(
        (from, to): (&'m dyn Leaving, &'m dyn Arriving),
        (id, deployment, place): (&'m str, &'m str, &'m str),
    ) -> Self {
        Self {
            from,
            to,
            id,
            deployment,
            place,
            total: 0,
            interruptions: 0,
            brought: MovedAll::default(),
        }
    }

    /// From a side that was left so far to the end. What passes by itself is waited for, and gone on behind.
    async fn gone(
        mut self,
        mut gone: Gone,
        waiting: &mut dyn Waiting,
    ) -> Result<MovedAll, MoveError> {
        loop {
            let done = match gone {
                Gone::No => self.bring_and_leave(waiting).await,
                Gone::Partly => self.leave_the_rest().await,
                Gone::Wholly => match in_time(self.to.ready(self.id), MoveError::Target).await {
                    Ok(true) => break,
                    Ok(false) => return Err(MoveError::Used(self.place.to_owned())),
                    Err(error) => Err(error),
                },
            };
            gone = match done {
                Ok(()) => Gone::Wholly,
                Err(error) => self.interrupted(error, gone, waiting).await?,
            };
        }
        Caller::operator().acted("sessions_moved", None);
        Ok(self.brought)
    }

    /// Walks until few sessions differ, takes no more changes, walks once more, and leaves.
    async fn bring_and_leave(&mut self, waiting: &mut dyn Waiting) -> Result<(), MoveError> {
        for number in 1..=MOST_ROUNDS {
            let round = self.walk(waiting).await?;
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
        in_time(self.from.hold(true), MoveError::Source).await?;
        let round = self.walk(waiting).await?;
        let keyring = in_time(self.from.keyring(), MoveError::Source).await?;
        in_time(self.to.furnish(&keyring), MoveError::Target).await?;
        let accounts = within(ACCOUNTS, self.from.take_along(), MoveError::Target).await?;
        self.brought.sessions = Some(round.records);
        self.brought.accounts = accounts;
        let left = self.leave().await;
        self.brought.held = held.elapsed();
        left
    }

    /// Keys may have changed since the sessions left.
    async fn leave_the_rest(&self) -> Result<(), MoveError> {
        let keyring = in_time(self.from.keyring(), MoveError::Source).await?;
        in_time(self.to.furnish(&keyring), MoveError::Target).await?;
        self.leave().await
    }

    async fn leave(&self) -> Result<(), MoveError> {
        let left = self.from.leave(self.id, self.place);
        within(LEAVING, left, MoveError::Source).await
    }

    async fn walk(&self, waiting: &mut dyn Waiting) -> Result<Round, MoveError> {
        let mut nobody_waits = false;
        let (from, total) = (Watched::new(self.from.origin()), self.total);
        let to = InTime(self.to.destination());
        let round = bring(&from, &to, |done| {
            if waiting.walking(done, total.max(done)) {
                return Ok(());
            }
            nobody_waits = true;
            Err(KeystoreError::StoreContended)
        })
        .await;
        match round {
            Err(_) if nobody_waits => Err(MoveError::GivenUp),
            Err(error) if from.has_failed() => Err(MoveError::source(error)),
            round => round.map_err(MoveError::target),
        }
    }

    /// Has changes taken again after a failure, and waits until both sides can be connected to anew, where that may be. Says
    /// how far the one was left then.
    async fn interrupted(
        &mut self,
        error: MoveError,
        gone: Gone,
        waiting: &mut dyn Waiting,
    ) -> Result<Gone, MoveError> {
        if gone != Gone::Wholly {
            let_go(self.from).await;
        }
        self.interruptions += 1;
        if !error.passes() || self.interruptions > MOST_INTERRUPTIONS {
            return Err(error);
        }
        log::warn!(code = error.code(); "the move of the sessions was interrupted, and goes on: {error}");
        // Whoever has gone doesn't keep a move from its end that can't be given up any more.
        let waits = waiting.heard(Heard::Interrupted(error.to_string())).await;
        let begun = Instant::now();
        loop {
            tokio::time::sleep(BETWEEN).await;
            if gone == Gone::No && !(waits && waiting.walking(0, self.total)) {
                return Err(MoveError::GivenUp);
            }
            match self.connected_anew(gone).await {
                Ok(gone) => return Ok(gone),
                // The connection of before may hold the move for a moment.
                Err(again) if !(again.passes() || matches!(again, MoveError::UnderWay)) => {
                    return Err(again);
                }
                Err(_) if begun.elapsed() > BACK => return Err(error),
                Err(_) => {}
            }
        }
    }

    async fn connected_anew(&self, gone: Gone) -> Result<Gone, MoveError> {
        let mut gone = gone;
        if gone != Gone::Wholly {
            gone = in_time(self.from.again(self.id), MoveError::Source).await?;
        }
        in_time(self.to.again(), MoveError::Target).await?;
        // A store that has lost what was brought must not be begun once more when the one of before is left.
        if gone == Gone::No {
            let begun = self.to.begin(self.id, self.deployment);
            if in_time(begun, MoveError::Target).await? != self.id {
                return Err(MoveError::Used(self.place.to_owned()));
            }
        }
        Ok(gone)
    }
}

/// Has changes taken again, after a failure that is told instead of this one's. Where the side was left after all, it
/// takes none.
async fn let_go(from: &dyn Leaving) {
    if let Err(error) = in_time(from.hold(false), MoveError::Source).await {
        log::warn!(code = error.code(); "changes may be refused until the connection of the move has ended: {error}");
    }
}

/// A number for a move, which no other one has.
pub(super) fn number(entropy: &Entropy) -> String {
    let mut bytes = [0; 16];
    entropy().fill_bytes(&mut bytes);
    base64url::encode(bytes)
}
