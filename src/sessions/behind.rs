//! A record that is older than one of its own tokens: the store has come back as it was earlier.
//!
//! A refresh raises the generation of a record before its tokens leave, so no token is ahead of its record while the store
//! keeps what it has answered. Where one is, the store has lost a refresh, and the tokens that the refresh ended are good
//! again. The generation of the token may have been ended as well, by a refresh that nobody can know of any more. So none
//! is brought back: the session ends, as it does where a refresh token was stolen, and its user logs in.
//!
//! This room must never go by a token that wasn't opened with the session's key and whose signature wasn't right.

use super::end::End;
use super::going_on::to_the_end;
use super::revoke::Revoker;
use crate::telemetry::audit::{Actor, Cause, Origin};
use crate::token::TokenError;
use lacre_keystore::{KeystoreError, RecordKey, Stored};
use std::sync::Arc;

impl Revoker {
    /// Ends the session of a record that is behind a token of this generation. Whoever has the token is told what
    /// anybody is told whose token is of another generation: the answer is that error, or the store's.
    pub(super) async fn end_behind(
        self: &Arc<Self>,
        key: RecordKey,
        seen: Stored,
        generation: u64,
    ) -> Result<TokenError, KeystoreError> {
        if generation > seen.record.generation {
            // Whoever showed the token may go before the end is durable, and it has its event all the same.
            let own = Arc::clone(self);
            to_the_end(async move { own.end_as_behind(&key, &seen).await }).await?;
        }
        Ok(TokenError::Generation)
    }

    async fn end_as_behind(&self, key: &RecordKey, seen: &Stored) -> Result<(), KeystoreError> {
        let user = &seen.record.user_id;
        let end = End::new(Cause::RecordBehind, Actor::Lacre, Some(user));
        if self.as_seen(key, seen, &end).await? {
            log::error!(
                "a session was older than a token of it, and has ended: the store has lost a refresh"
            );
            // Here, since every guard may come to it, also one that stands before no service.
            end.tell(user, &self.records.handle_of(key), &Origin::default());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
