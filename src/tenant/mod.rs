// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Resolve: raw objects and the observed world become a checked [`Town`] or [`Module`] that cannot
//! be wrong, or the reason why not. Nothing after this room reads a raw spec. Pure.

mod class;
mod e_payment;
mod module;
mod names;
mod ownership;
mod secrets;
mod town;
mod verdict;

pub use class::{Class, resolve as resolve_class};
pub use module::{Configuration, Module, World, resolve as resolve_module};
pub use names::{Ars, Hostname, Image, ModuleName, TownName, Version};
pub use ownership::{ARS_LABEL, FIELD_MANAGER, is_applied_by_us, is_made_for};
pub use secrets::NamedSecret;
pub use town::{Administrator, NamespaceClaim, Town, namespace_claim, resolve as resolve_town};
pub use verdict::{Cause, Verdict};

#[cfg(test)]
mod tests;
