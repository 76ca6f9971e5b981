// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise (invariant 9): the operator holds no cluster-wide right on Secrets, no wildcard, no
//! escalate; each rule states a reason, and the rules are compared with the calls actually made.

use std::collections::BTreeSet;

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role};
use kube::Api;

use crate::support::{Town, delete};
use crate::{OPERATOR, client};

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

#[tokio::test]
async fn invariant_9_no_secret_no_wildcard_no_escalation_across_the_cluster() {
    let roles = Api::<ClusterRole>::all(client().await);
    for name in CLUSTER_ROLES {
        for rule in roles.get(name).await.unwrap().rules.unwrap() {
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

#[test]
fn invariant_9_each_rule_states_its_reason() {
    let text = std::fs::read_to_string(e2e::install::chart().join("templates/clusterroles.yaml")).unwrap();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let rules = lines.iter().enumerate().filter(|(_, line)| line.starts_with("- apiGroups:"));
    let mut count = 0;
    for (at, rule) in rules {
        assert!(at > 0 && lines[at - 1].starts_with('#'), "no reason above {rule} in line {}", at + 1);
        count += 1;
    }
    assert!(count >= 10, "only {count} rules found");
}

#[tokio::test]
async fn invariant_9_the_rules_are_what_the_operator_uses() {
    let client = client().await;
    // A whole life, so that every right is used while we look.
    let start = e2e::audit::mark().unwrap();
    let mut object = crate::support::municipality("rights-a", "961");
    object["spec"]["deletionPolicy"] = "Delete".into();
    let town = Town::admit_with(&client, "rights-a", object).await;
    town.opt_in("e-payment").await;
    town.module_ready("e-payment").await;
    delete(&town.modules(), "e-payment").await;
    town.remove().await;
    let calls = e2e::audit::requests_since(start, OPERATOR).unwrap();

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
    let mut used: BTreeSet<_> =
        calls.iter().map(|call| (call.group.clone(), resource(call), call.verb.clone())).collect();
    // A patch by server-side apply that makes an object (201) needs the right to create as well.
    let made = calls.iter().filter(|call| call.verb == "patch" && call.code == 201);
    used.extend(made.map(|call| (call.group.clone(), resource(call), "create".to_owned())));
    let beyond: Vec<_> = used.difference(&granted).collect();
    assert!(beyond.is_empty(), "called without a rule: {beyond:?}");

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
        verb == "delete" && ["rolebindings", "resourcequotas", "limitranges"].contains(&resource.as_str())
    };
    let superfluous: Vec<_> = unused.iter().filter(|right| !tolerated(right)).collect();
    assert!(superfluous.is_empty(), "granted and never used: {superfluous:?}");
}
