// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The API `rathaus.dev/v1alpha1`: three kinds, split by role as StorageClass and
//! PersistentVolumeClaim are. Schemas and CEL rules here check everything that can be decided from the
//! object alone, so that the API server rejects a wrong object immediately. Checks that need another
//! object are in [`crate::tenant`].
//!
//! Strings are kept as written, since the types must be able to read every stored object, even one that
//! was stored before a rule existed. [`crate::tenant`] parses them.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

pub mod conditions;
mod e_payment;
mod http_route;
mod module_class;
mod municipality;
mod service_module;

pub use e_payment::{
    Authentication, AuthenticationType, CheckDigit, Clerks, Client, EPayment, EndPoint, GiroCheckout,
    Provider, ProviderType, Receipts, XBezahldienste,
};
pub use http_route::{
    BackendRef, HTTPRoute, HTTPRouteSpec, HTTPRouteStatus, ParentRef, ParentStatus, PathMatch, RouteMatch,
    RouteRule,
};
pub use module_class::{
    ContractType, Diagnostics, Limits, ModuleClass, ModuleClassSpec, ModuleClassStatus, Offering, Plan,
    Requests, Resources,
};
pub use municipality::{
    Administrator, AdministratorKind, Contact, DeletionPolicy, Legal, ModuleCount, Municipality,
    MunicipalitySpec, MunicipalityStatus, Quota,
};
pub use service_module::{ServiceModule, ServiceModuleSpec, ServiceModuleStatus};

/// API group of the three kinds.
pub const GROUP: &str = "rathaus.dev";

/// Upper limit for a schema description in a CRD, in bytes. This is enough for `kubectl explain` and keeps
/// out the long descriptions of Kubernetes types (2.6 kB for each quantity).
const MAX_DESCRIPTION_BYTES: usize = 400;

/// Returns the three CustomResourceDefinitions that `rathaus crds` prints.
pub fn crds() -> Vec<CustomResourceDefinition> {
    let mut crds = vec![Municipality::crd(), ModuleClass::crd(), ServiceModule::crd()];
    for crd in &mut crds {
        for version in &mut crd.spec.versions {
            if let Some(schema) = version.schema.as_mut().and_then(|s| s.open_api_v3_schema.as_mut()) {
                shorten_descriptions(schema);
            }
        }
    }
    crds
}

/// Cuts every description that is too long to its first sentence.
fn shorten_descriptions(schema: &mut JSONSchemaProps) {
    if let Some(text) = schema.description.as_mut().filter(|text| text.len() > MAX_DESCRIPTION_BYTES) {
        *text = text.split(". ").next().unwrap_or_default().to_owned();
    }
    for property in schema.properties.iter_mut().flat_map(|map| map.values_mut()) {
        shorten_descriptions(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = schema.items.as_mut() {
        shorten_descriptions(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = schema.additional_properties.as_mut() {
        shorten_descriptions(values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect_unbounded(path: &str, schema: &JSONSchemaProps, found: &mut Vec<String>) {
        match schema.type_.as_deref() {
            Some("string")
                if schema.max_length.is_none() && schema.enum_.is_none() && schema.format.is_none() =>
            {
                found.push(path.to_owned());
            }
            Some("array") if schema.max_items.is_none() => found.push(path.to_owned()),
            _ => {}
        }
        for (name, property) in schema.properties.iter().flatten() {
            collect_unbounded(&format!("{path}.{name}"), property, found);
        }
        if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
            collect_unbounded(&format!("{path}[]"), items, found);
        }
    }

    #[test]
    fn every_string_and_list_that_a_person_writes_is_bounded() {
        let mut found = Vec::new();
        for crd in crds() {
            let schema = crd.spec.versions[0].schema.clone().unwrap().open_api_v3_schema.unwrap();
            let spec = &schema.properties.unwrap()["spec"];
            collect_unbounded(&format!("{}.spec", crd.spec.names.kind), spec, &mut found);
        }
        assert!(found.is_empty(), "without maxLength or maxItems: {found:?}");
    }
}
