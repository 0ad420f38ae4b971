//! The functions that the servers run, and how one is called.
//!
//! The library's name has a digest of its text in it: programs of two versions stand beside each other, and each calls
//! what it has brought.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use redis::Cmd;

use super::bucket::Bucket;

/// The library's text, with `@` where its digest belongs.
const TEXT: &str = include_str!("functions.lua");

struct Library {
    mark: String,
    code: String,
}

static LIBRARY: LazyLock<Library> = LazyLock::new(|| {
    let digest = digest(&SHA256, TEXT.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest.as_ref()[..8]);
    let mark = format!("{:016x}", u64::from_be_bytes(first));
    let code = format!("#!lua name=lacre_{mark}\n{}", TEXT.replace('@', &mark));
    Library { mark, code }
});

/// Brings the library; an error that says so where the server has it.
pub(super) fn load() -> Cmd {
    let mut cmd = redis::cmd("FUNCTION");
    cmd.arg("LOAD").arg(LIBRARY.code.as_str());
    cmd
}

/// Says whether the server has the library.
pub(super) fn list() -> Cmd {
    let mut cmd = redis::cmd("FUNCTION");
    cmd.arg("LIST")
        .arg("LIBRARYNAME")
        .arg(format!("lacre_{}", LIBRARY.mark));
    cmd
}

/// A function on a bucket.
pub(super) fn call(what: &str, bucket: Bucket) -> Cmd {
    let mut cmd = redis::cmd("FCALL");
    cmd.arg(format!("lacre_{what}_{}", LIBRARY.mark)).arg(4);
    for key in bucket.keys() {
        cmd.arg(key);
    }
    cmd
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_registered_under_a_name_with_the_mark() {
        let code = &LIBRARY.code;
        assert!(!code.contains('@'));
        for name in ["init", "apply", "remove_range", "turn"] {
            let registered = format!("'lacre_{name}_{}', {name})", LIBRARY.mark);
            assert!(code.contains(&registered), "{registered}");
        }
    }
}
