//! The keys that sign tokens: one signs, and earlier ones are accepted until nothing that they signed is
//! good any more. Each has a key for forwarded JWTs, and one for receipts of ends.
//!
//! Services keep the published keys for a while. So the key of forwarded JWTs is published
//! [`PUBLISHED_BEFORE`] it signs, and until what it signed has expired (threat: rotation-race).
//!
//! A key that was dropped may have to sign one thing more: which key of receipts comes after its own. Until
//! it has, it is kept, and is good for nothing else.
//!
//! This room must never accept the signature of a key that was dropped.

use super::error::{KeyringError, MAX_SIGNERS};
use crate::clock::UnixSeconds;
use crate::token::{SigningKey, VerifyingKey, VerifyingKeys};
use rand::CryptoRng;
use std::sync::Arc;

/// For how many seconds a key of forwarded JWTs is published before it signs.
pub(crate) const PUBLISHED_BEFORE: u64 = 3600;

/// For how many seconds it stays published after it has signed for the last time: longer than such a JWT
/// is good.
const PUBLISHED_AFTER: u64 = 300;

/// What the keys of forwarded JWTs are derived for.
const FORWARDING: &[u8] = b"lacre v1 key of forwarded jwts";
/// What the keys of receipts are derived for.
#[cfg(any(feature = "server", test))]
const RECEIPTS: &[u8] = b"lacre v1 key of receipts";

/// When a key began to sign and when another took its place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Times {
    /// When it was made; unknown of the keys of earlier versions.
    pub(crate) since: Option<UnixSeconds>,
    /// When another one took its place.
    pub(crate) retired_at: Option<UnixSeconds>,
    /// When the last of what it signed expires, as far as is known.
    pub(crate) accepted_until: Option<UnixSeconds>,
    /// When it was dropped: nothing that it signed is taken since then.
    pub(crate) dropped_at: Option<UnixSeconds>,
}

/// A key that signs tokens, or has signed some.
#[derive(Debug, Clone)]
pub(crate) struct Signer {
    keys: Arc<SignerKeys>,
    pub(crate) times: Times,
}

#[derive(Debug)]
struct SignerKeys {
    signing: SigningKey,
    verifying: VerifyingKey,
    /// Derived, so that it lasts as long as the keyring, is the same on every node, and is rotated together
    /// with the signer. Nothing that it signs can be taken for what the signer has signed.
    forwarding: SigningKey,
    /// The same, for the log of ends.
    #[cfg(any(feature = "server", test))]
    receipts: SigningKey,
}

impl Signer {
    pub(super) fn new(signing: SigningKey, times: Times) -> Result<Self, KeyringError> {
        let keys = SignerKeys {
            verifying: signing.verifying_key()?,
            forwarding: signing.derived(FORWARDING)?,
            #[cfg(any(feature = "server", test))]
            receipts: signing.derived(RECEIPTS)?,
            signing,
        };
        Ok(Self {
            keys: Arc::new(keys),
            times,
        })
    }

    /// Its id.
    pub(crate) fn id(&self) -> &str {
        self.keys.signing.id()
    }

    /// Whether this is its key of forwarded JWTs.
    pub(crate) fn forwards(&self, key: &SigningKey) -> bool {
        self.keys.forwarding.id() == key.id()
    }

    fn dropped_at(mut self, now: UnixSeconds) -> Self {
        self.times.retired_at.get_or_insert(now);
        self.times.dropped_at.get_or_insert(now);
        self
    }

    pub(super) fn signing(&self) -> &SigningKey {
        &self.keys.signing
    }
}

/// The keys that sign tokens, the newest first. A value: a change makes another one.
#[derive(Debug, Clone)]
pub(crate) struct Signers {
    all: Vec<Signer>,
    /// Dropped ones, the newest first: they sign nothing but who comes after them in the log of ends.
    dropped: Vec<Signer>,
    verifiers: VerifyingKeys,
}

impl Signers {
    pub(super) fn new(signers: Vec<Signer>) -> Result<Self, KeyringError> {
        let is_dropped = |signer: &Signer| signer.times.dropped_at.is_some();
        let (mut dropped, all): (Vec<_>, Vec<_>) = signers.into_iter().partition(is_dropped);
        if all.is_empty() || all.len() > MAX_SIGNERS {
            return Err(KeyringError::Damaged);
        }
        dropped.truncate(MAX_SIGNERS);
        let verifying = all.iter().map(|signer| signer.keys.verifying.clone());
        Ok(Self {
            verifiers: VerifyingKeys::new(verifying.collect()),
            all,
            dropped,
        })
    }

    /// The key that signs new tokens.
    pub(crate) fn signer(&self) -> &SigningKey {
        self.all[0].signing()
    }

    /// The keys whose signatures are ours.
    pub(crate) fn verifiers(&self) -> &VerifyingKeys {
        &self.verifiers
    }

    /// The one that signs, then those that still verify.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Signer> {
        self.all.iter()
    }

    /// Those, and behind them the ones that were dropped and aren't gone yet.
    pub(super) fn kept(&self) -> impl Iterator<Item = &Signer> {
        self.all.iter().chain(&self.dropped)
    }

    /// The keys of receipts: the first one signs, the others have signed.
    #[cfg(any(feature = "server", test))]
    pub(crate) fn receipts(&self) -> Vec<&SigningKey> {
        self.kept().map(|signer| &signer.keys.receipts).collect()
    }

    /// Whether dropped keys are still there.
    #[cfg(feature = "server")]
    pub(crate) fn has_dropped(&self) -> bool {
        !self.dropped.is_empty()
    }

    /// The same without the keys that were dropped before this time, but for the one that receipts are signed with
    /// under this id; `None` where none goes.
    #[cfg(feature = "server")]
    pub(crate) fn without_dropped(
        &self,
        before: UnixSeconds,
        receipts: &str,
    ) -> Result<Option<Self>, KeyringError> {
        let stays = |signer: &&Signer| {
            let dropped_at = signer.times.dropped_at.unwrap_or(u64::MAX);
            signer.keys.receipts.id() == receipts || dropped_at >= before
        };
        let kept: Vec<_> = self.dropped.iter().filter(stays).collect();
        if kept.len() == self.dropped.len() {
            return Ok(None);
        }
        Self::new(self.all.iter().chain(kept).cloned().collect()).map(Some)
    }

    /// Fails where there are as many keys as there may be, so that [`replaced_by`](Self::replaced_by) would.
    pub(crate) fn has_room(&self) -> Result<(), KeyringError> {
        if self.all.len() >= MAX_SIGNERS {
            return Err(KeyringError::TooManySigners);
        }
        Ok(())
    }

    /// The same with a new key, which signs from now on; what the others signed is good until `accepted_until` at the
    /// latest.
    pub(crate) fn replaced_by(
        &self,
        new: &Signer,
        accepted_until: UnixSeconds,
    ) -> Result<Self, KeyringError> {
        let now = new.times.since.unwrap_or(0);
        let earlier = self.all.iter().filter(|signer| signer.id() != new.id());
        let earlier = earlier.cloned().map(|mut signer| {
            signer.times.retired_at.get_or_insert(now);
            signer.times.accepted_until.get_or_insert(accepted_until);
            signer
        });
        let mut all: Vec<_> = std::iter::once(new.clone()).chain(earlier).collect();
        if all.len() > MAX_SIGNERS {
            return Err(KeyringError::TooManySigners);
        }
        all.extend(self.dropped.iter().cloned());
        Self::new(all)
    }

    /// The same, which also accepts what this key is going to sign, until then. It signs nothing yet: what one node
    /// signs must be accepted by all.
    pub(crate) fn announcing(
        &self,
        new: &Signer,
        accepted_until: UnixSeconds,
    ) -> Result<Self, KeyringError> {
        self.has_room()?;
        let mut announced = new.clone();
        announced.times.accepted_until = Some(accepted_until);
        let mut all = self.all.clone();
        all.insert(1, announced);
        all.extend(self.dropped.iter().cloned());
        Self::new(all)
    }

    /// The same keys, of which those that `known` has as well are the very ones: what is known of them by others
    /// goes on.
    pub(super) fn known_as(&self, known: &Self) -> Result<Self, KeyringError> {
        let all = self.kept().map(|signer| {
            let same = known.kept().find(|other| other.id() == signer.id());
            Signer {
                keys: Arc::clone(&same.unwrap_or(signer).keys),
                times: signer.times,
            }
        });
        Self::new(all.collect())
    }

    /// This new key alone: nothing that the others signed is good any more. They are kept as dropped ones
    /// where something else has to be handed over by them.
    pub(crate) fn alone(&self, new: &Signer, keep_dropped: bool) -> Result<Self, KeyringError> {
        let now = new.times.since.unwrap_or(0);
        let mut all = vec![new.clone()];
        if keep_dropped {
            let others = self.kept().filter(|signer| signer.id() != new.id());
            all.extend(others.cloned().map(|signer| signer.dropped_at(now)));
        }
        Self::new(all)
    }

    /// A new key, in use since then.
    pub(crate) fn fresh(
        now: UnixSeconds,
        rng: &mut impl CryptoRng,
    ) -> Result<Signer, KeyringError> {
        let times = Times {
            since: Some(now),
            ..Times::default()
        };
        Signer::new(SigningKey::generate(rng)?, times)
    }

    /// The same, in use since then.
    pub(super) fn since(&self, now: UnixSeconds) -> Result<Self, KeyringError> {
        let mut all: Vec<_> = self.kept().cloned().collect();
        for signer in &mut all {
            signer.times.since.get_or_insert(now);
        }
        Self::new(all)
    }

    /// The same with other times of acceptance for earlier keys, as `until` has them; a key of which it
    /// says nothing is dropped, and gone, or kept as a dropped one since `keep_since`. The key that
    /// signs stays.
    pub(crate) fn accepted_until(
        &self,
        keep_since: Option<UnixSeconds>,
        until: impl Fn(&Signer) -> Option<UnixSeconds>,
    ) -> Result<Self, KeyringError> {
        let earlier = self.all.iter().skip(1).filter_map(|signer| {
            let mut signer = signer.clone();
            let until = until(&signer);
            if until.is_some() {
                signer.times.accepted_until = until;
                Some(signer)
            } else {
                keep_since.map(|since| signer.dropped_at(since))
            }
        });
        let signs = self.all.iter().take(1).cloned();
        let dropped = self.dropped.iter().cloned();
        Self::new(signs.chain(earlier).chain(dropped).collect())
    }

    /// From now on no signature of a key that isn't among `kept` is taken, by whatever still knows it.
    pub(super) fn drop_but(&self, kept: &Self) {
        for signer in &self.all {
            let stays = kept
                .all
                .iter()
                .any(|other| Arc::ptr_eq(&other.keys, &signer.keys));
            if !stays {
                signer.keys.verifying.drop_for_good();
            }
        }
    }

    /// The key that signs forwarded JWTs now: the newest that was published for long enough, or else the
    /// oldest.
    pub(crate) fn forwarder(&self, now: UnixSeconds) -> &SigningKey {
        &self.all[self.forwarding(now)].keys.forwarding
    }

    /// The keys of forwarded JWTs that services are told of: the one that signs, those that will, and
    /// those that have signed what may still be good.
    pub(crate) fn published(&self, now: UnixSeconds) -> impl Iterator<Item = &SigningKey> {
        let signs = self.forwarding(now);
        let kept = move |place: usize| {
            // The newer one took over when it had been published for long enough, if not before.
            let newer = place.checked_sub(1).and_then(|newer| self.all.get(newer));
            let over = newer.map(|newer| newer.times.since.unwrap_or(0));
            over.is_none_or(|since| now < since + PUBLISHED_BEFORE + PUBLISHED_AFTER)
        };
        let all = self.all.iter().enumerate();
        all.filter(move |(place, _)| *place <= signs || kept(*place))
            .map(|(_, signer)| &signer.keys.forwarding)
    }

    fn forwarding(&self, now: UnixSeconds) -> usize {
        let ripe = |signer: &Signer| {
            let since = signer.times.since;
            since.is_none_or(|since| since + PUBLISHED_BEFORE <= now)
        };
        let newest = self.all.iter().position(ripe);
        newest.unwrap_or(self.all.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    /// Keys that were made at these times, the newest first.
    fn made_at(times: &[Option<u64>]) -> Signers {
        let mut rng = StdRng::seed_from_u64(1);
        let signers = times.iter().map(|since| {
            let times = Times {
                since: *since,
                ..Times::default()
            };
            Signer::new(SigningKey::generate(&mut rng).unwrap(), times).unwrap()
        });
        Signers::new(signers.collect()).unwrap()
    }

    fn forwards(signers: &Signers, now: u64) -> (usize, Vec<usize>) {
        let place = |key: &SigningKey| {
            let of = |signer: &Signer| signer.keys.forwarding.id() == key.id();
            signers.all.iter().position(of).unwrap()
        };
        let published = signers.published(now).map(place).collect();
        (place(signers.forwarder(now)), published)
    }

    #[test]
    fn a_key_of_forwarded_jwts_is_published_before_and_after_it_signs() {
        let signers = made_at(&[Some(100_000), Some(50), None]);
        // The second took over long ago.
        assert_eq!(forwards(&signers, 100_000), (1, vec![0, 1]));
        assert_eq!(forwards(&signers, 103_599), (1, vec![0, 1]));
        assert_eq!(forwards(&signers, 103_600), (0, vec![0, 1]));
        assert_eq!(forwards(&signers, 103_899), (0, vec![0, 1]));
        assert_eq!(forwards(&signers, 103_900), (0, vec![0]));
    }

    #[test]
    fn of_two_that_are_new_neither_signs_before_it_was_published_for_long_enough() {
        let signers = made_at(&[Some(1_900), Some(1_000), None]);
        assert_eq!(forwards(&signers, 1_900), (2, vec![0, 1, 2]));
        assert_eq!(forwards(&signers, 4_600), (1, vec![0, 1, 2]));
        assert_eq!(forwards(&signers, 4_900), (1, vec![0, 1]));
        assert_eq!(forwards(&signers, 5_500), (0, vec![0, 1]));
        assert_eq!(forwards(&signers, 5_800), (0, vec![0]));
    }

    #[test]
    fn a_key_that_is_alone_signs_at_once() {
        let signers = made_at(&[Some(1_000)]);
        assert_eq!(forwards(&signers, 1_000), (0, vec![0]));
    }

    #[test]
    fn the_times_of_a_key_that_is_replaced_are_those_of_the_first_time() {
        let mut rng = StdRng::seed_from_u64(2);
        let one = made_at(&[None]);
        let two = one
            .replaced_by(&Signers::fresh(100, &mut rng).unwrap(), 1_000)
            .unwrap();
        let three = two
            .replaced_by(&Signers::fresh(200, &mut rng).unwrap(), 1_100)
            .unwrap();
        let times: Vec<_> = three.iter().map(|signer| signer.times).collect();
        let of = |since, retired_at, accepted_until| Times {
            since,
            retired_at,
            accepted_until,
            dropped_at: None,
        };
        assert_eq!(
            times,
            [
                of(Some(200), None, None),
                of(Some(100), Some(200), Some(1_100)),
                of(None, Some(100), Some(1_000)),
            ]
        );
        let later = three.accepted_until(None, |signer| signer.times.since);
        let ids: Vec<_> = three.iter().take(2).map(Signer::id).collect();
        let later = later.unwrap();
        assert_eq!(later.iter().map(Signer::id).collect::<Vec<_>>(), ids);
    }

    #[test]
    fn a_key_that_is_announced_is_accepted_and_signs_nothing_until_it_takes_over() {
        let mut rng = StdRng::seed_from_u64(4);
        let one = made_at(&[Some(10)]);
        let new = Signers::fresh(100, &mut rng).unwrap();
        let announced = one.announcing(&new, 900).unwrap();
        let ids = |signers: &Signers| {
            signers
                .iter()
                .map(|s| s.id().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(ids(&announced), [one.signer().id(), new.id()]);
        assert_eq!(
            announced.iter().nth(1).unwrap().times.accepted_until,
            Some(900)
        );
        let taken = announced.replaced_by(&new, 900).unwrap();
        assert_eq!(ids(&taken), [new.id(), one.signer().id()]);
        assert_eq!(taken.iter().next().unwrap().times, new.times);
        assert_eq!(ids(&one.alone(&new, false).unwrap()), [new.id()]);
    }

    #[test]
    fn there_is_a_most_of_keys() {
        let mut rng = StdRng::seed_from_u64(3);
        let mut signers = made_at(&[None]);
        for _ in 1..MAX_SIGNERS {
            signers = signers
                .replaced_by(&Signers::fresh(1, &mut rng).unwrap(), 2)
                .unwrap();
        }
        let refused = signers
            .replaced_by(&Signers::fresh(1, &mut rng).unwrap(), 2)
            .unwrap_err();
        assert_eq!(refused.code(), "signing_keys_too_many");
    }
}
