// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What the server's answers say about a module.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

use super::report::{Outcome, Step};
use crate::api::HTTPRoute;
use crate::api::conditions::{DEPLOYED, ROUTED};
use crate::cluster::Applied;
use crate::desired::Kind;

/// Judges `Deployed` and `Routed`; `pods` are the module's pods, for the reason why they do not run.
pub fn judge(applied: &Applied, pods: &[Pod]) -> Vec<Step> {
    let deployed = match applied.first_of_kind::<Deployment>(Kind::Deployment) {
        Some(deployment) if is_available(&deployment) => {
            Step::ready(DEPLOYED, "Available", "all pods run what the spec says")
        }
        Some(deployment) => unavailable(&deployment, pods),
        None => step(DEPLOYED, Outcome::Waiting, "Pending", "the Deployment is not there yet"),
    };
    vec![deployed, routed(applied.first_of_kind::<HTTPRoute>(Kind::HTTPRoute).as_ref())]
}

/// Whether all pods of a Deployment are of its newest template, and available.
pub fn is_available(deployment: &Deployment) -> bool {
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    deployment.status.as_ref().is_some_and(|status| {
        status.observed_generation >= deployment.metadata.generation
            && status.updated_replicas == Some(wanted)
            && status.available_replicas == Some(wanted)
            && status.replicas == Some(wanted)
    })
}

fn step(condition: &'static str, outcome: Outcome, reason: &'static str, message: impl Into<String>) -> Step {
    Step { condition, outcome, reason, message: message.into() }
}

fn unavailable(deployment: &Deployment, pods: &[Pod]) -> Step {
    let status = deployment.status.clone().unwrap_or_default();
    let refusal =
        status.conditions.iter().flatten().find(|c| c.type_ == "ReplicaFailure" && c.status == "True");
    if let Some(refusal) = refusal {
        let message = refusal.message.clone().unwrap_or_default();
        return if message.contains("exceeded quota") {
            let way_out = "choose a smaller plan, remove a module, or ask state IT for a larger quota";
            step(
                DEPLOYED,
                Outcome::Refused,
                "QuotaExceeded",
                format!("pods do not fit the municipality's quota: {message}; {way_out}"),
            )
        } else {
            step(
                DEPLOYED,
                Outcome::Refused,
                "PodsRefused",
                format!("the cluster refuses the pods: {message}; ask state IT"),
            )
        };
    }
    if let Some(step) = pods.iter().find_map(pod_trouble) {
        return step;
    }
    let (ready, wanted) = (
        status.available_replicas.unwrap_or(0).min(status.updated_replicas.unwrap_or(0)),
        deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1),
    );
    step(DEPLOYED, Outcome::Waiting, "RollingOut", format!("{ready} of {wanted} pods are available; wait"))
}

fn pod_trouble(pod: &Pod) -> Option<Step> {
    let status = pod.status.as_ref()?;
    let migrating =
        status.init_container_statuses.iter().flatten().map(|container| (container, "MigrationFailing"));
    let running = status.container_statuses.iter().flatten().map(|container| (container, "ContainerFailing"));
    let failing =
        migrating.chain(running).find_map(|(container, reason)| container_trouble(container, reason));
    let unschedulable = || {
        let condition =
            status.conditions.iter().flatten().find(|c| c.type_ == "PodScheduled" && c.status == "False")?;
        let message = condition.message.clone().unwrap_or_default();
        Some(step(
            DEPLOYED,
            Outcome::Waiting,
            "Unschedulable",
            format!("no node takes the pod: {message}; ask state IT"),
        ))
    };
    failing.or_else(unschedulable)
}

fn container_trouble(container: &ContainerStatus, reason: &'static str) -> Option<Step> {
    let state = container.state.clone().unwrap_or_default();
    let waiting = state.waiting.unwrap_or_default();
    let (why, said) = (waiting.reason.unwrap_or_default(), waiting.message.unwrap_or_default());
    match why.as_str() {
        "ImagePullBackOff" | "ErrImagePull" | "InvalidImageName" | "ErrImageNeverPull" => {
            let message = format!("the image of the class cannot be had: {said}; ask state IT");
            return Some(step(DEPLOYED, Outcome::Waiting, "ImageNotAvailable", message));
        }
        "CreateContainerError" | "CreateContainerConfigError" | "RunContainerError" => {
            let message = format!("container {} cannot be started: {said}; ask state IT", container.name);
            return Some(step(DEPLOYED, Outcome::Waiting, reason, message));
        }
        _ => {}
    }
    // Between two attempts it has ended, waits or runs again: in each of these its last end tells.
    let last = container.last_state.clone().unwrap_or_default();
    let end = [state.terminated, last.terminated].into_iter().flatten().find(|end| end.exit_code != 0)?;
    let (name, words) = (&container.name, end.message.unwrap_or_default());
    let message =
        format!("container {name} ended with {}; it said: {}; ask state IT", end.exit_code, words.trim());
    Some(step(DEPLOYED, Outcome::Waiting, reason, message))
}

fn routed(route: Option<&HTTPRoute>) -> Step {
    let Some(route) = route else {
        return step(
            ROUTED,
            Outcome::Waiting,
            "NotYetAvailable",
            "the gateway gets its route once the pods have been available",
        );
    };
    let conditions: Vec<_> = route
        .status
        .iter()
        .flat_map(|status| &status.parents)
        .flat_map(|parent| &parent.conditions)
        .collect();
    if let Some(refusal) = conditions.iter().find(|c| c.status == "False") {
        let message = format!(
            "the gateway does not serve {}: {} ({}); ask state IT",
            route.spec.hostnames.join(", "),
            refusal.message,
            refusal.reason
        );
        return step(ROUTED, Outcome::Refused, "RouteRejected", message);
    }
    if conditions.iter().any(|c| c.type_ == "Accepted") {
        return Step::ready(ROUTED, "Accepted", "the gateway sends the host's traffic here");
    }
    step(
        ROUTED,
        Outcome::Waiting,
        "GatewayPending",
        "the gateway has not answered yet; if this stays, ask state IT whether the Gateway in the settings exists",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn told(pod_status: Value) -> Option<(&'static str, String)> {
        let pod: Pod = serde_json::from_value(json!({"status": pod_status})).unwrap();
        pod_trouble(&pod).map(|step| (step.reason, step.message))
    }

    fn container(state: Value, last_state: Value) -> Value {
        json!([{"name": "migrate", "image": "", "imageID": "", "ready": false, "restartCount": 1,
            "state": state, "lastState": last_state}])
    }

    #[test]
    fn a_container_that_fails_is_told_with_its_last_words_at_every_moment() {
        let end = json!({"terminated": {"exitCode": 2, "message": "no such table\n"}});
        for (state, last_state) in [
            (end.clone(), json!({})),
            (json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}), end.clone()),
            (json!({"running": {}}), end.clone()),
        ] {
            let (reason, message) =
                told(json!({"initContainerStatuses": container(state, last_state)})).unwrap();
            assert_eq!(reason, "MigrationFailing");
            assert!(message.contains("migrate ended with 2; it said: no such table;"), "{message}");
        }
    }

    #[test]
    fn an_image_that_cannot_be_had_is_no_failing_container() {
        let state = json!({"waiting": {"reason": "ImagePullBackOff", "message": "not found"}});
        let (reason, message) = told(json!({"containerStatuses": container(state, json!({}))})).unwrap();
        assert!(reason == "ImageNotAvailable" && message.contains("not found"), "{message}");
    }

    #[test]
    fn a_container_that_starts_or_has_done_its_work_is_no_trouble() {
        let done = json!({"terminated": {"exitCode": 0}});
        for state in [done, json!({"running": {}}), json!({"waiting": {"reason": "PodInitializing"}})] {
            assert_eq!(told(json!({"initContainerStatuses": container(state, json!({}))})), None);
        }
    }
}
