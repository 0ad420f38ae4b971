//! What an export proves.

use super::*;

#[test]
fn a_whole_log_is_proven_and_says_what_it_proves() {
    let bench = Bench::new();
    let (log, lines) = bench.written(3, &keys(&[1]));
    let proven = prove(&lines, &publics(&[1])).unwrap();
    assert_eq!((proven.first, proven.last, proven.ends), (1, 4, 3));
    assert_eq!((&*proven.chain, &proven.hash), ("chain", &log.head().hash));
    assert_eq!(proven.closed_at, 2000);
    assert_eq!(code(&lines, &publics(&[2])), "receipts_key_unknown");
    assert_eq!(code(&lines, &[]), "receipts_key_unknown");
    assert_eq!(code(&[], &publics(&[1])), "receipts_empty");
}

#[test]
fn every_line_is_verified_by_another_library_of_jose() {
    let bench = Bench::new();
    let (_, lines) = bench.written(2, &keys(&[1]));
    let mut jwk = publics(&[1])[0].members().clone();
    jwk.remove("use");
    let jwk = josekit::jwk::Jwk::from_map(jwk).unwrap();
    let verifier = ES256.verifier_from_jwk(&jwk).unwrap();
    for (place, line) in lines.iter().enumerate() {
        let (claims, header) = jws::deserialize_compact(line, &verifier).unwrap();
        assert_eq!(header.token_type(), Some("lacre-receipt+jwt"));
        assert_eq!(header.key_id(), publics(&[1])[0].id().as_deref());
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        let seq = (place as u64 + 1).min(3);
        assert_eq!(claims["seq"], seq);
    }
}

#[test]
fn what_was_cut_moved_doubled_changed_or_spliced_is_not_proven() {
    let (bench, other) = (Bench::new(), Bench::new());
    let (_, lines) = bench.written(4, &keys(&[1]));
    let trusted = publics(&[1]);
    let changed = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines = lines.clone();
        change(&mut lines);
        code(&lines, &trusted)
    };
    assert_eq!(changed(&|all| drop(all.pop())), "receipts_unclosed");
    assert_eq!(changed(&|all| all.truncate(2)), "receipts_unclosed");
    for place in 0..lines.len() - 1 {
        assert_eq!(
            changed(&|all| drop(all.remove(place))),
            "receipts_broken",
            "{place}"
        );
    }
    assert_eq!(changed(&|all| all.swap(2, 3)), "receipts_broken");
    assert_eq!(
        changed(&|all| all.insert(2, all[2].clone())),
        "receipts_broken"
    );
    let doubled = |all: &mut Vec<String>| all.extend(lines.clone());
    assert_eq!(changed(&doubled), "receipts_broken");
    // A head of before, on the lines that it isn't of.
    let (_, fewer) = other.written(2, &keys(&[1]));
    let spliced = |all: &mut Vec<String>| *all.last_mut().unwrap() = fewer[3].clone();
    assert_eq!(changed(&spliced), "receipts_broken");
    let spliced = |all: &mut Vec<String>| all[3] = fewer[2].clone();
    assert_eq!(changed(&spliced), "receipts_broken");
    // Every character of a line counts.
    let line = &lines[2];
    for at in 0..line.len() {
        let other = if line.as_bytes()[at] == b'A' {
            "B"
        } else {
            "A"
        };
        let change = |all: &mut Vec<String>| all[2].replace_range(at..=at, other);
        assert!(
            [
                "receipts_malformed",
                "receipts_signature",
                "receipts_broken"
            ]
            .contains(&changed(&change)),
            "{at}"
        );
    }
    // A line by another hand, with everything else right.
    let entry = Line::parse(&lines[2]).unwrap().entry;
    let forged = Line::write(&entry, &keys(&[9])[0]).unwrap();
    let forge = |all: &mut Vec<String>| all[2] = forged.text().to_owned();
    assert_eq!(changed(&forge), "receipts_signature");
}

#[test]
fn an_earlier_export_verifies_alone_and_not_beside_one_that_differs() {
    let (bench, other) = (Bench::new(), Bench::new());
    let keys = keys(&[1]);
    let (mut log, earlier) = bench.written(2, &keys);
    log.append(vec![ended(2)], 9, &keys[0]).unwrap();
    let later = bench.export(&log, &keys);
    let (_, another) = other.written(3, &keys);
    let prove = |lines: &[String]| {
        let mut chain = Chain::new(&publics(&[1])).comparable();
        for line in lines {
            chain.push(line).unwrap();
        }
        chain.close().unwrap()
    };
    let (earlier, later, another) = (prove(&earlier), prove(&later), prove(&another));
    // That the first is older, only its head says.
    assert_eq!((earlier.last, later.last), (3, 4));
    assert_eq!(together(&[earlier.clone(), later.clone()]), Ok(vec![]));
    // The same id and the same ends, signed once more: history was written anew.
    let forked = together(&[earlier, another]).unwrap_err();
    assert_eq!(forked.code(), "receipts_forked");
}

#[test]
fn a_key_hands_over_to_the_next_and_either_proves_the_log() {
    let bench = Bench::new();
    let (mut log, _) = bench.written(1, &keys(&[1]));
    let both = keys(&[2, 1]);
    assert!(!log.is_signed_by(&all(&both)));
    log.hand_over(&all(&both), 7).unwrap();
    log.hand_over(&all(&both), 7).unwrap();
    log.append(vec![ended(1)], 8, &both[0]).unwrap();
    let lines = bench.export(&log, &both);
    for trusted in [publics(&[1]), publics(&[2]), publics(&[2, 1])] {
        assert_eq!(prove(&lines, &trusted).unwrap().last, 4);
    }
    assert_eq!(code(&lines, &publics(&[3])), "receipts_key_unknown");
    // The file goes on with the new key, and with it alone.
    drop(log);
    let log = bench.open(&Start::End, &keys(&[2])).unwrap();
    assert!(log.is_signed_by(&all(&keys(&[2]))));
    // Where the earlier key is gone, nothing leads from it to the new one.
    let alone = Bench::new();
    let (mut log, _) = alone.written(1, &keys(&[1]));
    log.hand_over(&all(&keys(&[3])), 7).unwrap();
    let lines = alone.export(&log, &keys(&[3]));
    assert_eq!(code(&lines, &publics(&[1])), "receipts_key_unknown");
    assert_eq!(prove(&lines, &publics(&[3])).unwrap().last, 3);
}

#[test]
fn keys_are_read_from_a_jwk_and_from_a_set() {
    let key = publics(&[1]).remove(0);
    let one = serde_json::to_vec(key.members()).unwrap();
    assert_eq!(PublicKey::read_all(&one), Some(vec![key.clone()]));
    let set = serde_json::json!({"keys": [key.members(), publics(&[2])[0].members()]});
    let set = set.to_string();
    assert_eq!(PublicKey::read_all(set.as_bytes()).unwrap().len(), 2);
    for bad in [
        "",
        "{}",
        "[]",
        r#"{"keys":1}"#,
        r#"{"keys":[1]}"#,
        r#"{"kty":"RSA"}"#,
    ] {
        assert_eq!(PublicKey::read_all(bad.as_bytes()), None, "{bad}");
    }
}

#[test]
fn files_of_one_log_have_to_follow_one_another() {
    let keys = keys(&[1]);
    let proven = |lines: &[String]| {
        let mut chain = Chain::new(&publics(&[1])).comparable();
        for line in lines {
            chain.push(line).unwrap();
        }
        chain.close().unwrap()
    };
    let (bench, other) = (Bench::new(), Bench::new());
    let (log, first) = bench.written(2, &keys);
    let head = log.head().clone();
    std::fs::remove_file(bench.path()).unwrap();
    let log = bench.open(&Start::Head(&head), &keys).unwrap();
    let second = proven(&bench.export(&log, &keys));
    let (_, another) = other.written(2, &keys);
    let (first, another) = (proven(&first), proven(&another));
    assert_eq!(second.first, first.last + 1);
    assert_eq!(together(&[first.clone(), second.clone()]), Ok(vec![]));
    assert_eq!(together(&[second.clone(), first.clone()]), Ok(vec![]));
    let forked = together(&[second, another]).unwrap_err();
    assert_eq!(forked, ReceiptsError::Forked { seq: 3 });
    assert_eq!(first.hash_of(3).unwrap(), head.hash);
    assert_eq!((first.hash_of(0), first.hash_of(4)), (None, None));
}
