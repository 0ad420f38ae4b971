//! Attacks: claims that are signed and sealed rightly, and not good.

use super::List;
use super::edit::{add, after, before, only, set, twice, without};
use crate::hostile::builder::{NOW, Stage};

const DUE: &str = "token_claims";

pub(super) fn put(list: &mut List<'_>) {
    json(list);
    missing_and_twice(list);
    numbers(list);
    texts(list);
    values(list);
}

fn json(list: &mut List<'_>) {
    for text in ["", "[]", "null", "1", "\"claims\"", "true", "{", "{}"] {
        list.put(
            9,
            format!("claims are {text:?}"),
            DUE,
            Stage::Claims,
            only(text),
        );
    }
    list.put(
        8,
        "claims with a byte order mark",
        DUE,
        Stage::Claims,
        before("\u{feff}"),
    );
    list.put(8, "claims in UTF-16", DUE, Stage::Claims, |text| {
        let text = String::from_utf8(text).unwrap();
        let units = text.encode_utf16().flat_map(u16::to_be_bytes);
        [0xfe, 0xff].into_iter().chain(units).collect()
    });
    for (name, more) in [
        ("{}", "{}"),
        ("NUL", "\0"),
        ("a comma", ","),
        ("a letter", "x"),
    ] {
        list.put(
            8,
            format!("claims with {name} after them"),
            DUE,
            Stage::Claims,
            after(more),
        );
    }
    for (name, raw) in [
        ("a lone high surrogate", r#""\ud800""#),
        ("a lone low surrogate", r#""\udc00""#),
        ("surrogates exchanged", r#""\udc00\ud800""#),
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("a number beyond numbers", "1e999"),
        ("a leading zero", "01"),
        ("a hex number", "0x1"),
        ("a raw control character", "\"\x01\""),
        ("single quotes", "'x'"),
        ("an unknown escape", r#""\x41""#),
    ] {
        list.put(
            8,
            format!("claims with {name}"),
            DUE,
            Stage::Claims,
            add("\"x\"", raw),
        );
    }
    list.put(
        8,
        "claims with bytes that are no UTF-8",
        DUE,
        Stage::Claims,
        |text| [&text[..text.len() - 1], b",\"x\":\"\xff\"}"].concat(),
    );
    for levels in [32, 127, 300] {
        let deep = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        list.put(
            7,
            format!("claims {} levels deep", levels + 1),
            DUE,
            Stage::Claims,
            add("\"x\"", &deep),
        );
        let deep = format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
        list.put(
            7,
            format!("claims with {levels} objects in each other"),
            DUE,
            Stage::Claims,
            add("\"x\"", &deep),
        );
    }
    for (name, raw) in [
        ("in an object", r#"{"a":1,"a":2}"#),
        ("in an object, once escaped", r#"{"a":1,"\u0061":2}"#),
        ("in an object in an array", r#"[{"":1,"":1}]"#),
    ] {
        list.put(
            6,
            format!("a claim of the caller twice {name}"),
            DUE,
            Stage::Claims,
            add("\"x\"", raw),
        );
    }
    list.put(
        6,
        "a claim of the caller twice",
        DUE,
        Stage::Claims,
        add("\"x\"", r#"1,"x":1"#),
    );
}

fn missing_and_twice(list: &mut List<'_>) {
    for name in ["iss", "sub", "aud", "iat", "exp", "jti", "sid", "gen"] {
        list.put(42, format!("no {name}"), DUE, Stage::Claims, without(name));
    }
    for name in [
        "iss",
        "sub",
        "aud",
        "iat",
        "exp",
        "jti",
        "sid",
        "gen",
        "role",
        "fresh",
        "auth_time",
    ] {
        for first in [true, false] {
            let place = if first { "first" } else { "last" };
            list.put(
                6,
                format!("another claim {name} {place}"),
                DUE,
                Stage::Claims,
                twice(name, "1", first),
            );
        }
        let escaped = format!("\"\\u{:04x}{}\"", u32::from(name.as_bytes()[0]), &name[1..]);
        list.put(
            6,
            format!("claim {name} twice, once escaped"),
            DUE,
            Stage::Claims,
            add(&escaped, "1"),
        );
    }
}

fn numbers(list: &mut List<'_>) {
    for name in ["iat", "exp", "gen", "auth_time", "nbf"] {
        for wrong in [
            "null",
            "true",
            r#""1900000000""#,
            "[1]",
            "{}",
            "-1",
            "-0.0",
            "1.5",
            "1900000000.0",
            "19e8",
            "9007199254740992",
            "18446744073709551615",
            "18446744073709551616",
            "1e308",
            "-9223372036854775808",
        ] {
            let change = |text: Vec<u8>| {
                if name == "nbf" {
                    add("\"nbf\"", wrong)(text)
                } else {
                    set(name, wrong)(text)
                }
            };
            list.put(42, format!("{name} is {wrong}"), DUE, Stage::Claims, change);
        }
    }
}

fn texts(list: &mut List<'_>) {
    for name in ["iss", "sub", "jti", "sid", "id", "email", "role"] {
        let threat = if name == "iss" { 43 } else { 42 };
        for wrong in ["null", "1", r#""""#, "[]", r#"["u1"]"#, "{}", "true"] {
            list.put(
                threat,
                format!("{name} is {wrong}"),
                DUE,
                Stage::Claims,
                set(name, wrong),
            );
        }
    }
    for wrong in [
        "null",
        "1",
        r#""""#,
        "[]",
        r#"[""]"#,
        r#"["api",1]"#,
        r#"["api",null]"#,
        r#"[["api"]]"#,
        r#"{"api":1}"#,
    ] {
        list.put(
            43,
            format!("aud is {wrong}"),
            DUE,
            Stage::Claims,
            set("aud", wrong),
        );
    }
    for name in ["roles", "permissions"] {
        for wrong in [
            "null",
            r#""admin""#,
            "[1]",
            r#"[""]"#,
            "{}",
            r#"[["admin"]]"#,
        ] {
            list.put(
                42,
                format!("{name} is {wrong}"),
                DUE,
                Stage::Claims,
                set(name, wrong),
            );
        }
    }
    for wrong in ["null", "1", r#""true""#, "[]"] {
        list.put(
            42,
            format!("fresh is {wrong}"),
            DUE,
            Stage::Claims,
            set("fresh", wrong),
        );
    }
    for wrong in ["../h", "h 1", "h.1", "h-1\\u0000", &"h".repeat(129)] {
        list.put(
            31,
            format!("sid {wrong:.10}"),
            DUE,
            Stage::Claims,
            set("sid", &format!("\"{wrong}\"")),
        );
    }
}

fn values(list: &mut List<'_>) {
    let claims: serde_json::Value = serde_json::from_slice(&list.forge.claims()).unwrap();
    let issuer = claims["iss"].as_str().unwrap();
    for (name, other) in [
        ("with a slash", format!("{issuer}/")),
        ("in capitals", issuer.to_uppercase()),
        ("with a space", format!("{issuer} ")),
        ("that is longer", format!("{issuer}.evil.test")),
        ("that is shorter", issuer[..issuer.len() - 1].to_owned()),
        ("of somebody else", "https://evil.test".into()),
    ] {
        list.put(
            43,
            format!("an issuer {name}"),
            "token_issuer",
            Stage::Claims,
            set("iss", &format!("{other:?}")),
        );
    }
    let audience = claims["aud"].as_str().unwrap();
    for (name, other) in [
        ("in capitals", format!("{:?}", audience.to_uppercase())),
        ("that is longer", format!("\"{audience}2\"")),
        (
            "that is shorter",
            format!("{:?}", &audience[..audience.len() - 1]),
        ),
        ("with a space", format!("\" {audience}\"")),
        ("of somebody else", "\"other\"".into()),
        ("of several others", r#"["other","another"]"#.into()),
        ("that is all", "\"*\"".into()),
        ("of several in one text", format!("\"{audience} other\"")),
    ] {
        list.put(
            43,
            format!("an audience {name}"),
            "token_audience",
            Stage::Claims,
            set("aud", &other),
        );
    }
    let due = "token_session_mismatch";
    list.put(
        33,
        "the session of another token",
        due,
        Stage::Claims,
        set("sid", "\"h-2\""),
    );
    let case = claims["sid"].as_str().unwrap().to_uppercase();
    list.put(
        33,
        "the session in capitals",
        due,
        Stage::Claims,
        set("sid", &format!("\"{case}\"")),
    );
    list.put(
        33,
        "another handle outside",
        due,
        Stage::Header,
        set("kid", "\"h-2\""),
    );
    list.put(
        44,
        "an id that is not the subject",
        due,
        Stage::Claims,
        set("id", "\"admin\""),
    );
    list.put(
        33,
        "the user of another session",
        due,
        Stage::Claims,
        |text| set("id", "\"u2\"")(set("sub", "\"u2\"")(text)),
    );

    for generation in [0, 2, 9_007_199_254_740_991_u64] {
        let name = format!("generation {generation}");
        list.put(
            41,
            name,
            "token_generation",
            Stage::Claims,
            set("gen", &generation.to_string()),
        );
    }
    for (name, exp) in [("now", NOW), ("a second ago", NOW - 1), ("in 1970", 0)] {
        list.put(
            42,
            format!("expired {name}"),
            "token_expired",
            Stage::Claims,
            set("exp", &exp.to_string()),
        );
    }
    for (name, seconds) in [
        ("a second", NOW + 1),
        ("a day", NOW + 86400),
        ("2^53 - 1", 9_007_199_254_740_991),
    ] {
        let due = "token_not_yet_valid";
        list.put(
            46,
            format!("issued in the future: {name}"),
            due,
            Stage::Claims,
            set("iat", &seconds.to_string()),
        );
        list.put(
            46,
            format!("not before the future: {name}"),
            due,
            Stage::Claims,
            add("\"nbf\"", &seconds.to_string()),
        );
    }
}
