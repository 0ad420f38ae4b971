//! What a batch of changes leaves behind, as bytes: enough to make them all once more.
//!
//! A plan names what every key is to hold afterwards, so carrying it out twice is carrying it out
//! once. It is cut into parts that are no longer than the longest record.
//!
//! | bytes | hold |
//! |---|---|
//! | 1 | the form: 1 |
//! | 8 | how many bytes follow, big-endian |
//! | 32 | a key |
//! | 8 | the length of its new value, big-endian; eight times `ff` where the key is removed |
//! | | the new value, sealed as it is; then the next key |
//!
//! This room must never put down the value that a key had before: a key that was ended must not
//! linger in a plan. And it must never make anything of bytes that aren't a whole plan.

use crate::key::KeyBytes;
use crate::local::engine::Change;
use crate::record::MAX_SEALED_RECORD;

/// The form of a plan.
const FORM: u8 = 1;

/// The length that stands for "removed".
const REMOVED: u64 = u64::MAX;

/// The most bytes of one part. sled keeps what outgrows a page in a file of its own and doesn't
/// sync that; at the size of a record no page gets there.
const PART: usize = MAX_SEALED_RECORD;

/// What one key is to hold; `None` where it is removed.
pub(super) type Outcome = (KeyBytes, Option<Vec<u8>>);

/// The parts of a plan for these changes; at least one.
pub(super) fn encode(changes: &[Change]) -> Vec<Vec<u8>> {
    let mut steps = Vec::new();
    for Change { key, new, .. } in changes {
        let length = new.as_ref().map_or(REMOVED, |value| value.len() as u64);
        steps.extend_from_slice(key);
        steps.extend_from_slice(&length.to_be_bytes());
        steps.extend_from_slice(new.as_deref().unwrap_or_default());
    }
    let mut plan = vec![FORM];
    plan.extend_from_slice(&(steps.len() as u64).to_be_bytes());
    plan.append(&mut steps);
    plan.chunks(PART).map(<[u8]>::to_vec).collect()
}

/// What a plan, put together from its parts, asks for; `None` where it isn't one.
pub(super) fn decode(mut plan: &[u8]) -> Option<Vec<Outcome>> {
    let [form] = take(&mut plan)?;
    let length = u64::from_be_bytes(take(&mut plan)?);
    if form != FORM || usize::try_from(length) != Ok(plan.len()) {
        return None;
    }
    let mut outcomes = Vec::new();
    while !plan.is_empty() {
        let key = take(&mut plan)?;
        let new = match u64::from_be_bytes(take(&mut plan)?) {
            REMOVED => None,
            length => {
                let (value, rest) = plan.split_at_checked(usize::try_from(length).ok()?)?;
                plan = rest;
                Some(value.to_vec())
            }
        };
        outcomes.push((key, new));
    }
    Some(outcomes)
}

/// The next bytes of a plan, where there are as many.
fn take<const N: usize>(plan: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = plan.split_first_chunk()?;
    *plan = rest;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn change(key: KeyBytes, expected: Option<Vec<u8>>, new: Option<Vec<u8>>) -> Change {
        Change { key, expected, new }
    }

    type Values = (KeyBytes, Option<Vec<u8>>, Option<Vec<u8>>);

    fn values() -> impl Strategy<Value = Vec<Values>> {
        let value = || prop::option::of(prop::collection::vec(any::<u8>(), 0..3_000));
        prop::collection::vec((any::<KeyBytes>(), value(), value()), 0..8)
    }

    fn plan_of(values: &[Values]) -> Vec<u8> {
        let changes = values.iter().cloned();
        let changes: Vec<_> = changes
            .map(|(key, old, new)| change(key, old, new))
            .collect();
        encode(&changes).concat()
    }

    #[test]
    fn a_plan_is_these_bytes() {
        let put = change([1; 32], None, Some(b"sealed".to_vec()));
        let removal = change([2; 32], Some(b"of before".to_vec()), None);
        let mut expected = vec![1, 0, 0, 0, 0, 0, 0, 0, 86];
        expected.extend([1; 32]);
        expected.extend([0, 0, 0, 0, 0, 0, 0, 6]);
        expected.extend(b"sealed");
        expected.extend([2; 32]);
        expected.extend([0xff; 8]);
        assert_eq!(encode(&[put, removal]), [expected]);
    }

    #[test]
    fn what_was_there_before_isnt_in_a_plan() {
        let old = b"the value of before".to_vec();
        let changes = [
            change([1; 32], Some(old.clone()), None),
            change([2; 32], Some(old.clone()), Some(vec![7; 9])),
        ];
        let plan = encode(&changes).concat();
        assert!(!plan.windows(old.len()).any(|window| window == old));
    }

    #[test]
    fn a_long_plan_has_parts_as_long_as_a_record() {
        let removals: Vec<_> = (0..1_000_u16)
            .map(|place| {
                let mut key = [0; 32];
                key[..2].copy_from_slice(&place.to_be_bytes());
                change(key, Some(vec![1]), None)
            })
            .collect();
        let parts = encode(&removals);
        assert_eq!(parts.len(), (9 + 1_000_usize * 40).div_ceil(PART));
        assert!(parts.iter().all(|part| part.len() <= PART));
        let outcomes = decode(&parts.concat()).unwrap();
        assert_eq!(outcomes.len(), 1_000);
        assert_eq!(decode(&parts[1..].concat()), None);
        assert_eq!(decode(&parts[..parts.len() - 1].concat()), None);
    }

    proptest! {
        #[test]
        fn a_plan_asks_for_what_the_changes_bring(values in values()) {
            let outcomes = decode(&plan_of(&values));
            let expected = values.into_iter().map(|(key, _, new)| (key, new));
            prop_assert_eq!(outcomes, Some(expected.collect()));
        }

        #[test]
        fn a_plan_that_isnt_whole_is_none(
            values in values(), cut in any::<prop::sample::Index>(), more in 1..9_usize,
        ) {
            let mut plan = plan_of(&values);
            let cut = cut.index(plan.len());
            prop_assert_eq!(decode(&plan[..cut]), None);
            plan.resize(plan.len() + more, 0);
            prop_assert_eq!(decode(&plan), None);
        }

        #[test]
        fn no_bytes_make_it_panic(
            mut bytes in prop::collection::vec(any::<u8>(), 9..400), length in any::<bool>(),
        ) {
            bytes[0] = FORM;
            if length {
                let rest = bytes.len() as u64 - 9;
                bytes[1..9].copy_from_slice(&rest.to_be_bytes());
            }
            let _ = decode(&bytes);
        }
    }
}
