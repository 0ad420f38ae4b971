use super::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

struct Given(Option<&'static str>, Option<(u32, [u8; 32])>);

impl Unlock for Given {
    fn passphrase(&self) -> Option<&str> {
        self.0
    }

    fn master_key(&self, id: u32) -> Option<&[u8; 32]> {
        self.1.as_ref().filter(|key| key.0 == id).map(|key| &key.1)
    }
}

const PASSPHRASE: Given = Given(Some("correct horse"), None);
const MASTER: Given = Given(None, Some((7, [9; 32])));

fn about(version: u32) -> Entry {
    Entry::Backup(About {
        version,
        holds: Holds::Everything,
        deployment: "d".to_owned(),
        made_at: 5,
        at_rest: true,
    })
}

fn session(number: u64) -> Entry {
    Entry::Session {
        key: format!("{number:043}"),
        sealed: "a".repeat(400),
    }
}

fn end(sessions: u64) -> Entry {
    Entry::End(End {
        sessions,
        ..End::default()
    })
}

fn file(under_pass: bool, entries: &[Entry]) -> Vec<u8> {
    let mut rng = StdRng::seed_from_u64(1);
    let key = FileKey::generate(&mut rng);
    let header = if under_pass {
        under_passphrase("correct horse", &key, &mut rng)
    } else {
        under_master_key(7, &[9; 32], &key, &mut rng)
    };
    let mut file = header.unwrap();
    let mut sealer = Sealer::new(&key, &mut rng).unwrap();
    for entry in entries {
        sealer.write(&serde_json::to_vec(entry).unwrap()).unwrap();
        sealer.write(b"\n").unwrap();
        file.extend(sealer.take());
    }
    file.extend(sealer.finish().unwrap());
    file
}

/// A file of several chunks.
fn long() -> Vec<u8> {
    let mut entries = vec![about(VERSION)];
    entries.extend((0..400).map(session));
    entries.push(end(400));
    file(false, &entries)
}

fn read(file: &[u8], unlock: &Given) -> Result<u64, ArchiveError> {
    let mut entries = Entries::open(file, unlock)?;
    let mut sessions = 0;
    while let Some(entry) = entries.next_entry()? {
        sessions += u64::from(matches!(entry, Entry::Session { .. }));
    }
    assert_eq!(entries.read(), file.len() as u64);
    Ok(sessions)
}

fn code(file: &[u8], unlock: &Given) -> &'static str {
    read(file, unlock).unwrap_err().code()
}

#[test]
fn what_is_written_is_read_under_either_lock() {
    let entries = [about(VERSION), session(1), session(2), end(2)];
    assert_eq!(read(&file(true, &entries), &PASSPHRASE).unwrap(), 2);
    assert_eq!(read(&file(false, &entries), &MASTER).unwrap(), 2);
    assert_eq!(read(&long(), &MASTER).unwrap(), 400);
}

#[test]
fn another_key_opens_nothing_and_says_which_one_is_missing() {
    let entries = [about(VERSION), end(0)];
    let (pass, master) = (file(true, &entries), file(false, &entries));
    assert_eq!(code(&pass, &Given(Some("wrong"), None)), "backup_key_wrong");
    assert_eq!(code(&pass, &MASTER), "backup_needs_passphrase");
    assert_eq!(
        code(&master, &Given(None, Some((7, [8; 32])))),
        "backup_key_wrong"
    );
    assert_eq!(
        code(&master, &Given(None, Some((8, [9; 32])))),
        "backup_needs_master_key"
    );
}

#[test]
fn every_changed_byte_and_every_cut_is_noticed() {
    let whole = file(false, &[about(VERSION), session(1), end(1)]);
    for place in 0..whole.len() {
        let mut changed = whole.clone();
        changed[place] ^= 1;
        assert!(read(&changed, &MASTER).is_err(), "byte {place}");
        assert!(read(&whole[..place], &MASTER).is_err(), "cut at {place}");
    }
    let longer = [whole.as_slice(), b"x"].concat();
    assert_eq!(code(&longer, &MASTER), "backup_damaged");
}

#[test]
fn a_cut_between_chunks_and_chunks_in_another_order_are_noticed() {
    const SEALED: usize = (64 << 10) + 16;
    let whole = long();
    let head = memchr::memmem::find(&whole, b"\n---").unwrap() + 1;
    let head = head + memchr::memchr(b'\n', &whole[head..]).unwrap() + 1 + 16;
    assert!(whole.len() > head + 2 * SEALED);
    assert_eq!(code(&whole[..head + SEALED], &MASTER), "backup_damaged");
    let mut swapped = whole.clone();
    swapped[head..head + SEALED].copy_from_slice(&whole[head + SEALED..head + 2 * SEALED]);
    swapped[head + SEALED..head + 2 * SEALED].copy_from_slice(&whole[head..head + SEALED]);
    assert_eq!(code(&swapped, &MASTER), "backup_damaged");
}

#[test]
fn a_newer_version_and_other_files_are_told_by_name() {
    let newer = file(false, &[about(VERSION + 1), end(0)]);
    assert_eq!(code(&newer, &MASTER), "backup_too_new");
    for other in [
        &b""[..],
        b"SQLite format 3\0",
        b"age-encryption.org/v1\n-> X25519 a\nb\n--- c\n",
        &[b'a'; 5000],
    ] {
        assert_eq!(code(other, &MASTER), "backup_foreign", "{other:?}");
    }
}

#[test]
fn entries_that_are_missing_at_the_end_are_noticed() {
    for entries in [
        vec![about(VERSION)],
        vec![about(VERSION), session(1)],
        vec![about(VERSION), session(1), end(2)],
        vec![about(VERSION), end(0), session(1)],
        vec![about(VERSION), about(VERSION), end(0)],
    ] {
        assert_eq!(code(&file(false, &entries), &MASTER), "backup_damaged");
    }
}

#[test]
fn a_header_that_asks_for_too_much_work_is_refused() {
    let entries = [about(VERSION), end(0)];
    let text = file(true, &entries);
    let place = memchr::memmem::find(&text, b" 16\n").unwrap();
    for log_n in ["99", "21", "00"] {
        let mut greedy = text.clone();
        greedy[place + 1..place + 3].copy_from_slice(log_n.as_bytes());
        assert_eq!(code(&greedy, &PASSPHRASE), "backup_damaged");
    }
}

/// A file that age 1.1 made; its text is `lacre`.
#[test]
fn keys_print_nothing() {
    let key = FileKey::from_bytes(&[0xab; 16]).unwrap();
    assert_eq!(format!("{key:?}"), "FileKey");
    assert_eq!(
        format!("{:?}", SecretText::new("abc".to_owned())),
        "SecretText"
    );
}

/// Made by other programs' primitives, and opened by rage as well.
#[test]
fn a_file_that_other_programs_open_opens() {
    use base64::Engine as _;
    let file = base64::engine::general_purpose::STANDARD.decode(concat!(
        "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNjcnlwdCBaR1ZtWjJocGFtdHNiVzV2Y0hGeWN3IDEwCjQ2U1hXdk13",
        "MjE4Um1TTTVFSU1NK1FQMGFCZzhkWnp2ajlJRDVZMUZtL0kKLS0tIFB1M2orRXdSaVVSM1gwaVNUTXY1VkcyeFJZ",
        "Q0Zlb0U4VzV6Z0VnUTZJYkkKMjM0NTY3ODk6Ozw9Pj9AQbQUtHsetYItC8i37kx5xbSVbk3UUsQ/1/mA+uzJ49fZ",
        "bQczvLv3a4Zrz7Q53n20J0mZdKIE9s3P6yrc85Sdu6SgXQY5HoHL2L7QzXFJANiImK51tw4KT0KtGBcEgK15q5SY",
        "DDcg99nXQMsks0XBFEXy24TRJvMqgOXIC4uB+rftSvYDFFZ1QwW324bx5bwxCDuaaqTgTw==",
    ));
    assert_eq!(read(&file.unwrap(), &PASSPHRASE).unwrap(), 0);
}
