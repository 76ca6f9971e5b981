// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What the operator reads of an object when it reconciles another one. Two versions of an object with the
//! same facts are the same for all others, so that a change between them wakes nobody.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::core::DeserializeGuard;
use kube::{Resource, ResourceExt};

use crate::api::conditions::{ISOLATED, READY};
use crate::api::{EPayment, ModuleClass, Municipality, ServiceModule};
use crate::status::is_condition_true;

/// Creation time and UID: older objects are smaller, and an object that was deleted and created again has
/// another age.
pub(super) type Age = (Option<Time>, Option<String>);

fn age<K: Resource>(object: &K) -> Age {
    (object.creation_timestamp(), object.uid())
}

/// What modules and other towns read of a Municipality.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TownFacts {
    pub age: Age,
    generation: Option<i64>,
    is_deleted: bool,
    is_isolated: bool,
    is_ready: bool,
    /// `None` if the object is unreadable.
    pub spec: Option<TownSpec>,
}

/// The fields of a Municipality's spec by which other objects find it or are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TownSpec {
    pub ars: String,
    pub hostname: String,
    /// `spec.quota.modules`.
    pub module_limit: i32,
}

impl From<&DeserializeGuard<Municipality>> for TownFacts {
    fn from(object: &DeserializeGuard<Municipality>) -> Self {
        let readable = object.0.as_ref().ok();
        let conditions: &[Condition] =
            readable.and_then(|town| town.status.as_ref()).map_or(&[], |status| &status.conditions);
        Self {
            age: age(object),
            generation: object.meta().generation,
            is_deleted: object.meta().deletion_timestamp.is_some(),
            is_isolated: is_condition_true(conditions, ISOLATED),
            is_ready: is_condition_true(conditions, READY),
            spec: readable.map(|town| TownSpec {
                ars: town.spec.ars.clone(),
                hostname: town.spec.hostname.clone(),
                module_limit: town.spec.quota.modules,
            }),
        }
    }
}

/// What modules read of a ModuleClass: all of its spec, and nothing of its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClassFacts {
    age: Age,
    generation: Option<i64>,
}

impl From<&DeserializeGuard<ModuleClass>> for ClassFacts {
    fn from(object: &DeserializeGuard<ModuleClass>) -> Self {
        Self { age: age(object), generation: object.meta().generation }
    }
}

/// What a town, a class and the siblings read of a ServiceModule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ModuleFacts {
    pub age: Age,
    pub is_ready: bool,
    /// `None` if the object is unreadable.
    pub spec: Option<ModuleSpec>,
}

/// The names in a ServiceModule's spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ModuleSpec {
    pub class: String,
    pub uses: BTreeSet<String>,
    /// Secrets of the town. A Secret that is named like a module is reserved for that module.
    pub secrets: BTreeSet<String>,
}

impl From<&DeserializeGuard<ServiceModule>> for ModuleFacts {
    fn from(object: &DeserializeGuard<ServiceModule>) -> Self {
        let readable = object.0.as_ref().ok();
        let status = readable.and_then(|module| module.status.as_ref());
        Self {
            age: age(object),
            is_ready: status.is_some_and(|status| is_condition_true(&status.conditions, READY)),
            spec: readable.map(|module| ModuleSpec {
                class: module.spec.class.clone(),
                uses: module.spec.uses.iter().cloned().collect(),
                secrets: module.spec.e_payment.as_ref().map(secrets).unwrap_or_default(),
            }),
        }
    }
}

/// The Secrets that an e-payment block names, whether or not the block is valid.
fn secrets(block: &EPayment) -> BTreeSet<String> {
    let provider = &block.provider;
    let platform = provider.x_bezahldienste.as_ref().map(|platform| &platform.authentication.secret);
    let project = provider.giro_checkout.as_ref().map(|project| &project.secret);
    let clerks = block.clerks.as_ref().map(|clerks| &clerks.secret);
    let clients = block.clients.iter().filter_map(|client| client.secret.as_ref());
    clients.chain(platform).chain(project).chain(clerks).cloned().collect()
}

/// Whom a change of a ServiceModule concerns.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ModuleWakes<'a> {
    /// The town, whose status counts its modules and those that are ready.
    pub town: bool,
    /// The classes whose status counts the module, or no longer counts it.
    pub classes: BTreeSet<&'a str>,
    /// The siblings that the module calls, or no longer calls.
    pub called: BTreeSet<&'a str>,
    /// Whether the siblings that depend on the module's existence are concerned: it appeared, went, or was
    /// created again.
    pub existence: bool,
}

/// Compares two versions of a ServiceModule; `None` stands for an object that does not exist.
pub(super) fn wakes<'a>(before: Option<&'a ModuleFacts>, after: Option<&'a ModuleFacts>) -> ModuleWakes<'a> {
    let [old, new] = [before, after].map(|facts| facts.and_then(|facts| facts.spec.as_ref()));
    let [old_class, new_class] = [old, new].map(|spec| spec.map(|spec| spec.class.as_str()));
    let [old_age, new_age] =
        [before, after].map(|facts| facts.filter(|facts| facts.spec.is_some()).map(|facts| &facts.age));
    let existence = old_age != new_age;
    let has = |spec: Option<&ModuleSpec>, name: &str| spec.is_some_and(|spec| spec.uses.contains(name));
    let ends = [old, new].into_iter().flatten().flat_map(|spec| &spec.uses).map(String::as_str);
    ModuleWakes {
        town: before.map(|facts| facts.is_ready) != after.map(|facts| facts.is_ready),
        classes: match old_class == new_class {
            true => BTreeSet::new(),
            false => [old_class, new_class].into_iter().flatten().collect(),
        },
        called: ends.filter(|end| existence || has(old, end) != has(new, end)).collect(),
        existence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    fn facts(class: &str, uses: &[&str], is_ready: bool) -> ModuleFacts {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        ModuleFacts {
            age: (None, Some("uid".to_owned())),
            is_ready,
            spec: Some(ModuleSpec { class: class.to_owned(), uses: names(uses), secrets: names(&[]) }),
        }
    }

    #[test]
    fn a_change_of_a_module_wakes_those_that_read_what_changed() {
        let ready = facts("a", &["mailbox", "form"], true);
        let unready = facts("a", &["mailbox", "form"], false);
        let other_uses = facts("a", &["mailbox", "workflow"], true);
        let other_class = facts("b", &["mailbox", "form"], true);
        let again = ModuleFacts { age: (None, Some("another".to_owned())), ..ready.clone() };
        let unreadable = ModuleFacts { spec: None, ..unready.clone() };
        // Name of the case, the two versions; then town, classes, called siblings, existence.
        type Case<'a> = (
            &'a str,
            Option<&'a ModuleFacts>,
            Option<&'a ModuleFacts>,
            (bool, &'a [&'a str], &'a [&'a str], bool),
        );
        let cases: [Case<'_>; 8] = [
            ("nothing", Some(&ready), Some(&ready), (false, &[], &[], false)),
            ("created", None, Some(&unready), (true, &["a"], &["mailbox", "form"], true)),
            ("deleted", Some(&ready), None, (true, &["a"], &["mailbox", "form"], true)),
            ("readiness", Some(&unready), Some(&ready), (true, &[], &[], false)),
            ("uses", Some(&ready), Some(&other_uses), (false, &[], &["form", "workflow"], false)),
            ("class", Some(&ready), Some(&other_class), (false, &["a", "b"], &[], false)),
            ("created again", Some(&ready), Some(&again), (false, &[], &["mailbox", "form"], true)),
            ("unreadable", Some(&unready), Some(&unreadable), (false, &["a"], &["mailbox", "form"], true)),
        ];
        for (case, before, after, (town, classes, called, existence)) in cases {
            let expected = ModuleWakes {
                town,
                classes: classes.iter().copied().collect(),
                called: called.iter().copied().collect(),
                existence,
            };
            assert_eq!(wakes(before, after), expected, "{case}");
        }
    }

    #[test]
    fn every_named_secret_is_a_fact() {
        let mut module = fixtures::module("e-payment", &["mailbox"]);
        module.spec.e_payment = Some(fixtures::full_block());
        let spec = ModuleFacts::from(&DeserializeGuard(Ok(module))).spec.unwrap();
        assert_eq!(
            spec.secrets.into_iter().collect::<Vec<_>>(),
            ["epay-credentials", "kasse-oidc", "parkportal"]
        );
        // The pure check reads the resolved block: a Secret that is named there is named here.
        let resolved = fixtures::e_payment().configuration.secrets();
        assert_eq!(resolved.len(), 3, "{resolved:?}");
    }

    #[test]
    fn a_town_that_only_counts_its_modules_anew_has_the_same_facts() {
        let mut town = fixtures::ahaus();
        let before = TownFacts::from(&DeserializeGuard(Ok(town.clone())));
        town.status =
            Some(serde_json::from_value(serde_json::json!({"modules": {"ready": 1, "total": 2}})).unwrap());
        assert_eq!(TownFacts::from(&DeserializeGuard(Ok(town.clone()))), before);
        town.metadata.generation = Some(2);
        assert_ne!(TownFacts::from(&DeserializeGuard(Ok(town))), before);
    }
}
