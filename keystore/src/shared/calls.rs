//! The calls that every shared store answers alike.
//!
//! Each is a macro: what a store has behind these calls is of its own types, in parts of the same names.
//!
//! This room must never know what a store asks.

/// How a store asks on its own threads, and how it changes records: by `change::apply`, `change::remove`,
/// `change::remove_user` and what is named here for all.
macro_rules! changes_of_records {
    ($remove_all:path) => {
        /// Asks on the store's own threads: what was begun goes on where the caller stops waiting.
        async fn ask<T, A>(
            &self,
            patience: Duration,
            question: impl FnOnce(Arc<Inner>) -> A,
        ) -> Result<T, KeystoreError>
        where
            T: Send + 'static,
            A: Future<Output = Result<T, KeystoreError>> + Send + 'static,
        {
            let asked = self.io.ask(question(Arc::clone(&self.inner)));
            let answer = tokio::time::timeout(patience, asked).await;
            answer.unwrap_or_else(|_| Err(KeystoreError::unavailable("it doesn't answer in time")))
        }

        /// Makes the writes, and leaves a note of each record that goes or whose place another one takes.
        fn written(&self, writes: Vec<Write>, note: Option<Note>) -> Answer<'_, bool> {
            if writes.is_empty() {
                return Box::pin(async move {
                    self.inner.open()?;
                    // Also what nobody waits for any more.
                    let _none_under_way = self.inner.under_way.write().await;
                    Ok(true)
                });
            }
            Box::pin(self.change(PATIENCE, move |inner| async move {
                change::apply(&inner, writes, note).await
            }))
        }

        /// Removes a record, and leaves a note of it where there is one.
        fn ended(&self, key: RecordKey, note: Option<Note>) -> Answer<'_, bool> {
            Box::pin(self.change(PATIENCE, move |inner| async move {
                change::remove(&inner, key, note).await
            }))
        }

        /// The same for a user's records.
        fn ended_of_user(
            &self,
            user: UserTag,
            keep: Option<RecordKey>,
            note: Option<Note>,
        ) -> Answer<'_, Vec<RecordKey>> {
            Box::pin(self.change(PATIENCE, move |inner| async move {
                change::remove_user(&inner, user, keep, note).await
            }))
        }

        /// The same for all records.
        fn all_ended(&self, note: Option<Note>) -> Answer<'_, u64> {
            Box::pin(self.change(
                LONG,
                move |inner| async move { $remove_all(&inner, note).await },
            ))
        }
    };
}

/// The calls of a store that change records, with a note and without.
macro_rules! changes_with_or_without_notes {
    () => {
        fn apply(&self, writes: Vec<Write>) -> Answer<'_, bool> {
            self.written(writes, None)
        }

        fn remove(&self, key: RecordKey) -> Answer<'_, bool> {
            self.ended(key, None)
        }

        fn remove_user(
            &self,
            user: UserTag,
            keep: Option<RecordKey>,
        ) -> Answer<'_, Vec<RecordKey>> {
            self.ended_of_user(user, keep, None)
        }

        fn remove_all(&self) -> Answer<'_, u64> {
            self.all_ended(None)
        }

        fn apply_noting(&self, writes: Vec<Write>, note: Note) -> Answer<'_, bool> {
            self.written(writes, Some(note))
        }

        fn remove_noting(&self, key: RecordKey, note: Note) -> Answer<'_, bool> {
            self.ended(key, Some(note))
        }

        fn remove_user_noting(
            &self,
            user: UserTag,
            keep: Option<RecordKey>,
            note: Note,
        ) -> Answer<'_, Vec<RecordKey>> {
            self.ended_of_user(user, keep, Some(note))
        }

        fn remove_all_noting(&self, note: Note) -> Answer<'_, u64> {
            self.all_ended(Some(note))
        }
    };
}

/// The calls of a store that it answers from what it knows itself.
macro_rules! calls_about_the_lease {
    () => {
        #[inline]
        fn is_current(&self, key: &RecordKey, stamp: Stamp) -> bool {
            self.inner.lease.holds() && self.inner.stamps.holds(&key.to_bytes(), stamp)
        }

        fn lease(&self) -> Option<LeaseReport> {
            Some(LeaseReport {
                heard: self.inner.heard.load(Ordering::Relaxed),
                ..self.inner.lease.report()
            })
        }

        fn watch_removals(&self, watcher: RemovalWatcher) -> bool {
            self.inner.watcher.set(watcher).is_ok()
        }

        fn close(&self) -> Answer<'_, ()> {
            Box::pin(async move {
                self.inner.closed.store(true, Ordering::SeqCst);
                let _none_under_way = self.inner.under_way.write().await;
                Ok(())
            })
        }
    };
}

pub(super) use {calls_about_the_lease, changes_of_records, changes_with_or_without_notes};
