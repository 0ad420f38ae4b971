//! A record that is older than one of its own tokens: the store has come back as it was earlier.
//!
//! A refresh raises the generation of a record before its tokens leave, so no token is ahead of its record while the store
//! keeps what it has answered. Where one is, the store has lost a refresh, and the tokens that the refresh ended are good
//! again. The generation of the token may have been ended as well, by a refresh that nobody can know of any more. So none
//! is brought back: the session ends, as it does where a refresh token was stolen, and its user logs in.
//!
//! This room must never go by a token that wasn't opened with the session's key and whose signature wasn't right.

use super::end::End;
use super::records::Records;
use crate::telemetry::audit::{Actor, Cause, Event, MaskedHandle, Origin, UserId};
use crate::token::TokenError;
use lacre_keystore::{KeystoreError, RecordKey, Stored};

impl Records {
    /// Ends the session of a record that is behind a token of this generation. Whoever has the token is told what
    /// anybody is told whose token is of another generation: the answer is that error, or the store's.
    pub(super) async fn end_behind(
        &self,
        key: &RecordKey,
        seen: &Stored,
        generation: u64,
    ) -> Result<TokenError, KeystoreError> {
        if generation > seen.record.generation {
            let end = End::new(
                Cause::RecordBehind,
                Actor::Lacre,
                Some(&seen.record.user_id),
            );
            let noting = self.keystore.noting(self.note(Some(&end)));
            if noting.remove_if(key, seen).await? {
                log::error!(
                    "a session was older than a token of it, and has ended: the store has lost a refresh"
                );
                let handle = self.handle_of(key);
                // Here, since every guard may come to it, also one that stands before no service.
                let ended = Event::SessionEnded {
                    user: UserId::new(&seen.record.user_id),
                    session: MaskedHandle::of(handle.as_str()),
                    cause: end.cause,
                    by: &end.by,
                };
                ended.record(&Origin::default());
            }
        }
        Ok(TokenError::Generation)
    }
}

#[cfg(test)]
mod tests;
