// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Runs against an API server that is a function.

use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use http::{Method, Request, Response};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::jiff::Timestamp;
use kube::client::Body;
use kube::core::{ApiResource, DeserializeGuard};
use kube::runtime::reflector::{self, store::Writer};
use kube::runtime::watcher::Event;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use super::context::{Context, Stores};
use super::key::OwnKind;
use super::{class, drop_unread_metadata};
use crate::api::ModuleClass;
use crate::api::conditions::DEPLOYED;
use crate::cluster::{self, Applied, Children, database::Server};
use crate::desired::{Kind, Tolerated};
use crate::fixtures;
use crate::serve::{Freshness, Health};
use crate::settings::Settings;
use crate::status::Outcome;
use crate::tenant::{SEAL, SEAL_KEY_BYTES, SealKey};

const ARS: &str = "055540004004";

/// What an API server with one object was asked.
#[derive(Default)]
struct Served {
    object: Value,
    requests: Vec<Method>,
}

/// An API server with one object, which takes every change of its status.
fn serve(object: Value) -> (Client, Arc<Mutex<Served>>) {
    let served = Arc::new(Mutex::new(Served { object, requests: Vec::new() }));
    let state = served.clone();
    let server = tower::service_fn(move |request: Request<Body>| {
        let state = state.clone();
        async move {
            let (method, is_event) = (request.method().clone(), request.uri().path().contains("/events"));
            let body = request.into_body().collect_bytes().await.unwrap_or_default();
            let mut served = state.lock().unwrap();
            if !is_event {
                served.requests.push(method.clone());
            }
            let answer = match method {
                Method::GET => json!({"metadata": {"resourceVersion": "1"}, "items": [served.object]}),
                Method::PATCH => {
                    let change: Value = serde_json::from_slice(&body).unwrap();
                    served.object["status"] = change["status"].clone();
                    json!({"apiVersion": "v1", "kind": "Any", "metadata": {"name": "any"}, "spec": {}})
                }
                _ => json!({"kind": "Status", "apiVersion": "v1", "status": "Success", "metadata": {}}),
            };
            Ok::<_, Infallible>(Response::new(Body::from(answer.to_string().into_bytes())))
        }
    });
    (Client::new(server, "default"), served)
}

fn context(client: Client, freshness: Freshness) -> Context {
    fn filled<K>() -> reflector::Store<DeserializeGuard<K>>
    where
        K: kube::Resource<DynamicType = ()> + Clone + 'static,
    {
        let (store, mut writer): (_, Writer<DeserializeGuard<K>>) = reflector::store();
        writer.apply_watcher_event(&Event::Init);
        writer.apply_watcher_event(&Event::InitDone);
        store
    }
    let health = Arc::new(Health { freshness: Arc::new(freshness), ..Health::default() });
    let key = SealKey::new(&[1; SEAL_KEY_BYTES], Timestamp::UNIX_EPOCH).unwrap();
    let server = Server::new(Path::new("none"), key.clone());
    let stores = Stores { towns: filled(), classes: filled(), modules: filled() };
    let context =
        Context::new(client, Settings::default(), server, key, Tolerated::default(), health, stores);
    for kind in cluster::watched_kinds() {
        context.ledger.take_in(kind, &Event::Init);
        context.ledger.take_in(kind, &Event::InitDone);
    }
    context
}

#[tokio::test]
async fn every_run_begins_once_the_caches_are_filled() {
    let (client, _) = serve(Value::Null);
    let context = context(client, Freshness::default());
    let runs = futures::future::join_all((0..8).map(|_| context.wait_until_synced()));
    let fill = async {
        for kind in OwnKind::ALL {
            tokio::task::yield_now().await;
            context.record_filled(kind);
        }
    };
    tokio::join!(runs, fill);
}

#[tokio::test]
async fn invariant_6_an_unreadable_object_is_written_to_once() {
    let object = json!({"apiVersion": "rathaus.dev/v1alpha1", "kind": "ModuleClass",
        "metadata": {"name": "odd", "generation": 1}, "spec": {"type": "Perhaps"}});
    let (client, served) = serve(object.clone());
    let context = Arc::new(context(client, Freshness::default()));
    OwnKind::ALL.into_iter().for_each(|kind| context.record_filled(kind));
    let odd: DeserializeGuard<ModuleClass> = serde_json::from_value(object).unwrap();
    assert!(odd.0.is_err());
    let odd = Arc::new(odd);
    for _ in 0..3 {
        class::reconcile(odd.clone(), context.clone()).await.unwrap();
    }
    let served = served.lock().unwrap();
    assert_eq!(served.object["status"]["conditions"][0]["reason"], "Unreadable");
    let writes = served.requests.iter().filter(|method| **method != Method::GET).count();
    assert_eq!(writes, 1, "{:?}", served.requests);
}

#[tokio::test]
async fn invariant_15_nothing_is_deleted_while_a_watch_is_stale() {
    let (client, served) = serve(Value::Null);
    let start = Instant::now();
    let freshness = Freshness::new([ApiResource::erase::<Service>(&())]);
    freshness.start(start);
    let context = context(client, freshness);
    let key = context.seal_key.seal("Service", "mun-ahaus", "e-payment", ARS);
    let obsolete = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "e-payment",
        "namespace": "mun-ahaus", "uid": "1", "resourceVersion": "1", "annotations": {SEAL: key}}});
    context.ledger.take_in(Kind::Service, &Event::Apply(serde_json::from_value(obsolete).unwrap()));
    let objects = context.objects(ARS);
    let children = cluster::module_children(objects, "mun-ahaus", "e-payment");
    assert_eq!(children.len(), 1);
    let prune = |children| {
        let (context, applied) = (&context, Applied::default());
        async move { context.prune(objects, "mun-ahaus", &children, &applied, DEPLOYED).await }
    };

    let stale = prune(children.clone()).await.unwrap_err();
    assert_eq!((stale.outcome, stale.reason), (Outcome::Waiting, "CacheStale"));
    assert!(stale.message.contains("Service: not listed yet"), "{}", stale.message);
    assert!(served.lock().unwrap().requests.is_empty());
    prune(Children::new()).await.expect("nothing to delete");

    context.freshness.record_list("services", start);
    prune(children).await.unwrap();
    assert_eq!(served.lock().unwrap().requests, [Method::DELETE]);
}

#[test]
fn annotations_and_managed_fields_take_no_memory_in_the_cache() {
    let mut module = fixtures::module("e-payment", &[]);
    let annotations = [("kubectl.kubernetes.io/last-applied-configuration", "x".repeat(256 * 1024))];
    *module.annotations_mut() = annotations.map(|(name, value)| (name.to_owned(), value)).into();
    module.managed_fields_mut().push(Default::default());
    let mut object = DeserializeGuard(Ok(module));
    drop_unread_metadata(&mut object);
    assert!(object.annotations().is_empty() && object.managed_fields().is_empty());
    assert!(serde_json::to_string(&object.0.unwrap()).unwrap().len() < 1024);
}
