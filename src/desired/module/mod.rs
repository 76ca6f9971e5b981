// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What a module gets: a place for its configuration, its pods, a way in and the ways out it needs.

mod config_map;
mod deployment;
mod http_route;
mod network_policy;
mod pod_disruption_budget;
mod secret;
mod service;
mod service_account;
mod volumes;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;
use kube::api::ObjectMeta;
use url::Url;

use super::labels;
use super::object::Object;
use crate::api::{HTTPRoute, ServiceModule};
use crate::settings::Settings;
use crate::tenant::Module;

pub use secret::URL as DATABASE_URL_KEY;

/// What the module needs to reach its database.
#[derive(Clone, PartialEq)]
pub struct DatabaseAccess {
    /// libpq URL with the module's own role and password.
    pub url: String,
    /// Authority that signed the server's certificate (PEM), where state IT gave one.
    pub ca: Option<String>,
}

/// Who signs the tokens of ServiceAccounts: the API server.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenAuthority {
    /// The `iss` of the tokens.
    pub issuer: String,
    /// The keys that sign them: a JWK Set (RFC 7517).
    pub keys: serde_json::Value,
}

/// What was made and found outside of the objects that are planned.
#[derive(Clone, PartialEq)]
pub struct Surroundings {
    /// How the module reaches its database.
    pub database: DatabaseAccess,
    /// Who signs its callers' tokens; needed only where it has callers.
    pub authority: Option<TokenAuthority>,
    /// Whether the gateway may send citizens to it: only once its pods have been available.
    pub routed: bool,
}

/// Everything that should exist for a module.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    account: ServiceAccount,
    network: NetworkPolicy,
    config: ConfigMap,
    database: Secret,
    service: Service,
    budget: PodDisruptionBudget,
    deployment: Deployment,
    route: Option<HTTPRoute>,
}

/// Plans a module.
pub fn plan(module: &Module, around: &Surroundings, settings: &Settings) -> Plan {
    let config = config_map::build(module, around.authority.as_ref(), settings);
    let database = secret::build(module, &around.database);
    Plan {
        account: service_account::build(module),
        network: network_policy::build(module, settings),
        service: service::build(module),
        budget: pod_disruption_budget::build(module),
        deployment: deployment::build(module, &config, &database),
        route: around.routed.then(|| http_route::build(module, &settings.gateway)),
        config,
        database,
    }
}

impl Plan {
    /// The order of writes. Taken apart without `..`: what is planned and not written does not compile.
    pub fn into_objects(self) -> Vec<Object> {
        let Self { account, network, config, database, service, budget, deployment, route } = self;
        let before_route = [
            account.into(),    // pods run as it
            network.into(),    // walls before there is anything behind them
            config.into(),     // pods mount it
            database.into(),   // pods mount it
            service.into(),    // its address is there before anybody asks for it
            budget.into(),     // holds from the first pod on
            deployment.into(), // pods
        ];
        before_route.into_iter().chain(route.map(Object::from)).collect() // last: citizens
    }
}

/// Metadata of everything made for a module: named after it, and deleted with it.
fn meta(module: &Module) -> ObjectMeta {
    ObjectMeta {
        name: Some(module.name.to_string()),
        namespace: Some(module.town.name.namespace()),
        labels: Some(labels::of_module(module)),
        owner_references: Some(vec![OwnerReference {
            api_version: ServiceModule::api_version(&()).into_owned(),
            kind: ServiceModule::kind(&()).into_owned(),
            name: module.name.to_string(),
            uid: module.uid.clone(),
            controller: Some(true),
            block_owner_deletion: None,
        }]),
        ..Default::default()
    }
}

/// For whom a token is that is sent to this address (`aud`, RFC 7519).
fn audience(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}
