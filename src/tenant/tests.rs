// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::api::{ContractType, Municipality, ServiceModule};
use crate::fixtures::{ahaus, e_payment_class, module, municipality, town};
use crate::settings::Settings;

fn refusal(raw: &Municipality, others: &[Municipality]) -> Verdict {
    resolve_town(raw, others, &Settings::default()).unwrap_err()
}

#[track_caller]
fn assert_verdict(verdict: &Verdict, cause: Cause, reason: &str, words: &str) {
    assert_eq!((verdict.cause, verdict.reason), (cause, reason), "{}", verdict.message);
    assert!(verdict.message.contains(words), "{}", verdict.message);
}

#[test]
fn a_town_keeps_what_its_object_says() {
    let town = town();
    assert_eq!((town.ars.ags().as_str(), town.hostname.as_str()), ("05554004", "ahaus.rathaus.example"));
    assert_eq!(town.administrators.len(), 2);
}

#[test]
fn a_foreign_hostname_is_refused() {
    let verdict = refusal(&municipality("ahaus", "055540004004", "ahaus.elsewhere.example"), &[]);
    assert_verdict(&verdict, Cause::Refused, "HostnameForeign", "rathaus.example");
    // The domain itself is the state's.
    let verdict = refusal(&municipality("ahaus", "055540004004", "rathaus.example"), &[]);
    assert_verdict(&verdict, Cause::Refused, "HostnameForeign", "rathaus.example");
}

#[test]
fn the_older_object_keeps_ars_and_hostname() {
    let older = ahaus();
    let mut younger = municipality("ahaus-2", "055540004004", "zwei.rathaus.example");
    younger.metadata.creation_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::now()));
    let both = [older.clone(), younger.clone()];
    assert_verdict(&refusal(&younger, &both), Cause::Refused, "ArsTaken", "older municipality ahaus");
    assert!(resolve_town(&older, &both, &Settings::default()).is_ok());

    younger.spec.ars = "055540008008".to_owned();
    for taken in ["ahaus.rathaus.example", "neu.ahaus.rathaus.example"] {
        younger.spec.hostname = taken.to_owned();
        assert_verdict(&refusal(&younger, &both), Cause::Refused, "HostnameTaken", taken);
    }
    younger.spec.hostname = "neu-ahaus.rathaus.example".to_owned();
    assert!(resolve_town(&younger, &both, &Settings::default()).is_ok());
}

#[test]
fn stored_values_from_before_a_rule_get_their_own_reason() {
    let mut raw = ahaus();
    raw.spec.ars = "175540004004".to_owned();
    assert_verdict(&refusal(&raw, &[]), Cause::Invalid, "ArsInvalid", "land code 17");
    let mut raw = ahaus();
    raw.spec.legal.imprint_url = "http://plain.example".to_owned();
    assert_verdict(&refusal(&raw, &[]), Cause::Invalid, "LegalUrlInvalid", "spec.legal.imprintUrl");
    let mut raw = ahaus();
    raw.spec.administrators[0].name = "system:authenticated".to_owned();
    assert_verdict(&refusal(&raw, &[]), Cause::Invalid, "AdministratorInvalid", "system:authenticated");
}

fn namespace(labels: serde_json::Value, manager: &str) -> Namespace {
    let managed = json!([{"manager": manager, "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {}}]);
    serde_json::from_value(
        json!({"metadata": {"name": "mun-ahaus", "labels": labels, "managedFields": managed}}),
    )
    .unwrap()
}

#[test]
fn invariant_3_labels_do_not_make_a_namespace_ours() {
    let ours = json!({"rathaus.dev/ars": "055540004004"});
    assert_eq!(namespace_claim(&ahaus(), None), NamespaceClaim::Free);
    assert_eq!(namespace_claim(&ahaus(), Some(&namespace(ours.clone(), "rathaus"))), NamespaceClaim::Ours);
    let foreign = [
        namespace(ours, "kubectl"),
        namespace(json!({}), "rathaus"),
        namespace(json!({"rathaus.dev/ars": "055540008008"}), "rathaus"),
    ];
    for observed in foreign {
        let claim = namespace_claim(&ahaus(), Some(&observed));
        let NamespaceClaim::Denied(verdict) = claim else { panic!("{claim:?}") };
        assert_verdict(&verdict, Cause::Refused, "NamespaceForeign", "mun-ahaus");
    }
}

fn judge(raw: &ServiceModule, class: Option<&crate::api::ModuleClass>) -> Result<Module, Verdict> {
    let sibling = module("form", &["e-payment"]);
    resolve_module(raw, World { town: Ok(town()), class, siblings: &[raw, &sibling] })
}

#[test]
fn a_module_knows_its_address_and_its_callers() {
    let module = judge(&module("e-payment", &[]), Some(&e_payment_class())).unwrap();
    assert_eq!(module.public_url.as_str(), "https://e-payment.ahaus.rathaus.example/");
    assert_eq!(module.callers.iter().map(ModuleName::as_str).collect::<Vec<_>>(), ["form"]);
}

#[test]
fn each_thing_that_can_be_wrong_with_a_module_has_its_reason() {
    let (raw, class) = (module("e-payment", &[]), e_payment_class());
    assert_verdict(&judge(&raw, None).unwrap_err(), Cause::Invalid, "ClassNotFound", "e-payment");

    let mut other = class.clone();
    other.spec.contract_type = ContractType::Mailbox;
    assert_verdict(&judge(&raw, Some(&other)).unwrap_err(), Cause::Invalid, "TypeMismatch", "Mailbox");

    let mut elsewhere = class.clone();
    elsewhere.spec.offered_to.as_mut().unwrap().ars_prefixes = vec!["09".to_owned()];
    assert_verdict(
        &judge(&raw, Some(&elsewhere)).unwrap_err(),
        Cause::Refused,
        "ClassNotOffered",
        "055540004004",
    );

    let mut tagged = class.clone();
    tagged.spec.image = "registry.example/e-payment:latest".to_owned();
    assert_verdict(&judge(&raw, Some(&tagged)).unwrap_err(), Cause::Invalid, "ClassInvalid", "by digest");

    let mut large = raw.clone();
    large.spec.plan = "large".to_owned();
    assert_verdict(&judge(&large, Some(&class)).unwrap_err(), Cause::Invalid, "PlanUnknown", "it has: small");

    for missing in ["mailbox", "e-payment"] {
        let verdict = judge(&module("e-payment", &[missing]), Some(&class)).unwrap_err();
        assert_verdict(&verdict, Cause::Invalid, "SiblingNotFound", missing);
    }

    let (first, second) = (module("a", &[]), module("b", &[]));
    let mut small = town();
    small.quota.modules = 1;
    let limited = |raw: &ServiceModule| {
        resolve_module(
            raw,
            World { town: Ok(small.clone()), class: Some(&class), siblings: &[&first, &second] },
        )
    };
    assert!(limited(&first).is_ok(), "the older one stays");
    assert_verdict(
        &limited(&second).unwrap_err(),
        Cause::Refused,
        "ModuleLimitReached",
        "spec.quota.modules",
    );

    let homeless = World {
        town: Err(refusal(&municipality("a", "x", "y.rathaus.example"), &[])),
        class: Some(&class),
        siblings: &[],
    };
    assert_verdict(
        &resolve_module(&raw, homeless).unwrap_err(),
        Cause::Waiting,
        "MunicipalityNotReady",
        "state IT",
    );
}

proptest! {
    #[test]
    fn no_spec_panics_a_resolver(name in "\\PC{0,60}", ars in "\\PC{0,14}", host in "\\PC{0,80}", class in "\\PC{0,20}", uses in proptest::collection::vec("\\PC{0,30}", 0..4)) {
        let raw = municipality(&name, &ars, &host);
        let town = resolve_town(&raw, [], &Settings::default());
        let uses: Vec<&str> = uses.iter().map(String::as_str).collect();
        let mut asked = module(&name, &uses);
        asked.spec.class = class;
        let world = World { town, class: Some(&e_payment_class()), siblings: &[&asked] };
        let _ = resolve_module(&asked, world).map(|module| module.public_url).map_err(|verdict| verdict.message);
        prop_assert_eq!(asked.name_any(), name);
    }
}
