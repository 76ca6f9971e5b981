// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Test fixtures for several modules: objects as people write them, and their resolved forms.

use serde_json::json;

use crate::api::{EPayment, ModuleClass, Municipality, ServiceModule};
use crate::settings::Settings;
use crate::tenant::{HeldHostnames, Module, ModuleContext, Town, resolve_module, resolve_town};

/// A municipality with two administrators.
pub fn municipality(name: &str, ars: &str, hostname: &str) -> Municipality {
    serde_json::from_value(json!({
        "apiVersion": "rathaus.dev/v1alpha1", "kind": "Municipality",
        "metadata": {"name": name, "uid": format!("uid-of-{name}"), "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {
            "displayName": format!("Stadt {name}"), "ars": ars, "hostname": hostname,
            "administrators": [
                {"kind": "Group", "name": "ahaus-it"},
                {"kind": "ServiceAccount", "name": "flux", "namespace": "gitops-ahaus"},
            ],
            "contact": {"email": "it@ahaus.example", "securityEmail": "sicherheit@ahaus.example"},
            "legal": {
                "imprintUrl": "https://www.ahaus.example/impressum",
                "privacyUrl": "https://www.ahaus.example/datenschutz",
                "accessibilityUrl": "https://www.ahaus.example/barrierefreiheit",
            },
        },
    }))
    .unwrap()
}

/// The municipality of Ahaus.
pub fn ahaus() -> Municipality {
    municipality("ahaus", "055540004004", "ahaus.rathaus.example")
}

/// A class for e-payment that is offered to Nordrhein-Westfalen (05).
pub fn e_payment_class() -> ModuleClass {
    serde_json::from_value(json!({
        "apiVersion": "rathaus.dev/v1alpha1", "kind": "ModuleClass",
        "metadata": {"name": "e-payment"},
        "spec": {
            "type": "EPayment", "version": "1.0.0+build.1", "licence": "EUPL-1.2",
            "image": format!("registry.example/rathaus/e-payment@sha256:{}", "0123456789abcdef".repeat(4)),
            "source": "https://code.example", "documentation": "https://docs.example",
            "plans": [{"name": "small", "replicas": 2, "resources": {
                "requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}}}],
            "offeredTo": {"arsPrefixes": ["05"]},
        },
    }))
    .unwrap()
}

/// An e-payment module of Ahaus with the sandbox as its provider.
pub fn module(name: &str, uses: &[&str]) -> ServiceModule {
    serde_json::from_value(json!({
        "apiVersion": "rathaus.dev/v1alpha1", "kind": "ServiceModule",
        "metadata": {"name": name, "namespace": "mun-ahaus", "uid": format!("uid-of-{name}")},
        "spec": {"class": "e-payment", "plan": "small", "uses": uses, "ePayment": {"provider": {"type": "Sandbox"}}},
    }))
    .unwrap()
}

/// The configuration block `ePayment` with every field set.
pub fn full_block() -> EPayment {
    serde_json::from_value(json!({
        "provider": {"type": "XBezahldienste", "xBezahldienste": {
            "url": "https://epay.land.example/xbezahldienste/api/v1.0.0", "originatorId": "rathaus-ahaus",
            "authentication": {"type": "Basic", "secret": "epay-credentials"}}},
        "endPoints": [
            {"id": "055540004004", "providerId": "4711", "bookingData": ["hhst", "kst"],
                "receipts": {"prefix": "AH26-", "length": 12, "checkDigit": "Luhn"}},
            {"id": "stadtwerke", "receipts": {"prefix": "SW-"}},
        ],
        "clients": [
            {"name": "parkportal", "secret": "parkportal", "originators": ["parkausweis"], "endPoints": ["055540004004"]},
            {"name": "forms", "module": "form", "originators": ["parkausweis", "hundesteuer"]},
        ],
        "clerks": {"clientId": "rathaus-ahaus", "secret": "kasse-oidc", "role": "kasse-ahaus"},
    }))
    .unwrap()
}

/// Settings with an OpenID Connect issuer and a certificate authority.
pub fn settings() -> Settings {
    Settings {
        issuer: Some("https://login.land.example/realms/kommunen".parse().unwrap()),
        authorities: Some("-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n".to_owned()),
        ..Settings::default()
    }
}

/// Ahaus, resolved.
pub fn town() -> Town {
    resolve_town(&ahaus(), [], &HeldHostnames::new(), &Settings::default()).unwrap()
}

/// An e-payment module of Ahaus, resolved, which uses one sibling and is used by another.
pub fn e_payment() -> Module {
    let (mut subject, used, caller) =
        (module("e-payment", &["mailbox"]), module("mailbox", &[]), module("form", &["e-payment"]));
    subject.spec.e_payment = Some(full_block());
    let context = ModuleContext {
        town: Ok(town()),
        class: Some(&e_payment_class()),
        siblings: &[&subject, &used, &caller],
    };
    resolve_module(&subject, context, &settings()).unwrap()
}
