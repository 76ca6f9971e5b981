// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The pipeline's stage "resolve": checks a raw object against the settings and the other objects, and
//! returns a [`Town`] or a [`Module`] that holds valid values only, or a [`Rejection`]. No later stage
//! reads a raw spec. All functions here are pure: they use no client, no clock and no disk.

mod class;
mod deletion;
mod e_payment;
mod hostnames;
mod module;
mod names;
mod ownership;
mod rejection;
mod seal;
mod secrets;
mod town;

pub use class::{Class, resolve as resolve_class};
pub use deletion::{DataFate, DeletionEvidence};
pub use hostnames::{HOSTNAME, HOSTNAME_SEAL, HeldHostnames, HostnameIndex, overlap};
pub use module::{Configuration, Module, ModuleContext, resolve as resolve_module};
pub use names::{Ars, Hostname, Image, ModuleName, TownName, Version};
pub use ownership::{ARS_LABEL, FIELD_MANAGER, Ownership, ownership};
pub use rejection::{Cause, Rejection};
pub use seal::{InvalidSealKey, SEAL, SEAL_KEY_BYTES, SealKey};
pub use secrets::NamedSecret;
pub use town::{
    Administrator, HOSTNAME_TAKEN, NamespaceClaim, Town, namespace_claim, resolve as resolve_town,
};

#[cfg(test)]
mod tests;
