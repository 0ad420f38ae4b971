//! What the keystore keeps about one session.
//!
//! This room must never print a private scalar, nor give it a way into a text format: its one way
//! out of the process is the codec, sealed.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The maximum of bytes of a sealed record.
///
/// The sled engine keeps up to 26 neighbouring records in one page and pages above 128 KiB in
/// files of their own, which it doesn't sync; at this size no page gets there.
pub const MAX_SEALED_RECORD: usize = 4096;

/// The private half of a session's key: a P-256 scalar, 32 bytes big-endian (RFC 7518 §6.2.2.1).
///
/// It is wiped when dropped, prints nothing, and lives on the heap, so that moving it leaves no
/// copy behind. The keystore doesn't look into it: that it is a valid scalar is for the token
/// room to check.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PrivateScalar(Box<[u8; 32]>);

impl PrivateScalar {
    /// Takes the scalar's bytes; the array that was passed in is wiped.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        let bytes = Zeroizing::new(bytes);
        Self(Box::new(*bytes))
    }

    /// The scalar's bytes, for the one place that computes with them.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for PrivateScalar {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PrivateScalar")
    }
}

/// Compares two secrets of the same holder, for tests and for change detection. It looks at every
/// byte whatever the first ones say.
impl PartialEq for PrivateScalar {
    fn eq(&self, other: &Self) -> bool {
        let difference = self
            .0
            .iter()
            .zip(other.0.iter())
            .fold(0, |seen, (a, b)| seen | (a ^ b));
        std::hint::black_box(difference) == 0
    }
}

impl Eq for PrivateScalar {}

/// One session: its key and what is known about it. All times are Unix seconds.
///
/// Sealed, a record may take [`MAX_SEALED_RECORD`] bytes; texts that
/// come from outside (`label`, `user_agent`) are the caller's to shorten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The private half of the session's key pair.
    pub private_scalar: PrivateScalar,
    /// The account that the session belongs to.
    pub user_id: String,
    /// When the session began.
    pub created_at: u64,
    /// When the user last proved a password; 0 where none was proven. Read it by
    /// [`proven_at`](Self::proven_at).
    pub authenticated_at: u64,
    /// When the session ends unless it is refreshed before (idle end).
    pub expires_at: u64,
    /// When the session ends however often it is refreshed (absolute end).
    pub ends_at: u64,
    /// When the session was last used, to the minute or so.
    pub last_seen_at: u64,
    /// Which tokens are current: `gen` in their claims equals this number.
    pub generation: u64,
    /// When the generation last changed; the refresh grace counts from here.
    pub rotated_at: u64,
    /// Access tokens of the current generation are refused until the next refresh.
    pub access_ended: bool,
    /// A name that the user gave the session.
    pub label: Option<String>,
    /// The network address that the session began at.
    pub address: Option<String>,
    /// The `User-Agent` that the session began with.
    pub user_agent: Option<String>,
    /// The trusted client that asked for the session.
    pub client_id: Option<String>,
    /// The network address of the last use, where it is another than the one it began at.
    pub last_seen_address: Option<String>,
    /// What the client says of a user of its own, in a form that the keystore doesn't look into; `None`
    /// where the user is an account.
    pub profile: Option<String>,
}

impl Record {
    /// When the user last proved a password; `None` where none was proven, as of a session that a client
    /// asked for. Such records of earlier versions have the time of their beginning there. Of a user of its
    /// own a client may say so.
    #[must_use]
    pub fn proven_at(&self) -> Option<u64> {
        let on_behalf = self.client_id.is_some() && self.profile.is_none();
        let by_a_client = on_behalf && self.authenticated_at == self.created_at;
        (self.authenticated_at != 0 && !by_a_client).then_some(self.authenticated_at)
    }

    /// Whether the session is over at `now`: from the earlier of its two ends on.
    #[must_use]
    pub fn is_expired(&self, now: u64) -> bool {
        now >= self.expires_at.min(self.ends_at)
    }

    /// Whether this record, in the place of `before`, refuses tokens that were good before.
    #[must_use]
    pub fn ends_tokens_of(&self, before: &Self) -> bool {
        self.private_scalar != before.private_scalar
            || self.generation != before.generation
            || (self.access_ended && !before.access_ended)
            || self.expires_at.min(self.ends_at) < before.expires_at.min(before.ends_at)
            || self.user_id != before.user_id
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[test]
    fn what_a_client_says_is_no_proof_of_a_password() {
        let of = |client: Option<&str>, authenticated_at| Record {
            client_id: client.map(str::to_owned),
            created_at: 1_000,
            authenticated_at,
            ..sample(1)
        };
        assert_eq!(of(None, 1_000).proven_at(), Some(1_000));
        for never in [of(Some("c"), 0), of(Some("c"), 1_000), of(None, 0)] {
            assert_eq!(never.proven_at(), None);
        }
        assert_eq!(of(Some("c"), 1_007).proven_at(), Some(1_007));
        let vouched = |authenticated_at| Record {
            profile: Some(String::new()),
            ..of(Some("c"), authenticated_at)
        };
        assert_eq!(vouched(1_000).proven_at(), Some(1_000));
        assert_eq!(vouched(0).proven_at(), None);
    }

    /// A record with every member set, told apart by `seed`.
    pub(crate) fn sample(seed: u8) -> Record {
        Record {
            private_scalar: PrivateScalar::new([seed; 32]),
            user_id: format!("user-{seed}"),
            created_at: 1_000,
            authenticated_at: 1_001,
            expires_at: 2_000,
            ends_at: 3_000,
            last_seen_at: 1_002,
            generation: u64::from(seed),
            rotated_at: 1_003,
            access_ended: seed % 2 == 1,
            label: Some("laptop".to_owned()),
            address: Some("192.0.2.1".to_owned()),
            user_agent: Some("Mozilla/5.0".to_owned()),
            client_id: Some("back-end".to_owned()),
            last_seen_address: Some("198.51.100.7".to_owned()),
            profile: None,
        }
    }

    #[test]
    fn a_record_shows_itself_without_its_scalar() {
        let shown = format!("{:?}", sample(0xab));
        assert!(shown.contains("user-171"));
        assert!(shown.contains("private_scalar: PrivateScalar,"), "{shown}");
        for spelling in ["171, 171", "abab", "ABAB", "0xab"] {
            assert!(!shown.contains(spelling), "{shown}");
        }
    }

    #[test]
    fn scalars_differ_in_any_byte() {
        for place in 0..32 {
            let mut other = [7; 32];
            other[place] ^= 1;
            assert_ne!(PrivateScalar::new([7; 32]), PrivateScalar::new(other));
            // The same difference in two places, which must not make up for each other.
            other[(place + 1) % 32] ^= 1;
            assert_ne!(PrivateScalar::new([7; 32]), PrivateScalar::new(other));
        }
        assert_eq!(PrivateScalar::new([7; 32]), PrivateScalar::new([7; 32]));
    }

    #[test]
    fn a_wiped_scalar_is_zero() {
        let mut scalar = PrivateScalar::new([7; 32]);
        scalar.zeroize();
        assert_eq!(scalar.expose(), &[0; 32]);
    }

    #[test]
    fn what_refuses_an_earlier_token_ends_tokens_and_a_later_use_does_not() {
        let before = sample(2);
        let same = [
            before.clone(),
            Record {
                last_seen_at: 9,
                ..before.clone()
            },
            Record {
                authenticated_at: 9,
                label: None,
                profile: Some("[]".to_owned()),
                ..before.clone()
            },
            Record {
                expires_at: 2_001,
                ..before.clone()
            },
            // The earlier end counts, and it is the other one.
            Record {
                ends_at: 2_500,
                ..before.clone()
            },
        ];
        for record in same {
            assert!(!record.ends_tokens_of(&before), "{record:?}");
        }
        let other = [
            Record {
                private_scalar: PrivateScalar::new([9; 32]),
                ..before.clone()
            },
            Record {
                generation: 3,
                ..before.clone()
            },
            Record {
                access_ended: true,
                ..before.clone()
            },
            Record {
                expires_at: 1_999,
                ..before.clone()
            },
            Record {
                ends_at: 1_999,
                ..before.clone()
            },
            Record {
                user_id: "another".to_owned(),
                ..before.clone()
            },
        ];
        for record in other {
            assert!(record.ends_tokens_of(&before), "{record:?}");
        }
    }

    #[test]
    fn a_session_is_over_from_the_earlier_of_its_ends() {
        let mut record = sample(1);
        assert!(!record.is_expired(1_999));
        assert!(record.is_expired(2_000));
        record.expires_at = u64::MAX;
        assert!(!record.is_expired(2_999));
        assert!(record.is_expired(3_000));
    }
}
