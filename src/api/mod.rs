// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The API `rathaus.dev/v1alpha1`: three kinds, split by role as StorageClass and
//! PersistentVolumeClaim are. What a schema or a CEL rule can check is checked here, so that the API
//! server refuses it at once; what needs another object is judged in [`crate::tenant`].
//!
//! Strings are kept as written: the types must be able to read any stored object, even one from
//! before a rule existed. [`crate::tenant`] parses them.

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
    BackendRef, HTTPRoute, HTTPRouteSpec, HTTPRouteStatus, ParentRef, ParentStatus, RouteRule,
};
pub use module_class::{
    ContractType, Limits, ModuleClass, ModuleClassSpec, ModuleClassStatus, Offering, Plan, Requests,
    Resources,
};
pub use municipality::{
    Administrator, AdministratorKind, Contact, DeletionPolicy, Legal, ModuleCount, Municipality,
    MunicipalitySpec, MunicipalityStatus, Quota,
};
pub use service_module::{ServiceModule, ServiceModuleSpec, ServiceModuleStatus};

/// The API group of the three kinds.
pub const GROUP: &str = "rathaus.dev";

/// The longest schema description that a CRD carries, in bytes: enough for `kubectl explain`, while
/// the Kubernetes types' own essays (2.6 kB for each quantity) stay out.
const DESCRIPTION_LIMIT: usize = 400;

/// The three CustomResourceDefinitions, as `rathaus crds` prints them.
pub fn crds() -> Vec<CustomResourceDefinition> {
    let mut crds = vec![Municipality::crd(), ModuleClass::crd(), ServiceModule::crd()];
    for crd in &mut crds {
        for version in &mut crd.spec.versions {
            if let Some(schema) = version.schema.as_mut().and_then(|s| s.open_api_v3_schema.as_mut()) {
                shorten(schema);
            }
        }
    }
    crds
}

fn shorten(schema: &mut JSONSchemaProps) {
    if let Some(text) = schema.description.as_mut().filter(|text| text.len() > DESCRIPTION_LIMIT) {
        *text = text.split(". ").next().unwrap_or_default().to_owned();
    }
    for property in schema.properties.iter_mut().flat_map(|map| map.values_mut()) {
        shorten(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = schema.items.as_mut() {
        shorten(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = schema.additional_properties.as_mut() {
        shorten(values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings_and_lists_without_bound(path: &str, schema: &JSONSchemaProps, found: &mut Vec<String>) {
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
            strings_and_lists_without_bound(&format!("{path}.{name}"), property, found);
        }
        if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
            strings_and_lists_without_bound(&format!("{path}[]"), items, found);
        }
    }

    #[test]
    fn every_string_and_list_that_a_person_writes_is_bounded() {
        let mut found = Vec::new();
        for crd in crds() {
            let schema = crd.spec.versions[0].schema.clone().unwrap().open_api_v3_schema.unwrap();
            let spec = &schema.properties.unwrap()["spec"];
            strings_and_lists_without_bound(&format!("{}.spec", crd.spec.names.kind), spec, &mut found);
        }
        assert!(found.is_empty(), "without maxLength or maxItems: {found:?}");
    }
}
