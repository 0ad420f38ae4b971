//! Random claims: of all sizes up to what a token holds, in all the scripts that JSON has.

use super::{AUDIENCE, ISSUER, NOW};
use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};

/// The most bytes of JSON that the additional claims take: sealed, a byte takes up to 16/9
/// characters, and a peer may escape what we don't.
const MOST: usize = 3000;
/// Whole numbers that every JSON reader sees alike.
const NUMBERS: i64 = 1 << 53;

/// Good claims for this session, otherwise random.
pub(super) fn random(rng: &mut StdRng, handle: &str) -> Value {
    let subject = text(rng, 1, 40);
    let mut claims = json!({
        "iss": ISSUER, "sub": subject, "aud": AUDIENCE, "iat": rng.random_range(0..=NOW),
        "exp": rng.random_range(NOW + 1..1 << 53), "jti": text(rng, 1, 30), "sid": handle,
        "gen": 1,
    });
    let members = claims.as_object_mut().unwrap();
    if rng.random() {
        members["aud"] = json!([text(rng, 1, 20), AUDIENCE]);
    }
    if rng.random() {
        members.insert("id".into(), members["sub"].clone());
        members.insert("email".into(), text(rng, 1, 60).into());
        members.insert("role".into(), text(rng, 1, 10).into());
        members.insert("roles".into(), json!([text(rng, 1, 10), text(rng, 1, 10)]));
        members.insert("fresh".into(), json!(rng.random::<bool>()));
        members.insert("nbf".into(), json!(rng.random_range(0..=NOW)));
    }
    let room = rng.random_range(0..MOST);
    loop {
        let (name, value) = (format!("x{}", text(rng, 0, 12)), value(rng, 4));
        members.insert(name.clone(), value);
        let written = Value::Object(members.clone()).to_string();
        // As the peer that escapes the most writes it.
        let escaped: usize = written
            .chars()
            .map(|c| if c.is_ascii() { 1 } else { 6 * c.len_utf16() })
            .sum();
        if escaped > room {
            members.remove(&name);
            return claims;
        }
    }
}

fn value(rng: &mut StdRng, levels: u32) -> Value {
    match rng.random_range(0..if levels == 0 { 4 } else { 6 }) {
        0 => Value::Null,
        1 => rng.random::<bool>().into(),
        2 => rng.random_range(-NUMBERS + 1..NUMBERS).into(),
        3 => text(rng, 0, 80).into(),
        4 => (0..rng.random_range(0..4))
            .map(|_| value(rng, levels - 1))
            .collect(),
        _ => {
            let members =
                (0..rng.random_range(0..4)).map(|_| (text(rng, 0, 10), value(rng, levels - 1)));
            Value::Object(members.collect::<Map<_, _>>())
        }
    }
}

/// Characters of ASCII, control characters among them, of the plane of most scripts, and beyond.
fn text(rng: &mut StdRng, shortest: usize, longest: usize) -> String {
    let length = rng.random_range(shortest..=longest);
    (0..length)
        .map(|_| match rng.random_range(0..6) {
            0 => char::from(rng.random_range(0..0x80_u8)),
            1 => rng.random_range('\u{80}'..='\u{ffff}'),
            2 => rng.random_range('\u{10000}'..='\u{10ffff}'),
            _ => rng.random_range('a'..='z'),
        })
        .collect()
}
