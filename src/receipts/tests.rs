//! A log as its auditor gets it, whole and in every way that it may not be.

use super::log::{Head, Log, Start};
use super::*;
use crate::token::SigningKey;
use josekit::jws::{self, ES256};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use std::path::PathBuf;
use tempfile::TempDir;

fn keys(seeds: &[u64]) -> Vec<SigningKey> {
    let key = |seed: &u64| SigningKey::generate(&mut StdRng::seed_from_u64(*seed)).unwrap();
    seeds.iter().map(key).collect()
}

fn all(keys: &[SigningKey]) -> Vec<&SigningKey> {
    keys.iter().collect()
}

fn publics(seeds: &[u64]) -> Vec<PublicKey> {
    keys(seeds).iter().map(PublicKey::of).collect()
}

fn ended(number: u64) -> Event {
    Event::End(Ended {
        sid: format!("handle-{number}"),
        ended_at: 1000 + number,
        cause: "logout".to_owned(),
        by: "owner".to_owned(),
        record: "hash".to_owned(),
        note: number,
    })
}

struct Bench {
    temp: TempDir,
}

impl Bench {
    fn new() -> Self {
        let temp = TempDir::new().unwrap();
        Self { temp }
    }

    fn path(&self) -> PathBuf {
        self.temp.path().join("receipts")
    }

    fn open(&self, start: &Start<'_>, keys: &[SigningKey]) -> Result<Log, ReceiptsError> {
        Log::open(
            &self.path(),
            start,
            &all(keys),
            5,
            || "chain".to_owned(),
            |_| (),
        )
    }

    /// A log of so many ends, and the lines of its export.
    fn written(&self, ends: u64, keys: &[SigningKey]) -> (Log, Vec<String>) {
        let mut log = self.open(&Start::End, keys).unwrap();
        for number in 0..ends {
            log.append(vec![ended(number)], 1000 + number, &keys[0])
                .unwrap();
        }
        let lines = self.export(&log, keys);
        (log, lines)
    }

    fn export(&self, log: &Log, keys: &[SigningKey]) -> Vec<String> {
        let lines = Lines::at(&self.path(), 0, log.length()).unwrap();
        let mut lines: Vec<_> = lines.collect::<Result<_, _>>().unwrap();
        lines.push(log.closing(2000, &all(keys)).unwrap().text().to_owned());
        lines
    }
}

fn prove(lines: &[String], trusted: &[PublicKey]) -> Result<Proven, ReceiptsError> {
    let mut chain = Chain::new(trusted);
    for line in lines {
        chain.push(line)?;
    }
    chain.close()
}

fn code(lines: &[String], trusted: &[PublicKey]) -> &'static str {
    prove(lines, trusted).unwrap_err().code()
}

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
fn what_a_crash_left_of_a_line_goes_and_the_log_goes_on() {
    let keys = keys(&[1]);
    for rest in [&b"eyJhbGciOi"[..], &[0; 9000], b"eyJ.\0\0\0"] {
        let bench = Bench::new();
        let (log, _) = bench.written(2, &keys);
        let head = log.head().clone();
        drop(log);
        let mut torn = std::fs::read(bench.path()).unwrap();
        torn.extend(rest);
        std::fs::write(bench.path(), torn).unwrap();
        let mut log = bench.open(&Start::Head(&head), &keys).unwrap();
        assert_eq!(log.head(), &head);
        log.append(vec![ended(2)], 9, &keys[0]).unwrap();
        let lines = bench.export(&log, &keys);
        assert_eq!(prove(&lines, &publics(&[1])).unwrap().ends, 3);
    }
}

#[test]
fn a_file_that_is_not_the_one_that_was_written_is_not_written_to() {
    let keys_of = keys(&[1]);
    let bench = Bench::new();
    let (log, _) = bench.written(3, &keys_of);
    let head = log.head().clone();
    drop(log);
    let whole = std::fs::read_to_string(bench.path()).unwrap();
    let refused = |text: &str, keys: &[SigningKey]| {
        std::fs::write(bench.path(), text).unwrap();
        let error = bench.open(&Start::Head(&head), keys).unwrap_err();
        assert_eq!(
            std::fs::read_to_string(bench.path()).unwrap(),
            text,
            "untouched"
        );
        error.code()
    };
    let cut = whole.lines().take(3).collect::<Vec<_>>().join("\n") + "\n";
    assert_eq!(refused(&cut, &keys_of), "receipts_rolled_back");
    let last = whole.lines().last().unwrap();
    let edited = whole.replace(last, &last.replace(&last[200..203], "AAA"));
    assert_eq!(refused(&edited, &keys_of), "receipts_rolled_back");
    assert_eq!(refused(&whole, &keys(&[4])), "receipts_foreign");
    // Moved away: another file goes on from it.
    std::fs::remove_file(bench.path()).unwrap();
    let log = bench.open(&Start::Head(&head), &keys_of).unwrap();
    let rest = bench.export(&log, &keys_of);
    let rest = prove(&rest, &publics(&[1])).unwrap();
    assert_eq!((rest.first, rest.last), (head.seq + 1, head.seq + 1));
    assert_eq!(rest.chain, head.chain);
    // A crash before the keystore has taken note of the new file.
    drop(log);
    let log = bench.open(&Start::Head(&head), &keys_of).unwrap();
    assert_eq!(log.head().seq, head.seq + 1);
}

#[test]
fn lines_behind_the_head_are_told_when_a_file_is_opened() {
    let keys = keys(&[1]);
    let bench = Bench::new();
    let (log, _) = bench.written(1, &keys);
    let head: Head = log.head().clone();
    drop(log);
    bench.written(3, &keys);
    let open = |start: &Start<'_>| {
        let mut seen = Vec::new();
        Log::open(&bench.path(), start, &all(&keys), 5, String::new, |entry| {
            seen.push(entry.seq);
        })
        .unwrap();
        seen
    };
    assert_eq!(open(&Start::Head(&head)), [3, 4, 5]);
    assert_eq!(open(&Start::Beginning), [1, 2, 3, 4, 5]);
    assert_eq!(open(&Start::End), [5]);
}

#[test]
fn a_session_is_found_among_many_with_its_time_and_without() {
    let keys = keys(&[1]);
    let bench = Bench::new();
    let mut log = bench.open(&Start::End, &keys).unwrap();
    for hundred in 0..10 {
        let events = (0..100).map(|it| ended(hundred * 100 + it)).collect();
        log.append(events, 1000 + hundred * 100, &keys[0]).unwrap();
    }
    assert!(
        log.length() > 4 << 16,
        "so that halving has something to do"
    );
    let all = |sid: &str| find(&bench.path(), log.length(), sid).unwrap();
    let one = |number: u64, at, note| {
        let sid = format!("handle-{number}");
        find_end(&bench.path(), log.length(), &sid, (at, note)).unwrap()
    };
    for number in [0, 1, 99, 100, 550, 998, 999] {
        let found = all(&format!("handle-{number}"));
        assert_eq!((found.len(), found[0].entry.seq), (1, number + 2));
        let end = one(number, 1000 + number, number).unwrap();
        assert_eq!(end.entry.seq, number + 2);
        assert_eq!(one(number, 1000 + number, number + 1), None);
        assert_eq!(one(number, 1001 + number, number), None);
    }
    assert_eq!(all("handle-1000"), []);
    assert_eq!(all("handle-"), []);
    // The clock was set back: an end of later stands before the lines of its time.
    log.append(vec![ended(5000)], 20, &keys[0]).unwrap();
    log.append(vec![ended(1)], 30, &keys[0]).unwrap();
    let end = find_end(&bench.path(), log.length(), "handle-5000", (6000, 5000));
    assert_eq!(end.unwrap().unwrap().entry.seq, 1002);
    assert_eq!(
        find(&bench.path(), log.length(), "handle-1").unwrap().len(),
        2
    );
}

#[test]
fn a_receipt_has_these_members_and_no_others() {
    let bench = Bench::new();
    let (_, lines) = bench.written(1, &keys(&[1]));
    let line = Line::parse(&lines[1]).unwrap();
    let members = serde_json::to_value(&line.entry).unwrap();
    let names: Vec<_> = members.as_object().unwrap().keys().collect();
    let mut expected = [
        "chain", "seq", "prev", "iat", "event", "sid", "ended_at", "cause", "by", "record", "note",
    ];
    expected.sort_unstable();
    let mut names: Vec<_> = names.into_iter().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, expected);
    // A member more, rightly signed, is not read over.
    let mut more = members;
    more["user"] = "ada".into();
    let text = keys(&[1])[0].sign_as("lacre-receipt+jwt", more.to_string().as_bytes());
    assert_eq!(Line::parse(&text.unwrap()), None);
    let text = keys(&[1])[0].sign_as("at+jwt", b"{}");
    assert_eq!(Line::parse(&text.unwrap()), None);
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
fn what_stands_behind_the_known_line_is_kept_as_far_as_it_is_good() {
    let keys = keys(&[1]);
    let bench = Bench::new();
    let (mut log, _) = bench.written(2, &keys);
    let head = log.head().clone();
    for number in 2..5 {
        log.append(vec![ended(number)], 9, &keys[0]).unwrap();
    }
    drop(log);
    let whole = std::fs::read_to_string(bench.path()).unwrap();
    let lines: Vec<_> = whole.split_inclusive('\n').collect();
    let forged = {
        let entry = Line::parse(lines[4].trim_end()).unwrap().entry;
        let forged = Line::write(&entry, &self::keys(&[9])[0]).unwrap();
        format!("{}\n", forged.text())
    };
    let other_key = {
        let mut entry = Line::parse(lines[4].trim_end()).unwrap().entry;
        entry.event = Event::Begin {
            jwk: publics(&[9]).remove(0),
        };
        format!(
            "{}\n",
            Line::write(&entry, &self::keys(&[9])[0]).unwrap().text()
        )
    };
    for (bad, good) in [
        (lines[..4].concat() + "not a line\n" + lines[4], 4),
        (lines[..4].concat() + &"\0".repeat(700) + "\n" + lines[5], 4),
        (lines[..4].concat() + lines[5], 4),
        (lines[..4].concat() + &forged + lines[5], 4),
        (lines[..4].concat() + &other_key, 4),
        (whole.clone() + lines[5], 6),
    ] {
        std::fs::write(bench.path(), &bad).unwrap();
        let mut seen = 0;
        let start = Start::Head(&head);
        let log = Log::open(&bench.path(), &start, &all(&keys), 5, String::new, |_| {
            seen += 1;
        });
        let log = log.unwrap();
        assert_eq!(log.head().seq, good);
        assert_eq!(seen, good - head.seq);
        let left = std::fs::read_to_string(bench.path()).unwrap();
        assert_eq!(left, lines[..usize::try_from(good).unwrap()].concat());
        prove(&bench.export(&log, &keys), &publics(&[1])).unwrap();
    }
    // Where it isn't known how far the lines are good, nothing is cut.
    let bad = lines[..4].concat() + lines[5];
    std::fs::write(bench.path(), &bad).unwrap();
    let error = bench.open(&Start::Beginning, &keys).unwrap_err();
    assert_eq!(error.code(), "receipts_broken");
    assert_eq!(std::fs::read_to_string(bench.path()).unwrap(), bad);
}

#[test]
fn a_first_line_that_a_crash_has_cut_off_is_written_anew() {
    let keys = keys(&[1]);
    let bench = Bench::new();
    let (log, _) = bench.written(2, &keys);
    let head = log.head().clone();
    for rest in ["eyJhbGciOi", ""] {
        std::fs::write(bench.path(), rest).unwrap();
        let log = bench.open(&Start::Head(&head), &keys).unwrap();
        let rest = prove(&bench.export(&log, &keys), &publics(&[1])).unwrap();
        assert_eq!((rest.first, rest.last), (4, 4));
        std::fs::write(bench.path(), "eyJhbGciOi").unwrap();
        let log = bench.open(&Start::End, &keys).unwrap();
        assert_eq!(log.head().seq, 1);
    }
}

#[test]
fn a_file_that_does_not_lie_there_any_more_is_noticed() {
    let keys = keys(&[1]);
    let bench = Bench::new();
    let (log, _) = bench.written(2, &keys);
    assert!(log.is_there());
    let whole = std::fs::read(bench.path()).unwrap();
    std::fs::write(bench.path(), &whole[..whole.len() - 1]).unwrap();
    assert!(!log.is_there(), "it was cut");
    std::fs::write(bench.path(), &whole).unwrap();
    assert!(log.is_there());
    std::fs::rename(bench.path(), bench.path().with_extension("away")).unwrap();
    assert!(!log.is_there(), "it was moved");
    std::fs::write(bench.path(), &whole).unwrap();
    assert!(!log.is_there(), "it is another one");
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

#[test]
fn a_restored_deployment_goes_on_behind_its_backup_and_says_so() {
    let keys = keys(&[1]);
    let restored = Event::Restored {
        taken_at: 7,
        ended: 3,
    };
    let proven = |lines: &[String]| {
        let mut chain = Chain::new(&publics(&[1])).comparable();
        for line in lines {
            chain.push(line).unwrap();
        }
        chain.close().unwrap()
    };
    let go_on = |bench: &Bench, head: Option<&Head>| {
        let chain = || "another".to_owned();
        let keys = all(&keys);
        Log::go_on_restored(&bench.path(), head, &restored, &keys, 9, chain)
    };
    let here = Bench::new();
    let (mut log, _) = here.written(2, &keys);
    let head = log.head().clone();
    log.append(vec![ended(2)], 9, &keys[0]).unwrap();
    let lost = proven(&here.export(&log, &keys));
    // Elsewhere, behind the last line that the backup knows.
    let there = Bench::new();
    assert_eq!(go_on(&there, Some(&head)), Ok((5, true)));
    let mut log = there.open(&Start::End, &keys).unwrap();
    log.append(vec![ended(3)], 10, &keys[0]).unwrap();
    let after = proven(&there.export(&log, &keys));
    assert_eq!((after.first, after.last, &after.chain), (4, 6, &lost.chain));
    let apart = Apart {
        restored: 1,
        other: 0,
        seq: 4,
    };
    assert_eq!(together(&[lost.clone(), after.clone()]), Ok(vec![apart]));
    // Without that word it is another history.
    let silent = Bench::new();
    let log = silent.open(&Start::Head(&head), &keys).unwrap();
    let silent = proven(&silent.export(&log, &keys));
    let forked = together(&[lost.clone(), silent]).unwrap_err();
    assert_eq!(forked, ReceiptsError::Forked { seq: 4 });
    // Here, where the file is there and knows more.
    assert_eq!(go_on(&here, Some(&head)), Ok((5, false)));
    let log = here.open(&Start::End, &keys).unwrap();
    let gone_on = proven(&here.export(&log, &keys));
    assert_eq!((gone_on.first, gone_on.last, gone_on.ends), (1, 5, 3));
    assert_eq!(together(&[lost, gone_on]), Ok(vec![]));
    // Where the file knows less than the backup, or is another's, it isn't written to.
    let (older, foreign, fresh) = (Bench::new(), Bench::new(), Bench::new());
    older.written(1, &keys);
    assert_eq!(
        go_on(&older, Some(&head)).unwrap_err().code(),
        "receipts_rolled_back"
    );
    foreign.written(5, &self::keys(&[4]));
    assert_eq!(
        go_on(&foreign, Some(&head)).unwrap_err().code(),
        "receipts_foreign"
    );
    assert_eq!(go_on(&fresh, None), Ok((2, true)));
}
