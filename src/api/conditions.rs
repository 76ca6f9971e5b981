// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Types of the conditions in a status. They are part of the API: people and scripts rely on them.
//!
//! Conditions have the Kubernetes type `Condition`; `Ready` is the summary in the sense of kstatus.

/// All kinds: whether all other conditions are true.
pub const READY: &str = "Ready";

/// All kinds: True if only a person can make the object ready, so that waiting for it is in vain. In the sense
/// of kstatus it is abnormal if it is true, and is left out otherwise.
pub const STALLED: &str = "Stalled";

/// Municipality: the namespace exists and the operator made it for this municipality.
pub const NAMESPACE_READY: &str = "NamespaceReady";
/// Municipality: the administrators and the operator have their rights in the namespace.
pub const ACCESS_READY: &str = "AccessReady";
/// Municipality: quota, limits and network policies are in force.
pub const ISOLATED: &str = "Isolated";
/// The conditions of a Municipality, in the order in which they become true.
pub const MUNICIPALITY_CONDITIONS: [&str; 3] = [NAMESPACE_READY, ACCESS_READY, ISOLATED];

/// ServiceModule: municipality, class, plan and configuration block are accepted.
pub const CLASS_ACCEPTED: &str = "ClassAccepted";
/// ServiceModule: the database and its role exist and can be reached.
pub const DATABASE_READY: &str = "DatabaseReady";
/// ServiceModule: all pods run what the spec asks for.
pub const DEPLOYED: &str = "Deployed";
/// ServiceModule: the gateway sends requests for the module's host name to it.
pub const ROUTED: &str = "Routed";
/// The conditions of a ServiceModule, in the order in which they become true.
pub const SERVICE_MODULE_CONDITIONS: [&str; 4] = [CLASS_ACCEPTED, DATABASE_READY, DEPLOYED, ROUTED];
