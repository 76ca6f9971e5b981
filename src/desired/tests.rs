// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use proptest::prelude::*;

use super::module::DatabaseAccess;
use super::*;
use crate::api::{ModuleClass, Municipality, ServiceModule};
use crate::fixtures::{ahaus, e_payment, e_payment_class, module, town};
use crate::settings::Settings;
use crate::tenant::{World, resolve_module, resolve_town};

fn access() -> DatabaseAccess {
    DatabaseAccess { url: "postgres://u:p@db.example/d".to_owned(), ca: Some("PEM".to_owned()) }
}

fn town_objects() -> Vec<Object> {
    let waves = town::plan(&town(), &Settings::default()).into_waves();
    [waves.namespace, waves.operator, waves.administrators].into_iter().chain(waves.isolation).collect()
}

fn module_objects() -> Vec<Object> {
    module::plan(&e_payment(), &access(), true, &Settings::default()).into_objects()
}

/// Every object whole, one snapshot for each: a change of a builder is a visible difference.
#[test]
fn invariant_10_every_object_is_as_its_snapshot_says() {
    for object in town_objects().into_iter().chain(module_objects()) {
        let yaml = serde_saphyr::to_string(&object.to_json().unwrap()).unwrap();
        insta::assert_snapshot!(format!("{:?}-{}", object.kind(), object.name()), yaml);
    }
}

#[test]
fn a_changed_configuration_or_password_rolls_the_pods() {
    let checksum = |access: &DatabaseAccess, module: &crate::tenant::Module| {
        let objects = module::plan(module, access, true, &Settings::default()).into_objects();
        let deployment =
            objects.iter().find(|object| object.kind() == Kind::Deployment).unwrap().to_json().unwrap();
        deployment["spec"]["template"]["metadata"]["annotations"]["rathaus.dev/config-checksum"].clone()
    };
    let (same, module) = (access(), e_payment());
    let mut renamed = module.clone();
    renamed.town.display_name = "Stadt Anders".to_owned();
    assert_eq!(checksum(&same, &module), checksum(&access(), &module));
    assert_ne!(checksum(&same, &module), checksum(&same, &renamed));
    assert_ne!(
        checksum(&same, &module),
        checksum(&DatabaseAccess { url: "postgres://other".into(), ca: None }, &module)
    );
}

#[test]
fn citizens_come_only_once_the_pods_have_been_available() {
    let kinds = |routed| {
        let objects = module::plan(&e_payment(), &access(), routed, &Settings::default()).into_objects();
        objects.iter().map(Object::kind).collect::<Vec<_>>()
    };
    assert!(!kinds(false).contains(&Kind::HTTPRoute));
    assert_eq!(kinds(true).last(), Some(&Kind::HTTPRoute));
}

const NAME: &str = "[a-z]([-a-z0-9]{0,18}[a-z0-9])?";

fn specs() -> impl Strategy<Value = (Municipality, ModuleClass, ServiceModule)> {
    let town = (NAME, "0[1-9][0-9]{10}", "\\PC{1,100}", NAME);
    (town, NAME, "\\PC{1,63}", 1..10i32).prop_map(
        |((town, ars, display, admin), name, class_name, replicas)| {
            let mut raw = ahaus();
            raw.metadata.name = Some(town.clone());
            (raw.spec.ars, raw.spec.display_name) = (ars, display);
            raw.spec.hostname = format!("{town}.rathaus.example");
            raw.spec.administrators[0].name = admin;
            let mut class = e_payment_class();
            class.metadata.name = Some(class_name);
            class.spec.plans[0].replicas = replicas;
            class.spec.offered_to = None;
            let mut sm = module(&name, &[]);
            sm.metadata.namespace = Some(format!("mun-{town}"));
            (raw, class, sm)
        },
    )
}

proptest! {
    #[test]
    fn invariant_2_every_planned_object_lies_in_the_towns_own_namespace((raw, class, sm) in specs()) {
        let settings = Settings::default();
        let town = resolve_town(&raw, [], &settings);
        prop_assume!(town.is_ok());
        let town = town.unwrap();
        let namespace = town.name.namespace();
        let waves = town::plan(&town, &settings).into_waves();
        let mut objects: Vec<Object> = [waves.namespace, waves.operator, waves.administrators].into();
        objects.extend(waves.isolation);
        if let Ok(module) = resolve_module(&sm, World { town: Ok(town), class: Some(&class), siblings: &[&sm] }) {
            objects.extend(module::plan(&module, &access(), true, &settings).into_objects());
        }
        for object in &objects {
            prop_assert!(KINDS.contains(&object.kind()));
            let meta = object.meta();
            if object.kind() == Kind::Namespace {
                prop_assert_eq!(meta.name.as_ref(), Some(&namespace));
                prop_assert_eq!(meta.namespace.as_ref(), None);
            } else {
                prop_assert_eq!(meta.namespace.as_ref(), Some(&namespace));
            }
        }
    }
}
