//! The refresh path: a refresh token for new tokens, by one compare-and-swap on the record.
//!
//! A refresh raises the session's generation, and tokens of an earlier one are noise. The token of
//! the generation before is still answered for a moment, with tokens of the *current* generation:
//! an answer that was lost on the way, or a second tab, is no theft. After that moment its use ends
//! the session, because one of its two holders is a thief (RFC 9700 §4.14.2).
//!
//! There is no lock and no lease: of several refreshes at once one wins the swap, and the others
//! read again and find themselves in the grace. A session that is ended meanwhile has no record to
//! swap, and stays ended.
//!
//! This room must never write a record that it hasn't just read.

use super::end::End;
use super::even_time::locate;
use super::grant::{IssueError, Issued, Subject};
use super::guard::{LiveSession, Refusal};
use super::profile::Profile;
use super::records::Records;
use super::revoke::Revoker;
use super::rules::Rules;
use super::tokens::{Contents, TokenMaker};
use crate::telemetry::audit::{Actor, Cause};
use crate::token::{Claims, Expected, Handle, SessionKey, TokenKind, UnopenedToken, is_own_user};
use lacre_keystore::{KeystoreError, Record, RecordKey, Stored};
use std::sync::Arc;
use thiserror::Error;

/// How often a refresh reads again after others have changed the record.
const MAX_ATTEMPTS: usize = 64;

/// Why a refresh gives no tokens.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RefreshError<E> {
    /// The token is bad, or the keystore can't answer.
    #[error("{0}")]
    Refused(Refusal),
    /// A spent token came after the grace: the session has ended.
    #[error("a spent refresh token was used again, and its session has ended")]
    Reused {
        /// Whose session it was.
        user_id: String,
        /// The session that ended.
        handle: Handle,
    },
    /// The session's user is gone or may not log in any more: the session has ended.
    #[error("the session's user is gone, and the session has ended")]
    UserGone {
        /// Whose session it was.
        user_id: String,
        /// The session that ended.
        handle: Handle,
    },
    /// No tokens could be made.
    #[error("{0}")]
    Issue(IssueError),
    /// The one who knows the users can't answer.
    #[error("{0}")]
    Subject(E),
}

impl<E> From<KeystoreError> for RefreshError<E> {
    fn from(error: KeystoreError) -> Self {
        Self::Refused(Refusal::Store(error))
    }
}

impl<E> From<IssueError> for RefreshError<E> {
    fn from(error: IssueError) -> Self {
        Self::Issue(error)
    }
}

/// Why a session ends whose user is gone: of a client's user, the client is.
pub(crate) fn gone(user_id: &str) -> Cause {
    if is_own_user(user_id) {
        Cause::ClientDeleted
    } else {
        Cause::AccountClosed
    }
}

/// What a refresh token does to the record that it belongs to.
#[derive(Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // looked into at once, and never kept
enum Step {
    /// It is the current one: this record takes the place of the one that was read.
    Renew(Record),
    /// It is the one before and came in time: tokens of the current generation, as it is.
    Repeat,
    /// It was spent, and came too late: the session ends.
    End,
}

impl Step {
    /// Decides by nothing but the record, the token's generation and the time; nothing where this record can't have given
    /// the token out.
    fn of(record: &Record, generation: u64, now: u64, rules: &Rules) -> Option<Self> {
        if generation > record.generation {
            return None;
        }
        let in_grace = generation + 1 == record.generation
            && now < record.rotated_at.saturating_add(rules.refresh_grace);
        if generation < record.generation && !in_grace {
            return Some(Self::End);
        }
        // Where the access tokens of this generation are refused already, repeating them would be
        // useless: the generation rises once more.
        if generation < record.generation && !record.access_ended {
            return Some(Self::Repeat);
        }
        Some(Self::Renew(Record {
            generation: record.generation + 1,
            rotated_at: now,
            expires_at: now.saturating_add(rules.refresh_ttl).min(record.ends_at),
            last_seen_at: now,
            access_ended: false,
            ..record.clone()
        }))
    }
}

/// Renews sessions.
pub(crate) struct Refresher {
    rules: Arc<Rules>,
    records: Records,
    tokens: Arc<TokenMaker>,
    revoker: Arc<Revoker>,
}

impl Refresher {
    pub(crate) fn new(
        rules: Arc<Rules>,
        records: Records,
        tokens: Arc<TokenMaker>,
        revoker: Arc<Revoker>,
    ) -> Self {
        Self {
            rules,
            records,
            tokens,
            revoker,
        }
    }

    /// Gives new tokens for a refresh token.
    ///
    /// `subject` says who the user is now, and is asked again whenever the record has changed, so
    /// that rights that were taken away meanwhile don't come back; `None` ends the session. Of a client's user
    /// ([`Occasion::OwnUser`](super::grant::Occasion::OwnUser)) it only says whether there still is one: the
    /// record has what the client says.
    pub(crate) async fn refresh<E>(
        &self,
        token: &[u8],
        subject: impl AsyncFn(&str) -> Result<Option<Subject>, E>,
    ) -> Result<Issued, RefreshError<E>> {
        for _ in 0..MAX_ATTEMPTS {
            let (key, stored, claims) = self
                .open_refresh(token)
                .await
                .map_err(RefreshError::Refused)?;
            let now = self.records.now();
            let Some(step) = Step::of(&stored.record, claims.generation, now, &self.rules) else {
                let ended = self.revoker.end_behind(key, stored, claims.generation);
                return Err(RefreshError::Refused(ended.await?.into()));
            };
            let handle = claims.session.clone();
            let user_id = stored.record.user_id.clone();
            let renewed = match step {
                Step::Renew(record) => Some(record),
                Step::Repeat => None,
                Step::End => {
                    let end = End::new(Cause::RefreshReused, Actor::Lacre, Some(&user_id));
                    if self.revoker.as_seen(&key, &stored, &end).await? {
                        return Err(RefreshError::Reused { user_id, handle });
                    }
                    continue;
                }
            };
            let Some(subject) = subject(&user_id).await.map_err(RefreshError::Subject)? else {
                let end = End::new(gone(&user_id), Actor::Lacre, Some(&user_id));
                self.revoker.session(&key, Some(&end)).await?;
                return Err(RefreshError::UserGone { user_id, handle });
            };
            // Of a client's user the record says who it is now: nobody else can.
            let profile = Profile::of(&stored.record)?;
            let subject = match &profile {
                Some(profile) => profile.subject(&claims.subject),
                None => subject,
            };
            let pair = self.tokens.pair(&Contents {
                subject: &subject,
                handle: &handle,
                record: renewed.as_ref().unwrap_or(&stored.record),
                now,
                fresh: false,
                additional: &claims.additional,
                profile: profile.as_ref(),
            })?;
            let stands = if let Some(record) = &renewed {
                self.records.swap(&key, &stored, record).await?
            } else {
                // The refresh that is repeated may not have been answered yet.
                self.records.keystore.settled().await?;
                true
            };
            if stands {
                let (access, refresh) = (pair.access, Some(pair.refresh));
                return Ok(Issued {
                    access,
                    refresh,
                    user_id,
                    handle,
                    key,
                    evicted: Vec::new(),
                    replaced: false,
                });
            }
        }
        Err(RefreshError::Issue(IssueError::Contended))
    }

    /// Gives a fresh access token to a session whose user has just proven the password: the same
    /// generation, no refresh token. `None` where the session has ended or was refreshed meanwhile.
    pub(crate) async fn renew_access(
        &self,
        session: &LiveSession,
        subject: &Subject,
    ) -> Result<Option<Issued>, IssueError> {
        for _ in 0..MAX_ATTEMPTS {
            let Some(stored) = self.records.keystore.get(&session.key).await? else {
                return Ok(None);
            };
            let now = self.records.now();
            let of_this_generation = stored.record.generation == session.claims.generation
                // A client's user has no password here.
                && stored.record.profile.is_none()
                && !stored.record.access_ended
                && !stored.record.is_expired(now);
            if !of_this_generation {
                return Ok(None);
            }
            let record = Record {
                authenticated_at: now,
                last_seen_at: now,
                ..stored.record.clone()
            };
            let access = self.tokens.access_token(&Contents {
                subject,
                handle: session.handle(),
                record: &record,
                now,
                fresh: true,
                additional: &session.claims.additional,
                profile: None,
            })?;
            if self.records.swap(&session.key, &stored, &record).await? {
                let (user_id, handle) = (subject.id.clone(), session.handle().clone());
                return Ok(Some(Issued {
                    access,
                    refresh: None,
                    user_id,
                    handle,
                    key: session.key,
                    evicted: Vec::new(),
                    replaced: false,
                }));
            }
        }
        Err(IssueError::Contended)
    }

    /// Opens a refresh token with the record that it belongs to. Which generations are worth
    /// something is for the caller to say.
    async fn open_refresh(
        &self,
        token: &[u8],
    ) -> Result<(RecordKey, Stored, Box<Claims>), Refusal> {
        let now = self.records.now();
        self.rules.check_length(token)?;
        let unopened = UnopenedToken::parse(token)?;
        let candidate = locate(&self.records, unopened.handle(), now).await?;
        let session_key = SessionKey::from_scalar(candidate.scalar())?;
        let opened = unopened.open(&session_key, self.records.keyring().signers().verifiers());
        let (key, stored, opened) = candidate.verify(opened)?;
        let generation = opened.generation();
        let claims = opened.check(&Expected {
            now,
            leeway: self.rules.leeway,
            issuer: &self.rules.issuer,
            audience: &self.rules.audience,
            kind: TokenKind::Refresh,
            user: Some(&stored.record.user_id),
            generation,
        })?;
        Ok((key, stored, claims))
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
