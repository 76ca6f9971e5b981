// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The only part of the operator with clients of the cluster and the database server. It reads the
//! observed state, creates and replaces desired objects, prunes obsolete ones, provisions databases and writes status.

mod apply;
mod children;
pub mod database;
mod error;
mod lifecycle;
mod seal_key;
mod tokens;
mod upgrade;
mod watches;

pub use apply::{Applied, TownObjects, apply, delete_namespace, first_of_kind, has_obsolete, prune};
pub use children::{
    Children, get_module_metadata, get_municipality, get_namespace, get_secret, list_foreign,
    list_module_children, list_pods, list_town_children,
};
pub use error::Error;
pub use lifecycle::{
    FINALIZER, add_finalizer, is_crd_being_deleted, read_conditions, remove_finalizer,
    remove_foreign_finalizers, write_module_count, write_status,
};
pub use seal_key::{SEAL_SECRET, get_seal_key, keep_seal_key};
pub use tokens::fetch_token_authority;
pub use upgrade::{list_unsealed, write_seal};
pub use watches::watch_client;
