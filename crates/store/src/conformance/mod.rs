//! The suite that every store passes: each method of the port, and each promise on it.
//!
//! A store is put under it by [`conformance_tests!`](crate::conformance_tests), which makes one test of each
//! case in the list. Each case gets a store of its own, empty, and the clock that it judges leases by.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_errors_doc,
    missing_docs,
    reason = "these are tests, though not compiled as such for other crates; what a case holds is its name"
)]

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use vestal_core::clock::Clock;
use vestal_core::id::{ConnectionId, GrantId};
use vestal_core::store::Store;

pub mod attempts;
pub mod clients;
pub mod connections;
pub mod data;
pub mod due;
pub mod history;
pub mod leases;
pub mod races;
pub mod sealed;
pub mod tokens;
pub mod updates;

/// A store that lets the suite see what the port does not show.
#[async_trait]
pub trait Subject: Store {
    /// The token sets that are kept for a connection: the grant and the generation of each, oldest first.
    async fn token_sets(&self, id: ConnectionId) -> Vec<(GrantId, u64)>;
}

#[async_trait]
impl Subject for crate::MemoryStore {
    async fn token_sets(&self, id: ConnectionId) -> Vec<(GrantId, u64)> {
        self.kept_token_sets(id)
    }
}

#[async_trait]
impl Subject for crate::SqliteStore {
    async fn token_sets(&self, id: ConnectionId) -> Vec<(GrantId, u64)> {
        self.kept_token_sets(id).await.unwrap()
    }
}

/// A clock that stands still until it is told to move.
pub struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    /// A clock that stands at [`data::START`].
    pub fn new() -> Self {
        Self(Mutex::new(data::START))
    }

    /// Moves on.
    pub fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn uptime(&self) -> Duration {
        self.now().duration_since(data::START).unsigned_abs()
    }

    async fn sleep(&self, duration: Duration) {
        self.advance(duration);
    }
}

/// Makes a test of each case. `$make` is an async function that takes an `Arc<ManualClock>` and returns an
/// `Arc<dyn Subject>` with whatever must outlive it.
#[macro_export]
macro_rules! conformance_tests {
    ($make:path) => {
        $crate::conformance_tests! { $make;
            clients: identity_is_claimed_once, clients_are_found_and_their_names_are_unique,
                an_update_of_a_client_names_its_revision, a_client_in_use_stays, the_last_mark_stands;
            connections: a_connection_reads_back_as_it_was_added,
                several_are_read_at_once,
                names_and_external_ids_are_unique,
                one_is_found_by_its_external_id,
                several_are_imported_at_once,
                connections_are_listed_by_tag,
                the_client_must_be_there,
                every_state_reads_back,
                connections_are_listed_by_name,
                removal_takes_all_that_belongs,
                nothing_happens_to_what_is_gone;
            updates: an_update_names_its_revision,
                what_is_learnt_of_a_grant_leaves_its_tokens,
                an_external_id_is_given_where_nobody_has_it,
                a_new_grant_leaves_the_old_one_until_it_works,
                generations_only_grow,
                a_read_is_no_revision,
                times_are_kept_in_milliseconds;
            leases: beginning_takes_the_lease, a_valid_lease_is_respected,
                an_attempt_under_an_ended_lease_is_abandoned, the_attempt_renews_its_lease,
                a_lost_lease_is_not_renewed, a_dead_node_is_released, an_attempt_begins_once;
            attempts: tokens_are_stored_once, finishing_names_its_revision, exactly_one_earlier_token_set_is_kept,
                a_late_answer_leaves_the_lease_of_another, candidates_are_kept_and_never_overwritten,
                of_what_cannot_be_read_the_oldest_and_the_newest_are_kept,
                of_another_accounts_token_sets_the_oldest_and_the_newest_are_kept,
                what_may_hold_the_only_refresh_token_is_never_dropped,
                an_outcome_without_tokens_closes_the_attempt,
                an_attempt_is_given_up_and_its_late_answer_kept, giving_up_leaves_the_lease_of_another,
                an_answer_to_a_pruned_attempt_is_kept,
                there_must_be_a_grant_to_refresh;
            due: what_dies_first_is_due_first, what_is_leased_is_not_due, an_ended_lease_is_due_whatever_the_plan,
                what_is_held_is_not_due;
            history: events_are_read_from_a_cursor, the_last_hundred_events_are_kept, old_events_are_pruned,
                a_clock_that_was_wrong_cuts_no_history_off, events_from_the_future_keep_no_others_from_being_pruned,
                old_closed_attempts_are_pruned, attempts_are_pruned_by_when_they_were_closed, expired_authorizations_are_pruned,
                an_authorization_is_used_once, an_expired_authorization_is_taken_away,
                event_numbers_are_never_used_twice, a_closed_store_says_so;
            races: no_update_is_lost, one_writer_wins_each_revision;
            tokens: who_holds_the_same_refresh_token_is_found, a_grant_is_one_connections,
                living_refresh_tokens_are_counted_by_account, what_nobody_consented_to_is_removed_once_it_is_old,
                what_no_attempt_brought_is_kept_aside_once;
            sealed: an_identity_is_replaced_by_who_knows_it, all_that_is_sealed_is_read,
                what_was_sealed_anew_takes_its_place, a_clients_secrets_are_not_written_back;
        }
    };
    ($make:path; $($module:ident: $($case:ident),+;)+) => {$(
        mod $module {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let clock = std::sync::Arc::new($crate::conformance::ManualClock::new());
                    let (store, _alive) = $make(std::sync::Arc::clone(&clock)).await;
                    $crate::conformance::$module::$case(store, &clock).await;
                }
            )+
        }
    )+};
}
