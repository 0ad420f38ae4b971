//! The newest sessions of a store whose order is that of its keys.
//!
//! The store keeps a user's records together, and so has no order by time. A scan goes through all
//! records and keeps the places of the newest alone, so that a listing takes the same memory over a
//! thousand sessions and over a million.
//!
//! This room must never keep a record, nor more places than it was told to.

use crate::clock::UnixSeconds;
use lacre_keystore::RecordKey;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Where a session stands in a listing, the newest first. The key decides between those that began in
/// the same second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// When the session began.
    pub(crate) created_at: UnixSeconds,
    /// Where its record lies.
    pub(crate) key: RecordKey,
}

/// The newest places of those that it is told of: at most `max`, all behind the place `after`.
#[derive(Debug)]
pub(crate) struct Newest {
    max: usize,
    after: Option<Place>,
    /// The oldest on top, which goes first.
    kept: BinaryHeap<Reverse<Place>>,
    more: bool,
}

impl Newest {
    /// None yet.
    pub(crate) fn new(max: usize, after: Option<Place>) -> Self {
        Self {
            max: max.max(1),
            after,
            kept: BinaryHeap::new(),
            more: false,
        }
    }

    /// Tells of one.
    pub(crate) fn see(&mut self, place: Place) {
        if self.after.is_some_and(|after| place >= after) {
            return;
        }
        self.kept.push(Reverse(place));
        if self.kept.len() > self.max {
            self.kept.pop();
            self.more = true;
        }
    }

    /// The places, the newest first, and whether there are older ones.
    pub(crate) fn into_places(self) -> (Vec<Place>, bool) {
        let sorted = self.kept.into_sorted_vec();
        (
            sorted.into_iter().map(|Reverse(place)| place).collect(),
            self.more,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(created_at: u64, key: u8) -> Place {
        let key = RecordKey::from_bytes(&[key; 32]);
        Place { created_at, key }
    }

    fn newest(max: usize, after: Option<Place>, seen: &[Place]) -> (Vec<Place>, bool) {
        let mut newest = Newest::new(max, after);
        for place in seen {
            newest.see(*place);
        }
        newest.into_places()
    }

    #[test]
    fn the_newest_stay_whatever_the_order_they_come_in() {
        let all = [
            place(3, 1),
            place(9, 2),
            place(1, 3),
            place(9, 4),
            place(5, 5),
        ];
        let (found, more) = newest(3, None, &all);
        assert_eq!(found, [place(9, 4), place(9, 2), place(5, 5)]);
        assert!(more);
        let (rest, more) = newest(3, Some(place(5, 5)), &all);
        assert_eq!(rest, [place(3, 1), place(1, 3)]);
        assert!(!more);
        assert_eq!(newest(3, Some(place(1, 3)), &all), (Vec::new(), false));
    }

    #[test]
    fn a_place_splits_sessions_of_the_same_second() {
        let all: Vec<_> = (0..=255).map(|key| place(7, key)).collect();
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let (page, more) = newest(10, after, &all);
            found.extend(page);
            after = found.last().copied();
            if !more {
                break;
            }
        }
        let expected: Vec<_> = all.into_iter().rev().collect();
        assert_eq!(found, expected, "each once");
    }

    #[test]
    fn no_more_places_are_kept_than_were_asked_for() {
        let mut newest = Newest::new(4, None);
        for number in 0..10_000 {
            newest.see(place(number % 97, (number % 251) as u8));
            assert!(newest.kept.len() <= 4);
        }
        assert!(newest.kept.capacity() < 64, "{}", newest.kept.capacity());
    }
}
