use super::*;
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

fn key() -> ContentKey {
    ContentKey::generate(&mut StdRng::seed_from_u64(3))
}

const IV: [u8; BLOCK] = [9; BLOCK];

fn sealed(plaintext: &[u8]) -> (Vec<u8>, [u8; TAG_LENGTH]) {
    key()
        .seal(IV, b"aad", Zeroizing::new(plaintext.to_vec()))
        .unwrap()
}

/// RFC 7518 Appendix B.3: the published A256CBC-HS512 test case.
#[test]
fn rfc_7518_appendix_b3() {
    let bytes: Vec<u8> = (0..64).collect();
    let mut key = ContentKey {
        bytes: [0; 64],
        genuine: true,
    };
    key.bytes.copy_from_slice(&bytes);
    let plaintext = b"A cipher system must not be required to be secret, and it must be able to fall into the hands of the enemy without inconvenience";
    let iv = [
        0x1a, 0xf3, 0x8c, 0x2d, 0xc2, 0xb9, 0x6f, 0xfd, 0xd8, 0x66, 0x94, 0x09, 0x23, 0x41, 0xbc,
        0x04,
    ];
    let aad = b"The second principle of Auguste Kerckhoffs";
    let (mut ciphertext, tag) = key
        .seal(iv, aad, Zeroizing::new(plaintext.to_vec()))
        .unwrap();
    assert_eq!(
        ciphertext[..8],
        [0x4a, 0xff, 0xaa, 0xad, 0xb7, 0x8c, 0x31, 0xc5]
    );
    assert_eq!(ciphertext.len(), 144);
    assert_eq!(
        tag,
        [
            0x4d, 0xd3, 0xb4, 0xc0, 0x88, 0xa7, 0xf4, 0x5c, 0x21, 0x68, 0x39, 0x64, 0x5b, 0x20,
            0x12, 0xbf, 0x2e, 0x62, 0x69, 0xa8, 0xc5, 0x6a, 0x81, 0x6d, 0xbc, 0x1b, 0x26, 0x77,
            0x61, 0x95, 0x5b, 0xc5
        ]
    );
    assert_eq!(
        key.open(&iv, aad, &mut ciphertext, &tag).unwrap(),
        plaintext
    );
}

#[test]
fn every_flipped_bit_is_refused_and_the_senders_bytes_are_wiped_undecrypted() {
    let (ciphertext, tag) = sealed(b"0123456789abcdef0");
    let mut of_zeros = vec![0; ciphertext.len()];
    let _ = key().bind(b"").unwrap().decrypt(&IV, &mut of_zeros);
    for bit in 0..ciphertext.len() * 8 {
        let mut bad = ciphertext.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            key().open(&IV, b"aad", &mut bad, &tag),
            Err(TokenError::NotAuthentic)
        );
        assert_eq!(bad, of_zeros, "what was decrypted is zeros");
    }
    for bit in 0..TAG_LENGTH * 8 {
        let mut bad = tag;
        bad[bit / 8] ^= 1 << (bit % 8);
        let mut buffer = ciphertext.clone();
        assert_eq!(
            key().open(&IV, b"aad", &mut buffer, &bad),
            Err(TokenError::NotAuthentic)
        );
    }
    let (mut buffer, mut iv) = (ciphertext, IV);
    assert_eq!(
        key().open(&IV, b"aae", &mut buffer, &tag),
        Err(TokenError::NotAuthentic)
    );
    iv[0] ^= 1;
    assert_eq!(
        key().open(&iv, b"aad", &mut buffer, &tag),
        Err(TokenError::NotAuthentic)
    );
}

#[test]
fn the_stand_in_key_refuses_even_what_was_sealed_with_its_bytes() {
    let forger = ContentKey {
        bytes: [0; 64],
        genuine: true,
    };
    let (mut ciphertext, tag) = forger
        .seal(IV, b"aad", Zeroizing::new(b"x".to_vec()))
        .unwrap();
    let stand_in = ContentKey::that_opens_nothing();
    assert_eq!(
        stand_in.open(&IV, b"aad", &mut ciphertext, &tag),
        Err(TokenError::NotAuthentic)
    );
}

/// What comes out of an encrypted key that isn't one must not count as a key, whoever may know its bytes.
#[test]
fn bytes_that_were_not_unwrapped_refuse_even_what_was_sealed_with_them() {
    let [key, none] = [true, false].map(|genuine| ContentKey::from_unwrapped(&[7; 72], genuine));
    let (mut ciphertext, tag) = key.seal(IV, b"aad", Zeroizing::new(b"x".to_vec())).unwrap();
    assert_eq!(
        none.open(&IV, b"aad", &mut ciphertext.clone(), &tag),
        Err(TokenError::NotAuthentic)
    );
    let opened = key.open(&IV, b"aad", &mut ciphertext, &tag);
    assert_eq!(opened, Ok(&b"x"[..]));
}

fn unpadded(padded: &[u8]) -> Option<usize> {
    let (is_right, length) = without_padding(padded);
    bool::from(is_right).then_some(length)
}

#[test]
fn padding_is_one_to_sixteen_equal_bytes() {
    let mut block = [7; BLOCK];
    for length in 1..=16_u8 {
        let mut padded = block;
        padded[BLOCK - usize::from(length)..].fill(length);
        assert_eq!(unpadded(&padded), Some(BLOCK - usize::from(length)));
        if length > 1 {
            padded[BLOCK - usize::from(length)] ^= 0x40;
            assert_eq!(unpadded(&padded), None, "first byte of {length} is wrong");
        }
    }
    for last in [0, 17, 0x80, 0xff] {
        block[BLOCK - 1] = last;
        assert_eq!(unpadded(&block), None, "{last}");
    }
    assert_eq!(unpadded(&[]), None);
    assert_eq!(unpadded(&[1; 15]), None);
}

#[test]
fn bad_padding_under_a_right_tag_is_an_error_of_its_own() {
    let mut ciphertext = vec![5; 32];
    let tag = key().begun_mac(b"aad").tag(&IV, &ciphertext);
    assert_eq!(
        key().open(&IV, b"aad", &mut ciphertext, &tag),
        Err(TokenError::Padding)
    );
}

#[test]
fn lengths_that_are_no_blocks_are_refused_under_a_right_tag() {
    for length in [0, 1, 15, 17] {
        let mut ciphertext = vec![5; length];
        let tag = key().begun_mac(b"aad").tag(&IV, &ciphertext);
        assert_eq!(
            key().open(&IV, b"aad", &mut ciphertext, &tag),
            Err(TokenError::Malformed)
        );
    }
}

#[test]
fn secrets_print_nothing() {
    assert_eq!(format!("{:?}", key()), "ContentKey(..)");
}

proptest! {
    #[test]
    fn any_plaintext_survives_the_round_trip(plaintext in proptest::collection::vec(any::<u8>(), 0..200)) {
        let (mut ciphertext, tag) = sealed(&plaintext);
        let key = key();
        let opened = key.open(&IV, b"aad", &mut ciphertext, &tag);
        prop_assert_eq!(opened, Ok(&plaintext[..]));
    }
}

#[test]
fn a_bound_key_prints_nothing() {
    let bound = key().bind(b"aad").unwrap();
    assert_eq!(format!("{bound:?}"), "BoundKey(..)");
}
