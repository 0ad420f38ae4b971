//! The issue path: from a proven user to a token that only this session's key opens.
//!
//! New key pair → claims signed, then sealed → record durable in the keystore → and only then does
//! the token leave. Whoever proves the user's credentials calls this room; it asks no questions.
//!
//! This room must never return a token whose record might be lost in a crash.

use super::cap::Cap;
use super::content_keys::ContentKeys;
use super::end::End;
use super::grant::{Grant, IssueError, Issued, check_additional};
use super::profile::Profile;
use super::records::Records;
use super::revoke::Revoker;
use super::rules::Rules;
use super::tokens::{Contents, TokenMaker};
use crate::clock::UnixSeconds;
use crate::entropy::Entropy;
use crate::telemetry::audit::Cause;
use crate::token::{Handle, SessionKey, stack};
use lacre_keystore::{PrivateScalar, Record, RecordKey, Swap};
use std::sync::Arc;

/// How often a session is tried again after conflicts: others replace it, or change what it is to
/// evict, at the same moment.
const MAX_ATTEMPTS: usize = 32;

/// Begins sessions.
pub(crate) struct Issuer {
    rules: Arc<Rules>,
    records: Records,
    entropy: Entropy,
    tokens: Arc<TokenMaker>,
    content_keys: Arc<ContentKeys>,
    revoker: Arc<Revoker>,
    cap: Cap,
}

/// How a session was stored.
struct Begun {
    evicted: Vec<Handle>,
    replaced: bool,
}

impl Issuer {
    pub(crate) fn new(
        rules: Arc<Rules>,
        records: Records,
        entropy: Entropy,
        tokens: Arc<TokenMaker>,
        content_keys: Arc<ContentKeys>,
        revoker: Arc<Revoker>,
    ) -> Self {
        Self {
            cap: Cap::new(records.clone(), rules.max_per_user),
            rules,
            records,
            entropy,
            tokens,
            content_keys,
            revoker,
        }
    }

    /// Begins a session and returns its tokens, after its record is durable.
    pub(crate) async fn issue(&self, grant: &Grant) -> Result<Issued, IssueError> {
        check_additional(&grant.additional)?;
        let (user, profile) = (grant.user()?, Profile::said(grant));
        let handles = self.records.handles();
        let key = match &grant.user_session {
            None => handles.new_session(&user, &mut (self.entropy)()),
            Some(name) => handles.named_session(&user, name),
        };
        let handle = handles.handle(&key);
        let now = self.records.now();
        let record = self.new_record(grant, user, profile.as_ref(), now)?;
        // The claims are made next, in values that would take up what the key has left.
        stack::sweep();
        let pair = self.tokens.pair(&Contents {
            subject: &grant.subject,
            handle: &handle,
            record: &record,
            now,
            fresh: grant.occasion.is_fresh(),
            additional: &grant.additional,
            profile: profile.as_ref(),
        })?;
        let actor = grant.occasion.actor();
        let user = Some(&*record.user_id);
        let evicted_for = End::new(Cause::Evicted, actor.clone(), user);
        let replaced_for = End::new(Cause::Replaced, actor, user);
        let Begun {
            mut evicted,
            replaced,
        } = self
            .store(
                &key,
                &record,
                grant.user_session.as_ref().map(|_| &replaced_for),
                &evicted_for,
            )
            .await?;
        if replaced {
            // The session of before has ended with its key.
            self.content_keys.forget(&key);
        }
        evicted.extend(self.cap.make_room(&key, &record, &evicted_for).await?);
        Ok(Issued {
            access: pair.access,
            refresh: Some(pair.refresh),
            user_id: record.user_id,
            handle,
            key,
            evicted,
            replaced,
        })
    }

    fn new_record(
        &self,
        grant: &Grant,
        user_id: String,
        profile: Option<&Profile>,
        now: UnixSeconds,
    ) -> Result<Record, IssueError> {
        let session_key = SessionKey::generate(&mut (self.entropy)());
        let ends_at = now.saturating_add(self.rules.absolute_ttl);
        // A client that speaks for an account proves itself, and nothing about the user; an outside issuer
        // doesn't say when the user has proven it.
        let authenticated_at = if grant.occasion.is_fresh() { now } else { 0 };
        Ok(Record {
            private_scalar: PrivateScalar::new(*session_key.scalar()),
            user_id,
            created_at: now,
            authenticated_at,
            expires_at: now.saturating_add(self.rules.refresh_ttl).min(ends_at),
            ends_at,
            last_seen_at: now,
            generation: 1,
            rotated_at: now,
            access_ended: false,
            label: grant.origin.label.clone(),
            address: grant.origin.address.clone(),
            user_agent: grant.origin.user_agent.clone(),
            client_id: grant.occasion.asked_by(),
            last_seen_address: None,
            profile: profile.map(Profile::text).transpose()?,
        })
    }

    /// Stores a session. A session that its caller names, which has an end to replace another one for, replaces the one before of that name: one
    /// compare-and-swap, one winner. Any other has a key that no record has.
    async fn store(
        &self,
        key: &RecordKey,
        record: &Record,
        replaced_for: Option<&End>,
        evicted_for: &End,
    ) -> Result<Begun, IssueError> {
        let mut replaced = false;
        for _ in 0..MAX_ATTEMPTS {
            let before = if replaced_for.is_some() {
                match self.records.keystore.get(key).await {
                    // What doesn't open is replaced like what does: else the name is lost for good.
                    Err(error) if error.record().is_some() => {
                        replaced |= self.revoker.session(key, replaced_for).await?;
                        continue;
                    }
                    before => before?,
                }
            } else {
                None
            };
            if let Some(before) = before {
                let noting = self
                    .records
                    .keystore
                    .noting(self.records.note(replaced_for));
                if noting.replace(key, &before, record).await? == Swap::Won {
                    return Ok(Begun {
                        evicted: Vec::new(),
                        replaced: true,
                    });
                }
            } else if let Some(evicted) = self.cap.begin(key, record, evicted_for).await? {
                return Ok(Begun { evicted, replaced });
            }
        }
        Err(IssueError::Contended)
    }
}

#[cfg(test)]
mod tests;
