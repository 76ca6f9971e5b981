// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise: what policies, bindings and routes allow adds up, so nobody but the operator writes them in a
//! town's namespace; one that is there all the same is named, and takes no running service down.

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, RoleBinding};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::core::NamespaceResourceScope;
use rathaus::api::HTTPRoute;
use rathaus::api::conditions::{ACCESS_READY, ISOLATED, STALLED};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::client;
use crate::support::{Town, delete, eventually, merge, message, module_message};

/// Each opens what the operator keeps closed.
fn policy() -> Value {
    json!({"metadata": {"name": "open"}, "spec": {"podSelector": {}, "ingress": [{}], "egress": [{}]}})
}

fn binding() -> Value {
    json!({"metadata": {"name": "backdoor"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "mallory"}]})
}

fn route() -> Value {
    json!({"metadata": {"name": "detour"}, "spec": {"parentRefs": [], "hostnames": ["detour.rathaus.example"],
        "rules": [{"backendRefs": [{"name": "e-payment", "port": 80}]}]}})
}

async fn create<K>(api: &Api<K>, object: Value, params: &PostParams) -> Result<K, kube::Error>
where
    K: Clone + std::fmt::Debug + DeserializeOwned + Serialize,
{
    api.create(params, &serde_json::from_value(object).unwrap()).await
}

fn dry_run() -> PostParams {
    PostParams { dry_run: true, ..PostParams::default() }
}

/// Asserts that the guard refuses the request, and not a missing right.
fn assert_refused<T: std::fmt::Debug>(what: &str, answer: Result<T, kube::Error>) {
    let is_guard = matches!(&answer, Err(kube::Error::Api(status))
        if status.is_forbidden() && status.message.contains("rathaus-isolation-guard"));
    assert!(is_guard, "{what}: {answer:?}");
}

/// Grants a group these verbs on the three kinds everywhere, and nothing else.
async fn grant(town: &Town, name: &str, rules: Value) {
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": name}, "rules": rules});
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": name}]});
    let apply = PatchParams::apply("promise").force();
    let roles = Api::<ClusterRole>::all(town.client.clone());
    roles.patch(name, &apply, &Patch::Apply(role)).await.unwrap();
    let bindings = Api::<ClusterRoleBinding>::all(town.client.clone());
    bindings.patch(name, &apply, &Patch::Apply(binding)).await.unwrap();
}

async fn revoke(town: &Town, name: &str) {
    delete(&Api::<ClusterRoleBinding>::all(town.client.clone()), name).await;
    delete(&Api::<ClusterRole>::all(town.client.clone()), name).await;
}

/// Asserts that creating, opening and deleting an object of a kind are refused, and that its metadata may be
/// written, as gateways and the garbage collector do.
async fn assert_guarded<K>(api: &Api<K>, foreign: Value, ours: &str, opened: Value)
where
    K: kube::Resource<Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Serialize,
{
    let merge = PatchParams::default();
    assert_refused("create", create(api, foreign, &dry_run()).await);
    assert_refused("change", api.patch(ours, &merge, &Patch::Merge(opened)).await);
    let unlabelled = json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": null}}});
    assert_refused("label", api.patch(ours, &merge, &Patch::Merge(unlabelled)).await);
    assert_refused("delete", api.delete(ours, &DeleteParams::default()).await);
    let annotated = json!({"metadata": {"annotations": {"test.example/seen": "true"}}});
    api.patch(ours, &merge, &Patch::Merge(annotated)).await.unwrap();
}

pub async fn nobody_but_the_operator_opens_a_town() {
    let town = Town::admit(&client().await, "open-a", "721").await;
    town.ready().await;
    // A team of the platform that may write these kinds everywhere.
    let verbs = json!(["get", "create", "update", "patch", "delete"]);
    let rules = json!([
        {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": verbs},
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["rolebindings"], "verbs": verbs},
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "verbs": ["bind"]},
        {"apiGroups": ["gateway.networking.k8s.io"], "resources": ["httproutes"], "verbs": verbs},
    ]);
    grant(&town, "promise-platform", rules).await;
    let team = town.as_member_of("promise-platform").await;
    let elsewhere = Api::<NetworkPolicy>::namespaced(team.client.clone(), "default");
    eventually("the team has its rights, and uses them elsewhere", || async {
        create(&elsewhere, policy(), &dry_run()).await.map_err(|error| error.to_string())
    })
    .await;
    create(&Api::<RoleBinding>::namespaced(team.client.clone(), "default"), binding(), &dry_run())
        .await
        .unwrap();
    create(&Api::<HTTPRoute>::namespaced(team.client.clone(), "default"), route(), &dry_run()).await.unwrap();

    assert_guarded(
        &team.api::<NetworkPolicy>(),
        policy(),
        "rathaus-default-deny",
        json!({"spec": {"egress": [{}]}}),
    )
    .await;
    let mallory = json!({"subjects": binding()["subjects"]});
    assert_guarded(&team.api::<RoleBinding>(), binding(), "rathaus-administrators", mallory).await;
    assert_refused("a route", create(&team.api::<HTTPRoute>(), route(), &dry_run()).await);

    // What was there before may go, and who may break the glass may write.
    create(&town.api::<NetworkPolicy>(), policy(), &PostParams::default()).await.unwrap();
    delete(&team.api::<NetworkPolicy>(), "open").await;
    let glass = json!([{"apiGroups": ["rathaus.dev"], "resources": ["municipalities"],
        "resourceNames": ["open-a"], "verbs": ["break-glass"]}]);
    grant(&town, "promise-glass", glass).await;
    // Somebody of both groups.
    let binding = Api::<ClusterRoleBinding>::all(town.client.clone());
    let both = json!({"subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "promise-platform"}]});
    merge(&binding, "promise-glass", both).await;
    eventually("the glass is broken", || async {
        create(&team.api::<NetworkPolicy>(), policy(), &dry_run()).await.map_err(|error| error.to_string())
    })
    .await;
    revoke(&town, "promise-glass").await;
    revoke(&town, "promise-platform").await;
    town.remove().await;
}

pub async fn what_somebody_else_opened_is_named_and_what_runs_goes_on() {
    let town = Town::admit(&client().await, "open-b", "722").await;
    town.opt_in("e-payment").await;
    town.module_ready("e-payment").await;
    let now = PostParams::default();
    create(&town.api::<RoleBinding>(), binding(), &now).await.unwrap();
    create(&town.api::<NetworkPolicy>(), policy(), &now).await.unwrap();
    let named = |object: &rathaus::api::Municipality, kind: &str| {
        message(&object.status.as_ref().unwrap().conditions, kind)
    };
    let opened = town.municipality_says(ISOLATED, "False", "PolicyForeign").await;
    assert!(named(&opened, ISOLATED).ends_with("delete: open"), "{}", named(&opened, ISOLATED));
    let opened = town.municipality_says(ACCESS_READY, "False", "BindingForeign").await;
    assert!(named(&opened, ACCESS_READY).ends_with("delete: backdoor"), "{}", named(&opened, ACCESS_READY));
    town.municipality_says("Ready", "False", "BindingForeign").await;
    town.municipality_says(STALLED, "True", "BindingForeign").await;

    // What runs is repaired and stays ready; a new module waits.
    let services = town.api::<Service>();
    let lost = services.get("e-payment").await.unwrap().metadata.uid;
    services.delete("e-payment", &DeleteParams::default()).await.unwrap();
    eventually("the Service is back", || async {
        let found = services.get("e-payment").await.map_err(|error| error.to_string())?;
        if found.metadata.uid == lost { Err("still the old one".to_owned()) } else { Ok(()) }
    })
    .await;
    town.module_ready("e-payment").await;
    town.opt_in("second").await;
    let waiting = town.module_says("second", "Deployed", "False", "MunicipalityNotReady").await;
    assert!(module_message(&waiting, "Deployed").contains("new modules are created once they are gone"));

    // Each goes its own way, and the condition with it.
    create(&town.api::<HTTPRoute>(), route(), &now).await.unwrap();
    delete(&town.api::<NetworkPolicy>(), "open").await;
    let opened = town.municipality_says(ISOLATED, "False", "RouteForeign").await;
    assert!(named(&opened, ISOLATED).ends_with("delete: detour"), "{}", named(&opened, ISOLATED));
    delete(&town.api::<HTTPRoute>(), "detour").await;
    town.municipality_says(ISOLATED, "True", "").await;
    delete(&town.api::<RoleBinding>(), "backdoor").await;
    let conditions = town.ready().await.status.unwrap().conditions;
    assert!(conditions.iter().all(|condition| condition.type_ != STALLED), "{conditions:?}");
    town.module_ready("second").await;
    town.remove().await;
}
