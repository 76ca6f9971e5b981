// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Tells which objects the operator made. Anyone may set a label, so the proof is `metadata.managedFields`,
//! the API server's record of who applied an object.

use kube::api::ObjectMeta;

/// The operator's field manager for server-side apply. It must never change, since it is stored in every
/// object that the operator has written.
pub const FIELD_MANAGER: &str = "rathaus";

/// Label of every object that the operator makes. Its value is the ARS of the municipality that the object
/// was made for.
pub const ARS_LABEL: &str = "rathaus.dev/ars";

/// Whether the operator applied this object (server-side apply with [`FIELD_MANAGER`]).
pub fn is_applied_by_us(meta: &ObjectMeta) -> bool {
    meta.managed_fields.iter().flatten().any(|entry| {
        entry.manager.as_deref() == Some(FIELD_MANAGER) && entry.operation.as_deref() == Some("Apply")
    })
}

/// Whether the operator made this object for the municipality with that ARS. The ARS is compared and not a
/// UID: a municipality that is deleted and created again gets its objects back, while another municipality
/// with the same name does not.
pub fn is_made_for(meta: &ObjectMeta, ars: &str) -> bool {
    let label = meta.labels.as_ref().and_then(|labels| labels.get(ARS_LABEL));
    is_applied_by_us(meta) && label.is_some_and(|label| label == ars)
}
