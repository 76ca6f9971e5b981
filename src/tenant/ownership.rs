// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Which objects the operator made. Labels can be set by anybody; the proof is the API server's own
//! record of who applied an object.

use kube::api::ObjectMeta;

/// The operator's field manager (server-side apply). Stable forever: it is stored in every object.
pub const FIELD_MANAGER: &str = "rathaus";

/// Annotation of a namespace: UID of the Municipality that it was made for.
pub const MUNICIPALITY_UID: &str = "rathaus.dev/municipality-uid";

/// Whether the operator has applied this object.
pub fn is_applied_by_us(meta: &ObjectMeta) -> bool {
    meta.managed_fields.iter().flatten().any(|entry| {
        entry.manager.as_deref() == Some(FIELD_MANAGER)
            && entry.operation.as_deref() == Some("Apply")
    })
}

/// Whether the operator made this namespace for the Municipality with that UID.
pub fn is_made_for(meta: &ObjectMeta, municipality_uid: &str) -> bool {
    let marked = meta
        .annotations
        .as_ref()
        .and_then(|all| all.get(MUNICIPALITY_UID));
    is_applied_by_us(meta) && marked.is_some_and(|uid| uid == municipality_uid)
}
