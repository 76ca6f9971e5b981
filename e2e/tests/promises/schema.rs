// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What can be added to an object, by the OpenAPI v3 description that the API server publishes of its kind.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use kube::Client;
use kube::core::ApiResource;
use serde_json::{Map, Value, json};

/// Metadata that the API server sets; what clients send is ignored.
const SET_BY_SERVER: [&str; 8] = [
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "managedFields",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

/// Values for fields of which the schema does not say what the API server accepts, by the end of their pointer
/// without the places in lists: JSON, for a list that of one element.
const EXAMPLES: [(&str, &str); 17] = [
    ("/metadata/finalizers", r#""example.com/x""#),
    ("/subjects", r#"{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "x"}"#),
    ("/spec/limits", r#"{"type": "Pod", "max": {"cpu": "1"}}"#),
    ("/spec/ports", r#"{"name": "x", "port": 1}"#),
    ("/spec/externalIPs", r#""192.0.2.1""#),
    ("/ipBlock", r#"{"cidr": "192.0.2.0/24"}"#),
    ("/ipBlock/except", r#""192.0.2.0/30""#),
    ("/from", r#"{"namespaceSelector": {}}"#),
    ("/to", r#"{"namespaceSelector": {}}"#),
    (
        "/filters",
        r#"{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x", "value": "x"}]}}"#,
    ),
    ("/containers", r#"{"name": "x", "image": "x"}"#),
    ("/initContainers", r#"{"name": "x", "image": "x"}"#),
    ("/lifecycle", r#"{"postStart": {"exec": {"command": ["x"]}}}"#),
    ("/volumes", r#"{"name": "x", "emptyDir": {}}"#),
    ("/volumeMounts", r#"{"name": "config", "mountPath": "/x"}"#),
    ("/tolerations", r#"{"operator": "Exists"}"#),
    ("/hostAliases", r#"{"ip": "192.0.2.1", "hostnames": ["x"]}"#),
];

/// The key of what is added to a map of quantities, which the API server does not let everybody choose.
const ADDED_QUANTITY: &str = "example.com/added";

/// The schemas of several groups, by group and version.
pub struct Schemas(BTreeMap<String, Value>);

impl Schemas {
    /// Reads the schemas of the groups of these resources.
    pub async fn read(client: &Client, resources: impl Iterator<Item = ApiResource>) -> Self {
        let mut schemas = BTreeMap::new();
        for resource in resources {
            let path = match resource.group.as_str() {
                "" => format!("/openapi/v3/api/{}", resource.version),
                group => format!("/openapi/v3/apis/{group}/{}", resource.version),
            };
            if let Entry::Vacant(group) = schemas.entry(resource.api_version) {
                let request = http::Request::get(path).body(Vec::new()).unwrap();
                let document: Value = client.request(request).await.unwrap();
                group.insert(document["components"]["schemas"].clone());
            }
        }
        Self(schemas)
    }

    /// Returns each field, map entry and list element that can be added to the object: the JSON pointer that adds
    /// it (RFC 6902), and a value. Status and what the API server sets are left out.
    pub fn additions(&self, resource: &ApiResource, object: &Value) -> Vec<(String, Value)> {
        let schemas = &self.0[&resource.api_version];
        let is_kind = |schema: &&Value| {
            let kinds = schema["x-kubernetes-group-version-kind"].as_array();
            kinds.into_iter().flatten().any(|kind| {
                kind["kind"] == resource.kind.as_str() && kind["group"] == resource.group.as_str()
            })
        };
        let schema = schemas.as_object().unwrap().values().find(is_kind);
        let schema = schema.unwrap_or_else(|| panic!("no schema of {}", resource.kind));
        let mut found = Vec::new();
        walk(schemas, schema, object, "", &mut found);
        found.retain(|(pointer, _)| {
            let is_set = |field: &&str| *pointer == format!("/metadata/{field}");
            !pointer.starts_with("/status") && !SET_BY_SERVER.iter().any(is_set)
        });
        found
    }
}

/// Follows references.
fn resolve<'a>(schemas: &'a Value, schema: &'a Value) -> &'a Value {
    let reference = schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str());
    match reference.and_then(|reference| reference.rsplit('/').next()) {
        Some(name) => resolve(schemas, &schemas[name]),
        None => schema,
    }
}

fn walk(schemas: &Value, schema: &Value, value: &Value, pointer: &str, found: &mut Vec<(String, Value)>) {
    let schema = resolve(schemas, schema);
    match value {
        Value::Object(fields) => {
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
                match fields.get(name) {
                    Some(value) => walk(schemas, property, value, &pointer, found),
                    None => {
                        let value = example(schemas, property, &pointer);
                        found.push((pointer, value));
                    }
                }
            }
            let entries = &schema["additionalProperties"];
            if entries.is_object() {
                let is_quantity = ["/hard", "/limits", "/requests"].iter().any(|end| pointer.ends_with(end));
                let key = if is_quantity { ADDED_QUANTITY.replace('/', "~1") } else { "added".to_owned() };
                found.push((format!("{pointer}/{key}"), allowed(schemas, entries)));
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                walk(schemas, &schema["items"], item, &format!("{pointer}/{at}"), found);
            }
            let element = known_example(pointer).unwrap_or_else(|| allowed(schemas, &schema["items"]));
            found.push((format!("{pointer}/-"), element));
        }
        _ => {}
    }
}

/// The entry of [`EXAMPLES`] for a pointer.
fn known_example(pointer: &str) -> Option<Value> {
    let steps = pointer.split('/').filter(|step| !step.is_empty() && step.parse::<usize>().is_err());
    let path: String = steps.map(|step| format!("/{step}")).collect();
    let (_, json) = EXAMPLES.iter().find(|(end, _)| path.ends_with(end))?;
    Some(serde_json::from_str(json).unwrap())
}

/// A value for a field.
fn example(schemas: &Value, schema: &Value, pointer: &str) -> Value {
    match known_example(pointer) {
        Some(element) if resolve(schemas, schema)["type"] == "array" => json!([element]),
        Some(value) => value,
        None => allowed(schemas, schema),
    }
}

/// A value that the schema allows.
fn allowed(schemas: &Value, schema: &Value) -> Value {
    let schema = resolve(schemas, schema);
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    match (schema["type"].as_str(), schema["format"].as_str()) {
        (Some("string"), Some("date-time")) => json!("2026-01-01T00:00:00Z"),
        (Some("string"), Some("byte")) => json!("eA=="),
        (Some("string"), _) if schema["pattern"].is_string() => json!("/x"),
        (Some("string"), _) => json!("x"),
        (Some("integer" | "number"), _) => json!(1),
        (Some("boolean"), _) => json!(true),
        (Some("array"), _) => json!([allowed(schemas, &schema["items"])]),
        (Some("object"), _) => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let mut fields: Map<String, Value> = required
                .map(|name| (name.to_owned(), allowed(schemas, &schema["properties"][name])))
                .collect();
            if fields.is_empty() && schema["additionalProperties"].is_object() {
                fields.insert("added".to_owned(), allowed(schemas, &schema["additionalProperties"]));
            }
            fields.into()
        }
        // A number or a text: a port, or a quantity.
        _ => json!("1"),
    }
}

/// Returns the object with the addition of [`Schemas::additions`].
pub fn add(object: &Value, pointer: &str, value: Value) -> Value {
    let mut object = object.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match object.pointer_mut(parent).unwrap() {
        Value::Array(items) => items.push(value),
        parent => parent[name.replace("~1", "/").replace("~0", "~")] = value,
    }
    object
}
