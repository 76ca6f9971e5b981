// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The only room with clients: reads the world, writes what is desired, takes away what is not,
//! provisions databases and writes status.

mod apply;
mod children;
pub mod database;
mod drift;
mod error;
mod lifecycle;
mod tokens;

pub use apply::{Applied, apply, delete_namespace, one, prune};
pub use children::{Children, children_of_module, children_of_town, namespace, pods, secret};
pub use error::Error;
pub use lifecycle::{FINALIZER, add_finalizer, is_terminating_crd, remove_finalizer, write_status};
pub use tokens::token_authority;
