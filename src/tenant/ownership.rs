// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Tells which objects the operator made. Anyone may set a label, an owner reference or the name of a field
//! manager, so that only the seal is proof.

use kube::api::ObjectMeta;

use super::seal::{SEAL, SealKey};

/// The operator's name as a field manager, in the records of the API server of who wrote an object.
pub const FIELD_MANAGER: &str = "rathaus";

/// Label of every object that the operator makes. Its value is the ARS of the municipality that the object
/// was made for.
pub const ARS_LABEL: &str = "rathaus.dev/ars";

/// To whom an object belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// The operator made it for this municipality: it carries the seal.
    Ours,
    /// It looks like an object of version 0.1.0, which made no seals: it was created before the key was, and
    /// manager and label are as that version wrote them. A person decides, with `rathaus upgrade`.
    Unsealed,
    /// Somebody else made it, or the operator made it for another municipality.
    Foreign,
}

/// Decides to whom an object of this kind belongs, for the municipality with that ARS. The ARS is compared
/// and not a UID: a municipality that is deleted and created again gets its objects back, while another
/// municipality with the same name does not.
pub fn ownership(key: &SealKey, kind: &str, meta: &ObjectMeta, ars: &str) -> Ownership {
    if key.verify(kind, meta, ars) {
        return Ownership::Ours;
    }
    let has = |map: &Option<std::collections::BTreeMap<String, String>>, name: &str| {
        map.as_ref().and_then(|map| map.get(name)).cloned()
    };
    let is_managed =
        meta.managed_fields.iter().flatten().any(|entry| entry.manager.as_deref() == Some(FIELD_MANAGER));
    // The API server sets the time; nobody can create an object in the past.
    let predates_key = meta.creation_timestamp.as_ref().is_some_and(|created| created.0 <= key.created());
    if has(&meta.annotations, SEAL).is_none()
        && has(&meta.labels, ARS_LABEL).as_deref() == Some(ars)
        && is_managed
        && predates_key
    {
        return Ownership::Unsealed;
    }
    Ownership::Foreign
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;
    use serde_json::{Value, json};

    use super::super::seal::SEAL_KEY_BYTES;
    use super::*;

    const ARS: &str = "055540004004";

    fn of(change: Value) -> Ownership {
        let key = SealKey::new(&[1; SEAL_KEY_BYTES], Timestamp::from_second(100).unwrap()).unwrap();
        // As version 0.1.0 left it.
        let mut meta = json!({
            "name": "rathaus", "namespace": "mun-ahaus", "labels": {ARS_LABEL: ARS},
            "creationTimestamp": "1970-01-01T00:01:00Z",
            "managedFields": [{"manager": FIELD_MANAGER, "operation": "Apply"}],
        });
        for (field, value) in change.as_object().unwrap() {
            meta[field] = value.clone();
        }
        let meta = serde_json::from_value(meta).unwrap();
        ownership(&key, "LimitRange", &meta, ARS)
    }

    #[test]
    fn only_the_seal_makes_an_object_ours() {
        let key = SealKey::new(&[1; SEAL_KEY_BYTES], Timestamp::UNIX_EPOCH).unwrap();
        let sealed = json!({SEAL: key.seal("LimitRange", "mun-ahaus", "rathaus", ARS)});
        // Neither labels nor managers nor the time matter then.
        let change = json!({"annotations": sealed, "labels": {}, "managedFields": [], "creationTimestamp": "2026-01-01T00:00:00Z"});
        assert_eq!(of(change), Ownership::Ours);
        let other = json!({SEAL: key.seal("LimitRange", "mun-ahaus", "rathaus", "055540004005")});
        assert_eq!(of(json!({"annotations": other})), Ownership::Foreign);
    }

    #[test]
    fn objects_of_version_0_1_0_wait_for_the_upgrade() {
        assert_eq!(of(json!({})), Ownership::Unsealed);
        for forged in [
            json!({"creationTimestamp": "1970-01-01T00:02:00Z"}),
            json!({"labels": {ARS_LABEL: "055540004005"}}),
            json!({"labels": {}}),
            json!({"managedFields": [{"manager": "kubectl", "operation": "Apply"}]}),
        ] {
            assert_eq!(of(forged.clone()), Ownership::Foreign, "{forged}");
        }
    }
}
