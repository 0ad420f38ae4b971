//! argon2id (RFC 9106) over one reused block of memory, and the PHC strings it is stored as.
//!
//! This room must never compare a hash in a time that depends on it, and never answer without the
//! work of one hash, whatever it is given.

use std::iter::repeat_n;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use rand::CryptoRng;
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

const OUTPUT_LENGTH: usize = 32;
/// More memory than any setting of ours asks for: 1 GiB. A stored hash that wants more is no hash.
pub(super) const MAX_MEMORY_KIB: u32 = 1 << 20;
pub(super) const MAX_ITERATIONS: u32 = 100;
pub(super) const MAX_LANES: u32 = 16;

/// Fresh randomness for one hash.
pub(super) type RawSalt = [u8; 16];

/// The memory that argon2 fills, kept between hashes.
#[derive(Default)]
pub(super) struct Memory {
    blocks: Vec<Block>,
    used: bool,
}

impl Memory {
    /// Nothing yet; the first hash takes what it needs.
    pub(super) fn new() -> Self {
        Self::default()
    }

    fn at_least(&mut self, count: usize) -> &mut [Block] {
        if self.blocks.len() < count {
            // Growing in place could leave the old memory behind unwiped.
            self.wipe();
            self.blocks = repeat_n(Block::new(), count).collect();
        }
        self.used = true;
        &mut self.blocks
    }

    /// Whether a hash has left anything.
    pub(super) fn is_dirty(&self) -> bool {
        self.used
    }

    /// Overwrites what the last hash left: with it, guessing a password would need no memory.
    pub(super) fn wipe(&mut self) {
        if self.used {
            self.blocks.iter_mut().zeroize();
            self.used = false;
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.wipe();
    }
}

/// What comparing a password with a stored hash found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verification {
    /// Whether the password is the one.
    pub(super) matches: bool,
    /// Whether the hash was made with other parameters than those of today.
    pub(super) outdated: bool,
}

/// argon2id with the parameters of today.
#[derive(Clone)]
pub(super) struct Argon {
    params: Params,
}

impl Argon {
    /// With these costs; `None` where argon2 can't take them.
    pub(super) fn new(memory_kib: u32, iterations: u32, lanes: u32) -> Option<Self> {
        let params = Params::new(memory_kib, iterations, lanes, Some(OUTPUT_LENGTH)).ok()?;
        within_bounds(&params).then_some(Self { params })
    }

    /// The PHC string of a password.
    pub(super) fn hash(
        &self,
        memory: &mut Memory,
        password: &[u8],
        salt: &RawSalt,
    ) -> Result<String, argon2::Error> {
        let mut output = Zeroizing::new([0; OUTPUT_LENGTH]);
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone());
        let blocks = memory.at_least(self.params.block_count());
        argon.hash_password_into_with_memory(password, salt, output.as_mut(), blocks)?;
        self.phc(salt, output.as_ref())
            .ok_or(argon2::Error::OutputTooLong)
    }

    /// A hash that no password has, with the parameters of today: comparing with it costs what
    /// comparing with a real one does.
    pub(super) fn decoy(&self, random: &mut (impl CryptoRng + ?Sized)) -> Option<String> {
        let mut salt = RawSalt::default();
        let mut output = [0; OUTPUT_LENGTH];
        random.fill_bytes(&mut salt);
        random.fill_bytes(&mut output);
        self.phc(&salt, &output)
    }

    /// Compares; a hash that can't be read costs as much and matches nothing.
    pub(super) fn verify(
        &self,
        memory: &mut Memory,
        password: &[u8],
        stored: &str,
    ) -> Verification {
        let parsed = Stored::parse(stored);
        if parsed.is_none() {
            log::error!("a stored password hash can't be read: nobody can log in with it");
        }
        let readable = parsed.is_some();
        let Stored {
            argon,
            salt,
            expected,
        } = parsed.unwrap_or_else(|| Stored::nobody(self));
        let mut output = Zeroizing::new([0; Output::MAX_LENGTH]);
        let output = &mut output[..expected.len()];
        let blocks = memory.at_least(argon.params().block_count());
        let done = argon.hash_password_into_with_memory(password, &salt, output, blocks);
        let same: bool = output.ct_eq(expected.as_bytes()).into();
        Verification {
            matches: same && readable && done.is_ok(),
            outdated: !self.is_of_today(stored),
        }
    }

    fn is_of_today(&self, stored: &str) -> bool {
        // Salt and output as in a hash of today: all that can differ is what was chosen then.
        let same_form = |hash: PasswordHash| {
            let salt: RawSalt = hash.salt?.as_ref().try_into().ok()?;
            Some(self.phc(&salt, hash.hash?.as_bytes())? == stored)
        };
        PasswordHash::new(stored).ok().and_then(same_form) == Some(true)
    }

    fn phc(&self, salt: &RawSalt, output: &[u8]) -> Option<String> {
        let hash = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&self.params).ok()?,
            salt: Some(Salt::new(salt).ok()?),
            hash: Some(Output::new(output).ok()?),
        };
        Some(hash.to_string())
    }
}

/// Whether a string is a hash that [`Argon::verify`] can compare with.
pub(super) fn can_read(text: &str) -> bool {
    Stored::parse(text).is_some()
}

struct Stored {
    argon: Argon2<'static>,
    salt: Salt,
    expected: Output,
}

impl Stored {
    fn parse(text: &str) -> Option<Self> {
        let hash = PasswordHash::new(text).ok()?;
        let algorithm = Algorithm::try_from(hash.algorithm.as_str()).ok()?;
        let version = Version::try_from(hash.version?).ok()?;
        let params = Params::try_from(&hash).ok()?;
        within_bounds(&params).then_some(Self {
            argon: Argon2::new(algorithm, version, params),
            salt: hash.salt?,
            expected: hash.hash?,
        })
    }

    fn nobody(today: &Argon) -> Self {
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, today.params.clone());
        let (salt, expected) = ([0; 16], [0; OUTPUT_LENGTH]);
        #[allow(clippy::expect_used)] // both lengths are constants within the format's bounds
        Self {
            argon,
            salt: Salt::new(&salt).expect("16 bytes are a salt"),
            expected: Output::new(&expected).expect("32 bytes are an output"),
        }
    }
}

fn within_bounds(params: &Params) -> bool {
    params.m_cost() <= MAX_MEMORY_KIB
        && params.t_cost() <= MAX_ITERATIONS
        && params.p_cost() <= MAX_LANES
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    const SALT: RawSalt = *b"a salt of 16 oct";

    fn cheap() -> Argon {
        Argon::new(32, 1, 1).unwrap()
    }

    #[test]
    fn a_hash_matches_its_password_alone() {
        let mut memory = Memory::new();
        let phc = cheap().hash(&mut memory, b"right", &SALT).unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=32,t=1,p=1$"), "{phc}");
        assert!(cheap().verify(&mut memory, b"right", &phc).matches);
        for wrong in [&b""[..], b"Right", b"right ", b"right\0"] {
            assert!(!cheap().verify(&mut memory, wrong, &phc).matches);
        }
    }

    #[test]
    fn a_hash_of_the_reference_implementation_matches() {
        // argon2-cffi 25.1.0: hash_secret("pässword", "another salt 16!", 2, 64, 2, 32, Type.ID)
        let theirs = "$argon2id$v=19$m=64,t=2,p=2$YW5vdGhlciBzYWx0IDE2IQ\
                      $tDAHZYjhPmrdArPWw2RyDVU/zRGdZ4VtMt/grmHcShM";
        let mut memory = Memory::new();
        let same = Argon::new(64, 2, 2).unwrap();
        let verification = same.verify(&mut memory, "pässword".as_bytes(), theirs);
        assert_eq!((verification.matches, verification.outdated), (true, false));
        assert!(!cheap().verify(&mut memory, b"passwort", theirs).matches);
        let salt = *b"another salt 16!";
        let ours = same.hash(&mut memory, "pässword".as_bytes(), &salt);
        assert_eq!(ours.unwrap(), theirs);
    }

    #[test]
    fn a_hash_with_other_parameters_matches_and_is_outdated() {
        let mut memory = Memory::new();
        let old = cheap().hash(&mut memory, b"right", &SALT).unwrap();
        for today in [(64, 1, 1), (32, 2, 1), (32, 1, 2), (16, 1, 1)] {
            let today = Argon::new(today.0, today.1, today.2).unwrap();
            let verification = today.verify(&mut memory, b"right", &old);
            assert_eq!((verification.matches, verification.outdated), (true, true));
        }
        assert!(!cheap().verify(&mut memory, b"right", &old).outdated);
    }

    #[test]
    fn memory_is_reused_by_hashes_of_all_sizes_without_a_trace() {
        let mut shared = Memory::new();
        for size in [64, 32, 128, 32] {
            let argon = Argon::new(size, 2, 1).unwrap();
            let reused = argon.hash(&mut shared, b"pw", &SALT).unwrap();
            let fresh = argon.hash(&mut Memory::new(), b"pw", &SALT).unwrap();
            assert_eq!(reused, fresh);
        }
    }

    #[test]
    fn wiped_memory_is_all_zeros() {
        let mut memory = Memory::new();
        cheap().hash(&mut memory, b"pw", &SALT).unwrap();
        let dirty = |memory: &Memory| {
            memory
                .blocks
                .iter()
                .any(|block| block.as_ref().iter().any(|&word| word != 0))
        };
        assert!(dirty(&memory));
        memory.wipe();
        assert!(!dirty(&memory));
    }

    #[test]
    fn a_decoy_costs_a_hash_and_matches_nothing() {
        let decoy = cheap().decoy(&mut StdRng::seed_from_u64(3)).unwrap();
        let mut memory = Memory::new();
        let verification = cheap().verify(&mut memory, b"", &decoy);
        assert_eq!(
            (verification.matches, verification.outdated),
            (false, false)
        );
        assert!(memory.used, "the work was done");
    }

    #[test]
    fn what_is_no_hash_costs_one_and_matches_nothing() {
        for broken in [
            "",
            "plain text",
            "$argon2id$v=19$m=32,t=1,p=1",
            "$argon2id$v=19$m=32,t=1,p=1$YSBzYWx0IG9mIDE2IG9jdA",
            "$scrypt$ln=1,r=8,p=1$YSBzYWx0IG9mIDE2IG9jdA$YSBzYWx0IG9mIDE2IG9jdA",
            "$argon2id$v=19$m=4294967295,t=1,p=1$YSBzYWx0IG9mIDE2IG9jdA$YSBzYWx0IG9mIDE2IG9jdA",
            "$argon2id$v=19$m=32,t=4294967295,p=1$YSBzYWx0IG9mIDE2IG9jdA$YSBzYWx0IG9mIDE2IG9jdA",
        ] {
            let mut memory = Memory::new();
            assert!(
                !cheap().verify(&mut memory, b"", broken).matches,
                "{broken}"
            );
            assert!(memory.used, "the work was skipped for {broken:?}");
        }
    }

    #[test]
    fn costs_beyond_reason_are_refused() {
        for (memory, iterations, lanes) in [(7, 1, 1), (32, 0, 1), (32, 1, 0), (1 << 21, 1, 1)] {
            assert!(Argon::new(memory, iterations, lanes).is_none());
        }
        assert!(Argon::new(19 * 1024, 2, 1).is_some());
    }
}
