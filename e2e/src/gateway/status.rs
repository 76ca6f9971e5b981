// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Verdicts → what the Gateway API says of them. Pure.

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use serde_json::json;

use super::{
    api::{GatewayStatus, HttpRouteStatus, Listener, ListenerStatus, RouteParentStatus},
    attach::{Attachment, Refusal, Served},
};

/// How GatewayClasses and route statuses name this controller.
pub const CONTROLLER_NAME: &str = "rathaus.dev/local-gateway";

/// A route's status: those of other controllers stay as they are.
pub fn of_route(old: &HttpRouteStatus, generation: i64, verdicts: &[Attachment]) -> HttpRouteStatus {
    let foreign = old.parents.iter().filter(|parent| parent.controller_name != CONTROLLER_NAME).cloned();
    let own = verdicts.iter().map(|verdict| {
        let before = old
            .parents
            .iter()
            .find(|parent| parent.controller_name == CONTROLLER_NAME && parent.parent_ref == verdict.parent)
            .map(|parent| parent.conditions.as_slice())
            .unwrap_or_default();
        let accepted = verdict.accepted.as_ref().map(drop).map_err(Clone::clone);
        RouteParentStatus {
            parent_ref: verdict.parent.clone(),
            controller_name: CONTROLLER_NAME.to_owned(),
            conditions: vec![
                condition(before, generation, "Accepted", &accepted),
                condition(before, generation, "ResolvedRefs", &verdict.resolved),
            ],
        }
    });
    HttpRouteStatus { parents: foreign.chain(own).collect() }
}

/// A Gateway's status.
pub fn of_gateway(
    old: &GatewayStatus,
    generation: i64,
    address: &str,
    listeners: &[Listener],
    programmed: &Result<(), Refusal>,
    routes: &[Served],
) -> GatewayStatus {
    let listeners = listeners.iter().map(|listener| {
        let before = old
            .listeners
            .iter()
            .find(|status| status.name == listener.name)
            .map(|status| status.conditions.as_slice())
            .unwrap_or_default();
        let attached = routes.iter().filter(|route| route.listeners.contains(&listener.name)).count();
        let accepted = match listener.protocol.as_str() {
            "HTTPS" => Ok(()),
            other => Err(Refusal {
                reason: "UnsupportedProtocol",
                message: format!("the local gateway serves HTTPS, not {other}"),
            }),
        };
        let programmed = accepted.clone().and_then(|()| programmed.clone());
        ListenerStatus {
            name: listener.name.clone(),
            attached_routes: i32::try_from(attached).unwrap_or(i32::MAX),
            supported_kinds: vec![json!({"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"})],
            conditions: vec![
                condition(before, generation, "Accepted", &accepted),
                condition(before, generation, "Programmed", &programmed),
                condition(before, generation, "ResolvedRefs", &Ok(())),
            ],
        }
    });
    GatewayStatus {
        addresses: vec![json!({"type": "IPAddress", "value": address})],
        conditions: vec![
            condition(&old.conditions, generation, "Accepted", &Ok(())),
            condition(&old.conditions, generation, "Programmed", programmed),
        ],
        listeners: listeners.collect(),
    }
}

/// The time changes only with the status, so that an unchanged world gives an unchanged object.
pub fn condition(
    before: &[Condition],
    generation: i64,
    kind: &str,
    outcome: &Result<(), Refusal>,
) -> Condition {
    let (status, reason, message) = match outcome {
        Ok(()) => ("True", kind, String::new()),
        Err(refusal) => ("False", refusal.reason, refusal.message.clone()),
    };
    let since = before
        .iter()
        .find(|condition| condition.type_ == kind && condition.status == status)
        .map_or_else(|| Time(Timestamp::now()), |condition| condition.last_transition_time.clone());
    Condition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message,
        observed_generation: Some(generation),
        last_transition_time: since,
    }
}
