// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Names of conditions and reasons: constants of the API, which people and scripts rely on.
//!
//! Conditions are Kubernetes' own `Condition`; `Ready` is the summary in the sense of kstatus.

/// Summary of all others.
pub const READY: &str = "Ready";

/// Municipality: its namespace is there and is ours.
pub const NAMESPACE_READY: &str = "NamespaceReady";
/// Municipality: its administrators, and the operator, have their rights in it.
pub const ACCESS_READY: &str = "AccessReady";
/// Municipality: quota, limits and network policies stand.
pub const ISOLATED: &str = "Isolated";
/// The conditions of a Municipality, in the order in which they come true.
pub const OF_MUNICIPALITY: [&str; 3] = [NAMESPACE_READY, ACCESS_READY, ISOLATED];

/// ServiceModule: class, plan, block and place fit.
pub const CLASS_ACCEPTED: &str = "ClassAccepted";
/// ServiceModule: its database and role are there and reachable.
pub const DATABASE_READY: &str = "DatabaseReady";
/// ServiceModule: its pods run what the spec says.
pub const DEPLOYED: &str = "Deployed";
/// ServiceModule: the gateway sends its host's traffic to it.
pub const ROUTED: &str = "Routed";
/// The conditions of a ServiceModule, in the order in which they come true.
pub const OF_SERVICE_MODULE: [&str; 4] = [CLASS_ACCEPTED, DATABASE_READY, DEPLOYED, ROUTED];
