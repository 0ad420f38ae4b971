//! Why a token, a session or a request is refused now, for an operator.
//!
//! A token goes through the guard as any other does; what comes back is the guard's own reason, and
//! here it gets the facts that make it plain. Nothing of it ever reaches a client.
//!
//! This room must never decide whether a token is good, and never show a claim that wasn't asked for,
//! but for those that the token is refused for.

use super::answer::{Answer, End, Explained, RefusedRequest};
use super::error::OpsError;
use super::handles;
use super::receipts;
use super::request::{About, ExplainRequest};
use super::sessions::shown;
use crate::clock::UnixSeconds;
use crate::lacre::Lacre;
use crate::service::Service;
use crate::sessions::end::Ended;
use crate::sessions::guard::{self, Refusal};
use crate::telemetry::audit::{Refused, refused_lately};
use crate::token::{Claims, Handle, TokenError, TokenKind, diagnose};
use jiff::Timestamp;
use lacre_keystore::{KeystoreError, Record};

pub(super) async fn perform(
    service: &Service,
    request: ExplainRequest,
) -> Result<Answer, OpsError> {
    let lacre = service.lacre();
    let explained = match &request.about {
        About::Token(text) => token(lacre, text.expose().as_bytes(), request.claims).await?,
        About::Name(name) => match refused_lately(name) {
            Some(refused) => of_request(lacre, refused).await?,
            None => match handles::find(lacre, name).await {
                Ok(handle) => session(lacre, &handle).await?,
                Err(OpsError::SessionUnknown) => return Err(OpsError::NothingKnown),
                Err(error) => return Err(error),
            },
        },
    };
    Ok(Answer::Explained(Box::new(explained)))
}

async fn token(lacre: &Lacre, text: &[u8], with_claims: bool) -> Result<Explained, OpsError> {
    let now = lacre.now();
    let found = lacre.explain(text).await;
    let mut explained = match &found.handle {
        Some(handle) => about(lacre, handle).await?,
        None => Explained::default(),
    };
    explained.kind = found.said.as_ref().map(|(kind, _)| kind.typ().to_owned());
    explained.claims = found
        .said
        .as_ref()
        .filter(|_| with_claims)
        .map(|(_, claims)| claims.to_json());
    match &found.result {
        Ok(_) => {
            explained.accepted = true;
            explained.code = None;
            explained.reasons = vec![accepted(&found, now)];
        }
        // The session's own reason says more than that none is known.
        Err(Refusal::Token(TokenError::UnknownSession)) => {
            explained.accepted = false;
            explained.code = Some(TokenError::UnknownSession.code().to_owned());
        }
        Err(refusal) => {
            explained.accepted = false;
            explained.code = Some(refusal.code().to_owned());
            explained.reasons = vec![refusal.to_string()];
            explained
                .reasons
                .extend(why(lacre, refusal, &found, text, now));
        }
    }
    Ok(explained)
}

fn accepted(found: &guard::Explained, now: UnixSeconds) -> String {
    match &found.said {
        Some((TokenKind::Refresh, _)) => {
            "as a refresh token it would be taken; on every other route it is of another kind"
                .to_owned()
        }
        Some((_, claims)) => format!(
            "it would be let in, until it expires {}",
            time(claims.expires_at, now)
        ),
        None => "it would be let in".to_owned(),
    }
}

/// The facts behind a refusal.
fn why(
    lacre: &Lacre,
    refusal: &Refusal,
    found: &guard::Explained,
    text: &[u8],
    now: UnixSeconds,
) -> Option<String> {
    let Refusal::Token(error) = refusal else {
        return Some("a request with this token is answered 503, and never let in".to_owned());
    };
    let claims = found.said.as_ref().map(|(_, claims)| claims);
    match error {
        TokenError::TooLong => Some(format!(
            "it has {} characters, and `limits.token` is {}",
            text.len(),
            lacre.rules().max_token_length
        )),
        TokenError::Malformed | TokenError::Header | TokenError::EphemeralKey => diagnose(text),
        TokenError::NotAuthentic => Some(
            "it was altered, or sealed for a key that this session had before a log-in of the same name \
             took its place, or by somebody else"
                .to_owned(),
        ),
        TokenError::UnknownSigner => Some(
            "the session's key opened it, but the key that signed it is not in the keyring".to_owned(),
        ),
        TokenError::Issuer => claims.map(|claims| {
            let own = &lacre.rules().issuer;
            format!("its issuer is {}, and `token.issuer` here is {own}", claims.issuer)
        }),
        TokenError::Audience => claims.map(|claims| {
            let own = &lacre.rules().audience;
            let said = claims.audience.join(", ");
            format!("its audience is {said}, and `token.audience` here is {own}")
        }),
        TokenError::Expired => claims.map(|claims| {
            format!("it expired {}; it was made {}", time(claims.expires_at, now), time(claims.issued_at, now))
        }),
        TokenError::NotYetValid => claims.map(|claims| {
            let from = claims.not_before.unwrap_or(0).max(claims.issued_at);
            format!("it is good from {}: compare the clocks", time(from, now))
        }),
        TokenError::Generation => {
            Some(generation(claims?, found.record.as_ref()?, now))
        }
        _ => None,
    }
}

fn generation(claims: &Claims, record: &Record, now: UnixSeconds) -> String {
    let (own, current) = (claims.generation, record.generation);
    if own == current {
        return "the rights of its user were changed: access tokens of before are refused, and the next \
                refresh brings the new rights"
            .to_owned();
    }
    format!(
        "it is of generation {own}, and the session is at {current}, refreshed last {}",
        time(record.rotated_at, now)
    )
}

/// A session, whether or not its record is there.
async fn session(lacre: &Lacre, handle: &Handle) -> Result<Explained, OpsError> {
    let explained = about(lacre, handle).await?;
    let unknown = explained.code.as_deref() == Some(TokenError::UnknownSession.code());
    if unknown && explained.session.is_none() && explained.end.is_none() {
        return Err(OpsError::SessionUnknown);
    }
    Ok(explained)
}

/// What is known of the session with this handle.
async fn about(lacre: &Lacre, handle: &Handle) -> Result<Explained, OpsError> {
    let now = lacre.now();
    let unknown = Some(TokenError::UnknownSession.code().to_owned());
    let mut explained = Explained {
        handle: Some(handle.as_str().to_owned()),
        ..Explained::default()
    };
    let record = match lacre.key_of(handle) {
        Some(key) => lacre.recorded(&key).await,
        None => Ok(None),
    };
    match record {
        Ok(Some((info, expired))) => {
            explained.user = Some(info.user_id.clone());
            explained.accepted = !expired;
            if expired {
                explained.code = unknown;
                let which = if info.ends_at <= info.expires_at {
                    "it reached its absolute end (`session.absolute_ttl`)"
                } else {
                    "it wasn't refreshed in time (`session.refresh_ttl`)"
                };
                let when = time(info.expires_at, now);
                explained.reasons = vec![format!("the session expired {when}: {which}")];
            } else {
                explained.reasons = vec![format!(
                    "the session is live, at generation {}, until {}",
                    info.generation,
                    time(info.expires_at, now)
                )];
            }
            explained.session = Some(shown(info));
        }
        Ok(None) => {
            explained.code = unknown;
            let ended = match lacre.key_of(handle) {
                Some(key) => lacre.ended(&key).await?,
                None => None,
            };
            explained.reasons = vec![match &ended {
                Some(ended) => end(ended, now),
                None => {
                    "no session has this handle: it never began here, or ended longer ago than \
                         `session.explain_for`"
                        .to_owned()
                }
            }];
            explained.user = ended.as_ref().and_then(|ended| ended.user.clone());
            let receipt = match &ended {
                Some(ended) => receipts::of_end(lacre, ended).await,
                None => None,
            };
            explained.end = ended.map(|ended| End {
                at: ended.at,
                cause: ended.cause,
                by: ended.by,
                who: ended.who,
                receipt,
            });
        }
        Err(error) if error.record().is_some() => {
            explained.code = Some(error.code().to_owned());
            explained.reasons = vec![damaged(&error)];
        }
        Err(error) => return Err(error.into()),
    }
    Ok(explained)
}

fn end(ended: &Ended, now: UnixSeconds) -> String {
    let who = ended
        .who
        .as_ref()
        .map_or_else(String::new, |who| format!(" {who}"));
    format!(
        "the session ended {}, by {}{who} ({})",
        time(ended.at, now),
        ended.by,
        ended.cause
    )
}

fn damaged(error: &KeystoreError) -> String {
    format!(
        "the session's record doesn't open ({}): requests with its tokens are answered 503; put it back from \
         a backup, or end the session",
        error.code()
    )
}

/// A request that was refused, with what is known of its session now.
async fn of_request(lacre: &Lacre, refused: Refused) -> Result<Explained, OpsError> {
    let mut explained = match &refused.session {
        Some(beginning) => match handles::find(lacre, beginning).await {
            Ok(handle) => about(lacre, &handle).await?,
            Err(_) => Explained::default(),
        },
        None => Explained::default(),
    };
    explained.accepted = false;
    explained.user = explained.user.or(refused.user);
    explained.reasons.insert(
        0,
        format!("the request was refused: {}", meaning(refused.code)),
    );
    explained.code = Some(refused.code.to_owned());
    explained.request = Some(RefusedRequest {
        id: refused.request_id,
        event: refused.event.to_owned(),
        address: refused.address.map(|address| address.to_string()),
    });
    Ok(explained)
}

/// What a code of the log means, as far as this program words it elsewhere.
fn meaning(code: &str) -> String {
    let words = TokenError::ALL.iter().find(|error| error.code() == code);
    words.map_or_else(|| code.replace('_', " "), ToString::to_string)
}

/// A time, and how far it is from now.
fn time(unix: UnixSeconds, now: UnixSeconds) -> String {
    let text = i64::try_from(unix)
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .map_or_else(|| unix.to_string(), |time| time.to_string());
    let far = |seconds: u64| match seconds {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7200 => format!("{} min", seconds / 60),
        seconds @ ..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86400),
    };
    if unix > now {
        format!("at {text} (in {})", far(unix - now))
    } else {
        format!("at {text} ({} ago)", far(now - unix))
    }
}
