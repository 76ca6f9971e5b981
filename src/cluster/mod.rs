// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The only part of the operator with clients of the cluster and the database server. It reads the
//! observed state, creates and replaces desired objects, prunes obsolete ones, provisions databases and writes status.

mod apply;
mod children;
mod contention;
pub mod database;
mod error;
mod fence;
mod ledger;
mod lifecycle;
mod observed;
mod seal_key;
mod tokens;
mod unwatched;
mod upgrade;
mod watches;

pub use apply::{
    Applied, Children, TownObjects, apply, delete_namespace, has_obsolete, prune, read_database_access,
    reread_terminating, rollout,
};
pub use children::{
    get_module_metadata, get_municipality, get_namespace, get_secret, held_hostnames, holds_hostname,
    is_namespace_ready, list_foreign, list_pods, module_children, town_children,
};
pub use error::Error;
pub use fence::{Term, leader_client};
pub use ledger::{Change, Ledger, Row, RowKey, watched_kinds};
pub use lifecycle::{
    FINALIZER, add_finalizer, is_crd_being_deleted, read_conditions, remove_finalizer,
    remove_foreign_finalizers, write_module_count, write_status,
};
pub use observed::{HeldHostname, Observed, Rollout, RouteDecision};
pub use seal_key::{SEAL_SECRET, get_seal_key, keep_seal_key};
pub use tokens::fetch_token_authority;
pub use unwatched::Unwatched;
pub use upgrade::{list_unsealed, write_seal};
pub use watches::watch_client;
