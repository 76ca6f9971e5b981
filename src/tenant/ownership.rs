// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Which objects the operator made. Labels can be set by anybody; the proof is the API server's own
//! record of who applied an object.

use kube::api::ObjectMeta;

/// The operator's field manager (server-side apply). Stable forever: it is stored in every object.
pub const FIELD_MANAGER: &str = "rathaus";

/// Label of everything that is made: the ARS of the municipality that it was made for.
pub const ARS_LABEL: &str = "rathaus.dev/ars";

/// Whether the operator has applied this object.
pub fn is_applied_by_us(meta: &ObjectMeta) -> bool {
    meta.managed_fields.iter().flatten().any(|entry| {
        entry.manager.as_deref() == Some(FIELD_MANAGER) && entry.operation.as_deref() == Some("Apply")
    })
}

/// Whether the operator made this for the municipality with that ARS. The ARS and not a UID: a
/// municipality that comes back finds what is its own, another one of the same name does not.
pub fn is_made_for(meta: &ObjectMeta, ars: &str) -> bool {
    let labelled = meta.labels.as_ref().and_then(|all| all.get(ARS_LABEL));
    is_applied_by_us(meta) && labelled.is_some_and(|label| label == ars)
}
