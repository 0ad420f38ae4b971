//! Attacks: the protected header.

use super::List;
use super::edit::{add, after, before, only, set, swap, twice, without};
use crate::hostile::builder::{Stage, jwk, new_key};

const MEMBERS: [&str; 6] = ["alg", "enc", "typ", "cty", "kid", "epk"];
const DUE: &str = "token_header";

pub(super) fn put(list: &mut List<'_>) {
    json(list);
    members(list);
    extra(list);
    kid(list);
    list.put(
        38,
        "another header than was sealed",
        "token_not_authentic",
        Stage::SentHeader,
        after(" "),
    );
}

fn json(list: &mut List<'_>) {
    for (threat, name, text) in [
        (9, "header is an array", "[]"),
        (9, "header is null", "null"),
        (9, "header is a number", "1"),
        (9, "header is a string", "\"alg\""),
        (9, "header is empty", "{}"),
        (8, "header is not JSON", "alg"),
    ] {
        list.put(threat, name, DUE, Stage::Header, only(text));
    }
    list.put(
        8,
        "header with a byte order mark",
        DUE,
        Stage::Header,
        before("\u{feff}"),
    );
    list.put(8, "header in UTF-16", DUE, Stage::Header, |text| {
        let text = String::from_utf8(text).unwrap();
        let units = text.encode_utf16().flat_map(u16::to_le_bytes);
        [0xff, 0xfe].into_iter().chain(units).collect()
    });
    list.put(
        8,
        "header in UTF-16 without a mark",
        DUE,
        Stage::Header,
        |text| text.into_iter().flat_map(|byte| [0, byte]).collect(),
    );
    list.put(
        8,
        "header with bytes that are no UTF-8",
        DUE,
        Stage::Header,
        |text| {
            let at = text.windows(4).position(|w| w == b"\"JWE").unwrap() + 2;
            [&text[..at], b"\xff", &text[at..]].concat()
        },
    );
    list.put(
        8,
        "header with an overlong quote",
        DUE,
        Stage::Header,
        |text| [&text[..text.len() - 1], b",\"\xc0\xa2\":1}"].concat(),
    );
    list.put(
        8,
        "header with a lone surrogate",
        DUE,
        Stage::Header,
        set("typ", r#""\ud800""#),
    );
    list.put(
        8,
        "header with a lone surrogate as a name",
        DUE,
        Stage::Header,
        add(r#""\udc00""#, "1"),
    );
    list.put(
        8,
        "header with something after it",
        DUE,
        Stage::Header,
        after("{}"),
    );
    list.put(
        8,
        "header with a trailing comma",
        DUE,
        Stage::Header,
        |text| [&text[..text.len() - 1], b",}"].concat(),
    );
    list.put(
        8,
        "header with a comment",
        DUE,
        Stage::Header,
        before("/**/"),
    );
    for (levels, name) in [(32, "33"), (200, "201"), (1000, "1001")] {
        let deep = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        list.put(
            7,
            format!("header {name} levels deep"),
            DUE,
            Stage::Header,
            add("\"x\"", &deep),
        );
    }
}

fn members(list: &mut List<'_>) {
    let own = serde_json::from_slice::<serde_json::Value>(&own_header(list)).unwrap();
    for name in MEMBERS {
        list.put(
            9,
            format!("header without {name}"),
            DUE,
            Stage::Header,
            without(name),
        );
        for wrong in [
            "null",
            "1",
            "1.5",
            "true",
            "[]",
            "{}",
            r#""""#,
            r#"["x"]"#,
            r#"{"x":1}"#,
        ] {
            list.put(
                9,
                format!("{name} is {wrong}"),
                DUE,
                Stage::Header,
                set(name, wrong),
            );
        }
        let value = own[name].to_string();
        list.put(
            9,
            format!("{name} in an array"),
            DUE,
            Stage::Header,
            set(name, &format!("[{value}]")),
        );
        list.put(
            6,
            format!("{name} twice"),
            DUE,
            Stage::Header,
            twice(name, &value, true),
        );
        list.put(
            6,
            format!("another {name} first"),
            DUE,
            Stage::Header,
            twice(name, r#""x""#, true),
        );
        list.put(
            6,
            format!("another {name} last"),
            DUE,
            Stage::Header,
            twice(name, r#""x""#, false),
        );
        let escaped = format!("\"\\u{:04x}{}\"", u32::from(name.as_bytes()[0]), &name[1..]);
        list.put(
            6,
            format!("{name} twice, once escaped"),
            DUE,
            Stage::Header,
            add(&escaped, &value),
        );
        list.put(
            6,
            format!("{name} in capitals besides"),
            DUE,
            Stage::Header,
            add(&format!("{:?}", name.to_uppercase()), &value),
        );
    }
    for (name, value) in [
        ("typ", "JWT"),
        ("typ", "jwe"),
        ("typ", "at+jwt"),
        ("typ", "application/jwe"),
        ("cty", "jwt"),
        ("cty", "application/jwt"),
        ("cty", "JWE"),
        ("cty", "json"),
        ("cty", "JWT "),
    ] {
        list.put(
            38,
            format!("{name} {value:?}"),
            DUE,
            Stage::Header,
            set(name, &format!("{value:?}")),
        );
    }
}

fn own_header(list: &List<'_>) -> Vec<u8> {
    let token = list.forge.token();
    crate::hostile::builder::decode(token.split('.').next().unwrap())
}

fn extra(list: &mut List<'_>) {
    let stranger = jwk(&new_key()).to_string();
    for (threat, name, raw) in [
        (28, "zip", r#""DEF""#),
        (28, "zip", r#""none""#),
        (28, "zip", "null"),
        (30, "crit", "[]"),
        (30, "crit", r#"["exp"]"#),
        (30, "crit", r#"["alg"]"#),
        (30, "crit", r#"["b64"]"#),
        (30, "b64", "false"),
        (34, "jwk", &stranger),
        (34, "x5c", r#"["MIIB"]"#),
        (34, "x5t", r#""AA""#),
        (34, "x5t#S256", r#""AA""#),
        (35, "jku", r#""http://127.0.0.1:1/keys""#),
        (35, "jku", r#""file:///etc/passwd""#),
        (35, "x5u", r#""https://169.254.169.254/""#),
        (35, "jku", r#""//evil.test""#),
        (14, "p2c", "2147483647"),
        (14, "p2s", r#""AAAAAAAAAAA""#),
        (23, "apu", r#""QQ""#),
        (23, "apv", r#""QQ""#),
        (23, "apu", r#""""#),
        (9, "iv", r#""AAAAAAAAAAAAAAAA""#),
        (9, "tag", r#""AAAAAAAAAAAAAAAAAAAAAA""#),
        (9, "", "1"),
        (9, "x", "1"),
        (9, "use", r#""enc""#),
        (40, "iss", r#""https://issuer.test""#),
        (40, "sub", r#""u1""#),
        (40, "aud", r#""api""#),
        (40, "iss", r#""https://evil.test""#),
        (40, "sub", r#""admin""#),
        (40, "exp", "9999999999"),
    ] {
        list.put(
            threat,
            format!("extra {name:?}: {}", &raw[..raw.len().min(30)]),
            DUE,
            Stage::Header,
            add(&format!("{name:?}"), raw),
        );
    }
    let huge = format!("{:?}", "A".repeat(3000));
    list.put(23, "a huge apu", DUE, Stage::Header, add("\"apu\"", &huge));
}

fn kid(list: &mut List<'_>) {
    for (name, raw) in [
        ("traversal", r#""../../etc/passwd""#),
        ("NUL", r#""h-1\u0000""#),
        ("CRLF", r#""h-1\r\nx: y""#),
        ("glob", r#""*""#),
        ("colon", r#""u1:h-1""#),
        ("dot", r#""h.1""#),
        ("slash", r#""/h-1""#),
        ("quote", r#""'--""#),
        ("template", r#""{{7*7}}""#),
        ("space", r#"" h-1""#),
        ("umlaut", r#""é""#),
        ("escape sequence", r#""\u001b[2J""#),
        ("padding", r#""aDE=""#),
        ("right-to-left mark", r#""\u202eh-1""#),
    ] {
        list.put(
            31,
            format!("kid with {name}"),
            DUE,
            Stage::Header,
            set("kid", raw),
        );
    }
    for length in [129, 2048] {
        let long = format!("{:?}", "k".repeat(length));
        list.put(
            31,
            format!("kid of {length} characters"),
            DUE,
            Stage::Header,
            set("kid", &long),
        );
    }
    let long = format!("{:?}", "k".repeat(65_536));
    list.put(
        31,
        "kid of 64 KiB",
        "token_too_long",
        Stage::Header,
        set("kid", &long),
    );
    let spelled = format!("\"kid\":\"{}", list.forge.handle());
    list.put(
        31,
        "kid with a zero-width space",
        DUE,
        Stage::Header,
        swap(&spelled, &format!("{spelled}\u{200b}")),
    );
}
