// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Renders decisions about routes as status of the Gateway API's objects.

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use serde_json::json;

use super::{
    api::{GatewayStatus, HttpRouteStatus, Listener, ListenerStatus, RouteParentStatus},
    attach::{Attachment, Rejection, ServedRoute},
};

/// How GatewayClasses and route statuses name this controller.
pub const CONTROLLER_NAME: &str = "rathaus.dev/local-gateway";

/// Returns the status of a route. Entries of other controllers stay as they are.
pub fn route_status(old: &HttpRouteStatus, generation: i64, attachments: &[Attachment]) -> HttpRouteStatus {
    let foreign = old.parents.iter().filter(|parent| parent.controller_name != CONTROLLER_NAME).cloned();
    let own = attachments.iter().map(|attachment| {
        let before = old
            .parents
            .iter()
            .find(|parent| {
                parent.controller_name == CONTROLLER_NAME && parent.parent_ref == attachment.parent
            })
            .map(|parent| parent.conditions.as_slice())
            .unwrap_or_default();
        let accepted = attachment.accepted.as_ref().map(drop).map_err(Clone::clone);
        RouteParentStatus {
            parent_ref: attachment.parent.clone(),
            controller_name: CONTROLLER_NAME.to_owned(),
            conditions: vec![
                condition(before, generation, "Accepted", &accepted),
                condition(before, generation, "ResolvedRefs", &attachment.resolved),
            ],
        }
    });
    HttpRouteStatus { parents: foreign.chain(own).collect() }
}

/// Returns the status of a Gateway.
pub fn gateway_status(
    old: &GatewayStatus,
    generation: i64,
    address: &str,
    listeners: &[Listener],
    programmed: &Result<(), Rejection>,
    routes: &[ServedRoute],
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
            other => Err(Rejection {
                reason: "UnsupportedProtocol",
                message: format!("the local gateway supports HTTPS, not {other}"),
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

/// Returns a condition. Its transition time changes only with its status, so that an unchanged cluster gives
/// an unchanged object.
pub fn condition(
    before: &[Condition],
    generation: i64,
    kind: &str,
    outcome: &Result<(), Rejection>,
) -> Condition {
    let (status, reason, message) = match outcome {
        Ok(()) => ("True", kind, String::new()),
        Err(rejection) => ("False", rejection.reason, rejection.message.clone()),
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
