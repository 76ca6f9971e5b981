// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The promises of rathaus, one file each, kept on a real cluster. `cargo xtask test` starts it;
//! against one that `cargo xtask demo` left running: `cargo test -p e2e --test promises`, with part of a
//! promise's name to run that one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end so")]

mod a_dead_database_is_told;
mod a_held_hostname_is_kept;
mod a_town_opts_in;
mod any_addition_is_put_right;
mod api_accepts_and_rejects;
mod bad_input_is_told;
mod citizens_pay;
mod deletion_ends;
mod deletion_needs_intent;
mod drift_is_repaired;
mod erased_definitions_erase_no_data;
mod isolation_holds;
mod it_says_when_it_cannot_see;
mod killing_loses_nothing;
mod no_cent_is_lost;
mod no_load_delays_another_town;
mod nothing_adds_up_unseen;
mod nothing_foreign_is_touched;
mod one_change_costs_what_depends_on_it;
mod one_leads;
mod one_never_delays_another;
mod payments_go_to_the_states_platform;
mod proxy;
mod quiet_when_nothing_changes;
mod rights_are_narrow;
mod runner;
mod schema;
mod support;
mod suspended_is_untouched;
mod tampering_is_put_right;
mod two_writers_do_not_fight;
mod unreadable_objects_stop_nobody;
mod upgrades_seal_what_is_there;
mod vendors_can_check_conformance;
mod what_is_written_is_what_comes_back;

use std::process::ExitCode;

use kube::Client;
use libtest_mimic::Trial;

use runner::promises;

/// The operator, as the API server knows it.
const OPERATOR: &str = "system:serviceaccount:rathaus-system:rathaus";

/// Two promises for each core, and two more: most of their time passes in waiting for pods to start and to end.
const SIDE_BY_SIDE: usize = 6;

fn main() -> ExitCode {
    runner::run([(SIDE_BY_SIDE, side_by_side()), (1, alone())])
}

/// Promises that work on towns, classes and databases of their own. The longest come first, so that none
/// of them is left over at the end.
fn side_by_side() -> Vec<Trial> {
    promises![
        bad_input_is_told::each_wrong_choice_has_its_reason_and_clears_when_mended,
        bad_input_is_told::an_image_that_cannot_be_had_and_one_that_does_not_start_are_told_apart,
        vendors_can_check_conformance::the_deployed_e_payment_keeps_every_rule_through_the_gateway,
        payments_go_to_the_states_platform::what_is_paid_at_the_platform_is_paid_in_the_town,
        payments_go_to_the_states_platform::a_sibling_calls_with_the_token_that_its_pods_have_for_this_module_and_no_other,
        isolation_holds::pods_reach_the_database_and_the_name_service_and_nothing_else,
        isolation_holds::a_pod_of_another_town_cannot_reach_them_and_a_named_sibling_can,
        isolation_holds::a_modules_role_enters_its_own_database_only,
        suspended_is_untouched::invariant_8_suspended_means_untouched_and_goes_on_running,
        bad_input_is_told::a_secret_that_is_missing_or_unusable_is_told_and_clears_when_it_is_made,
        bad_input_is_told::a_quota_that_is_used_up_is_told_and_clears_when_raised,
        bad_input_is_told::a_hostname_or_ars_that_is_foreign_or_taken_is_told_and_clears_when_mended,
        deletion_ends::retained_data_outlives_the_module_and_is_there_when_it_comes_back,
        deletion_ends::deleted_data_is_dropped_with_its_role,
        deletion_needs_intent::a_class_and_a_namespace_that_disappear_leave_the_data_and_a_person_takes_it,
        deletion_needs_intent::a_refused_module_leaves_the_foreign_database_when_it_goes,
        deletion_needs_intent::a_town_cannot_hold_up_its_removal_by_finalizers,
        deletion_ends::a_refused_town_can_leave_and_takes_nothing_along,
        nothing_foreign_is_touched::invariant_3_a_namespace_that_is_there_is_not_adopted,
        nothing_foreign_is_touched::invariant_3_objects_with_forged_labels_are_neither_taken_over_nor_pruned,
        nothing_foreign_is_touched::invariant_3_a_database_that_is_there_is_not_taken_over,
        tampering_is_put_right::whatever_is_tampered_with_is_put_right_and_nothing_is_deleted,
        tampering_is_put_right::a_planted_secret_that_names_the_module_as_its_owner_is_never_used,
        tampering_is_put_right::a_planted_namespace_with_our_managers_name_and_labels_is_refused,
        any_addition_is_put_right::whatever_the_api_server_lets_anybody_add_is_gone_again,
        two_writers_do_not_fight::another_program_that_never_gives_in_is_named_and_left_alone,
        a_held_hostname_is_kept::an_older_municipality_that_asks_for_it_waits_until_it_is_given_up,
        drift_is_repaired::invariant_5_what_is_changed_by_hand_is_repaired,
        drift_is_repaired::invariant_5_what_is_deleted_by_hand_comes_back,
        drift_is_repaired::invariant_5_what_the_operator_made_and_no_longer_wants_is_pruned,
        nothing_adds_up_unseen::what_somebody_else_opened_is_named_and_what_runs_goes_on,
        nothing_adds_up_unseen::nobody_but_the_operator_opens_a_town,
        one_never_delays_another::invariant_6_broken_towns_do_not_delay_a_sound_one,
        citizens_pay::a_citizen_pays_and_another_cancels_in_a_browser_without_javascript,
        rights_are_narrow::invariant_9_the_rules_are_what_the_operator_uses,
        rights_are_narrow::administrators_write_their_secrets_and_read_none,
        a_town_opts_in::one_object_becomes_a_component_that_answers_at_its_own_address,
        a_town_opts_in::administrators_may_opt_in_and_touch_nothing_else,
        a_town_opts_in::a_town_gets_a_namespace_with_walls_and_its_administrators,
        api_accepts_and_rejects::the_api_server_rejects_what_is_wrong_and_names_field_and_way_out,
        api_accepts_and_rejects::the_api_server_accepts_what_is_right,
        api_accepts_and_rejects::defaults_are_written_by_the_api_server,
        api_accepts_and_rejects::ars_and_type_cannot_be_changed,
        what_is_written_is_what_comes_back::any_field_that_the_api_server_knows_makes_a_difference_when_it_is_added,
        what_is_written_is_what_comes_back::every_object_comes_back_as_it_was_written,
        rights_are_narrow::invariant_9_no_secret_no_wildcard_no_escalation_across_the_cluster,
        rights_are_narrow::invariant_9_each_rule_states_its_reason,
    ]
}

/// Promises that stop, restart, redefine or count something that all towns share.
fn alone() -> Vec<Trial> {
    promises![
        quiet_when_nothing_changes::invariant_1_nothing_is_written_when_nothing_changes_nor_after_a_restart,
        one_change_costs_what_depends_on_it::invariant_12_one_module_is_work_for_its_own_town_and_a_refused_one_for_nobody,
        one_leads::when_the_leader_goes_another_replica_takes_over,
        one_leads::a_leader_that_was_frozen_writes_nothing_after_another_took_over,
        it_says_when_it_cannot_see::a_leader_that_cannot_list_a_kind_or_no_longer_hears_of_it_says_so,
        no_load_delays_another_town::refused_modules_with_large_annotations_fill_no_memory_and_delay_nobody,
        no_load_delays_another_town::a_bad_version_of_a_class_delays_none_but_its_modules,
        no_load_delays_another_town::a_database_server_that_is_down_or_silent_delays_nobody,
        killing_loses_nothing::invariant_7_a_killed_operator_leaves_nothing_half_made,
        a_dead_database_is_told::a_database_server_that_is_down_is_told_and_clears_when_it_is_back,
        no_cent_is_lost::every_payment_ends_once_and_the_books_agree_to_the_cent_while_everything_is_killed,
        upgrades_seal_what_is_there::what_an_earlier_version_made_waits_for_its_seal_and_goes_on_with_it,
        unreadable_objects_stop_nobody::invariant_6_an_unreadable_object_is_told_so_and_stops_nobody,
        erased_definitions_erase_no_data::an_erased_definition_erases_no_data,
    ]
}

async fn cluster() -> e2e::cluster::Cluster {
    e2e::cluster::connect().await.unwrap()
}

async fn client() -> Client {
    cluster().await.client
}
