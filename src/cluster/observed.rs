// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What the operator keeps of an object besides its digest: the part of its status, or of its content, from
//! which conditions and further objects follow.

use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kube::api::DynamicObject;

use crate::api::{HTTPRoute, ParentStatus};
use crate::desired::Kind;
use crate::desired::module::{DATABASE_CA_KEY, DATABASE_URL_KEY, DatabaseAccess};
use crate::tenant::{HOSTNAME, HOSTNAME_SEAL};

/// How long pods usually take for the next step of their start.
const PROGRESS_TIME: SignedDuration = SignedDuration::from_secs(3);

/// What is kept of an object, by its kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Observed {
    /// Nothing: the digest says all, or the object does not have the form of its kind.
    #[default]
    Nothing,
    /// Of a Deployment, how far its pods are.
    Deployment(Rollout),
    /// Of an HTTPRoute, what the gateway says.
    HTTPRoute(RouteDecision),
    /// Of a Namespace, the host name that its municipality holds.
    Namespace(HeldHostname),
    /// Of a Secret, how the module connects to its database.
    Secret(DatabaseAccess),
}

/// The host name that a municipality holds, as its namespace says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldHostname {
    /// The host name.
    pub name: String,
    /// Its seal, which is not verified here.
    pub seal: String,
}

/// How far the pods of a Deployment are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollout {
    /// Number of pods that should run.
    pub desired: i32,
    /// Number of pods that are made from the current template and are available.
    pub available: i32,
    /// Whether all pods are made from the current template and are available, and no others exist.
    pub is_complete: bool,
    /// The API server's message if it refuses pods, such as for an exceeded quota.
    pub refusal: Option<String>,
    /// When the last progress was made, in whole seconds.
    pub progressed_at: Option<Timestamp>,
}

/// What the gateway says about the current generation of an HTTPRoute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteDecision {
    /// Nothing yet.
    Pending,
    /// It serves the route.
    Accepted,
    /// It does not serve the route.
    Rejected {
        /// The host names of the route, comma-separated.
        hostnames: String,
        /// Reason of the gateway's condition.
        reason: String,
        /// Message of the gateway's condition.
        message: String,
    },
}

impl Observed {
    /// Reads an object of this kind.
    pub(super) fn of(kind: Kind, object: &DynamicObject) -> Self {
        match kind {
            Kind::Deployment => parse(object).map(|deployment| Self::Deployment(Rollout::of(&deployment))),
            Kind::HTTPRoute => parse(object).map(|route| Self::HTTPRoute(RouteDecision::of(&route))),
            Kind::Namespace => {
                let annotation = |name| object.annotations().get(name).cloned();
                let held = annotation(HOSTNAME).zip(annotation(HOSTNAME_SEAL));
                held.map(|(name, seal)| Self::Namespace(HeldHostname { name, seal }))
            }
            Kind::Secret => parse(object).and_then(database_access).map(Self::Secret),
            _ => None,
        }
        .unwrap_or_default()
    }

    /// Whether the owner of an object has the same to do for both. How many pods are available does not
    /// matter to it until all are.
    pub(super) fn is_same_for_owner(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Deployment(left), Self::Deployment(right)) => {
                (left.is_complete, &left.refusal) == (right.is_complete, &right.refusal)
            }
            (left, right) => left == right,
        }
    }
}

fn parse<K: serde::de::DeserializeOwned + kube::Resource>(object: &DynamicObject) -> Option<K> {
    object.clone().try_parse().ok()
}

fn database_access(secret: Secret) -> Option<DatabaseAccess> {
    let mut data = secret.data?;
    let text = |bytes: ByteString| String::from_utf8(bytes.0).ok();
    let ca = data.remove(DATABASE_CA_KEY).and_then(text);
    Some(DatabaseAccess { url: data.remove(DATABASE_URL_KEY).and_then(text)?, ca })
}

impl Rollout {
    /// Whether the pods themselves have to be asked why they are not available: there was no progress for a while.
    pub fn has_stalled(&self, now: Timestamp) -> bool {
        let is_recent = |time: Timestamp| now.duration_since(time) < PROGRESS_TIME;
        !self.is_complete && self.refusal.is_none() && !self.progressed_at.is_some_and(is_recent)
    }

    fn of(deployment: &Deployment) -> Self {
        let desired = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        let created_at = deployment.metadata.creation_timestamp.as_ref().map(|time| time.0);
        let Some(status) = &deployment.status else {
            return Self { desired, progressed_at: created_at, ..Self::default() };
        };
        let conditions = || status.conditions.iter().flatten();
        let progress = conditions().find(|condition| condition.type_ == "Progressing");
        let updated_at = progress.and_then(|condition| condition.last_update_time.as_ref());
        let available = status.available_replicas.unwrap_or(0).min(status.updated_replicas.unwrap_or(0));
        let refusal = conditions().find(|c| c.type_ == "ReplicaFailure" && c.status == "True");
        Self {
            desired,
            available,
            is_complete: status.observed_generation >= deployment.metadata.generation
                && available == desired
                && status.updated_replicas == Some(desired)
                && status.replicas == Some(desired),
            refusal: refusal.map(|condition| condition.message.clone().unwrap_or_default()),
            progressed_at: updated_at.map(|time| time.0).max(created_at),
        }
    }
}

impl RouteDecision {
    fn of(route: &HTTPRoute) -> Self {
        let conditions = current_conditions(route);
        if let Some(refusal) = conditions.iter().find(|condition| condition.status == "False") {
            return Self::Rejected {
                hostnames: route.spec.hostnames.join(", "),
                reason: refusal.reason.clone(),
                message: refusal.message.clone(),
            };
        }
        match conditions.iter().any(|condition| condition.type_ == "Accepted" && condition.status == "True") {
            true => Self::Accepted,
            false => Self::Pending,
        }
    }
}

/// The conditions `Accepted` and `ResolvedRefs` that decide about a route: those that the Gateway of its
/// spec has written about its current generation. Another controller may add the status of a parent that
/// the spec does not name, and an older generation may have had another host name. Conditions of other
/// types are ignored, since implementations add some of which `False` is the good state.
fn current_conditions(route: &HTTPRoute) -> Vec<&Condition> {
    let namespace = route.metadata.namespace.as_deref();
    let is_ours = |parent: &&ParentStatus| {
        let ours = route.spec.parent_refs.iter().map(|parent| parent.gateway(namespace));
        ours.into_iter().any(|gateway| gateway == parent.parent_ref.gateway(namespace))
    };
    let is_current = |condition: &&Condition| {
        route.metadata.generation.is_some() && condition.observed_generation == route.metadata.generation
    };
    let parents = route.status.iter().flat_map(|status| &status.parents).filter(is_ours);
    parents
        .flat_map(|parent| &parent.conditions)
        .filter(is_current)
        .filter(|condition| matches!(condition.type_.as_str(), "Accepted" | "ResolvedRefs"))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn observe(kind: Kind, object: Value) -> Observed {
        Observed::of(kind, &serde_json::from_value(object).unwrap())
    }

    fn rollout(status: Value) -> Observed {
        observe(
            Kind::Deployment,
            json!({
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "e-payment", "generation": 2},
                "spec": {"replicas": 2, "selector": {}, "template": {}}, "status": status,
            }),
        )
    }

    #[test]
    fn a_rollout_is_complete_once_all_pods_have_the_current_template_and_no_others_exist() {
        let complete =
            json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2});
        let is_complete = |changes: Value| {
            let mut status = complete.clone();
            status.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            matches!(rollout(status), Observed::Deployment(Rollout { is_complete: true, .. }))
        };
        assert!(is_complete(json!({})));
        for changes in [
            json!({"observedGeneration": 1}),
            json!({"replicas": 3}),
            json!({"updatedReplicas": 1}),
            json!({"availableReplicas": 1}),
        ] {
            assert!(!is_complete(changes.clone()), "{changes}");
        }
        assert_eq!(rollout(Value::Null), Observed::Deployment(Rollout { desired: 2, ..Rollout::default() }));
    }

    #[test]
    fn only_the_end_of_a_rollout_and_refusals_matter_to_the_owner() {
        let one = rollout(
            json!({"observedGeneration": 2, "replicas": 2, "availableReplicas": 1, "updatedReplicas": 2}),
        );
        let none = rollout(json!({"observedGeneration": 2, "replicas": 2}));
        assert!(one != none && one.is_same_for_owner(&none));
        let refused = json!([{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}]);
        let refused = rollout(json!({"observedGeneration": 2, "replicas": 2, "conditions": refused}));
        assert!(!refused.is_same_for_owner(&none));
    }

    #[test]
    fn pods_are_asked_once_there_was_no_progress_for_a_while() {
        let progress =
            json!([{"type": "Progressing", "status": "True", "lastUpdateTime": "2026-01-01T00:00:10Z"}]);
        let status = json!({"observedGeneration": 2, "replicas": 2, "conditions": progress});
        let Observed::Deployment(rollout) = rollout(status) else { panic!("no rollout") };
        let has_stalled = |time: &str| rollout.has_stalled(time.parse().unwrap());
        assert!(!has_stalled("2026-01-01T00:00:12Z"));
        assert!(has_stalled("2026-01-01T00:00:13Z"));
        let refused = Rollout { refusal: Some("exceeded quota".to_owned()), ..rollout.clone() };
        let complete = Rollout { is_complete: true, ..rollout.clone() };
        for other in [refused, complete] {
            assert!(!other.has_stalled("2026-01-02T00:00:00Z".parse().unwrap()));
        }
    }

    /// The decision about a route in its second generation with this status of parents.
    fn decision(parents: Value) -> RouteDecision {
        let observed = observe(
            Kind::HTTPRoute,
            json!({
                "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
                "metadata": {"name": "e-payment", "namespace": "mun-ahaus", "generation": 2},
                "spec": {"parentRefs": [{"name": "public", "namespace": "rathaus-gateway"}],
                    "hostnames": ["e-payment.ahaus.rathaus.example"], "rules": []},
                "status": {"parents": parents},
            }),
        );
        let Observed::HTTPRoute(decision) = observed else { panic!("{observed:?}") };
        decision
    }

    fn parent(gateway: Value, type_: &str, status: &str, generation: Value) -> Value {
        json!({"parentRef": gateway, "controllerName": "example.net/gateway", "conditions": [{
            "type": type_, "status": status, "reason": "NoMatchingListenerHostname", "message": "no listener",
            "observedGeneration": generation, "lastTransitionTime": "2026-01-01T00:00:00Z"}]})
    }

    #[test]
    fn our_gateway_decides_about_the_current_generation_of_a_route() {
        let ours = || json!({"name": "public", "namespace": "rathaus-gateway", "kind": "Gateway"});
        let says = |type_, status| decision(json!([parent(ours(), type_, status, json!(2))]));
        assert_eq!(says("Accepted", "True"), RouteDecision::Accepted);
        for type_ in ["Accepted", "ResolvedRefs"] {
            let RouteDecision::Rejected { hostnames, reason, message } = says(type_, "False") else {
                panic!("{type_} is not rejected")
            };
            assert_eq!(hostnames, "e-payment.ahaus.rathaus.example");
            assert_eq!((reason.as_str(), message.as_str()), ("NoMatchingListenerHostname", "no listener"));
        }
        assert_eq!(says("Accepted", "Unknown"), RouteDecision::Pending);
        assert_eq!(says("PartiallyInvalid", "False"), RouteDecision::Pending);
    }

    #[test]
    fn status_of_an_older_generation_of_a_route_decides_nothing() {
        let ours = || json!({"name": "public", "namespace": "rathaus-gateway"});
        for generation in [json!(1), json!(3), Value::Null] {
            for status in ["True", "False"] {
                let parents = json!([parent(ours(), "Accepted", status, generation.clone())]);
                assert_eq!(decision(parents), RouteDecision::Pending, "{status} for generation {generation}");
            }
        }
    }

    #[test]
    fn status_of_another_parent_of_a_route_decides_nothing() {
        for other in [
            json!({"name": "internal", "namespace": "rathaus-gateway"}),
            json!({"name": "public", "namespace": "elsewhere"}),
            json!({"name": "public"}),
        ] {
            for status in ["True", "False"] {
                let parents = json!([parent(other.clone(), "Accepted", status, json!(2))]);
                assert_eq!(decision(parents), RouteDecision::Pending, "{status} by {other}");
            }
        }
    }
}
