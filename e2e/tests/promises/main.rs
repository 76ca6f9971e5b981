// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The promises of rathaus, one file each, kept on a real cluster. `cargo xtask test` starts it;
//! against one that `cargo xtask demo` left running: `cargo test -p e2e --test promises`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end so")]

mod a_town_opts_in;
mod api_accepts_and_rejects;
mod bad_input_is_told;
mod citizens_pay;
mod deletion_ends;
mod drift_is_repaired;
mod erased_definitions_erase_no_data;
mod isolation_holds;
mod killing_loses_nothing;
mod no_cent_is_lost;
mod nothing_foreign_is_touched;
mod one_leads;
mod one_never_delays_another;
mod payments_go_to_the_states_platform;
mod quiet_when_nothing_changes;
mod rights_are_narrow;
mod support;
mod suspended_is_untouched;
mod vendors_can_check_conformance;

use kube::Client;

/// The operator, as the API server knows it.
const OPERATOR: &str = "system:serviceaccount:rathaus-system:rathaus";

async fn cluster() -> e2e::cluster::Cluster {
    e2e::cluster::connect().await.unwrap()
}

async fn client() -> Client {
    cluster().await.client
}
