use super::*;
use proptest::prelude::*;
use serde_json::Value;

fn object_of(members: usize) -> String {
    let members: Vec<_> = (0..members).map(|n| format!(r#""m{n}":1"#)).collect();
    format!("{{{}}}", members.join(","))
}

#[test]
fn a_body_has_so_many_members_and_values_and_no_more() {
    assert!(is_small(&object_of(MAX_MEMBERS)));
    assert!(!is_small(&object_of(MAX_MEMBERS + 1)));
    // What is inside of a member counts as values.
    let list = |count: usize| format!(r#"{{"a":[{}]}}"#, vec!["1"; count].join(","));
    assert!(is_small(&list(MAX_VALUES - 1)));
    assert!(!is_small(&list(MAX_VALUES)));
    assert!(is_small(&format!(
        r#"{{"a":{}}}"#,
        object_of(MAX_MEMBERS + 1)
    )));
    let nested = format!(r#"{{"a":{}}}"#, vec!["[]"; MAX_VALUES].join(","));
    assert!(!is_small(&nested));
}

#[test]
fn strings_hold_neither_members_nor_values_nor_numbers() {
    let marks = ",:{}[]\\\"9.99999999999999999999".repeat(2000);
    let text = serde_json::json!({ "a": marks, &marks: "b" }).to_string();
    assert!(is_small(&text));
    assert!(inexact_members(&text).is_empty());
}

#[test]
fn it_stops_at_the_first_that_is_too_many() {
    // The rest is never looked at: as many tokens are read of a long body as of a short one.
    let read = |members: usize| {
        let text = object_of(members);
        let mut tokens = Tokens::of(&text);
        let mut marks = 0;
        while marks <= MAX_MEMBERS {
            match tokens.next() {
                Some(Token::Mark(b':')) => marks += 1,
                Some(_) => {}
                None => break,
            }
        }
        assert!(!is_small(&text));
        tokens.at
    };
    assert_eq!(read(100), read(10_000));
}

#[test]
fn a_number_is_kept_exactly_or_told() {
    for kept in [
        "0",
        "-0",
        "1",
        "-1",
        "18446744073709551615",
        "-9223372036854775808",
        "0.1",
        "-0.1",
        "1.50",
        "1e22",
        "1E+22",
        "100000000000000000000",
        "1.0",
        "0e0",
        "0.000",
        "1e-7",
        "123456789.125",
        "5e-324",
        "1.7976931348623157e308",
        "9007199254740993",
    ] {
        assert!(is_kept(kept), "{kept}");
    }
    for altered in [
        "18446744073709551616",
        "18446744073709551617",
        "-9223372036854775809",
        "0.1000000000000000055511151231257827",
        "0.12345678901234567890",
        "1e400",
        "-1e400",
        "1e-400",
        "9007199254740993.0",
        "3.14159265358979323846",
        "2e-324",
        "1e99999999999999999999",
    ] {
        assert!(!is_kept(altered), "{altered}");
    }
}

#[test]
fn the_members_with_such_numbers_are_named() {
    let text =
        r#"{"a":{"b":[1,{"c":18446744073709551616}]},"cl\u0061ims":0.12345678901234567890,"d":1}"#;
    assert_eq!(inexact_members(text), ["a", "claims"]);
    assert!(inexact_members(r#"{"a":18446744073709551615}"#).is_empty());
}

proptest! {
    /// What is called exact comes back from the parser as it was written; held against the parser itself.
    #[test]
    fn what_is_kept_reads_and_writes_the_same_value(text in r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,3})?") {
        if let Ok(value) = serde_json::from_str::<Value>(&text) {
            let written = Decimal::of(&value.to_string());
            prop_assert_eq!(is_kept(&text), written == Decimal::of(&text), "{} {}", text, value);
        } else {
            prop_assert!(!is_kept(&text));
        }
    }

    #[test]
    fn no_text_panics(text in "(?s).{0,60}") {
        is_small(&text);
        inexact_members(&text);
    }
}
