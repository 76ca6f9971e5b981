// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise (invariant 9): the operator holds no cluster-wide right on Secrets, no wildcard, no
//! escalate; each rule states a reason, and the rules are compared with the calls actually made.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role};
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, PropagationPolicy};
use kube::{Api, ResourceExt};
use rathaus::desired::{KINDS, Kind};
use serde_json::{Value, json};

use crate::support::{Town, delete, eventually, merge};
use crate::{OPERATOR, client};

/// A label that the operator does not know.
const DRIFT: &str = "example.com/drift";

const CLUSTER_ROLES: [&str; 2] = ["rathaus-operator", "rathaus-tenant-operator"];

fn each(rule: &PolicyRule) -> BTreeSet<(String, String, String)> {
    let groups = rule.api_groups.clone().unwrap_or_default();
    let resources = rule.resources.clone().unwrap_or_default();
    groups
        .iter()
        .flat_map(|group| resources.iter().map(move |resource| (group, resource)))
        .flat_map(|(group, resource)| {
            rule.verbs.iter().map(move |verb| (group.clone(), resource.clone(), verb.clone()))
        })
        .collect()
}

pub async fn invariant_9_no_secret_no_wildcard_no_escalation_across_the_cluster() {
    let roles = Api::<ClusterRole>::all(client().await);
    for name in CLUSTER_ROLES {
        for rule in roles.get(name).await.unwrap().rules.unwrap() {
            // Paths that are no objects: named one by one, and only read.
            assert!(
                rule.non_resource_urls.iter().flatten().all(|path| !path.contains('*')),
                "{name}: {rule:?}"
            );
            assert!(rule.non_resource_urls.is_none() || rule.verbs == ["get"], "{name}: {rule:?}");
            for (group, resource, verb) in each(&rule) {
                assert!(group != "*" && resource != "*" && verb != "*", "{name}: {rule:?}");
                assert!(!["escalate", "impersonate"].contains(&verb.as_str()), "{name}: {rule:?}");
                if verb == "bind" {
                    assert!(
                        rule.resource_names.as_ref().is_some_and(|names| !names.is_empty()),
                        "{name}: {rule:?}"
                    );
                }
                let contents = ["secrets", "configmaps", "pods/exec", "serviceaccounts/token"];
                assert!(
                    name != "rathaus-operator" || !contents.contains(&resource.as_str()),
                    "{name}: {rule:?}"
                );
            }
        }
    }
}

pub async fn invariant_9_each_rule_states_its_reason() {
    let text = std::fs::read_to_string(e2e::install::chart().join("templates/clusterroles.yaml")).unwrap();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_rule = |line: &str| line.starts_with("- apiGroups:") || line.starts_with("- nonResourceURLs:");
    let rules = lines.iter().enumerate().filter(|(_, line)| is_rule(line));
    let mut count = 0;
    for (at, rule) in rules {
        assert!(at > 0 && lines[at - 1].starts_with('#'), "no reason above {rule} in line {}", at + 1);
        count += 1;
    }
    assert!(count >= 10, "only {count} rules found");
}

pub async fn invariant_9_the_rules_are_what_the_operator_uses() {
    let client = client().await;
    // The whole life of a town, in which every right is used.
    let start = e2e::audit::mark().unwrap();
    let mut object = crate::support::municipality("rights-a", "961");
    object["spec"]["deletionPolicy"] = "Delete".into();
    let town = Town::admit_with(&client, "rights-a", object).await;
    town.opt_in("e-payment").await;
    town.module_ready("e-payment").await;
    // A label of somebody else on each object, which is drift.
    for kind in KINDS {
        add_label(&town, *kind).await;
    }
    for kind in KINDS {
        eventually(&format!("{kind:?} is repaired"), || async {
            let found = labelled(&town, *kind).await.len();
            if found == 0 { Ok(()) } else { Err(format!("{found} are not")) }
        })
        .await;
    }
    delete(&town.modules(), "e-payment").await;
    town.remove().await;
    let mut calls = e2e::audit::requests_since(start, OPERATOR).unwrap();
    calls.retain(|call| !call.resource.is_empty()); // paths that are no objects, such as discovery

    let mut granted = BTreeSet::new();
    for name in CLUSTER_ROLES {
        let role = Api::<ClusterRole>::all(client.clone()).get(name).await.unwrap();
        granted.extend(role.rules.unwrap().iter().flat_map(each));
    }
    let own = Api::<Role>::namespaced(client.clone(), "rathaus-system").get("rathaus").await.unwrap();
    granted.extend(own.rules.unwrap().iter().flat_map(each));

    let resource = |call: &e2e::audit::Request| match call.subresource.as_str() {
        "" => call.resource.clone(),
        subresource => format!("{}/{subresource}", call.resource),
    };
    let rights = |calls: &[&e2e::audit::Request]| -> BTreeSet<_> {
        calls.iter().map(|call| (call.group.clone(), resource(call), call.verb.clone())).collect()
    };
    let used = rights(&calls.iter().collect::<Vec<_>>());
    let beyond: Vec<_> = used.difference(&granted).collect();
    assert!(beyond.is_empty(), "called without a rule: {beyond:?}");

    // Other promises run at the same time: only this town's calls count, and those for its class.
    let ours = |call: &&e2e::audit::Request| {
        call.namespace == town.namespace()
            || [town.name.as_str(), &town.namespace()].contains(&call.name.as_str())
            || call.resource == "moduleclasses"
    };
    let used = rights(&calls.iter().filter(ours).collect::<Vec<_>>());

    // What one life does not show: starting (leases are made once; definitions are read), watching, which goes
    // on from before, drift, and what `bind`, `update` of finalizers and Events allow indirectly.
    let by_other_means = |(_, resource, verb): &&(String, String, String)| {
        ["get", "list", "watch", "bind"].contains(&verb.as_str())
            || resource.ends_with("/finalizers")
            || ["leases", "events"].contains(&resource.as_str())
    };
    let unused: Vec<_> = granted.difference(&used).filter(|right| !by_other_means(right)).collect();
    println!("rights that change something and were not used in one life: {unused:?}");
    let tolerated = |(_, resource, verb): &&&(String, String, String)| {
        // A town's own objects go with its namespace; they are deleted singly only as drift.
        (verb == "delete" && ["rolebindings", "resourcequotas", "limitranges"].contains(&resource.as_str()))
            // Only to remove finalizers that others have put on the town's Secrets; one rule for both kinds.
            || (verb == "patch" && ["secrets", "configmaps"].contains(&resource.as_str()))
    };
    let superfluous: Vec<_> = unused.iter().filter(|right| !tolerated(right)).collect();
    assert!(superfluous.is_empty(), "granted and never used: {superfluous:?}");
}

/// Puts a label on the town's objects of a kind that carry a seal.
async fn add_label(town: &Town, kind: Kind) {
    let drift = json!({"metadata": {"labels": {DRIFT: "rights-a"}}});
    for object in town.sealed(kind).await {
        merge(&town.made(kind), &object.name_any(), drift.clone()).await;
    }
}

/// The objects that have the label.
async fn labelled(town: &Town, kind: Kind) -> Vec<DynamicObject> {
    let params = ListParams::default().labels(&format!("{DRIFT}=rights-a"));
    town.made(kind).list(&params).await.unwrap().items
}

pub async fn administrators_write_their_secrets_and_read_none() {
    let town = Town::admit(&client().await, "rights-b", "962").await;
    let module = town.opt_in("e-payment").await;
    town.module_ready("e-payment").await;
    let admin = town.as_administrator().await;
    let secrets = admin.api::<Secret>();
    let secret = |change: Value| -> Secret {
        let mut object =
            json!({"metadata": {"name": "mine"}, "type": "Opaque", "stringData": {"token": "x"}});
        object.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        serde_json::from_value(object).unwrap()
    };
    let now = PostParams::default();
    secrets.create(&now, &secret(json!({}))).await.unwrap();
    secrets.replace("mine", &now, &secret(json!({"stringData": {"token": "y"}}))).await.unwrap();

    let by = |manager: &str| PatchParams::apply(manager).force();
    let applied = |name: &str| {
        Patch::Apply(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
            "stringData": {"token": "z"}}))
    };
    let nothing = Patch::Merge(json!({}));
    // What is no Secret: the API server's error message would contain the whole of it.
    let misshapen = Patch::Merge(json!({"metadata": {"labels": "x"}}));
    let named = |name: &str, labels: Value| secret(json!({"metadata": {"name": name, "labels": labels}}));
    let ours = json!({"app.kubernetes.io/managed-by": "rathaus"});
    let service_account_token = json!({"type": "kubernetes.io/service-account-token", "metadata": {
        "name": "stolen", "annotations": {"kubernetes.io/service-account.name": "e-payment"}}});
    let owner = json!([{"apiVersion": "rathaus.dev/v1alpha1", "kind": "ServiceModule", "name": "e-payment",
        "uid": module.uid().unwrap()}]);
    let owned = |name: &str| secret(json!({"metadata": {"name": name, "ownerReferences": owner}}));
    let claimed = secret(json!({"metadata": {"name": "mine", "managedFields": [{"manager": "rathaus",
        "operation": "Apply", "apiVersion": "v1", "time": "2026-01-01T00:00:00Z",
        "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {}}}]}}));
    let as_operator = PostParams { field_manager: Some("rathaus".to_owned()), ..PostParams::default() };
    let lingering =
        DeleteParams { propagation_policy: Some(PropagationPolicy::Foreground), ..DeleteParams::default() };
    let patch = PatchParams::default();
    let before = town.api::<Secret>().get("e-payment").await.unwrap();
    for (what, refused) in [
        ("get", secrets.get("mine").await.err()),
        ("list", secrets.list(&ListParams::default()).await.err()),
        ("a patch of nothing", secrets.patch("mine", &patch, &nothing).await.err()),
        ("apply", secrets.patch("mine", &by("flux"), &applied("mine")).await.err()),
        ("a deletion that shows it", secrets.delete("mine", &lingering).await.err()),
        ("a label of the operator's", secrets.create(&now, &named("like", ours.clone())).await.err()),
        ("that label later", secrets.replace("mine", &now, &named("mine", ours.clone())).await.err()),
        ("a module's token", secrets.create(&now, &secret(service_account_token)).await.err()),
        ("a module as owner", secrets.create(&now, &owned("like")).await.err()),
        ("a module as owner later", secrets.replace("mine", &now, &owned("mine")).await.err()),
        ("the operator's manager", secrets.create(&as_operator, &named("like", json!({}))).await.err()),
        ("the operator's manager, claimed", secrets.replace("mine", &now, &claimed).await.err()),
        (
            "the operator's, with its label",
            secrets.replace("e-payment", &now, &named("e-payment", ours)).await.err(),
        ),
        ("the operator's", secrets.replace("e-payment", &now, &named("e-payment", json!({}))).await.err()),
        ("the operator's, patched", secrets.patch("e-payment", &patch, &nothing).await.err()),
        ("the operator's, misshapen", secrets.patch("e-payment", &patch, &misshapen).await.err()),
        (
            "the operator's, applied",
            secrets.patch("e-payment", &by("flux"), &applied("e-payment")).await.err(),
        ),
        ("deleting the operator's", secrets.delete("e-payment", &DeleteParams::default()).await.err()),
    ] {
        let forbidden = matches!(&refused, Some(kube::Error::Api(status)) if status.is_forbidden());
        assert!(forbidden, "{what}: {refused:?}");
    }
    assert_eq!(town.api::<Secret>().get("e-payment").await.unwrap(), before);
    secrets.delete("mine", &DeleteParams::default()).await.unwrap();
    assert_eq!(town.api::<Secret>().get_opt("mine").await.unwrap(), None);
    town.remove().await;
}
