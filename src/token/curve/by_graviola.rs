//! graviola: proven assembler of s2n-bignum. It allocates nothing, and wipes scalars as they go, and the processor's wide
//! registers. Digits of a scalar stay on the stack, which is for the caller to overwrite.

use super::{Agreed, Uncompressed};
use graviola::key_agreement::p256::{PublicKey, StaticPrivateKey};
use zeroize::Zeroizing;

/// valgrind runs the instructions of ADX, and tells programs that there are none. A program that is built to be counted
/// by it says so with the variable that graviola looks at.
pub(super) const FOR_VALGRIND: bool = option_env!("VALGRIND_BUG_494162").is_some();

/// Whether the processor has what graviola demands. It ends the program where something is missing.
pub(super) fn runs_here() -> bool {
    (is_x86_feature_detected!("adx") || FOR_VALGRIND)
        && is_x86_feature_detected!("aes")
        && is_x86_feature_detected!("avx")
        && is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("pclmulqdq")
        && is_x86_feature_detected!("ssse3")
}

#[inline(never)] // what it leaves on the stack lies below the caller
pub(super) fn of_base(scalar: &[u8; 32]) -> Option<Zeroizing<Uncompressed>> {
    let private = StaticPrivateKey::from_bytes(scalar).ok()?;
    Some(Zeroizing::new(private.public_key_uncompressed()))
}

#[inline(never)]
pub(super) fn of_point(point: &Uncompressed, scalar: &[u8; 32]) -> Option<Agreed> {
    let private = StaticPrivateKey::from_bytes(scalar).ok()?;
    let public = PublicKey::from_x962_uncompressed(point).ok()?;
    let shared = private.diffie_hellman(&public).ok()?;
    Some(Zeroizing::new(shared.0))
}
