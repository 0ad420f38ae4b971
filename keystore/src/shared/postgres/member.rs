//! What all processes on a store go by, and who decides about it in each.
//!
//! This room must never know what the bytes are.

/// Sealed bytes that all processes go by.
#[derive(Clone, PartialEq, Eq)]
pub struct Common {
    /// Raised by each change.
    pub version: u64,
    /// The bytes.
    pub sealed: Vec<u8>,
}

/// What a process does with what a poll brings besides ends. Called on the thread that polls: it must be quick. Where it
/// refuses, nothing that the poll brought is used, and the lease ends.
pub trait Member: Send + Sync {
    /// The database's time, in microseconds of Unix time.
    fn hear_time(&self, unix_us: u64) -> Result<(), String>;

    /// Where the records are, when they aren't in this database: a process that has them somewhere else refuses.
    fn hear_elsewhere(&self, elsewhere: Option<&str>) -> Result<(), String> {
        let _ = elsewhere;
        Ok(())
    }

    /// The bytes that all go by from now on.
    fn take_up(&self, common: &Common) -> Result<(), String>;
}

impl std::fmt::Debug for Common {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Common(version {})", self.version)
    }
}
