// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::api::{ContractType, EPayment, Municipality, ServiceModule};
use crate::fixtures::{ahaus, e_payment_class, full_block, module, municipality, settings, town};
use crate::settings::Settings;

/// The rejection of a municipality with the default settings.
fn reject_town(raw: &Municipality, others: &[Municipality]) -> Rejection {
    resolve_town(raw, others, &HeldHostnames::new(), &Settings::default()).unwrap_err()
}

#[track_caller]
fn assert_rejection(rejection: &Rejection, cause: Cause, reason: &str, expected_words: &str) {
    assert_eq!((rejection.cause, rejection.reason), (cause, reason), "{}", rejection.message);
    assert!(rejection.message.contains(expected_words), "{}", rejection.message);
}

#[test]
fn a_valid_municipality_becomes_a_town_with_its_values() {
    let town = town();
    assert_eq!((town.ars.ags().as_str(), town.hostname.as_str()), ("05554004", "ahaus.rathaus.example"));
    assert_eq!(town.administrators.len(), 2);
}

#[test]
fn a_foreign_hostname_is_refused() {
    let rejection = reject_town(&municipality("ahaus", "055540004004", "ahaus.elsewhere.example"), &[]);
    assert_rejection(&rejection, Cause::Refused, "HostnameForeign", "rathaus.example");
    // The domain itself belongs to the state.
    let rejection = reject_town(&municipality("ahaus", "055540004004", "rathaus.example"), &[]);
    assert_rejection(&rejection, Cause::Refused, "HostnameForeign", "rathaus.example");
}

#[test]
fn who_holds_a_hostname_keeps_it_until_it_is_given_up() {
    let older = ahaus();
    let mut younger = municipality("heek", "055540024024", "heek.rathaus.example");
    younger.metadata.creation_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::now()));
    let resolve = |raw: &Municipality, other: &Municipality, held: &[(&str, &str)]| {
        let held = held.iter().map(|(town, name)| ((*town).to_owned(), (*name).to_owned())).collect();
        resolve_town(raw, [other], &held, &Settings::default())
    };
    // The older one wants what the younger one holds.
    let mut greedy = older.clone();
    for wanted in ["heek.rathaus.example", "neu.heek.rathaus.example"] {
        greedy.spec.hostname = wanted.to_owned();
        let held = [("ahaus", "ahaus.rathaus.example"), ("heek", "heek.rathaus.example")];
        let refused = resolve(&greedy, &younger, &held).unwrap_err();
        assert_rejection(&refused, Cause::Refused, "HostnameTaken", "held by municipality heek");
        assert!(resolve(&younger, &greedy, &held).is_ok());
    }
    // The younger one moves, and holds the name until it has moved.
    let mut moving = younger.clone();
    moving.spec.hostname = "neu.rathaus.example".to_owned();
    greedy.spec.hostname = "heek.rathaus.example".to_owned();
    assert!(resolve(&greedy, &moving, &[("heek", "heek.rathaus.example")]).is_err());
    assert!(resolve(&greedy, &moving, &[("heek", "neu.rathaus.example")]).is_ok());
    // Both hold it: one of them goes on.
    let both = [("ahaus", "heek.rathaus.example"), ("heek", "heek.rathaus.example")];
    assert!(resolve(&greedy, &younger, &both).is_ok());
    assert!(resolve(&younger, &greedy, &both).is_err());
}

#[test]
fn the_older_object_keeps_ars_and_hostname() {
    let older = ahaus();
    let mut younger = municipality("ahaus-2", "055540004004", "zwei.rathaus.example");
    younger.metadata.creation_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::now()));
    let both = [older.clone(), younger.clone()];
    assert_rejection(&reject_town(&younger, &both), Cause::Refused, "ArsTaken", "older municipality ahaus");
    assert!(resolve_town(&older, &both, &HeldHostnames::new(), &Settings::default()).is_ok());

    younger.spec.ars = "055540008008".to_owned();
    for taken in ["ahaus.rathaus.example", "neu.ahaus.rathaus.example"] {
        younger.spec.hostname = taken.to_owned();
        assert_rejection(&reject_town(&younger, &both), Cause::Refused, "HostnameTaken", taken);
    }
    younger.spec.hostname = "neu-ahaus.rathaus.example".to_owned();
    assert!(resolve_town(&younger, &both, &HeldHostnames::new(), &Settings::default()).is_ok());
}

#[test]
fn invalid_values_stored_before_a_rule_existed_are_rejected_with_a_reason() {
    let mut raw = ahaus();
    raw.spec.ars = "175540004004".to_owned();
    assert_rejection(&reject_town(&raw, &[]), Cause::Invalid, "ArsInvalid", "land code 17");
    let mut raw = ahaus();
    raw.spec.legal.imprint_url = "http://plain.example".to_owned();
    assert_rejection(&reject_town(&raw, &[]), Cause::Invalid, "LegalUrlInvalid", "spec.legal.imprintUrl");
    let mut raw = ahaus();
    raw.spec.administrators[0].name = "system:authenticated".to_owned();
    assert_rejection(&reject_town(&raw, &[]), Cause::Invalid, "AdministratorInvalid", "system:authenticated");
}

/// A namespace of Ahaus as it is when this seal and these labels are on it.
fn namespace(seal: Option<String>, labels: Value, created: &str) -> Namespace {
    let annotations = seal.map(|seal| json!({SEAL: seal}));
    serde_json::from_value(
        json!({"metadata": {"name": "mun-ahaus", "labels": labels, "annotations": annotations,
        "creationTimestamp": created, "managedFields": [{"manager": "rathaus", "operation": "Apply"}]}}),
    )
    .unwrap()
}

#[test]
fn invariant_3_neither_labels_nor_managers_make_a_namespace_ours() {
    let key = SealKey::new(&[1; SEAL_KEY_BYTES], "2026-02-01T00:00:00Z".parse().unwrap()).unwrap();
    let claim = |observed: &Namespace| namespace_claim(&ahaus(), Some(observed), &key);
    let seal = |ars| Some(key.seal("Namespace", "", "mun-ahaus", ars));
    let labels = json!({"rathaus.dev/ars": "055540004004"});
    let (before, after) = ("2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z");
    assert_eq!(namespace_claim(&ahaus(), None, &key), NamespaceClaim::Free);
    // A label that was removed is repaired later.
    for labels in [labels.clone(), json!({}), json!({"rathaus.dev/ars": "055540008008"})] {
        assert_eq!(claim(&namespace(seal("055540004004"), labels, after)), NamespaceClaim::Ours);
    }
    for (reason, observed) in [
        ("NamespaceForeign", namespace(None, labels.clone(), after)),
        ("NamespaceForeign", namespace(None, json!({}), before)),
        ("NamespaceForeign", namespace(seal("055540008008"), labels.clone(), before)),
        ("UpgradeNeeded", namespace(None, labels, before)),
    ] {
        let claim = claim(&observed);
        let NamespaceClaim::Denied(rejection) = claim else { panic!("{claim:?}") };
        assert_rejection(&rejection, Cause::Refused, reason, "mun-ahaus");
    }
}

/// Resolves a module of Ahaus that is called by a sibling named `form`.
fn resolve_in_ahaus(
    raw: &ServiceModule,
    class: Option<&crate::api::ModuleClass>,
) -> Result<Module, Rejection> {
    let sibling = module("form", &["e-payment"]);
    resolve_module(raw, ModuleContext { town: Ok(town()), class, siblings: &[raw, &sibling] }, &settings())
}

#[test]
fn a_resolved_module_has_its_url_and_its_callers() {
    let module = resolve_in_ahaus(&module("e-payment", &[]), Some(&e_payment_class())).unwrap();
    assert_eq!(module.public_url.as_str(), "https://e-payment.ahaus.rathaus.example/");
    assert_eq!(module.callers.iter().map(ModuleName::as_str).collect::<Vec<_>>(), ["form"]);
}

#[test]
fn each_invalid_module_is_rejected_with_its_own_reason() {
    let (raw, class) = (module("e-payment", &[]), e_payment_class());
    assert_rejection(
        &resolve_in_ahaus(&raw, None).unwrap_err(),
        Cause::Invalid,
        "ClassNotFound",
        "e-payment",
    );

    let mut other = class.clone();
    other.spec.contract_type = ContractType::Mailbox;
    assert_rejection(
        &resolve_in_ahaus(&raw, Some(&other)).unwrap_err(),
        Cause::Invalid,
        "TypeMismatch",
        "Mailbox",
    );

    let mut elsewhere = class.clone();
    elsewhere.spec.offered_to.as_mut().unwrap().ars_prefixes = vec!["09".to_owned()];
    assert_rejection(
        &resolve_in_ahaus(&raw, Some(&elsewhere)).unwrap_err(),
        Cause::Refused,
        "ClassNotOffered",
        "055540004004",
    );

    let mut tagged = class.clone();
    tagged.spec.image = "registry.example/e-payment:latest".to_owned();
    assert_rejection(
        &resolve_in_ahaus(&raw, Some(&tagged)).unwrap_err(),
        Cause::Invalid,
        "ClassInvalid",
        "by digest",
    );

    let mut large = raw.clone();
    large.spec.plan = "large".to_owned();
    assert_rejection(
        &resolve_in_ahaus(&large, Some(&class)).unwrap_err(),
        Cause::Invalid,
        "PlanUnknown",
        "it has: small",
    );

    for missing in ["mailbox", "e-payment"] {
        let rejection = resolve_in_ahaus(&module("e-payment", &[missing]), Some(&class)).unwrap_err();
        assert_rejection(&rejection, Cause::Invalid, "SiblingNotFound", missing);
    }

    let (first, second) = (module("a", &[]), module("b", &[]));
    let mut small = town();
    small.quota.modules = 1;
    let limited = |raw: &ServiceModule| {
        resolve_module(
            raw,
            ModuleContext { town: Ok(small.clone()), class: Some(&class), siblings: &[&first, &second] },
            &settings(),
        )
    };
    assert!(limited(&first).is_ok(), "the older one is within the limit");
    assert_rejection(
        &limited(&second).unwrap_err(),
        Cause::Refused,
        "ModuleLimitReached",
        "spec.quota.modules",
    );

    let without_town = ModuleContext {
        town: Err(reject_town(&municipality("a", "x", "y.rathaus.example"), &[])),
        class: Some(&class),
        siblings: &[],
    };
    assert_rejection(
        &resolve_module(&raw, without_town, &settings()).unwrap_err(),
        Cause::Waiting,
        "MunicipalityNotReady",
        "state IT",
    );
}

/// Resolves an e-payment module with the full configuration block after a change to it.
fn resolve_block(change: impl Fn(&mut EPayment)) -> Result<Module, Rejection> {
    let mut raw = module("e-payment", &[]);
    let block = raw.spec.e_payment.insert(full_block());
    change(block);
    resolve_in_ahaus(&raw, Some(&e_payment_class()))
}

#[test]
fn a_block_without_end_points_gets_one_with_the_ars_as_its_id() {
    let module = resolve_in_ahaus(&module("e-payment", &[]), Some(&e_payment_class())).unwrap();
    let Configuration::EPayment(block) = &module.configuration;
    let [point] = block.end_points.as_slice() else { panic!("{block:?}") };
    assert_eq!(
        (point.id.as_str(), point.receipts.prefix.as_str(), point.receipts.length),
        ("055540004004", "", 12)
    );
    assert_eq!((block.payer_data_days, module.configuration.needs_outbound()), (90, false));
}

#[test]
fn a_full_block_is_translated_to_the_contract() {
    let module = resolve_block(|_| {}).unwrap();
    let Configuration::EPayment(block) = &module.configuration;
    let Some(clerks) = &block.clerks else { panic!("{block:?}") };
    assert_eq!((clerks.role_claim.as_str(), clerks.role.as_str()), ("groups", "kasse-ahaus"));
    assert_eq!(block.clients[1].credential, rathaus_contract::ClientCredential::Module("form".to_owned()));
    let secrets: Vec<String> = module.configuration.secrets().into_iter().map(|secret| secret.name).collect();
    assert_eq!(secrets, ["epay-credentials", "parkportal", "kasse-oidc"]);
}

#[test]
fn each_invalid_e_payment_block_is_rejected_with_its_own_reason() {
    type Change = fn(&mut EPayment);
    let cases: [(Change, &str, &str); 14] = [
        (|block| block.clients[1].module = Some("mailbox".into()), "CallerNotFound", "clients[forms].module"),
        (|block| block.clients[0].end_points = vec!["elsewhere".into()], "EndPointUnknown", "stadtwerke"),
        (
            |block| block.clients[0].secret = Some("form".into()),
            "SecretReserved",
            "clients[parkportal].secret",
        ),
        (
            |block| block.clerks.as_mut().unwrap().secret = "e-payment".into(),
            "SecretReserved",
            "clerks.secret",
        ),
        (|block| block.clients[0].secret = Some("../x".into()), "EPaymentInvalid", "../x"),
        (
            |block| block.clients[0].module = Some("form".into()),
            "EPaymentInvalid",
            "exactly one of secret and module",
        ),
        (
            |block| (block.clients[1].module, block.clients[1].secret) = (None, Some("parkportal".into())),
            "EPaymentInvalid",
            "told apart",
        ),
        (|block| block.clients[0].originators.clear(), "EPaymentInvalid", "originatorId"),
        (
            |block| block.end_points[1].receipts.prefix = "AH".into(),
            "ReceiptsOverlap",
            "endPoints[stadtwerke].receipts.prefix",
        ),
        (|block| block.end_points[1].receipts.prefix = String::new(), "ReceiptsOverlap", "prefix of its own"),
        (|block| block.end_points[0].receipts.length = 11, "EPaymentInvalid", "at least 6 places"),
        (|block| block.payer_data_days = 0, "EPaymentInvalid", "payerDataDays"),
        (
            |block| block.provider.x_bezahldienste = None,
            "EPaymentInvalid",
            "block that fits type XBezahldienste",
        ),
        (
            |block| block.provider.x_bezahldienste.as_mut().unwrap().url = "http://epay.land.example".into(),
            "EPaymentInvalid",
            "https",
        ),
    ];
    for (change, reason, words) in cases {
        assert_rejection(&resolve_block(change).unwrap_err(), Cause::Invalid, reason, words);
    }
    // Twelve characters are enough for the prefix (5), the check digit (1) and a running number of 6.
    assert!(resolve_block(|block| block.end_points[0].receipts.length = 12).is_ok());
}

#[test]
fn clerks_require_an_issuer_in_the_settings() {
    let mut raw = module("e-payment", &[]);
    raw.spec.e_payment = Some(full_block());
    raw.spec.e_payment.as_mut().unwrap().clients.clear();
    let class = e_payment_class();
    let context = ModuleContext { town: Ok(town()), class: Some(&class), siblings: &[&raw] };
    let rejection = resolve_module(&raw, context, &Settings::default()).unwrap_err();
    assert_rejection(&rejection, Cause::Invalid, "IssuerMissing", "ask state IT");
}

#[test]
fn a_missing_or_unusable_secret_is_rejected_with_the_command_that_creates_it() {
    let secrets = resolve_block(|_| {}).unwrap().configuration.secrets();
    let [credentials, parkportal, _] = secrets.as_slice() else { panic!("{secrets:?}") };
    let rejection = parkportal.check("mun-ahaus", None).unwrap_err();
    assert_rejection(
        &rejection,
        Cause::Waiting,
        "SecretNotFound",
        "create secret generic parkportal --from-file=token=/dev/stdin",
    );
    assert!(rejection.message.contains("spec.ePayment.clients[parkportal].secret"), "{}", rejection.message);

    let secret =
        |data: serde_json::Value| serde_json::from_value(json!({"stringData": {}, "data": data})).unwrap();
    let complete = secret(json!({"username": "YQ==", "password": "c2VjcmV0"}));
    assert_eq!(credentials.check("mun-ahaus", Some(&complete)), Ok(()));
    for (data, words) in [
        (json!({"username": "YQ=="}), "has no key password"),
        (json!({"username": "YQ==", "password": "c2VjcmV0Cg=="}), "an unusable key password"),
    ] {
        let rejection = credentials.check("mun-ahaus", Some(&secret(data))).unwrap_err();
        assert_rejection(&rejection, Cause::Invalid, "SecretIncomplete", words);
        assert!(
            !rejection.message.contains("secret\n") && !rejection.message.contains("c2VjcmV0"),
            "{}",
            rejection.message
        );
    }
}

proptest! {
    #[test]
    fn no_text_in_an_e_payment_block_makes_resolve_panic(text in "\\PC{0,40}", number in any::<i32>()) {
        let _ = resolve_block(|block| {
            block.clients[0].secret = Some(text.clone());
            block.end_points[0].id = text.clone();
            (block.end_points[1].receipts.prefix, block.end_points[1].receipts.length) = (text.clone(), number);
            block.payer_data_days = number;
        }).map_err(|rejection| rejection.message);
    }

    #[test]
    fn no_spec_makes_resolve_panic(name in "\\PC{0,60}", ars in "\\PC{0,14}", host in "\\PC{0,80}", class in "\\PC{0,20}", uses in proptest::collection::vec("\\PC{0,30}", 0..4)) {
        let raw = municipality(&name, &ars, &host);
        let town = resolve_town(&raw, [], &HeldHostnames::new(), &Settings::default());
        let uses: Vec<&str> = uses.iter().map(String::as_str).collect();
        let mut module = module(&name, &uses);
        module.spec.class = class;
        let context = ModuleContext { town, class: Some(&e_payment_class()), siblings: &[&module] };
        let _ = resolve_module(&module, context, &settings()).map(|module| module.public_url).map_err(|rejection| rejection.message);
        prop_assert_eq!(module.name_any(), name);
    }
}
