// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The objects of a module: its configuration and credentials, its pods, its Service and route, and its
//! network policy.

mod config_map;
mod deployment;
mod http_route;
mod network_policy;
mod pod_disruption_budget;
mod secret;
mod service;
mod service_account;
mod volumes;

use std::fmt;

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

pub use secret::{CA_KEY as DATABASE_CA_KEY, URL_KEY as DATABASE_URL_KEY};

/// How a module connects to its database.
#[derive(Clone, PartialEq)]
pub struct DatabaseAccess {
    /// libpq connection URL with the role and the password of the module.
    pub url: String,
    /// Certificate authority of the database server (PEM), if state IT provided one.
    pub ca: Option<String>,
}

/// The URL contains a password and is not printed.
impl fmt::Debug for DatabaseAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseAccess").finish_non_exhaustive()
    }
}

/// The issuer of ServiceAccount tokens, which is the API server, and the keys to verify them.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenAuthority {
    /// Value of the claim `iss` (RFC 7519) in the tokens.
    pub issuer: String,
    /// Public keys of the tokens' signatures, a JWK Set (RFC 7517).
    pub keys: serde_json::Value,
}

/// Inputs of a plan that come from the database server and the cluster.
#[derive(Clone, PartialEq)]
pub struct Environment {
    /// How the module connects to its database.
    pub database: DatabaseAccess,
    /// Issuer of the callers' tokens; `None` if the module has no callers.
    pub authority: Option<TokenAuthority>,
    /// Whether the HTTPRoute is planned, which is once the pods have been available.
    pub routed: bool,
}

/// All objects that should exist for a module.
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

/// Builds the objects of a module.
pub fn plan(module: &Module, environment: &Environment, settings: &Settings) -> Plan {
    let config = config_map::build(module, environment.authority.as_ref(), settings);
    let database = secret::build(module, &environment.database);
    Plan {
        account: service_account::build(module),
        network: network_policy::build(module, settings),
        service: service::build(module),
        budget: pod_disruption_budget::build(module),
        deployment: deployment::build(module, &config, &database),
        route: environment.routed.then(|| http_route::build(module, &settings.gateway)),
        config,
        database,
    }
}

impl Plan {
    /// Returns the objects in the order in which they are written. The destructuring has no `..`, so
    /// that an object that is planned but not written is a compile error.
    pub fn into_objects(self) -> Vec<Object> {
        let Self { account, network, config, database, service, budget, deployment, route } = self;
        let before_route = [
            account.into(),    // the pods run as this account
            network.into(),    // in force before the first pod starts
            config.into(),     // the pods mount it
            database.into(),   // the pods mount it
            service.into(),    // its name resolves before a sibling calls it
            budget.into(),     // applies from the first pod on
            deployment.into(), // the pods
        ];
        before_route.into_iter().chain(route.map(Object::from)).collect() // citizens come last
    }
}

/// Metadata of every object of a module: it has the name of the module and is deleted together with it.
fn meta(module: &Module) -> ObjectMeta {
    ObjectMeta {
        name: Some(module.name.to_string()),
        namespace: Some(module.town.name.namespace()),
        labels: Some(labels::for_module(module)),
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

/// Returns the audience (claim `aud`, RFC 7519) of tokens that are sent to the module at this URL.
fn audience(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}
