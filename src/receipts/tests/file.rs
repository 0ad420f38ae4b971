//! The file of a log, and what crashes leave of it.

use super::*;

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
