//! scrypt (RFC 7914), as Werkzeug, Django and passlib write it.
//!
//! This room must never take more memory than a thread of the hashing pool may have.

use super::encoding;
use openssl::pkcs5::scrypt;
use zeroize::Zeroizing;

/// The memory of one hash: twice what OWASP recommends.
const MAX_MEMORY: u64 = 256 << 20;
/// The work of one hash, in blocks of 128 bytes: twice that of the memory above.
const MAX_WORK: u64 = 2 * MAX_MEMORY / 128;
/// Beside the memory, the library takes some for itself.
const SPARE: u64 = 1 << 20;

/// A scrypt hash: Werkzeug's `scrypt:N:r:p$SALT$HEX`, Django's `scrypt$N$SALT$r$p$BASE64` or passlib's
/// `$scrypt$ln=LOG2N,r=R,p=P$SALT$OUTPUT`.
pub(in super::super) struct Scrypt {
    n: u64,
    r: u64,
    p: u64,
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl Scrypt {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('$').collect();
        match parts.as_slice() {
            ["scrypt", n, salt, r, p, output] => {
                let costs = [number(n)?, number(r)?, number(p)?];
                Self::new(costs, (*salt).into(), encoding::base64(output)?)
            }
            ["", "scrypt", costs, salt, output] => {
                let costs: Vec<&str> = costs.split(',').collect();
                let [log_n, r, p] = costs.as_slice() else {
                    return None;
                };
                let log_n = number(log_n.strip_prefix("ln=")?)?;
                let n = 1_u64.checked_shl(u32::try_from(log_n).ok()?)?;
                let (r, p) = (r.strip_prefix("r=")?, p.strip_prefix("p=")?);
                let (salt, output) = (encoding::base64(salt)?, encoding::base64(output)?);
                Self::new([n, number(r)?, number(p)?], salt, output)
            }
            [method, salt, output] => {
                let method: Vec<&str> = method.split(':').collect();
                let ["scrypt", n, r, p] = method.as_slice() else {
                    return None;
                };
                let costs = [number(n)?, number(r)?, number(p)?];
                Self::new(costs, (*salt).into(), encoding::hex(output)?)
            }
            _ => None,
        }
    }

    fn new([n, r, p]: [u64; 3], salt: Vec<u8>, output: Vec<u8>) -> Option<Self> {
        let blocks = n.checked_mul(r)?;
        let bounded = blocks.checked_mul(128)? <= MAX_MEMORY && blocks.checked_mul(p)? <= MAX_WORK;
        // RFC 7914 §6: N is a power of two above 1.
        (bounded && n > 1 && n.is_power_of_two()).then_some(Self {
            n,
            r,
            p,
            salt: encoding::salt(salt)?,
            output: encoding::output(output)?,
        })
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let mut found = Zeroizing::new(vec![0; self.output.len()]);
        let memory = 128 * self.r * (self.n + self.p) + SPARE;
        let done = scrypt(
            password, &self.salt, self.n, self.r, self.p, memory, &mut found,
        );
        done.is_ok() && encoding::same(&found, &self.output)
    }
}

fn number(text: &str) -> Option<u64> {
    encoding::number(text).map(u64::from)
}
