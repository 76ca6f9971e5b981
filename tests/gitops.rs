// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The health checks in `manifests/gitops/` say of an object what its status says, with or without one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test may panic")]

use std::fs;
use std::path::Path;

use mlua::{Lua, LuaOptions, LuaSerdeExt, StdLib};
use serde_json::{Value, json};

const KINDS: [&str; 3] = ["Municipality", "ModuleClass", "ServiceModule"];

/// What GitOps engines tell apart.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Health {
    Healthy,
    Suspended,
    Progressing,
    Failed,
}

fn documents(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/gitops").join(file);
    serde_saphyr::from_multiple(&fs::read_to_string(path).unwrap()).unwrap()
}

/// An object of generation 2 with these conditions about generation `observed`.
fn object(observed: u64, conditions: Value) -> Value {
    json!({"metadata": {"name": "x", "generation": 2}, "spec": {},
        "status": {"observedGeneration": observed, "conditions": conditions}})
}

fn condition(kind: &str, status: &str, reason: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": "why"})
}

/// Objects in each state that they can have, and their health.
fn cases() -> Vec<(Value, Health)> {
    let ready = condition("Ready", "True", "Ready");
    let waiting = condition("Ready", "False", "RollingOut");
    let refused = condition("Ready", "False", "ArsTaken");
    let stalled = condition("Stalled", "True", "ArsTaken");
    let isolated = condition("Isolated", "True", "Enforced");
    let suspended = condition("Ready", "Unknown", "Suspended");
    vec![
        (json!({"metadata": {"name": "x", "generation": 2}, "spec": {}}), Health::Progressing),
        (json!({"metadata": {"generation": 2}, "spec": {}, "status": {}}), Health::Progressing),
        (json!({"metadata": {"generation": 2}, "status": {"observedGeneration": 2}}), Health::Progressing),
        (object(2, json!([])), Health::Progressing),
        (object(2, json!([isolated])), Health::Progressing),
        (object(2, json!([ready, isolated])), Health::Healthy),
        (object(2, json!([isolated, ready])), Health::Healthy),
        (object(2, json!([waiting, isolated])), Health::Progressing),
        (object(2, json!([refused, isolated, stalled])), Health::Failed),
        (object(2, json!([suspended, isolated])), Health::Suspended),
        // What was true of the version before says nothing about this one.
        (object(1, json!([ready])), Health::Progressing),
        (object(1, json!([refused, stalled])), Health::Progressing),
    ]
}

/// What Argo CD makes of a script and an object: it evaluates the script without libraries.
fn argo_cd_health(script: &str, object: &Value) -> (String, String) {
    let lua = Lua::new_with(StdLib::NONE, LuaOptions::default()).unwrap();
    lua.globals().set("obj", lua.to_value(object).unwrap()).unwrap();
    let health: mlua::Table = lua.load(script).eval().unwrap();
    (health.get("status").unwrap(), health.get("message").unwrap())
}

#[test]
fn argo_cd_knows_the_health_of_objects_with_and_without_status() {
    let config = &documents("argocd-cm.yaml")[0];
    for kind in KINDS {
        let script = config["data"][format!("resource.customizations.health.rathaus.dev_{kind}")].as_str();
        for (object, expected) in cases() {
            let expected = match expected {
                Health::Healthy => "Healthy",
                Health::Suspended => "Suspended",
                Health::Progressing => "Progressing",
                Health::Failed => "Degraded",
            };
            let (status, message) = argo_cd_health(script.unwrap(), &object);
            assert_eq!(status, expected, "{kind} {object}");
            assert!(!message.is_empty(), "{kind} {object}");
        }
    }
}

#[test]
fn argo_cd_shows_reason_and_message_of_the_condition_ready() {
    let script =
        &documents("argocd-cm.yaml")[0]["data"]["resource.customizations.health.rathaus.dev_ServiceModule"];
    let refused =
        object(2, json!([condition("Ready", "False", "ArsTaken"), condition("Stalled", "True", "ArsTaken")]));
    let (_, message) = argo_cd_health(script.as_str().unwrap(), &refused);
    assert_eq!(message, "ArsTaken: why");
}

/// Evaluates an expression on an object. Flux takes an error, such as one about a missing status, for a status
/// that is not known, and waits; so does `false`.
fn is_true(expression: &str, object: &Value) -> bool {
    let mut context = cel::Context::default();
    for (name, value) in object.as_object().unwrap() {
        context.add_variable(name.as_str(), value).unwrap();
    }
    let result = cel::Program::compile(expression).unwrap().execute(&context);
    matches!(result, Ok(cel::Value::Bool(true)))
}

/// What Flux makes of `healthCheckExprs` and an object: it compares the generations itself, evaluates
/// `failed` before `current`, and takes everything else for being in progress.
fn flux_health(expressions: &Value, object: &Value) -> &'static str {
    let observed = &object["status"]["observedGeneration"];
    if !observed.is_null() && *observed != object["metadata"]["generation"] {
        return "InProgress";
    }
    let holds = |name: &str| is_true(expressions[name].as_str().unwrap(), object);
    match (holds("failed"), holds("current")) {
        (true, _) => "Failed",
        (false, true) => "Current",
        (false, false) => "InProgress",
    }
}

#[test]
fn flux_knows_the_health_of_objects_with_and_without_status() {
    let documents = ["flux-municipality.yaml", "flux-platform.yaml"].map(documents).concat();
    let checks: Vec<&Value> = documents
        .iter()
        .filter_map(|document| document["spec"]["healthCheckExprs"].as_array())
        .flatten()
        .collect();
    let mut kinds: Vec<_> = checks.iter().map(|check| check["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["ModuleClass", "Municipality", "ServiceModule"]);
    for check in checks {
        for (object, expected) in cases() {
            let expected = match expected {
                Health::Healthy | Health::Suspended => "Current",
                Health::Progressing => "InProgress",
                Health::Failed => "Failed",
            };
            assert_eq!(flux_health(check, &object), expected, "{} {object}", check["kind"]);
        }
    }
}
