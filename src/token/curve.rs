//! Multiples of points of P-256, of which key pairs and agreements on keys are made (SEC 1 §3.2, §3.3).
//!
//! OpenSSL's own ECDH consists of these calls. They are made one by one here, since whatever takes a
//! private key as a whole, in either engine, multiplies the base point once or twice besides, to
//! find the public half and to compare it (`docs/decisions/0079-points.md`).
//!
//! This room must never be given a scalar that isn't 1..n-1, or a point that nobody has checked.

use super::stack;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcPoint, PointConversionForm};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use std::sync::LazyLock;
use zeroize::Zeroizing;

/// A point that is not infinity, in uncompressed SEC 1 form: `04 ‖ x ‖ y`.
pub(super) type Uncompressed = [u8; 65];

/// The base point times `scalar`; `None` where the engine has no memory.
pub(super) fn of_base(scalar: &[u8; 32]) -> Option<Zeroizing<Uncompressed>> {
    product(None, scalar)
}

/// `point` times `scalar`; `None` where the engine has no memory, or the point is none.
pub(super) fn of_point(point: &Uncompressed, scalar: &[u8; 32]) -> Option<Zeroizing<Uncompressed>> {
    product(Some(point), scalar)
}

fn product(point: Option<&Uncompressed>, scalar: &[u8; 32]) -> Option<Zeroizing<Uncompressed>> {
    static P256: LazyLock<Option<P256>> = LazyLock::new(|| P256::new().ok());
    let bytes = P256.as_ref()?.multiply(point, scalar);
    stack::sweep();
    let bytes = bytes.ok()?;
    let mut product = Zeroizing::new([0; 65]);
    // Infinity has one byte.
    if bytes.len() != product.len() {
        return None;
    }
    product.copy_from_slice(&bytes);
    Some(product)
}

struct P256 {
    group: EcGroup,
    /// The base point.
    x: BigNum,
    y: BigNum,
}

impl P256 {
    fn new() -> Result<Self, ErrorStack> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        let (mut x, mut y) = (BigNum::new()?, BigNum::new()?);
        let mut context = BigNumContext::new()?;
        let base = group.generator_opt().ok_or_else(ErrorStack::get)?;
        base.affine_coordinates(&group, &mut x, &mut y, &mut context)?;
        Ok(Self { group, x, y })
    }

    fn multiply(
        &self,
        point: Option<&Uncompressed>,
        scalar: &[u8; 32],
    ) -> Result<Zeroizing<Vec<u8>>, ErrorStack> {
        // A secure number is wiped when it is given back.
        let context = &mut BigNumContext::new_secure()?;
        let mut factor = BigNum::new_secure()?;
        factor.copy_from_slice(scalar)?;
        factor.set_const_time();
        let mut product = EcPoint::new(&self.group)?;
        match point {
            None => product.mul_generator2(&self.group, &factor, context)?,
            Some(point) => {
                let point = EcPoint::from_bytes(&self.group, point, context)?;
                product.mul2(&self.group, &point, &factor, context)?;
            }
        }
        let bytes = product.to_bytes(&self.group, PointConversionForm::UNCOMPRESSED, context);
        let bytes = bytes.map(Zeroizing::new);
        // The numbers of a point are not: others are written over them.
        product.set_affine_coordinates(&self.group, &self.x, &self.y, context)?;
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use p256::elliptic_curve::Generate as _;
    use p256::elliptic_curve::sec1::ToSec1Point as _;
    use p256::{ProjectivePoint, SecretKey};
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    fn scalar(key: &SecretKey) -> [u8; 32] {
        key.to_bytes().into()
    }

    fn uncompressed(point: ProjectivePoint) -> Uncompressed {
        let point = point.to_affine().to_sec1_point(false);
        point.as_bytes().try_into().unwrap()
    }

    /// n-1, n-2 and so on, and the first few: what windows and signed digits go wrong at.
    fn ends() -> Vec<SecretKey> {
        let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
        let last = |less: u8| {
            let mut bytes: Vec<u8> = (0..32)
                .map(|at| u8::from_str_radix(&order[2 * at..2 * at + 2], 16).unwrap())
                .collect();
            bytes[31] -= less;
            bytes
        };
        let first = |number: u8| [[0; 31].as_slice(), &[number]].concat();
        (1..=17)
            .flat_map(|number| [first(number), last(number)])
            .map(|bytes| SecretKey::from_slice(&bytes).unwrap())
            .collect()
    }

    #[test]
    fn products_at_the_ends_of_the_group_are_those_of_another_implementation() {
        for key in ends() {
            let base = ProjectivePoint::GENERATOR;
            let own = key.to_nonzero_scalar();
            assert_eq!(*of_base(&scalar(&key)).unwrap(), uncompressed(base * *own));
            for other in ends() {
                let point = other.public_key().to_projective();
                let product = of_point(&uncompressed(point), &scalar(&key)).unwrap();
                assert_eq!(*product, uncompressed(point * *own));
            }
        }
    }

    proptest! {
        #[test]
        fn products_are_those_of_another_implementation(seed: u64) {
            let mut rng = StdRng::seed_from_u64(seed);
            let (own, other) = (
                SecretKey::generate_from_rng(&mut rng),
                SecretKey::generate_from_rng(&mut rng),
            );
            let point = other.public_key().to_projective();
            let factor = *own.to_nonzero_scalar();
            let base = ProjectivePoint::GENERATOR;
            prop_assert_eq!(*of_base(&scalar(&own)).unwrap(), uncompressed(base * factor));
            let product = of_point(&uncompressed(point), &scalar(&own)).unwrap();
            prop_assert_eq!(*product, uncompressed(point * factor));
        }
    }

    #[test]
    fn what_is_no_point_has_no_product() {
        let mut scalar = [0; 32];
        scalar[31] = 2;
        let mut point = *of_base(&scalar).unwrap();
        point[64] ^= 1;
        assert!(of_point(&point, &scalar).is_none());
        // A multiple that is infinity is no point either.
        assert!(of_base(&[0; 32]).is_none());
    }
}
