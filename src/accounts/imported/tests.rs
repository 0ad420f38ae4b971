use super::*;

const PASSWORD: &str = "pässword of a user";

/// Made from [`PASSWORD`] by the libraries themselves: Django 5.2.19, Werkzeug 3.1.9, passlib 1.7.4,
/// bcrypt 5.0.0, with low costs.
const THEIRS: [(&str, &str); 14] = [
    (
        "Django",
        "pbkdf2_sha256$1000$saltSALT12345678$DCgzkmvkgIqJ14mNGC7gTRVZW1YMEdPUufxZhg7PTe8=",
    ),
    (
        "Django",
        "pbkdf2_sha1$1000$saltSALT12345678$GUIeKTt0OoiIY8x5tDoDoHtR/XQ=",
    ),
    (
        "Django",
        "bcrypt_sha256$$2b$04$EoK8AfgH7i6pI2UkDoNFiO91cPiP9Il49/ITdLdAR.cEg3gbqPRIS",
    ),
    (
        "Django",
        "bcrypt$$2b$04$EmfrLwsXl/pb/vRIpvPjm.zJdD/YqM6bA5l88MrE7UTID0O6kyvE.",
    ),
    (
        "Django",
        "scrypt$16$saltSALT12345678$8$5$Hb4KtnMUWA/oERuzQPR2Sa9r7K5l+tUQpf8y1vLeXjtCW4GCgKTNg+39mEtR2IpTWYJi2elqka4tdMFPxRlJ0A==",
    ),
    (
        "Werkzeug",
        "pbkdf2:sha256:1000$zL6CqVWdciaa8jRA$ec03b543a94d18be6d1e474db539004bf9b0d7606bf4406342a780717606e270",
    ),
    (
        "Werkzeug",
        "pbkdf2:sha512:1000$MNjwF45MDKrjIsZ7$94723818445cef80b7f77a2e56e5f07b10912d8fe81d36a3f4d0c4412efeb49724a2155765a453f895303b9d51115537f1c9c94025b5b12df138b8679e2288be",
    ),
    (
        "Werkzeug",
        "pbkdf2:sha1:1000$FjSD2cfQI6FtdJHi$8354037bffe78af4c39e8bfba7152675811398fe",
    ),
    (
        "Werkzeug",
        "scrypt:1024:8:1$mkSX9kSs4ZsSX2m4$4ead2aade55fa2556f1dba271c8ed6d53c00ee2af37a9d9f1b9395e7ba828f1bf064b44573c406b1d675a8c4e709c51b3a4ced42c1675896e3992a816967ec9a",
    ),
    (
        "passlib",
        "$pbkdf2-sha256$1000$w5jzvrd27n0vpRSilNLauw$1wq07FoOyYZfJ3DA9Vdfe5EigjwTrs0K/90SyAAtqGc",
    ),
    (
        "passlib",
        "$pbkdf2-sha512$1000$JcSYs1Zqbe2dc27t/d/7Pw$Cqm1rkrIHIkl24JiDUck1RiWH9kxoTxPgBAcU.AaOXbhqdvTwaXpgsIMyAsvq4TOcKDwjs4eCJ3mSuWHYCoQWA",
    ),
    (
        "passlib",
        "$pbkdf2$1000$5XzvHWOMsVYKgTBGqPW.lw$PPoDkUZNwbUWnC2rqh7IHV/eR6w",
    ),
    (
        "passlib",
        "$scrypt$ln=4,r=8,p=1$Ten9n3MuRUipdY6xNqb0/g$d3NtuTh0+4/jFRgH49XajF7057nnFllXa+a1J613yl0",
    ),
    (
        "bcrypt",
        "$2b$04$1GwHjr4aVAueHlb6oEYZk.Vz7Xti0OA.ofq/zUl6BySeG4sksqtKa",
    ),
];

/// The same, of argon2: Django 5.2.19 and argon2-cffi 25.1.0.
const OF_ARGON2: [&str; 3] = [
    "argon2$argon2id$v=19$m=64,t=1,p=1$c2FsdFNBTFQxMjM0NTY3OA$BVxiM3jP5f/jPyka0Ag6dDwfZa6kcFX6aXglSlKvDPM",
    "$argon2i$v=19$m=64,t=1,p=1$qymUskyVjzBmHozqAQJ5vw$rmPvTnMvqvhSruY4p6m6nc37jfP3Y9eouLY9xGgP+SA",
    "$argon2d$v=19$m=64,t=1,p=1$fGiWS+3tzDRb68+0jJXlRQ$2C7M3xVDvjv8rqHtU6KIU7GP9mwnJ0IPepF4aBK3zWw",
];

/// bcrypt 5.0.0, of eighty times `x`, cut to 72 bytes by its caller.
const OF_72_BYTES: &str = "$2b$04$XbWigkhtOY/NqHXJxgmuXeCwWEviLAoCL765VFk5Vjhl.Pr61xILa";

#[test]
fn every_system_s_hash_matches_its_password_alone() {
    for (system, text) in THEIRS {
        assert_eq!(ImportedHash::parse(text).unwrap().into_stored(), text);
        let hash = Foreign::parse(text).unwrap();
        assert!(hash.matches(PASSWORD.as_bytes()), "{system}: {text}");
        for wrong in [
            "",
            "password of a user",
            "pässword of a use",
            "Pässword of a user",
        ] {
            assert!(
                !hash.matches(wrong.as_bytes()),
                "{system}: {wrong:?} for {text}"
            );
        }
    }
}

#[test]
fn a_hash_of_argon2_is_kept_as_the_phc_string_that_it_is() {
    let mut memory = argon::Memory::new();
    let today = argon::Argon::new(32, 1, 1).unwrap();
    for text in OF_ARGON2 {
        let kept = ImportedHash::parse(text).unwrap().into_stored();
        assert_eq!(kept, text.strip_prefix("argon2").unwrap_or(text));
        assert!(Foreign::parse(&kept).is_none());
        let found = today.verify(&mut memory, PASSWORD.as_bytes(), &kept);
        assert!(found.matches && found.outdated, "{text}");
        assert!(!today.verify(&mut memory, b"another", &kept).matches);
    }
}

#[test]
fn a_password_that_bcrypt_cuts_off_is_not_hashed_anew() {
    let hash = Foreign::parse(OF_72_BYTES).unwrap();
    let long = "x".repeat(80);
    assert!(
        hash.matches(long.as_bytes()),
        "as bcrypt has always compared"
    );
    assert!(!hash.sees_all_of(long.as_bytes()));
    assert!(hash.sees_all_of(&long.as_bytes()[..72]));
    // Django's digest has a fixed length.
    let digested = Foreign::parse(THEIRS[2].1).unwrap();
    assert!(digested.sees_all_of(long.as_bytes()));
}

#[test]
fn a_damaged_hash_is_refused() {
    for (_, text) in THEIRS {
        let last = &text[..text.len() - 1];
        let twice = format!("{text}{text}");
        let signed = text.replacen("1000", "+1000", 1).replacen("16$", "+16$", 1);
        for bad in [last, &twice, &signed, &text.replace('$', ""), &text[1..]] {
            if bad == text {
                continue;
            }
            // A digit less of base64 may decode to a byte less, which is a hash of another password.
            if let Ok(hash) = ImportedHash::parse(bad) {
                let hash = Foreign::parse(&hash.into_stored()).unwrap();
                assert!(!hash.matches(PASSWORD.as_bytes()) || bad == last, "{bad}");
            }
        }
    }
    for bad in [
        "",
        "!usable",
        PASSWORD,
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99",
        "sha1$saltsalt$5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8",
        "pbkdf2:sha256$saltsalt$ec03b543a94d18be6d1e474db539004bf9b0d7606bf4406342a780717606e270",
        "pbkdf2:md5:1000$saltsalt$ec03b543a94d18be6d1e474db539004b",
        "pbkdf2_sha256$1000$short$DCgzkmvkgIqJ14mNGC7gTRVZW1YMEdPUufxZhg7PTe8=",
        "pbkdf2_sha256$1000$saltSALT12345678$",
        "pbkdf2_sha256$0$saltSALT12345678$DCgzkmvkgIqJ14mNGC7gTRVZW1YMEdPUufxZhg7PTe8=",
        "$2x$04$1GwHjr4aVAueHlb6oEYZk.Vz7Xti0OA.ofq/zUl6BySeG4sksqtKa",
        "$2b$03$1GwHjr4aVAueHlb6oEYZk.Vz7Xti0OA.ofq/zUl6BySeG4sksqtKa",
        &"$".repeat(600),
    ] {
        let error = ImportedHash::parse(bad).unwrap_err();
        assert_eq!(error.field(), Some("hash"), "{bad}");
    }
}

#[test]
fn a_hash_that_costs_without_bound_is_refused() {
    let output = "A".repeat(43);
    for dear in [
        format!("pbkdf2_sha256$3000001$saltSALT12345678${output}"),
        format!("pbkdf2_sha256$4294967296$saltSALT12345678${output}"),
        "$2b$16$1GwHjr4aVAueHlb6oEYZk.Vz7Xti0OA.ofq/zUl6BySeG4sksqtKa".to_owned(),
        format!("scrypt$4194304$saltSALT12345678$8$1${output}"),
        format!("scrypt$131072$saltSALT12345678$8$5${output}"),
        format!("scrypt$17$saltSALT12345678$8$1${output}"),
        format!("scrypt$1$saltSALT12345678$8$1${output}"),
        format!("$scrypt$ln=63,r=8,p=1${output}${output}"),
        format!("$scrypt$ln=64,r=8,p=1${output}${output}"),
        format!("$argon2id$v=19$m=4294967295,t=1,p=1${output}${output}"),
    ] {
        assert!(ImportedHash::parse(&dear).is_err(), "{dear}");
    }
    for usual in [
        format!("pbkdf2_sha256$1200000$saltSALT12345678${output}"),
        format!("scrypt$131072$saltSALT12345678$8$1${output}"),
        format!("scrypt$16384$saltSALT12345678$8$5${output}"),
        format!("argon2$argon2id$v=19$m=102400,t=2,p=8${output}${output}"),
    ] {
        assert!(ImportedHash::parse(&usual).is_ok(), "{usual}");
    }
}

#[test]
fn debug_shows_nothing() {
    let hash = ImportedHash::parse(THEIRS[0].1).unwrap();
    assert_eq!(format!("{hash:?}"), "ImportedHash");
}
