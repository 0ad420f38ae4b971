//! Changes to the bytes of a stage, by name.

use serde_json::{Map, Value};

/// Puts `bytes` in the place of whatever was there.
pub(crate) fn only(bytes: impl AsRef<[u8]>) -> impl Fn(Vec<u8>) -> Vec<u8> {
    move |_| bytes.as_ref().to_vec()
}

/// Puts `bytes` before.
pub(crate) fn before(bytes: impl AsRef<[u8]>) -> impl Fn(Vec<u8>) -> Vec<u8> {
    move |old| [bytes.as_ref(), &old].concat()
}

/// Puts `bytes` after.
pub(crate) fn after(bytes: impl AsRef<[u8]>) -> impl Fn(Vec<u8>) -> Vec<u8> {
    move |old| [&old, bytes.as_ref()].concat()
}

/// Cuts off at `length`, or fills up with zeros.
pub(crate) fn length(length: usize) -> impl Fn(Vec<u8>) -> Vec<u8> {
    move |mut bytes| {
        bytes.resize(length, 0);
        bytes
    }
}

/// Flips one bit of the byte at `position`; a negative one counts from the end.
pub(crate) fn flip(position: isize) -> impl Fn(Vec<u8>) -> Vec<u8> {
    move |mut bytes| {
        let length = bytes.len();
        let position = match usize::try_from(position) {
            Ok(position) => position,
            Err(_) => length - position.unsigned_abs(),
        };
        bytes[position] ^= 1;
        bytes
    }
}

/// Writes `to` where `from` stands; it must stand there.
pub(crate) fn swap(from: &str, to: &str) -> impl Fn(Vec<u8>) -> Vec<u8> {
    move |text| {
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains(from), "{from} does not occur in {text}");
        text.replacen(from, to, 1).into_bytes()
    }
}

/// Gives the member `name` of a JSON object the value that `raw` spells.
pub(crate) fn set(name: &str, raw: &str) -> impl Fn(Vec<u8>) -> Vec<u8> {
    move |object| {
        let mut members = members(&object);
        assert!(members.remove(name).is_some(), "there is no {name}");
        spelled(&members, &[(&quoted(name), raw)])
    }
}

/// Leaves the member `name` of a JSON object out.
pub(crate) fn without(name: &str) -> impl Fn(Vec<u8>) -> Vec<u8> {
    move |object| {
        let mut members = members(&object);
        assert!(members.remove(name).is_some(), "there is no {name}");
        spelled(&members, &[])
    }
}

/// Puts another member at the end of a JSON object; `name` is spelled with its quotes.
pub(crate) fn add(name: &str, raw: &str) -> impl Fn(Vec<u8>) -> Vec<u8> {
    move |object| spelled(&members(&object), &[(name, raw)])
}

/// Says the member `name` of a JSON object twice: `raw` first, or last.
pub(crate) fn twice(name: &str, raw: &str, first: bool) -> impl Fn(Vec<u8>) -> Vec<u8> {
    move |object| {
        let mut members = members(&object);
        let kept = members.remove(name).unwrap().to_string();
        let (one, two) = if first { (raw, &*kept) } else { (&*kept, raw) };
        let name = quoted(name);
        spelled(&members, &[(&name, one), (&name, two)])
    }
}

/// Changes one segment of a compact form.
pub(crate) fn segment(
    number: usize,
    change: impl Fn(&str) -> String,
) -> impl Fn(Vec<u8>) -> Vec<u8> {
    move |text| {
        let text = String::from_utf8(text).unwrap();
        let segments: Vec<String> = text
            .split('.')
            .enumerate()
            .map(|(place, old)| {
                if place == number {
                    change(old)
                } else {
                    old.to_owned()
                }
            })
            .collect();
        segments.join(".").into_bytes()
    }
}

fn quoted(name: &str) -> String {
    Value::from(name).to_string()
}

fn members(object: &[u8]) -> Map<String, Value> {
    serde_json::from_slice(object).unwrap()
}

fn spelled(members: &Map<String, Value>, more: &[(&str, &str)]) -> Vec<u8> {
    let members = members
        .iter()
        .map(|(name, value)| format!("{}:{value}", quoted(name)));
    let more = more.iter().map(|(name, raw)| format!("{name}:{raw}"));
    let all: Vec<String> = members.chain(more).collect();
    format!("{{{}}}", all.join(",")).into_bytes()
}
