// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use k8s_openapi::api::core::v1::ConfigMap;
use rathaus_contract::{
    CheckDigit, EPayment, EndPoint, Legal, ModuleConfig, Municipality, Provider, Receipts,
};

use crate::api::ProviderType;
use crate::tenant::{Configuration, Module};

/// Key in the ConfigMap, and file name in the pod.
pub const FILE: &str = "module.json";

/// The module's configuration.
pub fn build(module: &Module) -> ConfigMap {
    ConfigMap {
        metadata: super::meta(module),
        data: Some([(FILE.to_owned(), render(&module_config(module)))].into()),
        ..Default::default()
    }
}

fn render(config: &ModuleConfig) -> String {
    // Strings, maps with string keys and URLs only: there is nothing in it that JSON cannot hold.
    serde_json::to_string_pretty(config).unwrap_or_default()
}

/// What the module is told about its place.
fn module_config(module: &Module) -> ModuleConfig {
    let town = &module.town;
    let Configuration::EPayment(block) = &module.configuration;
    ModuleConfig {
        municipality: Municipality {
            name: town.name.to_string(),
            display_name: town.display_name.clone(),
            ars: town.ars.to_string(),
        },
        module: module.name.to_string(),
        public_url: module.public_url.clone(),
        legal: Legal {
            imprint_url: town.imprint_url.clone(),
            privacy_url: town.privacy_url.clone(),
            accessibility_url: town.accessibility_url.clone(),
        },
        siblings: module.uses.iter().map(|(name, url)| (name.to_string(), url.clone())).collect(),
        callers: None,
        issuer: None,
        authorities: None,
        e_payment: Some(EPayment {
            provider: provider(block.provider.provider_type),
            end_points: vec![EndPoint {
                id: town.ars.to_string(),
                provider_id: None,
                receipts: Receipts { prefix: String::new(), length: 12, check_digit: CheckDigit::None },
                booking_data: Vec::new(),
            }],
            clients: Vec::new(),
            clerks: None,
            payer_data_days: 90,
        }),
    }
}

fn provider(provider_type: ProviderType) -> Provider {
    match provider_type {
        ProviderType::Sandbox => Provider::Sandbox,
    }
}
