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
    let deployed = match applied.one::<Deployment>(Kind::Deployment) {
        Some(deployment) if is_available(&deployment) => {
            Step::ready(DEPLOYED, "Available", "all pods run what the spec says")
        }
        Some(deployment) => unavailable(&deployment, pods),
        None => step(DEPLOYED, Outcome::Waiting, "Pending", "the Deployment is not there yet"),
    };
    vec![deployed, routed(applied.one::<HTTPRoute>(Kind::HTTPRoute).as_ref())]
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
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let why = waiting.reason.as_deref()?;
    let said = waiting.message.clone().unwrap_or_default();
    match why {
        "ImagePullBackOff" | "ErrImagePull" | "InvalidImageName" | "ErrImageNeverPull" => Some(step(
            DEPLOYED,
            Outcome::Waiting,
            "ImageNotAvailable",
            format!("the image of the class cannot be had: {said}; ask state IT"),
        )),
        "CrashLoopBackOff" | "CreateContainerError" | "CreateContainerConfigError" | "RunContainerError" => {
            let last = container.last_state.as_ref().and_then(|state| state.terminated.as_ref());
            let last_words = last.and_then(|end| end.message.clone()).unwrap_or(said);
            Some(step(
                DEPLOYED,
                Outcome::Waiting,
                reason,
                format!(
                    "container {} does not start ({why}); it said: {}; ask state IT",
                    container.name,
                    last_words.trim()
                ),
            ))
        }
        _ => None,
    }
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
