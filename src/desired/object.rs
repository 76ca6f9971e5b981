// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The compiled-in list of kinds that the operator may make. An object of another kind cannot be planned,
//! applied or pruned. The macro generates every `match` over the kinds, so that none can be forgotten.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{
    ConfigMap, LimitRange, Namespace, ResourceQuota, Secret, Service, ServiceAccount,
};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Resource;
use kube::core::ApiResource;
use serde_json::Value;

use crate::api::HTTPRoute;

macro_rules! kinds {
    ($($kind:ident),+ $(,)?) => {
        /// An object that should exist.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(clippy::large_enum_variant, reason = "a plan holds a dozen of them, and not for long")]
        #[allow(missing_docs, reason = "each variant has the name of its kind")]
        pub enum Object {
            $($kind($kind)),+
        }

        /// A kind that the operator may make.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "each variant has the name of its kind")]
        pub enum Kind {
            $($kind),+
        }

        /// All kinds that the operator may make.
        pub const KINDS: &[Kind] = &[$(Kind::$kind),+];

        impl Kind {
            /// Returns group, version and plural of the kind, for requests to the API server.
            pub fn api_resource(self) -> ApiResource {
                match self {
                    $(Self::$kind => ApiResource::erase::<$kind>(&())),+
                }
            }
        }

        impl Object {
            /// Returns the kind of the object.
            pub fn kind(&self) -> Kind {
                match self {
                    $(Self::$kind(_) => Kind::$kind),+
                }
            }

            /// Returns the metadata of the object.
            pub fn meta(&self) -> &kube::api::ObjectMeta {
                match self {
                    $(Self::$kind(object) => object.meta()),+
                }
            }

            /// Serializes the object as the API server expects it.
            ///
            /// # Errors
            /// Fails if a value cannot be represented in JSON.
            pub fn to_json(&self) -> Result<Value, serde_json::Error> {
                match self {
                    $(Self::$kind(object) => serde_json::to_value(object)),+
                }
            }
        }

        $(impl From<$kind> for Object {
            fn from(object: $kind) -> Self {
                Self::$kind(object)
            }
        })+
    };
}

kinds! {
    Namespace,
    RoleBinding,
    ResourceQuota,
    LimitRange,
    NetworkPolicy,
    ServiceAccount,
    ConfigMap,
    Secret,
    Service,
    PodDisruptionBudget,
    Deployment,
    HTTPRoute,
}

impl Object {
    /// Returns the name of the object. Every builder sets one; without one it would be empty.
    pub fn name(&self) -> &str {
        self.meta().name.as_deref().unwrap_or_default()
    }
}
