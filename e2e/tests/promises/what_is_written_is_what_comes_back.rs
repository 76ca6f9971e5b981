// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise (invariant 11): what the operator writes is what comes back from the API server, to the last field,
//! and any field that anybody adds makes a difference. Asked of the real API server by dry runs, so that nothing
//! is created.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};
use kube::api::{DynamicObject, PostParams};
use kube::{Api, Client};
use rathaus::desired::{KINDS, Kind, Tolerated, canonical, differences, digest};
use rathaus::settings::Settings;
use serde_json::{Value, json};

use crate::client;
use crate::schema::{Schemas, add};
use crate::support::municipality;

/// Requests at a time.
const CONCURRENCY: usize = 8;

/// Fields that can be sent and need not be noticed, by the end of their pointer.
const NOT_STORED: [(Kind, &str); 8] = [
    // Dropped, since a namespace lies in none.
    (Kind::Namespace, "/metadata/namespace"),
    // Tolerated: see `Tolerated`. Its only field are the finalizers.
    (Kind::Namespace, "/spec"),
    (Kind::ServiceAccount, "/secrets"),
    (Kind::ServiceAccount, "/imagePullSecrets"),
    // Dropped, since it has no meaning without session affinity.
    (Kind::Service, "/spec/sessionAffinityConfig"),
    // Dropped by an API server without these features; one with them stores them, and they are noticed.
    (Kind::Deployment, "/schedulingGroup"),
    (Kind::Deployment, "/clusterTrustBundle"),
    (Kind::Deployment, "/podCertificate"),
];

pub async fn every_object_comes_back_as_it_was_written() {
    let client = client().await;
    let mut seen = BTreeSet::new();
    for (kind, object) in rendered() {
        let answer = create(&client, kind, &object).await.unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        let tolerated = Tolerated::default();
        let form = |object| canonical(kind, object, &tolerated);
        let differing = differences(&form(&object), &form(&answer));
        assert_eq!(differing, Vec::<String>::new(), "{kind:?} {}", object["metadata"]["name"]);
        assert_eq!(digest(kind, &object, &tolerated), digest(kind, &answer, &tolerated));
        seen.insert(kind);
    }
    assert_eq!(seen.len(), KINDS.len(), "only {seen:?}");
}

pub async fn any_field_that_the_api_server_knows_makes_a_difference_when_it_is_added() {
    let client = client().await;
    let schemas = Schemas::read(&client, KINDS.iter().map(|kind| kind.api_resource())).await;
    let objects = rendered();
    let additions = objects.iter().flat_map(|(kind, object)| {
        let added = schemas.additions(&kind.api_resource(), object);
        added.into_iter().map(move |(pointer, value)| {
            let changed = add(object, &pointer, value);
            (*kind, object, pointer, changed)
        })
    });
    let outcomes = stream::iter(additions.collect::<Vec<_>>()).map(|(kind, object, pointer, changed)| {
        let client = &client;
        async move {
            let tolerated = Tolerated::default();
            let outcome = match create(client, kind, &changed).await {
                Ok(answer) if digest(kind, &answer, &tolerated) != digest(kind, object, &tolerated) => {
                    "noticed"
                }
                Ok(_) => "not noticed",
                Err(kube::Error::Api(status)) if [400, 403, 422].contains(&status.code) => "refused",
                Err(error) => panic!("{kind:?} {pointer}: {error}"),
            };
            (kind, pointer, outcome)
        }
    });
    let outcomes: Vec<_> = outcomes.buffer_unordered(CONCURRENCY).collect().await;

    let mut counts: BTreeMap<(Kind, &str), usize> = BTreeMap::new();
    for (kind, _, outcome) in &outcomes {
        *counts.entry((*kind, outcome)).or_default() += 1;
    }
    println!("{counts:?}");
    let is_known = |kind: Kind, pointer: &str| {
        NOT_STORED.iter().any(|(of, field)| *of == kind && pointer.ends_with(field))
    };
    let missed: Vec<_> = outcomes
        .iter()
        .filter(|(kind, pointer, outcome)| *outcome == "not noticed" && !is_known(*kind, pointer))
        .collect();
    assert!(missed.is_empty(), "neither refused nor noticed: {missed:#?}");
    for kind in KINDS {
        assert!(counts.get(&(*kind, "noticed")).is_some_and(|count| *count > 3), "{kind:?}: {counts:?}");
    }
}

/// The objects of a town and of two modules with every field of the configuration, as the operator writes them,
/// but in a namespace that exists.
fn rendered() -> Vec<(Kind, Value)> {
    let folder = std::env::temp_dir().join(format!("rathaus-echo-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let documents =
        [municipality("echo", "411"), module("e-payment", &["form"]), module("form", &["e-payment"])];
    for (at, document) in documents.iter().enumerate() {
        std::fs::write(folder.join(format!("{at}.yaml")), document.to_string()).unwrap();
    }
    let settings = Settings {
        issuer: Some("https://login.land.example/realms/kommunen".parse().unwrap()),
        authorities: Some("-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n".to_owned()),
        ..Settings::default()
    };
    let catalogue = e2e::install::yaml_files("manifests/catalogue").unwrap();
    let files: Vec<_> = catalogue.into_iter().chain([folder.clone()]).collect();
    let rendered = rathaus::cli::render(&files, &settings).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    assert!(rendered.refused.is_empty(), "{:?}", rendered.refused);
    let in_default = |object: &rathaus::desired::Object| {
        let mut json = object.to_json().unwrap();
        json["metadata"]["annotations"]["rathaus.dev/seal"] = "a seal".into();
        if object.kind() != Kind::Namespace {
            json["metadata"]["namespace"] = "default".into();
        }
        (object.kind(), json)
    };
    rendered.objects.iter().map(in_default).collect()
}

fn module(name: &str, uses: &[&str]) -> Value {
    json!({
        "apiVersion": "rathaus.dev/v1alpha1", "kind": "ServiceModule",
        "metadata": {"name": name, "namespace": "mun-echo"},
        "spec": {"class": "e-payment", "plan": "small", "uses": uses, "ePayment": {
            "provider": {"type": "XBezahldienste", "xBezahldienste": {
                "url": "https://epay.land.example/xbezahldienste/api/v1.0.0", "originatorId": "rathaus-echo",
                "authentication": {"type": "Basic", "secret": "epay-credentials"}}},
            "clients": [
                {"name": "parkportal", "secret": "parkportal", "originators": ["parkausweis"]},
                {"name": "sibling", "module": uses[0], "originators": ["hundesteuer"]},
            ],
            "clerks": {"clientId": "rathaus-echo", "secret": "kasse-oidc", "role": "kasse-echo"},
        }},
    })
}

/// The answer of the API server to the creation of an object, which it only pretends.
async fn create(client: &Client, kind: Kind, object: &Value) -> kube::Result<Value> {
    let resource = kind.api_resource();
    let api: Api<DynamicObject> = match kind {
        Kind::Namespace => Api::all_with(client.clone(), &resource),
        _ => Api::namespaced_with(client.clone(), "default", &resource),
    };
    let object = serde_json::from_value(object.clone()).map_err(kube::Error::SerdeError)?;
    let params = PostParams { dry_run: true, ..PostParams::default() };
    serde_json::to_value(api.create(&params, &object).await?).map_err(kube::Error::SerdeError)
}
