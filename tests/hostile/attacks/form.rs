//! Attacks: the text of a token.

use super::List;
use super::edit::{after, before, only, segment, swap};
use crate::hostile::builder::{Stage, encode};

const SEGMENTS: [&str; 5] = ["header", "key", "iv", "ciphertext", "tag"];

pub(super) fn put(list: &mut List<'_>) {
    parts(list);
    serializations(list);
    spellings(list);
    sizes(list);
}

fn parts(list: &mut List<'_>) {
    for (name, text) in [
        ("no text", String::new()),
        ("one dot", ".".into()),
        ("four dots", "....".into()),
        ("8000 dots", ".".repeat(8000)),
        ("8192 dots", ".".repeat(8192)),
        ("one word", "x".into()),
    ] {
        list.put(1, name, "token_malformed", Stage::Text, only(text));
    }
    list.put(
        1,
        "8193 dots",
        "token_too_long",
        Stage::Text,
        only(".".repeat(8193)),
    );
    list.put(
        1,
        "a sixth part",
        "token_malformed",
        Stage::Text,
        after(".AA"),
    );
    list.put(
        1,
        "an empty sixth part",
        "token_malformed",
        Stage::Text,
        after("."),
    );
    list.put(
        1,
        "an empty first part",
        "token_malformed",
        Stage::Text,
        before("."),
    );
    for (number, name) in SEGMENTS.into_iter().enumerate() {
        // A header of no bytes is spelled rightly and is no JSON.
        let due = ["token_header", "token_malformed"][number.min(1)];
        list.put(
            1,
            format!("empty {name}"),
            due,
            Stage::Text,
            segment(number, |_| String::new()),
        );
        list.put(
            1,
            format!("no {name}"),
            "token_malformed",
            Stage::Text,
            move |text| {
                let text = String::from_utf8(text).unwrap();
                let mut parts: Vec<&str> = text.split('.').collect();
                parts.remove(number);
                parts.join(".").into_bytes()
            },
        );
    }
    list.put(
        1,
        "iv and tag exchanged",
        "token_malformed",
        Stage::Text,
        |text| {
            let text = String::from_utf8(text).unwrap();
            let mut parts: Vec<&str> = text.split('.').collect();
            parts.swap(2, 4);
            parts.join(".").into_bytes()
        },
    );
}

fn serializations(list: &mut List<'_>) {
    let token = list.forge.token();
    let parts: Vec<&str> = token.split('.').collect();
    let (protected, rest) = (parts[0], &parts[1..]);
    let tail = format!(
        r#""iv":"{}","ciphertext":"{}","tag":"{}""#,
        rest[1], rest[2], rest[3]
    );
    let key = rest[0];
    list.whole(
        2,
        "flattened JSON",
        "token_malformed",
        format!(r#"{{"protected":"{protected}","encrypted_key":"{key}",{tail}}}"#),
    );
    list.whole(
        2,
        "general JSON",
        "token_malformed",
        format!(
            r#"{{"protected":"{protected}","recipients":[{{"encrypted_key":"{key}"}}],{tail}}}"#
        ),
    );
    list.whole(2, "quoted", "token_malformed", format!("\"{token}\""));
    list.whole(
        2,
        "with its scheme",
        "token_malformed",
        format!("Bearer {token}"),
    );
}

fn spellings(list: &mut List<'_>) {
    for (number, name) in SEGMENTS.into_iter().enumerate() {
        for (how, more) in [
            ("padded", "="),
            ("with a line feed", "\n"),
            ("with a space", " "),
            ("with a percent sign", "%41"),
            ("with a NUL", "\0"),
        ] {
            let name = format!("{name} {how}");
            list.put(
                3,
                name,
                "token_malformed",
                Stage::Text,
                segment(number, |old| format!("{old}{more}")),
            );
        }
        for (how, from, to) in [("plus", '-', '+'), ("slash", '_', '/')] {
            let change = segment(number, |old| {
                let at = old.find(from).unwrap_or(1);
                format!("{}{to}{}", &old[..at], &old[at + 1..])
            });
            list.put(
                3,
                format!("{name} with a {how}"),
                "token_malformed",
                Stage::Text,
                change,
            );
        }
    }
    // IV and tag end in a character with spare bits; so may the others, by their length.
    for (number, name) in [(2, "iv"), (4, "tag")] {
        list.put(
            4,
            format!("{name} with spare bits"),
            "token_malformed",
            Stage::Text,
            segment(number, next_character),
        );
    }
    list.put(
        4,
        "header with spare bits",
        "token_malformed",
        Stage::Text,
        segment(0, |old| {
            // Two bytes more leave spare bits, and trailing white space is good JSON.
            let bytes = crate::hostile::builder::decode(old);
            let more = (4 - bytes.len() % 3) % 3;
            next_character(&encode([bytes, b" ".repeat(more)].concat()))
        }),
    );
    for (name, text) in [("a space before", " "), ("a mark before", "\u{feff}")] {
        let due = "token_malformed";
        list.put(3, name, due, Stage::Text, before(text));
    }
    for (name, text) in [
        ("a space after", " "),
        ("CRLF after", "\r\n"),
        ("an umlaut after", "é"),
    ] {
        list.put(3, name, "token_malformed", Stage::Text, after(text));
    }
    list.put(
        3,
        "a wide dot",
        "token_malformed",
        Stage::Text,
        swap(".", "\u{ff0e}"),
    );
}

/// Another spelling of the same bytes, for who doesn't look at spare bits.
fn next_character(text: &str) -> String {
    let (head, last) = text.split_at(text.len() - 1);
    let next = last.as_bytes()[0] + 1;
    format!("{head}{}", char::from(next))
}

fn sizes(list: &mut List<'_>) {
    list.put(
        5,
        "8193 characters",
        "token_too_long",
        Stage::Text,
        |mut text| {
            text.resize(8193, b'A');
            text
        },
    );
    list.put(
        5,
        "a megabyte",
        "token_too_long",
        Stage::Text,
        |mut text| {
            text.resize(1 << 20, b'A');
            text
        },
    );
    let note = format!("\"{}\"", "x".repeat(4700));
    list.put(
        5,
        "sealed and too long",
        "token_too_long",
        Stage::Claims,
        super::edit::add("\"note\"", &note),
    );
}
