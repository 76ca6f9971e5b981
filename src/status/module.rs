// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Evaluates the state of a module's Deployment, pods and HTTPRoute, as they are in the cluster.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

use super::report::{Outcome, Step};
use crate::api::conditions::{DEPLOYED, ROUTED};
use crate::cluster::{Applied, Rollout, RouteDecision};

/// Evaluates the conditions `Deployed` and `Routed`. `pods` are the module's pods; they explain why the
/// Deployment is not available. `shows_logs` tells whether the explanation may contain log lines: they can
/// contain secrets, and more people read a status than a log.
pub fn evaluate(applied: &Applied, pods: &[Pod], shows_logs: bool) -> Vec<Step> {
    let deployed = match applied.rollout() {
        Some(rollout) if rollout.is_complete => {
            Step::ready(DEPLOYED, "Available", "all pods run what the spec says")
        }
        Some(rollout) => evaluate_unavailable(rollout, pods, shows_logs),
        None => step(DEPLOYED, Outcome::Waiting, "Pending", "the Deployment does not exist yet"),
    };
    vec![deployed, evaluate_route(applied.route())]
}

fn step(condition: &'static str, outcome: Outcome, reason: &'static str, message: impl Into<String>) -> Step {
    Step { condition, outcome, reason, message: message.into() }
}

/// Explains why a Deployment is not available: the cluster refuses its pods, a pod fails, or it is
/// rolling out.
fn evaluate_unavailable(rollout: &Rollout, pods: &[Pod], shows_logs: bool) -> Step {
    if let Some(refusal) = &rollout.refusal {
        return if refusal.contains("exceeded quota") {
            let advice = "choose a smaller plan, remove a module, or ask state IT for a larger quota";
            step(
                DEPLOYED,
                Outcome::Refused,
                "QuotaExceeded",
                format!("pods do not fit the municipality's quota: {refusal}; {advice}"),
            )
        } else {
            step(
                DEPLOYED,
                Outcome::Refused,
                "PodsRefused",
                format!("the cluster refuses the pods: {refusal}; ask state IT"),
            )
        };
    }
    if let Some(step) = pods.iter().find_map(|pod| evaluate_pod(pod, shows_logs)) {
        return step;
    }
    step(
        DEPLOYED,
        Outcome::Waiting,
        "RollingOut",
        format!("{} of {} pods are available; wait", rollout.available, rollout.desired),
    )
}

/// Explains why a pod does not run; `None` if nothing is wrong with it.
fn evaluate_pod(pod: &Pod, shows_logs: bool) -> Option<Step> {
    let status = pod.status.as_ref()?;
    let init_containers =
        status.init_container_statuses.iter().flatten().map(|container| (container, "MigrationFailing"));
    let containers =
        status.container_statuses.iter().flatten().map(|container| (container, "ContainerFailing"));
    let failing = init_containers
        .chain(containers)
        .find_map(|(container, reason)| evaluate_container(pod, container, reason, shows_logs));
    let unschedulable = || {
        let condition =
            status.conditions.iter().flatten().find(|c| c.type_ == "PodScheduled" && c.status == "False")?;
        let message = condition.message.clone().unwrap_or_default();
        Some(step(
            DEPLOYED,
            Outcome::Waiting,
            "Unschedulable",
            format!("no node can run the pod: {message}; ask state IT"),
        ))
    };
    failing.or_else(unschedulable)
}

/// Explains why a container does not run; `reason` is that of the condition if the container itself fails.
fn evaluate_container(
    pod: &Pod,
    container: &ContainerStatus,
    reason: &'static str,
    shows_logs: bool,
) -> Option<Step> {
    let state = container.state.clone().unwrap_or_default();
    let waiting = state.waiting.unwrap_or_default();
    let (waiting_reason, waiting_message) =
        (waiting.reason.unwrap_or_default(), waiting.message.unwrap_or_default());
    match waiting_reason.as_str() {
        "ImagePullBackOff" | "ErrImagePull" | "InvalidImageName" | "ErrImageNeverPull" => {
            let message = format!("the image of the class cannot be pulled: {waiting_message}; ask state IT");
            return Some(step(DEPLOYED, Outcome::Waiting, "ImageNotAvailable", message));
        }
        "CreateContainerError" | "CreateContainerConfigError" | "RunContainerError" => {
            let message =
                format!("container {} cannot be started: {waiting_message}; ask state IT", container.name);
            return Some(step(DEPLOYED, Outcome::Waiting, reason, message));
        }
        _ => {}
    }
    // Between two attempts, a failing container is terminated, waits or runs again. In each of these states
    // the way it last ended explains the failure.
    let last_state = container.last_state.clone().unwrap_or_default();
    let failure = [state.terminated, last_state.terminated]
        .into_iter()
        .flatten()
        .find(|terminated| terminated.exit_code != 0)?;
    let output = if shows_logs {
        format!("its last output: {}; ask state IT", failure.message.unwrap_or_default().trim())
    } else {
        format!(
            "ask state IT, who see its output by: kubectl -n {} logs {} -c {} --previous",
            pod.metadata.namespace.as_deref().unwrap_or_default(),
            pod.metadata.name.as_deref().unwrap_or_default(),
            container.name
        )
    };
    let message =
        format!("container {} failed with exit code {}; {output}", container.name, failure.exit_code);
    Some(step(DEPLOYED, Outcome::Waiting, reason, message))
}

fn evaluate_route(route: Option<&RouteDecision>) -> Step {
    match route {
        None => step(
            ROUTED,
            Outcome::Waiting,
            "NotYetAvailable",
            "the route is created once the pods have become available",
        ),
        Some(RouteDecision::Rejected { hostnames, reason, message }) => {
            let message =
                format!("the gateway does not serve {hostnames}: {message} ({reason}); ask state IT");
            step(ROUTED, Outcome::Refused, "RouteRejected", message)
        }
        Some(RouteDecision::Accepted) => {
            Step::ready(ROUTED, "Accepted", "the gateway sends requests for the host name to the module")
        }
        Some(RouteDecision::Pending) => step(
            ROUTED,
            Outcome::Waiting,
            "GatewayPending",
            "the gateway has not answered yet; if this persists, ask state IT whether the Gateway in the settings exists",
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Reason and message for a pod with this status.
    fn evaluate_status(pod_status: Value, shows_logs: bool) -> Option<(&'static str, String)> {
        let metadata = json!({"namespace": "mun-ahaus", "name": "e-payment-1"});
        let pod: Pod = serde_json::from_value(json!({"metadata": metadata, "status": pod_status})).unwrap();
        evaluate_pod(&pod, shows_logs).map(|step| (step.reason, step.message))
    }

    fn container(state: Value, last_state: Value) -> Value {
        json!([{"name": "migrate", "image": "", "imageID": "", "ready": false, "restartCount": 1,
            "state": state, "lastState": last_state}])
    }

    #[test]
    fn a_failing_container_is_reported_with_its_last_output_in_every_state() {
        let terminated = json!({"terminated": {"exitCode": 2, "message": "no such table\n"}});
        for (state, last_state) in [
            (terminated.clone(), json!({})),
            (
                json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}),
                terminated.clone(),
            ),
            (json!({"running": {}}), terminated.clone()),
        ] {
            let (reason, message) =
                evaluate_status(json!({"initContainerStatuses": container(state, last_state)}), true)
                    .unwrap();
            assert_eq!(reason, "MigrationFailing");
            assert!(
                message.contains("migrate failed with exit code 2; its last output: no such table;"),
                "{message}"
            );
        }
    }

    #[test]
    fn log_lines_of_a_failing_container_are_not_repeated_unless_the_class_allows_it() {
        let failed = json!({"terminated": {"exitCode": 2, "message": "postgres://ahaus:secret@db"}});
        let status = json!({"containerStatuses": container(failed, json!({}))});
        let (reason, message) = evaluate_status(status, false).unwrap();
        assert_eq!(reason, "ContainerFailing");
        assert!(!message.contains("secret"), "{message}");
        let command = "kubectl -n mun-ahaus logs e-payment-1 -c migrate --previous";
        assert!(message.contains("exit code 2") && message.contains(command), "{message}");
    }

    #[test]
    fn an_image_that_cannot_be_pulled_is_not_reported_as_a_failing_container() {
        let state = json!({"waiting": {"reason": "ImagePullBackOff", "message": "not found"}});
        let (reason, message) =
            evaluate_status(json!({"containerStatuses": container(state, json!({}))}), true).unwrap();
        assert!(reason == "ImageNotAvailable" && message.contains("not found"), "{message}");
    }

    #[test]
    fn a_container_that_starts_or_has_completed_is_not_reported() {
        let completed = json!({"terminated": {"exitCode": 0}});
        for state in [completed, json!({"running": {}}), json!({"waiting": {"reason": "PodInitializing"}})] {
            let status = json!({"initContainerStatuses": container(state, json!({}))});
            assert_eq!(evaluate_status(status, true), None);
        }
    }

    #[test]
    fn the_route_is_ready_once_the_gateway_serves_it() {
        let rejected = RouteDecision::Rejected {
            hostnames: "e-payment.ahaus.rathaus.example".to_owned(),
            reason: "NoMatchingListenerHostname".to_owned(),
            message: "no listener".to_owned(),
        };
        for (route, outcome, reason) in [
            (None, Outcome::Waiting, "NotYetAvailable"),
            (Some(RouteDecision::Pending), Outcome::Waiting, "GatewayPending"),
            (Some(RouteDecision::Accepted), Outcome::Ready, "Accepted"),
            (Some(rejected), Outcome::Refused, "RouteRejected"),
        ] {
            let step = evaluate_route(route.as_ref());
            assert_eq!((step.outcome, step.reason), (outcome, reason));
        }
    }
}
