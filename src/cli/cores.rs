//! Keeps what a process holds in memory, keys and passwords, out of core dumps.
//!
//! This room must never come too late: every command passes it before it reads a secret.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use std::io;

/// No core dump of this process, for good: neither a file, which the limit keeps away, nor one that
/// the kernel hands to a collecting program, which asks for no limit and goes by the mark. With the
/// mark, other processes of the same user can't attach to this one or read its memory either.
pub(super) fn leave_none() -> io::Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)?;
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}
