//! Session handles: from a handle to its record without an index and without naming
//! the user.
//!
//! A record's key is a tag of the user and an id of the session, so that one range of the keystore
//! holds a user's sessions. The handle carries both: the id as it is, and the tag under a mask that
//! depends on the id. Nobody without the deployment's secret can take the mask off, so two sessions
//! of one user can't be linked, and a handle that was never given out leads to a key that doesn't
//! exist. `docs/decisions/0002-handles.md` weighs this against an index.
//!
//! This room must never read or write a record.

use crate::token::{Handle, base64url};
use aws_lc_rs::hmac;
use lacre_keystore::{RecordKey, SessionId, UserTag};
use rand::CryptoRng;
use std::fmt;

/// Makes handles and finds their records' keys, by one secret of the deployment.
#[derive(Clone)]
pub struct Handles(hmac::Key);

impl Handles {
    /// Takes the deployment's handle secret.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The name of the deployment among others: the same for as long as its secret is, and it tells
    /// nothing of it.
    #[must_use]
    pub fn name(&self) -> String {
        base64url::encode(self.derive("deployment", &[]))
    }

    /// What attempts of this kind by these are counted under: nobody without the secret can find out who they are.
    #[must_use]
    pub fn counted_as(&self, kind: &str, parts: &[&[u8]]) -> i64 {
        let derived = self.derive(&format!("attempts {kind}"), parts);
        let mut number = [0; 8];
        number.copy_from_slice(&derived[..8]);
        i64::from_be_bytes(number)
    }

    /// The tag under which all sessions of this user lie.
    #[must_use]
    pub fn user_tag(&self, user_id: &str) -> UserTag {
        UserTag::from_bytes(self.derive("user", &[user_id.as_bytes()]))
    }

    /// The record of a new session, under an id that nobody can guess (128 bits).
    pub fn new_session(&self, user_id: &str, rng: &mut impl CryptoRng) -> RecordKey {
        let mut id = [0; 16];
        rng.fill_bytes(&mut id);
        RecordKey {
            user: self.user_tag(user_id),
            session: SessionId::from_bytes(id),
        }
    }

    /// The one record of a session that a client names itself: the same for the same pair, so that
    /// asking again replaces the key.
    #[must_use]
    pub fn named_session(&self, user_id: &str, user_session: &str) -> RecordKey {
        let id = self.derive(
            "named session",
            &[user_id.as_bytes(), user_session.as_bytes()],
        );
        RecordKey {
            user: self.user_tag(user_id),
            session: SessionId::from_bytes(id),
        }
    }

    /// The handle of a record: 43 characters that tell a stranger nothing.
    #[must_use]
    pub fn handle(&self, key: &RecordKey) -> Handle {
        let mut bytes = [0; 32];
        let (id, tag) = bytes.split_at_mut(16);
        id.copy_from_slice(key.session.as_bytes());
        tag.copy_from_slice(&self.masked(key.session, *key.user.as_bytes()));
        Handle::of_bytes(&bytes)
    }

    /// The record's key that a handle leads to; `None` for a handle of another form than ours.
    /// Whether there is such a record, only the keystore knows.
    #[must_use]
    pub fn record_key(&self, handle: &Handle) -> Option<RecordKey> {
        let bytes: [u8; 32] = base64url::decode_array(handle.as_str().as_bytes())?;
        let (id, tag) = bytes.split_first_chunk::<16>()?;
        let session = SessionId::from_bytes(*id);
        let user = UserTag::from_bytes(self.masked(session, tag.try_into().ok()?));
        Some(RecordKey { user, session })
    }

    /// Puts the mask on, or takes it off.
    fn masked(&self, session: SessionId, mut tag: [u8; 16]) -> [u8; 16] {
        let mask = self.derive("handle", &[session.as_bytes()]);
        tag.iter_mut()
            .zip(mask)
            .for_each(|(byte, mask)| *byte ^= mask);
        tag
    }

    /// HMAC-SHA-256 over the purpose and the parts, each with its length, so that no two inputs
    /// read the same.
    fn derive(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 16] {
        let mut mac = hmac::Context::with_key(&self.0);
        mac.update(b"lacre v1 ");
        mac.update(purpose.as_bytes());
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let mut derived = [0; 16];
        derived.copy_from_slice(&mac.sign().as_ref()[..16]);
        derived
    }
}

impl fmt::Debug for Handles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handles(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    fn handles() -> Handles {
        Handles::new(&[7; 32])
    }

    #[test]
    fn a_handle_leads_back_to_its_record() {
        let key = handles().new_session("u1", &mut StdRng::seed_from_u64(1));
        let handle = handles().handle(&key);
        assert_eq!(handle.as_str().len(), 43);
        assert_eq!(handles().record_key(&handle), Some(key));
    }

    #[test]
    fn each_secret_has_its_name_and_a_name_no_secret() {
        let name = handles().name();
        assert_eq!(name, handles().name());
        assert_ne!(name, Handles::new(&[8; 32]).name());
        assert_eq!(name.len(), 22);
        assert!(!format!("{:?}", handles()).contains(&name));
    }

    #[test]
    fn two_sessions_of_one_user_lie_together_and_look_unrelated() {
        let mut rng = StdRng::seed_from_u64(1);
        let (one, two) = (
            handles().new_session("u1", &mut rng),
            handles().new_session("u1", &mut rng),
        );
        assert_eq!(one.user, two.user);
        let (one, two) = (handles().handle(&one), handles().handle(&two));
        let decode =
            |handle: &Handle| base64url::decode_array::<32>(handle.as_str().as_bytes()).unwrap();
        let same = decode(&one)
            .iter()
            .zip(decode(&two))
            .filter(|(one, two)| *one == two)
            .count();
        assert!(same < 6, "{same} equal bytes");
    }

    #[test]
    fn another_deployment_finds_another_key() {
        let key = handles().new_session("u1", &mut StdRng::seed_from_u64(1));
        let handle = handles().handle(&key);
        assert_ne!(Handles::new(&[8; 32]).record_key(&handle), Some(key));
    }

    #[test]
    fn a_named_session_is_the_same_for_the_same_pair_only() {
        let handles = handles();
        assert_eq!(
            handles.named_session("u1", "s"),
            handles.named_session("u1", "s")
        );
        assert_ne!(
            handles.named_session("u1", "s"),
            handles.named_session("u1", "t")
        );
        assert_ne!(
            handles.named_session("u1", "s").session,
            handles.named_session("u2", "s").session
        );
        assert_ne!(
            handles.named_session("ab", "c").session,
            handles.named_session("a", "bc").session
        );
    }

    #[test]
    fn handles_of_another_form_lead_nowhere() {
        let short = "A".repeat(42);
        let long = "A".repeat(44);
        let spare_bits = format!("{}B", "A".repeat(42));
        for text in ["a", &short, &long, &spare_bits] {
            assert_eq!(
                handles().record_key(&Handle::parse(text).unwrap()),
                None,
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn every_handle_of_our_form_has_one_spelling(bytes: [u8; 32]) {
            let handle = Handle::of_bytes(&bytes);
            let key = handles().record_key(&handle).unwrap();
            prop_assert_eq!(handles().handle(&key), handle);
        }
    }
}
