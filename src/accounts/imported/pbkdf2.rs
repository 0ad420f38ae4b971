//! PBKDF2 (RFC 8018 §5.2), as Django, Werkzeug and passlib write it.
//!
//! This room must never count to a number that a stored string chose without a bound.

use super::encoding;
use openssl::hash::MessageDigest;
use openssl::pkcs5::pbkdf2_hmac;
use zeroize::Zeroizing;

/// More than any system asks for by default; about a second of a core.
const MAX_ITERATIONS: u32 = 3_000_000;

/// A PBKDF2 hash: Django's `pbkdf2_sha256$ITERATIONS$SALT$BASE64`, Werkzeug's
/// `pbkdf2:sha256:ITERATIONS$SALT$HEX` or passlib's `$pbkdf2-sha256$ITERATIONS$SALT$OUTPUT`, each also
/// with SHA-1 and (not Django's) SHA-512.
pub(in super::super) struct Pbkdf2 {
    digest: MessageDigest,
    iterations: usize,
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl Pbkdf2 {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::django(text)
            .or_else(|| Self::werkzeug(text))
            .or_else(|| Self::passlib(text))
    }

    fn django(text: &str) -> Option<Self> {
        let [name, iterations, salt, output] = parts(text)?;
        let digest = match name {
            "pbkdf2_sha256" => MessageDigest::sha256(),
            "pbkdf2_sha1" => MessageDigest::sha1(),
            _ => return None,
        };
        Self::new(digest, iterations, salt.into(), encoding::base64(output)?)
    }

    fn werkzeug(text: &str) -> Option<Self> {
        let [method, salt, output] = parts(text)?;
        let mut method = method.split(':');
        if method.next() != Some("pbkdf2") {
            return None;
        }
        let digest = match method.next()? {
            "sha1" => MessageDigest::sha1(),
            "sha256" => MessageDigest::sha256(),
            "sha512" => MessageDigest::sha512(),
            _ => return None,
        };
        let iterations = method.next()?;
        if method.next().is_some() {
            return None;
        }
        Self::new(digest, iterations, salt.into(), encoding::hex(output)?)
    }

    fn passlib(text: &str) -> Option<Self> {
        let ["", name, iterations, salt, output] = parts(text)? else {
            return None;
        };
        let digest = match name {
            "pbkdf2" => MessageDigest::sha1(),
            "pbkdf2-sha256" => MessageDigest::sha256(),
            "pbkdf2-sha512" => MessageDigest::sha512(),
            _ => return None,
        };
        // Its base64 has a dot for the plus sign.
        let decode = |text: &str| encoding::base64(&text.replace('.', "+"));
        Self::new(digest, iterations, decode(salt)?, decode(output)?)
    }

    fn new(
        digest: MessageDigest,
        iterations: &str,
        salt: Vec<u8>,
        output: Vec<u8>,
    ) -> Option<Self> {
        let iterations = encoding::number(iterations).filter(|&count| count <= MAX_ITERATIONS)?;
        Some(Self {
            digest,
            iterations: usize::try_from(iterations).ok()?,
            salt: encoding::salt(salt)?,
            // One block: what is longer costs the owner more than whoever guesses.
            output: encoding::output(output).filter(|output| output.len() <= digest.size())?,
        })
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let mut found = Zeroizing::new(vec![0; self.output.len()]);
        let done = pbkdf2_hmac(
            password,
            &self.salt,
            self.iterations,
            self.digest,
            &mut found,
        );
        done.is_ok() && encoding::same(&found, &self.output)
    }
}

fn parts<const N: usize>(text: &str) -> Option<[&str; N]> {
    let parts: Vec<&str> = text.split('$').collect();
    parts.try_into().ok()
}
