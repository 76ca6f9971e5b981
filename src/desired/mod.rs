// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The pipeline's stage "desired": builds the objects that should exist for a town or a module, in the
//! order in which they are written. There is one builder for each kind of object, and no builder can
//! fail. All functions here are pure: they use no client, no clock and no disk.

mod additive;
mod canonical;
pub(crate) mod labels;
pub mod module;
mod object;
mod quantity;
mod tolerated;
pub mod town;

pub use additive::AdditiveKind;
pub use canonical::{Digest, canonical, differences, digest};
pub use object::{KINDS, Kind, Object};
pub use tolerated::{InvalidTolerated, Tolerated};

#[cfg(test)]
mod tests;
