//! aws-lc, for processors of any kind. It takes a private key as a whole, and multiplies the base point twice for
//! each, to find the public half and to compare it. What it allocates it wipes.

use super::{Agreed, Uncompressed};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::error::Unspecified;
use zeroize::Zeroizing;

#[inline(never)] // what it leaves on the stack lies below the caller
pub(super) fn of_base(scalar: &[u8; 32]) -> Option<Zeroizing<Uncompressed>> {
    let private = PrivateKey::from_private_key(&ECDH_P256, scalar).ok()?;
    let public = private.compute_public_key().ok()?;
    filled(public.as_ref())
}

#[inline(never)]
pub(super) fn of_point(point: &Uncompressed, scalar: &[u8; 32]) -> Option<Agreed> {
    let private = PrivateKey::from_private_key(&ECDH_P256, scalar).ok()?;
    let public = UnparsedPublicKey::new(&ECDH_P256, point);
    let taken = |shared: &[u8]| filled(shared).ok_or(Unspecified);
    agree(&private, public, Unspecified, taken).ok()
}

fn filled<const LENGTH: usize>(bytes: &[u8]) -> Option<Zeroizing<[u8; LENGTH]>> {
    let mut room = Zeroizing::new([0; LENGTH]);
    if bytes.len() != LENGTH {
        return None;
    }
    room.copy_from_slice(bytes);
    Some(room)
}
