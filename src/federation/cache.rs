//! The keys of one issuer as they were read last.
//!
//! They are read again when a token names a key that isn't among them, and when they have become old,
//! so that a key that the issuer has withdrawn is not believed for ever; but never more than once in
//! half a minute, whatever tokens come (threat: outside-key-storm). A reading that fails leaves the
//! keys of before in use. One reads at a time; whoever needs only a key that is known doesn't wait for
//! it.
//!
//! This room must never let a token decide how often an issuer is asked.

use super::error::{FederationError, KeysError};
use super::fetch::Source;
use super::issuer::Issuer;
use super::keys::KeySet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// How often keys are read at most, and how long they count as new.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    every: Duration,
    renew_after: Duration,
}

const PACE: Pace = Pace {
    every: Duration::from_secs(30),
    renew_after: Duration::from_mins(5),
};

/// The keys of one issuer. Cheap to clone.
#[derive(Clone)]
pub(super) struct Keys(Arc<Inner>);

struct Inner {
    source: Source,
    pace: Pace,
    held: RwLock<Option<Held>>,
    /// Held by whoever reads.
    reading: Arc<Mutex<Readings>>,
}

#[derive(Clone)]
struct Held {
    set: Arc<KeySet>,
    read_at: Instant,
}

#[derive(Default)]
struct Readings {
    last: Option<Instant>,
    /// Why the last one failed, if it did: said once, not every time.
    failing: Option<KeysError>,
}

impl Keys {
    pub(super) fn new(issuer: Arc<Issuer>) -> Result<Self, KeysError> {
        Self::with_pace(issuer, PACE)
    }

    fn with_pace(issuer: Arc<Issuer>, pace: Pace) -> Result<Self, KeysError> {
        Ok(Self(Arc::new(Inner {
            source: Source::new(issuer)?,
            pace,
            held: RwLock::new(None),
            reading: Arc::default(),
        })))
    }

    /// Reads the keys for the first time.
    pub(super) async fn load(&self) -> Result<(), KeysError> {
        let mut readings = Arc::clone(&self.0.reading).lock_owned().await;
        readings.last = Some(Instant::now());
        let set = self.0.source.read().await?;
        self.0.hold(set);
        Ok(())
    }

    /// The keys, read anew where `kid` isn't among those that are held.
    pub(super) async fn with(&self, kid: Option<&str>) -> Result<Arc<KeySet>, FederationError> {
        if self.0.source.names_keys() && kid.is_none() {
            return Err(FederationError::KidMissing);
        }
        let known = self.0.held().filter(|held| held.set.has(kid));
        if let Some(held) = known {
            let old = held.read_at.elapsed() >= self.0.pace.renew_after;
            // Where somebody else reads already, the keys that are there do.
            if old && let Ok(reading) = Arc::clone(&self.0.reading).try_lock_owned() {
                self.read(reading).await;
                return self.held_with(kid);
            }
            return Ok(held.set);
        }
        let reading = Arc::clone(&self.0.reading).lock_owned().await;
        // Somebody may have read it meanwhile.
        let known = self.0.held().filter(|held| held.set.has(kid));
        if let Some(held) = known {
            return Ok(held.set);
        }
        self.read(reading).await;
        self.held_with(kid)
    }

    /// The keys that were read last and how long ago; and why the last reading failed, where it has
    /// ended and did.
    pub(super) fn status(&self) -> (Option<(Arc<KeySet>, Duration)>, Option<KeysError>) {
        let held = self.0.held();
        let held = held.map(|held| (held.set, held.read_at.elapsed()));
        let readings = self.0.reading.try_lock();
        (held, readings.ok().and_then(|readings| readings.failing))
    }

    /// The keys that were read last, if `kid` is among them.
    pub(super) fn held_with(&self, kid: Option<&str>) -> Result<Arc<KeySet>, FederationError> {
        let held = self.0.held().ok_or(FederationError::KeysUnavailable)?;
        if held.set.has(kid) {
            Ok(held.set)
        } else {
            Err(FederationError::KeyUnknown)
        }
    }

    /// Reads the keys, if they may be read again by now. Goes on where the caller is gone: else
    /// whoever hangs up could keep them from ever being read.
    async fn read(&self, mut readings: OwnedMutexGuard<Readings>) {
        let now = Instant::now();
        let every = self.0.pace.every;
        if readings
            .last
            .is_some_and(|last| now.duration_since(last) < every)
        {
            return;
        }
        readings.last = Some(now);
        let inner = Arc::clone(&self.0);
        let reading = tokio::spawn(async move {
            let outcome = inner.source.read().await;
            inner.take(outcome, &mut readings);
        });
        if reading.await.is_err() {
            log::error!(issuer = self.0.source.name(); "reading the keys of an issuer was cut off");
        }
    }
}

impl Inner {
    fn held(&self) -> Option<Held> {
        self.held
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn hold(&self, set: KeySet) {
        let held = Held {
            set: Arc::new(set),
            read_at: Instant::now(),
        };
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some(held);
    }

    fn take(&self, outcome: Result<KeySet, KeysError>, readings: &mut Readings) {
        let issuer = self.source.name();
        match outcome {
            Ok(set) => {
                if readings.failing.take().is_some() {
                    log::info!(issuer; "the keys of an issuer can be read again");
                }
                self.hold(set);
            }
            Err(error) => {
                if readings.failing != Some(error) {
                    let kept = self.held().is_some();
                    log::error!(issuer, code = error.code(), kept;
                        "the keys of an issuer can't be used: {error}");
                }
                readings.failing = Some(error);
            }
        }
    }
}

#[cfg(test)]
mod tests;
