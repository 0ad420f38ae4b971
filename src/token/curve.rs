//! Multiples of points of P-256, of which key pairs and agreements on keys are made (SEC 1 §3.2, §3.3).
//!
//! Two engines have them, since the quicker one asks much of the processor (`docs/decisions/0082-engines.md`).
//!
//! This room must never give a scalar to an engine that leaves it in memory, or take a point that nobody
//! has checked.

mod by_aws_lc;
#[cfg(target_arch = "x86_64")]
mod by_graviola;

use super::stack;
use zeroize::Zeroizing;

/// A point that is not infinity, in uncompressed SEC 1 form: `04 ‖ x ‖ y`.
pub type Uncompressed = [u8; 65];

/// What two keys agree on: the `x` of a product of one's point and the other's scalar.
pub type Agreed = Zeroizing<[u8; 32]>;

/// What multiplies points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The quicker one, by instructions that processors have since 2015 or so.
    #[cfg(target_arch = "x86_64")]
    Graviola,
    /// Runs everywhere.
    AwsLc,
}

impl Engine {
    /// Each that runs on this processor, the quickest first.
    pub fn all() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let quick = by_graviola::runs_here().then_some(Self::Graviola);
        #[cfg(not(target_arch = "x86_64"))]
        let quick = None;
        quick.into_iter().chain([Self::AwsLc])
    }

    fn best() -> Self {
        Self::all().next().unwrap_or(Self::AwsLc)
    }

    /// The base point times `scalar`; `None` where that isn't 1..n-1, or the engine has no memory.
    #[must_use]
    pub fn of_base(self, scalar: &[u8; 32]) -> Option<Zeroizing<Uncompressed>> {
        let product = match self {
            #[cfg(target_arch = "x86_64")]
            Self::Graviola => by_graviola::of_base(scalar),
            Self::AwsLc => by_aws_lc::of_base(scalar),
        };
        stack::sweep();
        product
    }

    /// The `x` of `point` times `scalar`; `None` where the point is none, the scalar isn't 1..n-1, or the
    /// engine has no memory.
    #[must_use]
    pub fn of_point(self, point: &Uncompressed, scalar: &[u8; 32]) -> Option<Agreed> {
        let product = match self {
            #[cfg(target_arch = "x86_64")]
            Self::Graviola => by_graviola::of_point(point, scalar),
            Self::AwsLc => by_aws_lc::of_point(point, scalar),
        };
        stack::sweep();
        product
    }
}

/// The base point times `scalar`, as [`Engine::of_base`] has it.
pub(super) fn of_base(scalar: &[u8; 32]) -> Option<Zeroizing<Uncompressed>> {
    Engine::best().of_base(scalar)
}

/// The `x` of `point` times `scalar`, as [`Engine::of_point`] has it.
pub(super) fn of_point(point: &Uncompressed, scalar: &[u8; 32]) -> Option<Agreed> {
    Engine::best().of_point(point, scalar)
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

    /// n minus this.
    fn order_less(less: u8) -> [u8; 32] {
        let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
        let digits = |at: usize| u8::from_str_radix(&order[2 * at..2 * at + 2], 16).unwrap();
        let mut bytes = std::array::from_fn(digits);
        bytes[31] -= less;
        bytes
    }

    /// n-1, n-2 and so on, and the first few: what windows and signed digits go wrong at.
    fn ends() -> Vec<SecretKey> {
        let first = |number: u8| std::array::from_fn(|at| if at == 31 { number } else { 0 });
        (1..=17)
            .flat_map(|number| [first(number), order_less(number)])
            .map(|bytes: [u8; 32]| SecretKey::from_slice(&bytes).unwrap())
            .collect()
    }

    /// Both products of every engine are those of `p256`.
    fn are_right(own: &SecretKey, other: ProjectivePoint) {
        let (bytes, factor) = (scalar(own), own.to_nonzero_scalar());
        let point = uncompressed(other);
        let of_base = uncompressed(ProjectivePoint::GENERATOR * *factor);
        let of_point = uncompressed(other * *factor);
        for engine in Engine::all() {
            assert_eq!(*engine.of_base(&bytes).unwrap(), of_base, "{engine:?}");
            let agreed = engine.of_point(&point, &bytes).unwrap();
            assert_eq!(agreed[..], of_point[1..33], "{engine:?}");
        }
    }

    #[test]
    fn products_at_the_ends_of_the_group_are_those_of_another_implementation() {
        for own in ends() {
            for other in ends() {
                are_right(&own, other.public_key().to_projective());
            }
        }
    }

    proptest! {
        #[test]
        fn products_are_those_of_another_implementation(seed: u64) {
            let mut rng = StdRng::seed_from_u64(seed);
            let [own, other] = std::array::from_fn(|_| SecretKey::generate_from_rng(&mut rng));
            are_right(&own, other.public_key().to_projective());
        }
    }

    #[test]
    fn what_is_no_point_or_no_scalar_has_no_product() {
        for engine in Engine::all() {
            let scalar = order_less(1);
            let point = *engine.of_base(&scalar).unwrap();
            for (at, bit) in [(0, 1), (0, 4), (1, 1), (32, 1), (64, 1)] {
                let mut spoilt = point;
                spoilt[at] ^= bit;
                assert!(
                    engine.of_point(&spoilt, &scalar).is_none(),
                    "{engine:?} {at}"
                );
            }
            for none in [[0; 32], order_less(0), [0xff; 32]] {
                assert!(engine.of_base(&none).is_none(), "{engine:?}");
                assert!(engine.of_point(&point, &none).is_none(), "{engine:?}");
            }
        }
    }

    /// Or the tests of the quicker engine could be left out without a word.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn what_is_used_is_the_quickest_that_runs() {
        let told = std::fs::read_to_string("/proc/cpuinfo").unwrap();
        let told: Vec<_> = told.split_whitespace().collect();
        let needed = ["aes", "avx", "avx2", "bmi1", "bmi2", "pclmulqdq", "ssse3"];
        let quick = needed.iter().all(|flag| told.contains(flag))
            && (told.contains(&"adx") || by_graviola::FOR_VALGRIND);
        assert_eq!(Engine::best() == Engine::Graviola, quick);
    }
}
