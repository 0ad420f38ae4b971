//! Any bytes at one stage of sealing, everything after it right: the first byte says which stage.
//!
//! So an input gets behind the seal and the signature. What opens must say what was sealed.

use super::builder::{Forge, Stage};
use std::sync::LazyLock;

static FORGE: LazyLock<Forge> = LazyLock::new(Forge::new);

/// Not those whose bytes whoever seals chooses freely.
const STAGES: [Stage; 15] = [
    Stage::Claims,
    Stage::InnerHeader,
    Stage::Signature,
    Stage::Jws,
    Stage::Padding,
    Stage::KdfInput,
    Stage::EncryptedKey,
    Stage::Epk,
    Stage::Header,
    Stage::Iv,
    Stage::Ciphertext,
    Stage::MacInput,
    Stage::Tag,
    Stage::SentHeader,
    Stage::SentCiphertext,
];

pub(crate) fn check(input: &[u8]) {
    let Some((first, bytes)) = input.split_first() else {
        return;
    };
    let stage = STAGES[usize::from(*first) % STAGES.len()];
    let token = FORGE.with(stage, |_| bytes.to_vec());
    match FORGE.verdict(&token) {
        Ok(claims) if stage == Stage::Claims => {
            let sealed: serde_json::Value = serde_json::from_slice(bytes).unwrap();
            for name in ["iss", "sub", "jti", "sid", "gen", "iat", "exp"] {
                assert_eq!(claims.to_json()[name], sealed[name]);
            }
        }
        // Another IV or another white space is as good; another of these can't be.
        Ok(_) => assert!(!matches!(
            stage,
            Stage::EncryptedKey | Stage::Tag | Stage::Epk | Stage::SentHeader
        )),
        Err(_) => {}
    }
}
