// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise (invariant 11): whatever the API server lets anybody add to an object of the operator's is gone again
//! within ten seconds, and for Secrets and ConfigMaps, which are not watched, within a resync. What can be added
//! comes from the server's OpenAPI. An addition that it refuses, does not keep, or that is tolerated by right is
//! counted; any other that stays breaks the promise. An ordinary run adds what would open a town most; a long one
//! adds everything.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::future::join_all;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::{Api, ResourceExt};
use rathaus::desired::{KINDS, Kind};
use serde_json::{Value, json};

use crate::client;
use crate::schema::Schemas;
use crate::support::{Town, is_long_run, json_of, municipality};

/// What the promise allows for kinds that are watched.
const LIMIT: Duration = Duration::from_secs(10);

/// What it allows for the others: `settings.resyncSeconds`, and as long as for the others.
const LIMIT_OF_UNWATCHED: Duration = Duration::from_secs(310);

/// What an ordinary run adds to every object.
const METADATA: [&str; 4] = ["/labels/added", "/annotations/added", "/finalizers", "/ownerReferences"];

/// What an ordinary run adds besides, where an object of the kind has a place for it.
const SAMPLE: [(Kind, &str); 24] = [
    (Kind::NetworkPolicy, "/spec/ingress/-"),
    (Kind::NetworkPolicy, "/spec/egress/-"),
    (Kind::NetworkPolicy, "/spec/ingress/0/from/-"),
    (Kind::NetworkPolicy, "/spec/egress/0/to/-"),
    (Kind::NetworkPolicy, "/spec/ingress/0/from/0/podSelector"),
    (Kind::HTTPRoute, "/spec/rules/-"),
    (Kind::HTTPRoute, "/spec/rules/0/matches/-"),
    (Kind::HTTPRoute, "/spec/rules/0/backendRefs/0/filters"),
    (Kind::HTTPRoute, "/spec/parentRefs/-"),
    (Kind::Deployment, "/spec/paused"),
    (Kind::Deployment, "/spec/template/metadata/annotations/added"),
    (Kind::Deployment, "/spec/template/spec/containers/-"),
    (Kind::Deployment, "/spec/template/spec/initContainers/-"),
    (Kind::Deployment, "/spec/template/spec/volumes/-"),
    (Kind::Deployment, "/spec/template/spec/hostNetwork"),
    (Kind::Deployment, "/spec/template/spec/hostAliases"),
    (Kind::Deployment, "/spec/template/spec/containers/0/env"),
    (Kind::Deployment, "/spec/template/spec/containers/0/lifecycle"),
    (Kind::Deployment, "/spec/template/spec/containers/0/volumeMounts/-"),
    (Kind::Service, "/spec/externalIPs"),
    (Kind::Service, "/spec/publishNotReadyAddresses"),
    (Kind::PodDisruptionBudget, "/spec/selector/matchLabels/added"),
    (Kind::LimitRange, "/spec/limits/-"),
    (Kind::RoleBinding, "/subjects/-"),
];

/// What stays by right: see `rathaus::desired::Tolerated`. Everything below these pointers is not added.
const TOLERATED: [(Kind, &str); 5] = [
    (Kind::Namespace, "/spec"),
    (Kind::Service, "/spec/clusterIPs"),
    (Kind::Service, "/spec/ipFamilies"),
    (Kind::ServiceAccount, "/secrets"),
    (Kind::ServiceAccount, "/imagePullSecrets"),
];

/// What became of an addition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    PutRight,
    /// The API server answers 400 or 422: the value is invalid, or the field immutable.
    Refused,
    /// The API server accepts it and stores the object as it was.
    NotKept,
    Tolerated,
    /// Added to an object that is not watched; see [`Target::is_back_after_resync`].
    Stays,
}

/// An object, and how it must always be.
struct Target {
    api: Api<DynamicObject>,
    kind: Kind,
    name: String,
    before: Value,
}

pub async fn whatever_the_api_server_lets_anybody_add_is_gone_again() {
    let client = client().await;
    let mut object = municipality("walk-a", "416");
    // As much as the module's pods need, so that no further pod starts with what is added.
    object["spec"]["quota"] = json!({"cpu": "20m"});
    let town = Town::admit_with(&client, "walk-a", object).await;
    town.opt_in("e-payment").await;
    town.module_ready("e-payment").await;
    let schemas = Schemas::read(&client, KINDS.iter().map(|kind| kind.api_resource())).await;
    let mut targets = Vec::new();
    for kind in KINDS.iter().filter(|kind| is_long_run() || is_watched(**kind)) {
        let found = town.sealed(*kind).await;
        assert!(!found.is_empty(), "no {kind:?}");
        for name in found.iter().map(ResourceExt::name_any) {
            let api = town.made(*kind);
            let before = stored(*kind, &api.get(&name).await.unwrap());
            targets.push(Target { api, kind: *kind, name, before });
        }
    }
    let walks = join_all(targets.iter().map(|target| target.walk(&schemas))).await;

    let mut counts: BTreeMap<(Kind, Outcome), usize> = BTreeMap::new();
    for (target, (outcomes, _)) in targets.iter().zip(&walks) {
        outcomes.values().for_each(|outcome| *counts.entry((target.kind, *outcome)).or_default() += 1);
    }
    println!("{counts:?}");
    let broken: Vec<_> = walks.iter().filter_map(|(_, broken)| broken.as_ref()).collect();
    assert!(broken.is_empty(), "{broken:#?}");
    let was_put_right = |kind: Kind, pointer: &str| {
        let of_kind = targets.iter().zip(&walks).filter(|(target, _)| target.kind == kind);
        of_kind.into_iter().any(|(_, (outcomes, _))| outcomes.get(pointer) == Some(&Outcome::PutRight))
    };
    let missed: Vec<_> = SAMPLE.iter().filter(|(kind, pointer)| !was_put_right(*kind, pointer)).collect();
    assert!(missed.is_empty(), "not added anywhere: {missed:?}");
    town.module_ready("e-payment").await;
    town.remove().await;
}

fn is_watched(kind: Kind) -> bool {
    !matches!(kind, Kind::Secret | Kind::ConfigMap)
}

/// The object without what the API server and its controllers write. It is the same object, and not one that was made
/// again, unless it cannot be repaired otherwise: what is not watched may be immutable.
fn stored(kind: Kind, object: &DynamicObject) -> Value {
    let mut json = json_of(object);
    json.as_object_mut().unwrap().remove("status");
    let metadata = json["metadata"].as_object_mut().unwrap();
    metadata.retain(|field, _| !["resourceVersion", "generation", "managedFields"].contains(&field.as_str()));
    if !is_watched(kind) {
        metadata.retain(|field, _| !["uid", "creationTimestamp"].contains(&field.as_str()));
    }
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.remove("deployment.kubernetes.io/revision");
    }
    json
}

/// What a pointer adds to the object's own metadata, in the form of [`METADATA`].
fn metadata_of(pointer: &str) -> &str {
    pointer.strip_prefix("/metadata").unwrap_or_default().trim_end_matches("/-")
}

impl Target {
    /// Makes one addition after the other; returns what became of each, and the first that broke the promise.
    async fn walk(&self, schemas: &Schemas) -> (BTreeMap<String, Outcome>, Option<String>) {
        let mut outcomes = BTreeMap::new();
        for (pointer, value) in schemas.additions(&self.kind.api_resource(), &self.before) {
            if !is_long_run() && !self.is_in_sample(&pointer) {
                continue;
            }
            match self.add(&pointer, value).await {
                Ok(outcome) => outcomes.insert(pointer, outcome),
                Err(broken) => {
                    return (outcomes, Some(format!("{:?} {} {pointer}: {broken}", self.kind, self.name)));
                }
            };
        }
        let not_put_right: Vec<_> = METADATA
            .iter()
            .filter(|end| {
                let is_done = |(pointer, outcome): (&String, &Outcome)| {
                    metadata_of(pointer) == **end && matches!(outcome, Outcome::PutRight | Outcome::Stays)
                };
                !outcomes.iter().any(is_done)
            })
            .collect();
        if !not_put_right.is_empty() {
            let broken = format!("{:?} {}: not added: {not_put_right:?}", self.kind, self.name);
            return (outcomes, Some(broken));
        }
        let broken = if is_watched(self.kind) { None } else { self.is_back_after_resync().await.err() };
        (outcomes, broken)
    }

    fn is_in_sample(&self, pointer: &str) -> bool {
        METADATA.contains(&metadata_of(pointer)) || SAMPLE.contains(&(self.kind, pointer))
    }

    async fn add(&self, pointer: &str, value: Value) -> Result<Outcome, String> {
        let is_tolerated = |(kind, above): &(Kind, &str)| *kind == self.kind && pointer.starts_with(*above);
        if TOLERATED.iter().any(is_tolerated) {
            return Ok(Outcome::Tolerated);
        }
        let patch = json!([{"op": "add", "path": pointer, "value": value}]);
        let patch = Patch::Json::<()>(serde_json::from_value(patch).unwrap());
        let answer = match self.api.patch(&self.name, &PatchParams::default(), &patch).await {
            Ok(answer) => stored(self.kind, &answer),
            // The patch must fit, or the server refuses it whatever it adds.
            Err(kube::Error::Api(status))
                if [400, 422].contains(&status.code) && !status.message.contains("does not apply") =>
            {
                return Ok(Outcome::Refused);
            }
            Err(error) => return Err(error.to_string()),
        };
        if !is_watched(self.kind) {
            return Ok(Outcome::Stays);
        }
        if answer == self.before {
            return Ok(Outcome::NotKept);
        }
        self.is_back_within(LIMIT, Duration::from_millis(100)).await.map(|()| Outcome::PutRight)
    }

    /// Waits until the object is as before. All additions to it are there together.
    async fn is_back_after_resync(&self) -> Result<(), String> {
        self.is_back_within(LIMIT_OF_UNWATCHED, Duration::from_secs(2)).await
    }

    async fn is_back_within(&self, limit: Duration, pause: Duration) -> Result<(), String> {
        let start = Instant::now();
        loop {
            let live = self.api.get_opt(&self.name).await.map_err(|error| error.to_string())?;
            match live.map(|live| stored(self.kind, &live)) {
                Some(live) if live == self.before => return Ok(()),
                None if is_watched(self.kind) => return Err("the object was deleted".to_owned()),
                live if start.elapsed() > limit => {
                    let now = live.unwrap_or_default();
                    let differing = rathaus::desired::differences(&self.before, &now);
                    return Err(format!("after {limit:?} still: {differing:?}"));
                }
                _ => tokio::time::sleep(pause).await,
            }
        }
    }
}
