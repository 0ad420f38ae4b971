//! What operators are told of a database that fails, in words of ours.
//!
//! The first failure of a series is a line of the log, the others are told to callers alone: each
//! request asks the database, and what fills the disk must not do so quicker by its log.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the last question that came to its end failed.
static FAILING: AtomicBool = AtomicBool::new(false);

/// A question was answered.
pub(super) fn ended() {
    if FAILING.load(Ordering::Relaxed) && FAILING.swap(false, Ordering::Relaxed) {
        log::info!("the accounts' database answers again");
    }
}

/// A question took too long.
pub(super) fn too_slow() {
    tell("it doesn't answer in time");
}

/// A question failed.
pub(super) fn failed(error: &sqlx::Error) {
    log::debug!("the accounts database answered: {error}");
    tell(why(error));
}

fn tell(why: &str) {
    if !FAILING.swap(true, Ordering::Relaxed) {
        log::error!(code = "accounts_unavailable"; "the accounts' database fails: {why}");
    }
}

/// The kind of failure, for what to do about it differs.
fn why(error: &sqlx::Error) -> &'static str {
    const OTHER: &str = "its own words are in the log of level debug";
    let code = match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => return "it can't be reached",
        sqlx::Error::Database(error) => error.code(),
        _ => None,
    };
    let Some(code) = code else {
        return OTHER;
    };
    // PostgreSQL has words of five letters for them (SQLSTATE), SQLite numbers whose last byte is the kind.
    match &*code {
        "53100" => return "its disk is full",
        "57P01" | "57P02" | "57P03" => return "its server is stopping or starting",
        "25006" => return "it can't be written to",
        _ => {}
    }
    match code.parse::<u32>().map(|code| code & 0xff) {
        Ok(13) => "its disk is full",
        Ok(8) => "it can't be written to",
        Ok(10 | 14) => "its file can't be read or written",
        Ok(11 | 26) => "its file is damaged",
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("secret words")]
    struct Answered(&'static str);

    impl sqlx::error::DatabaseError for Answered {
        fn message(&self) -> &'static str {
            "secret words"
        }

        fn code(&self) -> Option<std::borrow::Cow<'_, str>> {
            Some(self.0.into())
        }

        fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> sqlx::error::ErrorKind {
            sqlx::error::ErrorKind::Other
        }
    }

    #[test]
    fn each_kind_has_words_of_ours() {
        for (code, word) in [
            ("13", "full"),
            ("53100", "full"),
            ("1544", "written to"),
            ("25006", "written to"),
            ("4874", "read or written"),
            ("779", "damaged"),
            ("57P01", "stopping"),
            ("40001", "debug"),
            ("x", "debug"),
        ] {
            let told = why(&sqlx::Error::Database(Box::new(Answered(code))));
            assert!(told.contains(word), "{code}: {told}");
        }
        assert_eq!(why(&sqlx::Error::PoolTimedOut), "it can't be reached");
        assert!(why(&sqlx::Error::RowNotFound).contains("debug"));
    }
}
