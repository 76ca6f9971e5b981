// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use proptest::prelude::*;
use serde_json::{Value, json};

use super::module::{DatabaseAccess, Environment, TokenAuthority};
use super::*;
use crate::api::{ModuleClass, Municipality, ServiceModule};
use crate::fixtures::{ahaus, e_payment, e_payment_class, full_block, module, settings, town};
use crate::settings::Settings;
use crate::tenant::{HeldHostnames, ModuleContext, ModuleName, resolve_module, resolve_town};

fn environment() -> Environment {
    Environment {
        database: DatabaseAccess {
            url: "postgres://u:p@db.example/d".to_owned(),
            ca: Some("PEM".to_owned()),
        },
        authority: Some(TokenAuthority {
            issuer: "https://kubernetes.default.svc".to_owned(),
            keys: json!({"keys": [{"kty": "EC", "kid": "k1"}]}),
        }),
        routed: true,
    }
}

fn town_objects() -> Vec<Object> {
    let waves = town::plan(&town(), &Settings::default()).into_waves();
    [waves.namespace, waves.operator, waves.administrators].into_iter().chain(waves.isolation).collect()
}

fn module_objects() -> Vec<Object> {
    module::plan(&e_payment(), &environment(), &settings()).into_objects()
}

/// The planned object of a kind, serialized.
fn planned(module: &crate::tenant::Module, environment: &Environment, kind: Kind) -> Value {
    let objects = module::plan(module, environment, &settings()).into_objects();
    objects.iter().find(|object| object.kind() == kind).unwrap().to_json().unwrap()
}

/// One snapshot for each object, so that a change of a builder is visible as a difference.
#[test]
fn invariant_10_every_object_is_as_its_snapshot_says() {
    for object in town_objects().into_iter().chain(module_objects()) {
        let yaml = serde_saphyr::to_string(&object.to_json().unwrap()).unwrap();
        insta::assert_snapshot!(format!("{:?}-{}", object.kind(), object.name()), yaml);
    }
}

#[test]
fn no_module_can_have_the_name_of_an_object_of_the_town() {
    for object in town_objects().iter().filter(|object| object.kind() != Kind::Namespace) {
        assert!(ModuleName::parse(object.name()).is_err(), "{:?} {}", object.kind(), object.name());
    }
}

#[test]
fn a_changed_configuration_password_or_signing_key_rolls_the_pods() {
    let checksum = |module: &crate::tenant::Module, environment: &Environment| {
        let deployment = planned(module, environment, Kind::Deployment);
        deployment["spec"]["template"]["metadata"]["annotations"]["rathaus.dev/config-checksum"].clone()
    };
    let module = e_payment();
    let before = checksum(&module, &environment());
    assert_eq!(before, checksum(&module, &environment()));
    let mut renamed = module.clone();
    renamed.town.display_name = "Stadt Anders".to_owned();
    assert_ne!(before, checksum(&renamed, &environment()));
    let mut other = environment();
    other.database.url = "postgres://other".to_owned();
    assert_ne!(before, checksum(&module, &other));
    let mut other = environment();
    other.authority.as_mut().unwrap().keys = json!({"keys": []});
    assert_ne!(before, checksum(&module, &other));
}

#[test]
fn the_route_is_planned_only_once_the_pods_have_been_available() {
    let kinds = |routed| {
        let environment = Environment { routed, ..environment() };
        let objects = module::plan(&e_payment(), &environment, &settings()).into_objects();
        objects.iter().map(Object::kind).collect::<Vec<_>>()
    };
    assert!(!kinds(false).contains(&Kind::HTTPRoute));
    assert_eq!(kinds(true).last(), Some(&Kind::HTTPRoute));
}

/// The e-payment module of Ahaus after a change to its configuration block.
fn e_payment_with(change: impl Fn(&mut rathaus_contract::EPayment)) -> crate::tenant::Module {
    let mut module = e_payment();
    let crate::tenant::Configuration::EPayment(block) = &mut module.configuration;
    change(block);
    module
}

#[test]
fn a_module_may_leave_the_cluster_only_for_its_provider_or_the_issuer() {
    let outbound_rules = |module: &crate::tenant::Module| {
        let policy = planned(module, &environment(), Kind::NetworkPolicy);
        policy["spec"]["egress"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|rule| rule["ports"][0]["port"] == 443)
            .count()
    };
    assert_eq!(outbound_rules(&e_payment()), 1);
    let sandbox =
        |block: &mut rathaus_contract::EPayment| block.provider = rathaus_contract::Provider::Sandbox;
    assert_eq!(outbound_rules(&e_payment_with(sandbox)), 1, "clerks still log in at the issuer");
    let without_outbound = e_payment_with(|block| (sandbox(block), block.clerks = None).0);
    assert_eq!(outbound_rules(&without_outbound), 0);
}

#[test]
fn only_the_main_container_mounts_the_towns_secrets_and_only_the_keys_that_it_reads() {
    let pod = planned(&e_payment(), &environment(), Kind::Deployment)["spec"]["template"]["spec"].clone();
    let mount_count = |container: &Value| container["volumeMounts"].as_array().unwrap().len();
    assert_eq!((mount_count(&pod["initContainers"][0]), mount_count(&pod["containers"][0])), (2, 4));
    let files: Vec<String> = pod["volumes"][2]["projected"]["sources"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|source| source["secret"]["items"].as_array().unwrap())
        .map(|item| item["path"].as_str().unwrap().to_owned())
        .collect();
    let expected = [
        "epay-credentials/password",
        "epay-credentials/username",
        "kasse-oidc/client-secret",
        "parkportal/token",
    ];
    assert_eq!(files, expected);
}

#[test]
fn callers_authenticate_with_tokens_whose_audience_is_the_called_module() {
    let module_json = |module: &crate::tenant::Module| {
        let config = planned(module, &environment(), Kind::ConfigMap);
        serde_json::from_str::<Value>(config["data"]["module.json"].as_str().unwrap()).unwrap()
    };
    let callers = module_json(&e_payment())["callers"].clone();
    assert_eq!(callers["audience"], "http://e-payment.mun-ahaus.svc");
    assert_eq!(callers["subjects"], json!({"form": "system:serviceaccount:mun-ahaus:form"}));
    // The audience of a caller's token is the URL of the sibling that it calls.
    let pod = planned(&e_payment(), &environment(), Kind::Deployment)["spec"]["template"]["spec"].clone();
    let token = &pod["volumes"][3]["projected"]["sources"][0]["serviceAccountToken"];
    assert_eq!(token["audience"], "http://mailbox.mun-ahaus.svc");
    let mut without_callers = e_payment();
    without_callers.callers.clear();
    assert_eq!(module_json(&without_callers).get("callers"), None);
}

const NAME: &str = "[a-z]([-a-z0-9]{0,18}[a-z0-9])?";

/// A municipality, a class and a module with random names and values.
fn arbitrary_objects() -> impl Strategy<Value = (Municipality, ModuleClass, ServiceModule)> {
    let town = (NAME, "0[1-9][0-9]{10}", "\\PC{1,100}", NAME);
    (town, NAME, "\\PC{1,63}", 1..10i32, "[-.a-z0-9/]{1,20}").prop_map(
        |((town, ars, display, admin), name, class_name, replicas, secret)| {
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
            let mut block = full_block();
            block.clients.truncate(1);
            block.clients[0].secret = Some(secret);
            sm.spec.e_payment = Some(block);
            (raw, class, sm)
        },
    )
}

proptest! {
    #[test]
    fn invariant_2_every_planned_object_lies_in_the_towns_own_namespace((raw, class, sm) in arbitrary_objects()) {
        let settings = settings();
        let town = resolve_town(&raw, [], &HeldHostnames::new(), &settings);
        prop_assume!(town.is_ok());
        let town = town.unwrap();
        let namespace = town.name.namespace();
        let waves = town::plan(&town, &settings).into_waves();
        let mut objects: Vec<Object> = [waves.namespace, waves.operator, waves.administrators].into();
        objects.extend(waves.isolation);
        if let Ok(module) = resolve_module(&sm, ModuleContext { town: Ok(town), class: Some(&class), siblings: &[&sm] }, &settings) {
            objects.extend(module::plan(&module, &environment(), &settings).into_objects());
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
