//! What a feed says: which records have ended or changed, by whom, and in which order.

use redis::Value;

use super::wire::{bytes, items};
use crate::key::RecordKey;

/// One entry. Two are the same only if all of it is: a server that has lost entries gives their places to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Milliseconds and a number among those of the same; entries of one feed are in this order.
    pub(super) place: (u64, u64),
    node: Vec<u8>,
    number: Vec<u8>,
    /// The records, and whether each has gone.
    pub(super) ended: Vec<(RecordKey, bool)>,
}

impl Entry {
    pub(super) fn read(value: Value) -> Option<Self> {
        let mut parts = items(value).into_iter();
        let place = String::from_utf8(bytes(parts.next()?)?).ok()?;
        let (time, among) = place.split_once('-')?;
        let mut fields = items(parts.next()?).into_iter();
        let mut field = |name: &[u8]| {
            let named = fields.next().and_then(bytes)? == name;
            let value = fields.next().and_then(bytes)?;
            named.then_some(value)
        };
        let (node, number, ended) = (field(b"o")?, field(b"t")?, field(b"k")?);
        let (ended, rest) = ended.as_chunks::<33>();
        if !rest.is_empty() {
            return None;
        }
        let ended = ended
            .iter()
            .map(|named| {
                let (key, gone) = named.split_first_chunk::<32>()?;
                Some((RecordKey::from_bytes(key), gone == b"1"))
            })
            .collect::<Option<Vec<_>>>()?;
        Some(Self {
            place: (time.parse().ok()?, among.parse().ok()?),
            node,
            number,
            ended,
        })
    }

    /// The number of the change, where this node has made it.
    pub(super) fn own(&self, node: i64) -> Option<u64> {
        if self.node != node.to_string().as_bytes() {
            return None;
        }
        std::str::from_utf8(&self.number).ok()?.parse().ok()
    }

    /// Who has written it, and the number of the change.
    pub(super) fn node(&self) -> &[u8] {
        &self.node
    }

    pub(super) fn number(&self) -> &[u8] {
        &self.number
    }

    /// Where it is, as the server names it.
    pub(super) fn at(&self) -> String {
        format!("{}-{}", self.place.0, self.place.1)
    }
}

/// The entries of a feed behind one that is known. `None` where that one isn't there, and so others may be missing.
pub(super) fn behind(known: &Entry, said: Value) -> Option<Vec<Entry>> {
    let mut entries = items(said).into_iter().map(Entry::read);
    if entries.next()?? != *known {
        return None;
    }
    entries.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn entry(place: &str, node: &str, ended: &[u8]) -> Value {
        let fields = vec![
            says("o"),
            says(node),
            says("t"),
            says("7"),
            says("k"),
            Value::BulkString(ended.to_vec()),
        ];
        Value::Array(vec![says(place), Value::Array(fields)])
    }

    #[test]
    fn an_entry_names_records_and_who_ended_them() {
        let mut ended = [[b'k'; 33], [b'l'; 33]].concat();
        (ended[32], ended[65]) = (b'1', b'0');
        let read = Entry::read(entry("5-2", "-9", &ended)).unwrap();
        let key = |byte| RecordKey::from_bytes(&[byte; 32]);
        assert_eq!(read.ended, [(key(b'k'), true), (key(b'l'), false)]);
        assert_eq!((read.own(-9), read.own(9)), (Some(7), None));
        assert_eq!((read.place, read.at()), ((5, 2), "5-2".to_owned()));
        assert_eq!(Entry::read(entry("5-2", "9", &ended[1..])), None);
        assert_eq!(Entry::read(entry("5", "9", &ended)), None);
    }

    #[test]
    fn what_is_behind_an_entry_is_known_only_where_it_is_there_itself() {
        let feed = |entries: &[Value]| Value::Array(entries.to_vec());
        let (one, two) = (entry("5-0", "1", b""), entry("6-0", "2", b""));
        let known = Entry::read(one.clone()).unwrap();
        let next = Entry::read(two.clone()).unwrap();
        assert_eq!(
            behind(&known, feed(&[one.clone(), two.clone()])),
            Some(vec![next])
        );
        assert_eq!(behind(&known, feed(&[one])), Some(vec![]));
        assert_eq!(behind(&known, feed(&[])), None);
        assert_eq!(behind(&known, feed(&[two])), None, "it was taken away");
        let another = entry("5-0", "3", b"");
        assert_eq!(
            behind(&known, feed(&[another])),
            None,
            "it is another's place"
        );
    }
}
