//! The threads on which a shared store asks its questions.
//!
//! This room must never end a question because nobody waits for its answer any more.

use tokio::runtime::{Builder, Handle, Runtime};

use crate::error::KeystoreError;

/// Where all questions to a store run: they go on when nobody waits any more.
pub(crate) struct Io(Option<Runtime>);

impl Io {
    /// One thread of this name.
    pub(crate) fn start(name: &str) -> Result<Self, KeystoreError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(name)
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| KeystoreError::unavailable(error.to_string()))?;
        Ok(Self(Some(runtime)))
    }

    pub(crate) fn handle(&self) -> Result<Handle, KeystoreError> {
        let runtime = self.0.as_ref();
        runtime
            .map(|runtime| runtime.handle().clone())
            .ok_or_else(|| KeystoreError::unavailable("the store is closed"))
    }

    /// What is asked goes on when nobody waits for the answer any more.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl Future<Output = Result<T, KeystoreError>> + Send + 'static,
    ) -> Result<T, KeystoreError> {
        let Some(runtime) = &self.0 else {
            return Err(KeystoreError::unavailable("the store is closed"));
        };
        match runtime.spawn(question).await {
            Ok(answer) => answer,
            Err(error) => Err(KeystoreError::unavailable(error.to_string())),
        }
    }
}

/// Without waiting: a store may be dropped where nothing may wait.
impl Drop for Io {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
