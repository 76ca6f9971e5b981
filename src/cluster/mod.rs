// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The only part of the operator with clients of the cluster and the database server. It reads the
//! observed state, applies desired objects, prunes obsolete ones, provisions databases and writes status.

mod apply;
mod children;
pub mod database;
mod drift;
mod error;
mod lifecycle;
mod tokens;

pub use apply::{Applied, apply, delete_namespace, first_of_kind, prune};
pub use children::{
    Children, get_namespace, get_secret, list_module_children, list_pods, list_town_children,
};
pub use error::Error;
pub use lifecycle::{
    FINALIZER, add_finalizer, get_crd_creation, is_crd_being_deleted, remove_finalizer, write_module_count,
    write_status,
};
pub use tokens::fetch_token_authority;
