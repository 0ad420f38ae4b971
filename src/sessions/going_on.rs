//! Work that goes on to its end where its caller has gone.
//!
//! A connection that is reset drops the future of its request. A change that was half done then
//! would wait for the next sweep, and its audit event would never be written.
//!
//! This room must never give up work that has begun.

use lacre_keystore::KeystoreError;
use tokio::runtime::Handle;

/// Does the work also where whoever asked for it doesn't wait.
///
/// Outside of a runtime of tokio, where nothing drops the future of a request, it is done by the caller.
pub(crate) async fn to_the_end<T, E>(
    work: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<T, E>
where
    T: Send + 'static,
    E: Interrupted + Send + 'static,
{
    let Ok(runtime) = Handle::try_current() else {
        return Box::pin(work).await;
    };
    match runtime.spawn(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The process is stopping.
            Err(_) => Err(E::interrupted()),
        },
    }
}

/// An error that says that the process stopped meanwhile: whether the work was done is unknown.
pub(crate) trait Interrupted {
    fn interrupted() -> Self;
}

impl Interrupted for KeystoreError {
    fn interrupted() -> Self {
        Self::unavailable("the process is stopping")
    }
}
