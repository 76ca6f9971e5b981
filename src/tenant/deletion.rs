// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Decides what becomes of the data of a deleted module. `docs/state-it.md`, "When data goes", has the rule
//! for people.

use k8s_openapi::api::core::v1::Namespace;
use kube::Resource;
use kube::api::ObjectMeta;

use crate::api::{DeletionPolicy, Municipality, ServiceModule};

/// What becomes of the database of a deleted module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataFate {
    /// The operator made nothing for the ServiceModule, or cannot tell: it changes neither objects nor data.
    Untouched,
    /// The data stays, and nobody can log in until the module is ordered again.
    Locked,
    /// The data goes.
    Dropped,
}

/// What the API server says about a deleted ServiceModule. It must be read for the decision, and not be taken
/// from a cache: a cache may show an object that was replaced since.
#[derive(Clone, Debug, Default)]
pub struct DeletionEvidence {
    /// The object that has the ServiceModule's name now.
    pub module: Option<ObjectMeta>,
    /// The readable Municipality that has the namespace's name.
    pub town: Option<Municipality>,
    /// The namespace of the ServiceModule, if it carries the seal of the town.
    pub namespace: Option<Namespace>,
    /// Whether the definition of ServiceModules is being deleted, and with it all of them.
    pub module_definition_goes: bool,
    /// Whether the definition of Municipalities is being deleted, and with it all of them.
    pub town_definition_goes: bool,
}

impl DeletionEvidence {
    /// Whether the ServiceModule goes only because its namespace does. Its objects go with the namespace, too.
    pub fn namespace_goes(&self) -> bool {
        self.namespace.as_ref().is_some_and(|namespace| namespace.meta().deletion_timestamp.is_some())
    }

    /// Decides about the data of the deleted module.
    ///
    /// Data goes only if a person deleted the ServiceModule or its Municipality, and the Municipality's
    /// policy is `Delete`. A namespace or a definition that is deleted takes ServiceModules along, and shows
    /// nobody's decision about their data.
    pub fn data_fate(&self, deleted: &ServiceModule) -> DataFate {
        let is_same =
            |live: &ObjectMeta| live.uid == deleted.metadata.uid && live.deletion_timestamp.is_some();
        let (Some(town), Some(_)) = (&self.town, &self.namespace) else { return DataFate::Untouched };
        if self.module_definition_goes || !self.module.as_ref().is_some_and(is_same) {
            return DataFate::Untouched;
        }
        let town_was_deleted = town.meta().deletion_timestamp.is_some() && !self.town_definition_goes;
        let is_intended = town_was_deleted || !self.namespace_goes();
        match town.spec.deletion_policy {
            DeletionPolicy::Delete if is_intended => DataFate::Dropped,
            DeletionPolicy::Delete | DeletionPolicy::Retain => DataFate::Locked,
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::json;

    use super::*;
    use crate::fixtures;

    fn now() -> Option<Time> {
        serde_json::from_value(json!("2026-11-24T10:00:00Z")).unwrap()
    }

    fn deleted_module() -> ServiceModule {
        let mut module = fixtures::module("e-payment", &[]);
        module.metadata.deletion_timestamp = now();
        module
    }

    /// A person deleted the ServiceModule of a municipality with the policy `Delete`.
    fn person_deleted_module() -> DeletionEvidence {
        let mut town = fixtures::ahaus();
        town.spec.deletion_policy = DeletionPolicy::Delete;
        let namespace = json!({"metadata": {"name": "mun-ahaus"}});
        DeletionEvidence {
            module: Some(deleted_module().metadata),
            town: Some(town),
            namespace: Some(serde_json::from_value(namespace).unwrap()),
            ..DeletionEvidence::default()
        }
    }

    fn fate_after(change: impl Fn(&mut DeletionEvidence)) -> DataFate {
        let mut evidence = person_deleted_module();
        change(&mut evidence);
        evidence.data_fate(&deleted_module())
    }

    fn delete_town(evidence: &mut DeletionEvidence) {
        evidence.town.as_mut().unwrap().metadata.deletion_timestamp = now();
    }

    fn delete_namespace(evidence: &mut DeletionEvidence) {
        evidence.namespace.as_mut().unwrap().metadata.deletion_timestamp = now();
    }

    fn retain(evidence: &mut DeletionEvidence) {
        evidence.town.as_mut().unwrap().spec.deletion_policy = DeletionPolicy::Retain;
    }

    #[test]
    fn data_goes_when_a_person_deletes_the_module_or_its_municipality_under_delete() {
        assert_eq!(fate_after(|_| {}), DataFate::Dropped, "the module");
        assert_eq!(fate_after(delete_town), DataFate::Dropped, "both, the namespace not yet");
        let with_its_town = |evidence: &mut DeletionEvidence| {
            delete_town(evidence);
            delete_namespace(evidence);
        };
        assert_eq!(
            fate_after(with_its_town),
            DataFate::Dropped,
            "the municipality, and its namespace with it"
        );
    }

    #[test]
    fn data_stays_under_retain() {
        assert_eq!(fate_after(retain), DataFate::Locked);
        let with_its_town = |evidence: &mut DeletionEvidence| {
            retain(evidence);
            delete_town(evidence);
            delete_namespace(evidence);
        };
        assert_eq!(fate_after(with_its_town), DataFate::Locked);
    }

    #[test]
    fn a_namespace_deleted_by_hand_drops_nothing() {
        assert_eq!(fate_after(delete_namespace), DataFate::Locked);
    }

    #[test]
    fn a_deleted_definition_drops_nothing() {
        assert_eq!(fate_after(|evidence| evidence.module_definition_goes = true), DataFate::Untouched);
        let towns = |evidence: &mut DeletionEvidence| {
            delete_town(evidence);
            delete_namespace(evidence);
            evidence.town_definition_goes = true;
        };
        assert_eq!(fate_after(towns), DataFate::Locked, "the namespace goes, and no person deleted the town");
    }

    #[test]
    fn a_seal_or_an_object_that_disappears_drops_nothing() {
        assert_eq!(fate_after(|evidence| evidence.namespace = None), DataFate::Untouched);
        assert_eq!(fate_after(|evidence| evidence.town = None), DataFate::Untouched);
    }

    #[test]
    fn a_module_that_is_there_anew_keeps_its_data() {
        assert_eq!(fate_after(|evidence| evidence.module = None), DataFate::Untouched);
        let anew = |evidence: &mut DeletionEvidence| {
            evidence.module = Some(fixtures::module("e-payment", &[]).metadata);
        };
        assert_eq!(fate_after(anew), DataFate::Untouched, "not deleted");
        let another = |evidence: &mut DeletionEvidence| {
            evidence.module.as_mut().unwrap().uid = Some("another".to_owned());
        };
        assert_eq!(fate_after(another), DataFate::Untouched, "deleted, but another object");
    }
}
