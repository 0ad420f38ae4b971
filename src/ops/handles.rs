//! Handles as operators write them: whole, or by their beginning, as the log shows it.
//!
//! This room must never take a beginning for a session where two sessions' handles begin so.

use super::error::OpsError;
use crate::lacre::Lacre;
use crate::token::Handle;

/// The characters of a handle of ours.
const WHOLE: usize = 43;
/// How long a beginning is at least: as long as in the log.
const MIN_BEGINNING: usize = 8;
/// At most so many are named where several begin so.
const MAX_NAMED: usize = 5;

/// The handle that is meant by a whole one or by its beginning. A whole one is returned whether or
/// not there is such a session: it may have ended.
///
/// The beginning of one that has ended is taken where no live one begins so, as long as it is known why
/// it ended. [`OpsError::SessionUnknown`] where no session's handle begins so, and
/// [`OpsError::HandleAmbiguous`] where several do.
pub(super) async fn find(lacre: &Lacre, text: &str) -> Result<Handle, OpsError> {
    let handle = parse(text)?;
    if lacre.key_of(&handle).is_some() {
        return Ok(handle);
    }
    match text.len() {
        // Longer than any of ours, or of their length and another form: never one of ours.
        WHOLE.. => return Err(OpsError::SessionUnknown),
        MIN_BEGINNING.. => {}
        _ => return Err(OpsError::HandleShort),
    }
    let mut found = lacre.handles_beginning_with(text, MAX_NAMED).await?;
    match found.len() {
        0 => ended(lacre, text).await,
        1 => Ok(found.remove(0)),
        _ => Err(ambiguous(&found)),
    }
}

/// The handle of a session that has ended, where one of those that are still known begins so.
async fn ended(lacre: &Lacre, text: &str) -> Result<Handle, OpsError> {
    let mut found = lacre.ended_beginning_with(text, MAX_NAMED).await?;
    match found.len() {
        0 => Err(OpsError::SessionUnknown),
        1 => Ok(found.remove(0)),
        _ => Err(ambiguous(&found)),
    }
}

fn ambiguous(found: &[Handle]) -> OpsError {
    let named = found.iter().map(|handle| handle.as_str().to_owned());
    OpsError::HandleAmbiguous(named.collect())
}

/// A handle as it stands, of any length that one may have.
pub(super) fn parse(text: &str) -> Result<Handle, OpsError> {
    Handle::parse(text).map_err(|_| OpsError::HandleInvalid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lacre::testing::Fixture;

    async fn code(lacre: &Lacre, text: &str) -> String {
        let error = find(lacre, text).await.unwrap_err();
        super::super::AdminError::from(error).code.into_owned()
    }

    #[tokio::test]
    async fn a_beginning_finds_its_session_and_a_whole_handle_needs_none() {
        let fixture = Fixture::new();
        let lacre = &fixture.lacre;
        let issued = [fixture.log_in("u1").await, fixture.log_in("u2").await];
        for one in &issued {
            for length in [8, 9, 20, 42, 43] {
                let found = find(lacre, &one.handle.as_str()[..length]).await;
                assert_eq!(found.unwrap(), one.handle, "{length}");
            }
            assert_eq!(code(lacre, &one.handle.as_str()[..7]).await, "handle_short");
        }
        lacre.revoke(&issued[0].key).await.unwrap();
        let gone = issued[0].handle.as_str();
        assert_eq!(find(lacre, gone).await.unwrap().as_str(), gone);
        assert_eq!(code(lacre, &gone[..12]).await, "session_unknown");
        for never in ["x".repeat(44), "x".repeat(128), "x".repeat(43)] {
            let found = find(lacre, &never).await;
            // A text of our form may be the handle of a session that has ended.
            assert_eq!(
                found.is_ok(),
                lacre.key_of(&parse(&never).unwrap()).is_some()
            );
        }
        assert_eq!(code(lacre, "a handle!").await, "handle_invalid");
    }

    #[tokio::test]
    async fn a_beginning_of_several_names_them_and_means_none() {
        let fixture = Fixture::new();
        let lacre = &fixture.lacre;
        let (one, other) = (fixture.log_in("u1").await, fixture.log_in("u2").await);
        let record = lacre
            .keystore()
            .get(&one.key)
            .await
            .unwrap()
            .unwrap()
            .record;
        // A second session of the same id, of another user: only a test can make one.
        let twin = lacre_keystore::RecordKey::new(other.key.user, one.key.session);
        let put = lacre.keystore().put_new(&twin, &record).await.unwrap();
        assert_eq!(put, lacre_keystore::PutOutcome::Stored);
        let beginning = &one.handle.as_str()[..10];
        let error = find(lacre, beginning).await.unwrap_err();
        let OpsError::HandleAmbiguous(named) = &error else {
            panic!("{error}");
        };
        assert_eq!(named.len(), 2);
        assert!(named.iter().all(|handle| handle.starts_with(beginning)));
        assert!(error.to_string().contains(&named[1]), "{error}");
    }
}
