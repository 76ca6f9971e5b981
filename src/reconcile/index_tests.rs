// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use kube::ResourceExt;
use serde_json::json;

use super::*;
use crate::fixtures;

fn town(name: &str, ars: &str, hostname: &str) -> DeserializeGuard<Municipality> {
    DeserializeGuard(Ok(fixtures::municipality(name, ars, hostname)))
}

fn module(name: &str, uses: &[&str]) -> ServiceModule {
    fixtures::module(name, uses)
}

fn is_ready(mut module: ServiceModule) -> ServiceModule {
    let condition = json!({"type": "Ready", "status": "True", "reason": "Ready", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z"});
    module.status = Some(serde_json::from_value(json!({"conditions": [condition]})).unwrap());
    module
}

fn list<K>(objects: impl IntoIterator<Item = K>) -> Vec<Event<K>> {
    let objects = objects.into_iter().map(Event::InitApply);
    [Event::Init].into_iter().chain(objects).chain([Event::InitDone]).collect()
}

/// An index of Ahaus, its neighbour Bocholt, the class e-payment, and these modules of Ahaus.
fn index(modules: impl IntoIterator<Item = ServiceModule>) -> Index {
    let index = Index::default();
    let towns = [
        town("ahaus", "055540004004", "ahaus.rathaus.example"),
        town("bocholt", "055540008008", "bocholt.rathaus.example"),
    ];
    let mut wakes: Vec<_> = list(towns).iter().map(|event| index.town_event(event)).collect();
    let classes = list([DeserializeGuard(Ok(fixtures::e_payment_class()))]);
    wakes.extend(classes.iter().map(|event| index.class_event(event)));
    let modules = list(modules.into_iter().map(|module| DeserializeGuard(Ok(module))));
    wakes.extend(modules.iter().map(|event| index.module_event(event)));
    assert!(wakes.into_iter().all(|wakes| wakes == Wakes::default()), "the first listing wakes nobody");
    index
}

fn apply(index: &Index, module: ServiceModule) -> Wakes {
    index.module_event(&Event::Apply(DeserializeGuard(Ok(module))))
}

fn delete(index: &Index, module: ServiceModule) -> Wakes {
    index.module_event(&Event::Delete(DeserializeGuard(Ok(module))))
}

/// The names of the objects, each after its kind, such as `servicemodule mun-ahaus/form`.
fn names(keys: &BTreeSet<ObjectKey>) -> Vec<String> {
    keys.iter().map(|key| format!("{} {key}", key.kind.controller())).collect()
}

#[test]
fn a_module_that_becomes_ready_wakes_its_town_to_count_and_nobody_else() {
    let index = index([module("e-payment", &["mailbox"]), module("mailbox", &[])]);
    let wakes = apply(&index, is_ready(module("mailbox", &[])));
    assert_eq!(
        (names(&wakes.counts), wakes.objects),
        (vec!["municipality ahaus".to_owned()], BTreeSet::new())
    );
    assert_eq!(index.count_modules("mun-ahaus"), ModuleCount { ready: 1, total: 2 });
    assert_eq!(apply(&index, is_ready(module("mailbox", &[]))), Wakes::default(), "the same again");
}

#[test]
fn a_module_that_appears_or_goes_wakes_its_class_and_the_siblings_that_name_it() {
    let mut names_secret = module("other", &[]);
    names_secret.spec.e_payment = Some(fixtures::full_block());
    let index = index([module("e-payment", &["kasse-oidc"]), module("form", &[]), names_secret]);
    let expected =
        ["moduleclass e-payment", "servicemodule mun-ahaus/e-payment", "servicemodule mun-ahaus/other"];
    let wakes = apply(&index, module("kasse-oidc", &[]));
    assert_eq!((names(&wakes.objects), index.count_users("e-payment")), (expected.map(Into::into).into(), 4));
    let wakes = delete(&index, module("kasse-oidc", &[]));
    assert_eq!((names(&wakes.objects), index.count_users("e-payment")), (expected.map(Into::into).into(), 3));
    assert_eq!(names(&wakes.gone), ["servicemodule mun-ahaus/kasse-oidc"]);
}

#[test]
fn a_change_of_uses_wakes_the_old_and_the_new_ends() {
    let siblings = ["form", "mailbox", "workflow"].map(|name| module(name, &[]));
    let index = index(siblings.into_iter().chain([module("e-payment", &["form", "mailbox"])]));
    let wakes = apply(&index, module("e-payment", &["mailbox", "workflow", "absent"]));
    assert_eq!(names(&wakes.objects), ["servicemodule mun-ahaus/form", "servicemodule mun-ahaus/workflow"]);
}

#[test]
fn a_place_that_becomes_free_wakes_the_younger_modules() {
    let created = |name: &str, second: u8| {
        let mut module = module(name, &[]);
        module.metadata.creation_timestamp =
            serde_json::from_value(json!(format!("2026-01-01T00:00:{second:02}Z"))).unwrap();
        module
    };
    let index = index((0..9).map(|number| created(&format!("m{number}"), number)));
    let wakes = delete(&index, created("m6", 6));
    let expected = ["moduleclass e-payment", "servicemodule mun-ahaus/m7", "servicemodule mun-ahaus/m8"];
    assert_eq!(names(&wakes.objects), expected, "8 modules are the limit, so that m8 had no place");
    let wakes = delete(&index, created("m3", 3));
    assert_eq!(names(&wakes.objects), ["moduleclass e-payment"], "all had a place");
}

#[test]
fn a_class_wakes_its_modules_when_its_spec_changes_and_not_when_its_status_does() {
    let index = index([module("e-payment", &[]), module("form", &[])]);
    let mut class = fixtures::e_payment_class();
    class.status = Some(serde_json::from_value(json!({"users": 2})).unwrap());
    let apply = |class: &ModuleClass| index.class_event(&Event::Apply(DeserializeGuard(Ok(class.clone()))));
    assert_eq!(apply(&class), Wakes::default());
    class.metadata.generation = Some(2);
    let expected = ["servicemodule mun-ahaus/e-payment", "servicemodule mun-ahaus/form"];
    assert_eq!(names(&apply(&class).objects), expected);
}

#[test]
fn a_town_wakes_its_own_modules_and_those_that_claim_the_same() {
    let index = index([module("e-payment", &[])]);
    let apply = |town| index.town_event(&Event::Apply(town));
    let wakes = apply(town("ahaus", "055540004004", "old.ahaus.rathaus.example"));
    assert_eq!(names(&wakes.objects), ["servicemodule mun-ahaus/e-payment"]);
    let wakes = apply(town("borken", "055540012012", "neu.bocholt.rathaus.example"));
    assert_eq!(names(&wakes.objects), ["municipality bocholt"], "a host name below");
    let wakes = apply(town("borken", "055540004004", "borken.rathaus.example"));
    assert_eq!(names(&wakes.objects), ["municipality ahaus", "municipality bocholt"], "the same ARS");
    let mut renamed = fixtures::municipality("borken", "055540004004", "borken.rathaus.example");
    renamed.spec.display_name = "Borken".to_owned();
    assert_eq!(apply(DeserializeGuard(Ok(renamed))), Wakes::default());
    let gone = index.town_event(&Event::Delete(town("borken", "055540004004", "borken.rathaus.example")));
    assert_eq!(names(&gone.objects), ["municipality ahaus"]);
}

#[test]
fn claimants_are_found_by_ars_and_by_host_names_that_are_equal_above_or_below() {
    let index = index([]);
    let find = |ars: &str, hostname: &str| names(&index.claimants(ars, hostname));
    let ahaus = vec!["municipality ahaus".to_owned()];
    assert_eq!(find("055540004004", "x.example"), ahaus);
    for hostname in ["ahaus.rathaus.example", "a.b.ahaus.rathaus.example"] {
        assert_eq!(find("", hostname), ahaus, "{hostname}");
    }
    assert_eq!(find("", "rathaus.example"), ["municipality ahaus", "municipality bocholt"]);
    for hostname in ["xahaus.rathaus.example", "haus.rathaus.example", "ahaus.rathaus.exampl"] {
        assert_eq!(find("", hostname), Vec::<String>::new(), "{hostname}");
    }
}

#[test]
fn what_a_later_listing_lacks_is_gone_and_what_it_adds_is_reconciled() {
    let index = index([module("e-payment", &["mailbox"]), module("mailbox", &[])]);
    let events =
        list([module("e-payment", &["mailbox"]), module("form", &[])].map(|m| DeserializeGuard(Ok(m))));
    let mut wakes: Vec<_> = events.iter().map(|event| index.module_event(event)).collect();
    let last = wakes.pop().unwrap();
    assert!(wakes.into_iter().all(|wakes| wakes == Wakes::default()), "the listing is not complete");
    assert_eq!(names(&last.gone), ["servicemodule mun-ahaus/mailbox"]);
    let expected =
        ["moduleclass e-payment", "servicemodule mun-ahaus/e-payment", "servicemodule mun-ahaus/form"];
    assert_eq!(names(&last.objects), expected);
    assert!(!index.contains(&ObjectKey::module("mun-ahaus", "mailbox")));
    let form = DeserializeGuard(Ok(module("form", &[])));
    assert_eq!(index.modules_in("mun-ahaus").pop(), Some(ObjectKey::of(OwnKind::ServiceModule, &form)));
    assert_eq!(form.name_any(), "form");
}

#[test]
fn events_of_one_town_are_work_for_no_other() {
    let index = index([module("e-payment", &[])]);
    let mut elsewhere = module("e-payment", &["mailbox"]);
    elsewhere.metadata.namespace = Some("mun-bocholt".to_owned());
    let wakes = apply(&index, elsewhere);
    assert_eq!(names(&wakes.objects), ["moduleclass e-payment"]);
    assert_eq!(names(&wakes.counts), ["municipality bocholt"]);
}
