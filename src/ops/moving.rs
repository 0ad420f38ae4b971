//! A move of all sessions to another store, asked of the process that has the one in use to itself.
//!
//! This room must never go on with a move for which nobody waits, while it can be given up.

use super::answer::Answer;
use super::error::OpsError;
use super::secret::Secret;
use super::steps::Steps;
use crate::deployment::{Heard, MovedAll, Target, Waiting, move_from_directory};
use crate::entropy;
use crate::service::Service;
use lacre_keystore::moving::Round;
use std::future::Future;
use std::pin::Pin;

pub(super) async fn perform(
    service: &Service,
    to: &Secret,
    dry_run: bool,
    steps: &Steps,
) -> Result<Answer, OpsError> {
    let target = Target::parse(to.expose())?;
    let entropy = entropy::system();
    let mut waiting = Asker(steps);
    let moved = move_from_directory(service, &target, dry_run, &entropy, &mut waiting);
    let moved = moved.await?;
    Ok(answer(&moved))
}

fn answer(moved: &MovedAll) -> Answer {
    Answer::Moved {
        sessions: moved.sessions,
        accounts: moved.accounts,
        held_ms: u64::try_from(moved.held.as_millis()).unwrap_or(u64::MAX),
    }
}

/// Whoever takes the steps of the answer.
struct Asker<'s>(&'s Steps);

impl Waiting for Asker<'_> {
    fn walking(&mut self, done: u64, total: u64) -> bool {
        self.0.progress(done, total);
        !self.0.is_left()
    }

    fn heard(&mut self, step: Heard) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        let (walk, round, interrupted) = match step {
            Heard::Walked { number, round } => (number, round, None),
            Heard::Held => (0, Round::default(), None),
            Heard::Interrupted(why) => (0, Round::default(), Some(why)),
        };
        let page = Answer::Moving {
            walk,
            written: round.written,
            removed: round.removed,
            interrupted,
        };
        Box::pin(async move {
            // Nobody takes steps where one answer is all that the door shows.
            self.0.page(page).await.is_ok() || !self.0.is_left()
        })
    }
}
