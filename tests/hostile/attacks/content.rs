//! Attacks: IV, ciphertext, tag and padding.

use super::List;
use super::edit::{after, flip, length, only};
use crate::hostile::builder::Stage;

pub(super) fn put(list: &mut List<'_>) {
    iv(list);
    ciphertext(list);
    tag(list);
    padding(list);
}

fn iv(list: &mut List<'_>) {
    for size in [0, 1, 8, 12, 15, 17, 32, 64] {
        list.put(
            26,
            format!("IV of {size} bytes"),
            "token_malformed",
            Stage::Iv,
            length(size),
        );
    }
}

fn ciphertext(list: &mut List<'_>) {
    for size in [0, 1, 15, 17, 31] {
        list.put(
            26,
            format!("ciphertext of {size} bytes under its own tag"),
            "token_malformed",
            Stage::Ciphertext,
            length(size),
        );
    }
    let due = "token_not_authentic";
    for (name, byte) in [("first", 0), ("last", -1), ("byte above the padding", -17)] {
        list.put(
            25,
            format!("ciphertext flipped at its {name}"),
            due,
            Stage::SentCiphertext,
            flip(byte),
        );
    }
    list.put(
        27,
        "ciphertext a block shorter",
        due,
        Stage::SentCiphertext,
        |mut bytes| {
            bytes.truncate(bytes.len() - 16);
            bytes
        },
    );
    list.put(
        27,
        "ciphertext a block longer",
        due,
        Stage::SentCiphertext,
        after([0; 16]),
    );
    list.put(
        27,
        "ciphertext of one block",
        due,
        Stage::SentCiphertext,
        length(16),
    );
    list.put(
        27,
        "two blocks of ciphertext exchanged",
        due,
        Stage::SentCiphertext,
        |bytes| [&bytes[16..32], &bytes[..16], &bytes[32..]].concat(),
    );
}

fn tag(list: &mut List<'_>) {
    for size in [0, 1, 4, 8, 12, 16, 24, 31, 33, 48, 64] {
        list.put(
            27,
            format!("tag of {size} bytes"),
            "token_malformed",
            Stage::Tag,
            length(size),
        );
    }
    let due = "token_not_authentic";
    for byte in [0, 1, 15, 16, 30, 31] {
        list.put(
            27,
            format!("tag flipped at {byte}"),
            due,
            Stage::Tag,
            flip(byte),
        );
    }
    list.put(27, "tag of zeros", due, Stage::Tag, only([0; 32]));
    list.put(27, "tag of ones", due, Stage::Tag, only([0xff; 32]));
    list.put(
        27,
        "the second half of the MAC",
        due,
        Stage::Mac,
        |mut mac| {
            mac.rotate_left(32);
            mac
        },
    );
    list.put(
        25,
        "a MAC by the other half of the key",
        due,
        Stage::UsedKey,
        |mut key| {
            key.rotate_left(32);
            key
        },
    );
    list.put(
        20,
        "another content key than was wrapped",
        due,
        Stage::UsedKey,
        flip(0),
    );
    list.put(
        20,
        "a content key of zeros than was wrapped",
        due,
        Stage::UsedKey,
        only([0; 64]),
    );
    list.put(
        25,
        "a MAC without the length of the header",
        due,
        Stage::MacInput,
        |mut input| {
            input.truncate(input.len() - 8);
            input
        },
    );
    list.put(
        25,
        "a MAC with the length in bytes",
        due,
        Stage::MacInput,
        |mut input| {
            let at = input.len() - 8;
            let bits = u64::from_be_bytes(input[at..].try_into().unwrap());
            input[at..].copy_from_slice(&(bits / 8).to_be_bytes());
            input
        },
    );
    list.put(
        25,
        "a MAC without the header",
        due,
        Stage::MacInput,
        |input| {
            let at = input.len() - 8;
            let bits = u64::from_be_bytes(input[at..].try_into().unwrap());
            input[usize::try_from(bits / 8).unwrap()..].to_vec()
        },
    );
    list.put(25, "a MAC over nothing", due, Stage::MacInput, only([]));
}

/// Wrong paddings under a right tag: only who has the content key gets here, and only the log
/// may know.
fn padding(list: &mut List<'_>) {
    let due = "token_padding";
    let byte = |length: usize| u8::try_from(length).unwrap();
    list.put(25, "padding of zeros", due, Stage::Padding, |padding| {
        vec![0; padding.len()]
    });
    list.put(
        25,
        "padding that says seventeen",
        due,
        Stage::Padding,
        |padding| vec![17; padding.len()],
    );
    list.put(
        25,
        "padding that says 255",
        due,
        Stage::Padding,
        |padding| vec![255; padding.len()],
    );
    list.put(
        25,
        "padding of two blocks",
        due,
        Stage::Padding,
        move |padding| vec![byte(padding.len() + 16); padding.len() + 16],
    );
    list.put(
        25,
        "padding in the form of ISO 7816",
        due,
        Stage::Padding,
        |padding| {
            let mut bytes = vec![0; padding.len()];
            bytes[0] = 0x80;
            bytes
        },
    );
    list.put(
        25,
        "padding that says one more than it is",
        due,
        Stage::Padding,
        move |padding| vec![byte(padding.len() + 1); padding.len()],
    );
    // The other forms need room: where there is little, a block is added.
    let room = |padding: &[u8]| match padding.len() {
        few @ 1..3 => few + 16,
        enough => enough,
    };
    list.put(
        25,
        "padding in the form of ANSI X9.23",
        due,
        Stage::Padding,
        move |padding| {
            let mut bytes = vec![0; room(&padding)];
            *bytes.last_mut().unwrap() = 3;
            bytes
        },
    );
    list.put(
        25,
        "padding with a wrong first byte",
        due,
        Stage::Padding,
        move |padding| {
            let mut bytes = vec![3; room(&padding)];
            let first = bytes.len() - 3;
            bytes[first] ^= 0x40;
            bytes
        },
    );
}
