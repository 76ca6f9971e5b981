// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use k8s_openapi::api::core::v1::ConfigMap;
use rathaus_contract::{Callers, Legal, ModuleConfig, Municipality};

use super::{TokenAuthority, audience};
use crate::settings::Settings;
use crate::tenant::{Configuration, Module, ModuleName};

/// Key of the configuration in the ConfigMap, which is also its file name in the pod.
pub const CONFIG_KEY: &str = "module.json";

/// Builds the ConfigMap with the module's configuration, `module.json`.
pub fn build(module: &Module, authority: Option<&TokenAuthority>, settings: &Settings) -> ConfigMap {
    ConfigMap {
        metadata: super::meta(module),
        data: Some([(CONFIG_KEY.to_owned(), render(&module_config(module, authority, settings)))].into()),
        ..Default::default()
    }
}

fn render(config: &ModuleConfig) -> String {
    // This cannot fail: the type consists of strings, numbers, URLs and maps with string keys.
    serde_json::to_string_pretty(config).unwrap_or_default()
}

/// Returns the configuration in the form of the contract.
fn module_config(module: &Module, authority: Option<&TokenAuthority>, settings: &Settings) -> ModuleConfig {
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
        callers: authority.filter(|_| !module.callers.is_empty()).map(|authority| callers(module, authority)),
        issuer: settings.issuer.clone(),
        authorities: settings.authorities.clone(),
        e_payment: Some(block.clone()),
    }
}

fn callers(module: &Module, authority: &TokenAuthority) -> Callers {
    let namespace = module.town.name.namespace();
    // Each module runs as the ServiceAccount that has its name.
    let subject = |name: &ModuleName| (name.to_string(), format!("system:serviceaccount:{namespace}:{name}"));
    Callers {
        issuer: authority.issuer.clone(),
        audience: audience(&module.cluster_url),
        keys: authority.keys.clone(),
        subjects: module.callers.iter().map(subject).collect(),
    }
}
