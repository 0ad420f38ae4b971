//! The tests that any store has to pass, with one writer and with two.
//!
//! They hold a store to what [`crate::store`] and the crate's documentation promise. A crate that
//! brings a store enables the feature `conformance` in its dev-dependencies, describes in a
//! [`Fixture`] how a test gets an empty store, and runs the suite in a test of its own:
//!
//! ```
//! use std::sync::Arc;
//!
//! use lacre_keystore::conformance::Fixture;
//! use lacre_keystore::{LocalStore, MemoryEngine};
//!
//! struct InMemory(Arc<LocalStore>);
//!
//! impl Fixture for InMemory {
//!     type Store = LocalStore;
//!
//!     async fn new() -> Self {
//!         let store = LocalStore::open(MemoryEngine::new());
//!         Self(Arc::new(store.expect("it needs nothing but a thread")))
//!     }
//!
//!     fn store(&self) -> Arc<LocalStore> {
//!         Arc::clone(&self.0)
//!     }
//! }
//!
//! mod in_memory {
//!     lacre_keystore::conformance_suite!(super::InMemory);
//! }
//! # fn main() {}
//! ```
//!
//! Each test of the suite becomes a `#[test]` where the macro stands. A store that several
//! processes can write to returns another of its kind on the same records from
//! [`Fixture::second`]; then the tests change records through one of them and read through the
//! other, and those about concurrency spread their tasks over both.
//!
//! | module | holds a store to |
//! |---|---|
//! | `raw` | the trait [`Store`](crate::Store) itself, on bytes that are no records |
//! | `records` | what is done with one record |
//! | `removals` | removals of several records as one change; watchers |
//! | `pages` | listing, sweeping, re-sealing, moving records |
//! | `freshness` | when a version may be called current |
//! | `notes` | notes of ends, where it [keeps some](Fixture::KEEPS_NOTES) |
//! | `races` | many callers, on both writers, at once |
//! | `closing` | what closing waits for, and what follows |

// These are tests: a panic is their way of failing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

mod fixture;
pub mod samples;

#[doc(hidden)]
pub mod closing;
#[doc(hidden)]
pub mod freshness;
#[doc(hidden)]
pub mod notes;
#[doc(hidden)]
pub mod pages;
#[doc(hidden)]
pub mod races;
#[doc(hidden)]
pub mod raw;
#[doc(hidden)]
pub mod records;
#[doc(hidden)]
pub mod removals;

pub use fixture::Fixture;

/// Runs one test of the suite on a runtime of its own, with two threads.
#[doc(hidden)]
pub fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}

/// Makes a `#[test]` of each test of the suite, for the [`Fixture`](crate::conformance::Fixture)
/// of this name.
#[macro_export]
macro_rules! conformance_suite {
    ($fixture:ty) => {
        $crate::conformance_suite! { $fixture;
            raw {
                one_write_that_doesnt_fit_keeps_all_from_being_made,
                no_writes_are_made_at_once,
                bytes_are_kept_as_they_are,
                pages_and_counts_keep_to_the_order_and_the_limit,
                the_stamp_never_is_never_current,
            }
            records {
                an_empty_keystore_has_nothing,
                a_record_that_is_put_is_read_as_it_was,
                a_put_never_overwrites,
                a_swap_needs_the_version_that_was_read,
                several_swaps_of_a_user_are_all_made_or_none,
                an_equal_record_put_anew_is_another_version,
                a_removed_record_is_gone_and_a_swap_doesnt_bring_it_back,
                a_record_is_removed_only_as_it_was_read,
                a_record_that_is_too_large_is_refused,
                a_record_of_the_maximum_size_is_kept,
                another_ring_opens_nothing_and_says_so,
            }
            removals {
                a_users_end_leaves_the_neighbours,
                all_of_a_users_records_but_one_end_together,
                the_one_that_stays_neednt_be_there,
                removing_all_leaves_none,
                a_put_that_removes_others_does_all_of_it,
                a_put_that_removes_others_does_nothing_where_one_has_changed,
                a_removal_beside_a_record_is_made_while_all_are_as_they_were,
                each_record_that_goes_is_told_and_counted_once,
                every_kind_of_removal_is_told_before_its_answer,
                a_second_watcher_is_refused_and_the_first_goes_on,
                none_of_the_records_passes_for_unchanged,
                a_watcher_hears_of_a_removal_before_its_caller,
            }
            pages {
                a_users_records_are_listed_page_by_page,
                all_records_are_listed_page_by_page,
                a_sweep_ends_what_is_over,
                a_sweep_takes_a_record_whose_expiry_was_brought_forward,
                a_damaged_record_doesnt_hide_the_others,
                a_new_master_key_takes_over_record_by_record,
                what_was_asked_for_before_is_settled_where_nobody_waits_for_it,
                records_move_to_another_keystore_sealed,
                pages_show_each_record_that_stays_once_while_others_change,
            }
            freshness {
                after_a_swap_that_ends_tokens_the_version_is_not_current,
                after_any_removal_the_version_is_not_current,
                a_version_that_stands_is_the_same_and_another_is_told,
                nobody_is_told_same_after_the_answer_to_a_change,
            }
            notes {
                every_kind_of_removal_leaves_its_note,
                what_removed_nothing_leaves_nothing,
                notes_are_forgotten_from_the_oldest_on,
                notes_are_sealed_anew_under_another_key,
                a_note_that_is_forgotten_meanwhile_stays_forgotten,
                a_record_whose_place_another_one_takes_leaves_its_note,
                all_that_end_at_once_leave_notes_of_their_own,
                notes_are_settled_with_their_ends_and_kept_as_long_as_they_are_needed,
            }
            races {
                of_many_puts_of_one_key_one_is_stored,
                of_many_swaps_of_one_version_one_wins,
                a_chain_of_swaps_loses_no_step,
                a_record_removed_among_swaps_never_comes_back,
                a_users_end_beats_all_swaps_under_way,
                readers_see_whole_records_while_they_change,
                a_users_end_takes_what_was_put_before,
                each_removed_record_is_counted_by_one_caller,
                of_many_puts_that_remove_the_same_record_one_wins,
                of_many_who_remove_each_others_record_one_stays,
                removing_all_takes_what_was_there_while_others_put,
                two_who_remove_all_at_once_are_both_answered,
                sealing_anew_loses_no_change_and_brings_nothing_back,
            }
            closing {
                a_closed_keystore_reads_and_changes_nothing,
                one_writer_that_closes_leaves_the_other_at_work,
                closing_answers_everything_that_was_queued,
                a_change_whose_caller_has_gone_is_whole_or_absent,
                a_removal_of_all_whose_caller_has_gone_removes_nothing_later,
            }
        }
    };
    ($fixture:ty; $($module:ident { $($test:ident,)+ })+) => {
        $($(
            #[test]
            fn $test() {
                if <$fixture as $crate::conformance::Fixture>::is_available() {
                    $crate::conformance::run($crate::conformance::$module::$test::<$fixture>());
                }
            }
        )+)+
    };
}
