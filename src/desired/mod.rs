// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Desired: a checked tenant becomes the objects that should exist, in the order in which they are
//! written. One kind, one builder; a builder cannot fail. Pure.

pub(crate) mod labels;
pub mod module;
mod object;
pub mod town;

pub use object::{KINDS, Kind, Object};

#[cfg(test)]
mod tests;
