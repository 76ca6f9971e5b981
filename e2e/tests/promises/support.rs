// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Towns for promises, and waiting with a limit.

use std::fmt::Debug;
use std::future::Future;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::time::{Duration, Instant};

use e2e::audit::{mark, requests_since};
use futures::FutureExt;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Secret, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource, ResourceExt};
use rathaus::api::{ModuleClass, Municipality, ServiceModule};
use rathaus::desired::Kind;
use rathaus::tenant::SEAL;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::OPERATOR;

/// Long enough for pods to start while other promises start theirs.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// After which an operator has no work left: longer than its first pauses before a retry.
const AT_REST: Duration = Duration::from_secs(6);

/// Whether the promises that kill, or wait and count, run at full size: `cargo xtask test --long`.
pub fn is_long_run() -> bool {
    std::env::var_os(e2e::checks::LONG).is_some()
}

/// Repeats `ask` until it returns `Ok`.
///
/// # Panics
/// After [`PATIENCE`], with the last error.
pub async fn eventually<T, F, Fut>(what: &str, ask: F) -> T
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T, String>>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(last) if Instant::now() > deadline => {
                panic!("not within {PATIENCE:?}: {what}; last seen: {last}")
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(250)).await,
        }
    }
}

/// Runs `body`, and then `restore` even if it panicked: what all towns share must work for the next promise.
pub async fn finally(body: impl Future<Output = ()>, restore: impl Future<Output = ()>) {
    let outcome = AssertUnwindSafe(body).catch_unwind().await;
    restore.await;
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

/// A Municipality as state IT writes it. `number` (three digits) makes its ARS the town's own.
pub fn municipality(name: &str, number: &str) -> Value {
    json!({
        "apiVersion": "rathaus.dev/v1alpha1", "kind": "Municipality", "metadata": {"name": name},
        "spec": {
            "displayName": format!("Teststadt {name}"), "ars": format!("055990{number}{number}"),
            "hostname": format!("{name}.rathaus.example"),
            "administrators": [{"kind": "Group", "name": format!("{name}-it")}],
            "contact": {"email": "it@town.example", "securityEmail": "sicherheit@town.example"},
            "legal": {
                "imprintUrl": "https://www.town.example/impressum",
                "privacyUrl": "https://www.town.example/datenschutz",
                "accessibilityUrl": "https://www.town.example/barrierefreiheit",
            },
        },
    })
}

/// The bearer token of the online services of every town.
pub const TOKEN: &str = "the-promises-0123456789abcdef0123456789abcdef";

/// A ServiceModule as a town writes it: its only end point is the town, its only client has [`TOKEN`].
pub fn service_module(town: &str, name: &str) -> Value {
    json!({
        "apiVersion": "rathaus.dev/v1alpha1", "kind": "ServiceModule",
        "metadata": {"name": name, "namespace": format!("mun-{town}")},
        "spec": {"class": "e-payment", "plan": "small", "ePayment": {
            "provider": {"type": "Sandbox"},
            "clients": [{"name": "online-dienste", "secret": "online-dienste", "originators": ["parkausweis", "rathaus-demo"]}],
        }},
    })
}

/// A town that one test has to itself.
pub struct Town {
    pub client: Client,
    pub name: String,
}

impl Town {
    /// Admits a town; one that an earlier run left is removed first.
    pub async fn admit(client: &Client, name: &str, number: &str) -> Self {
        Self::admit_with(client, name, municipality(name, number)).await
    }

    pub async fn admit_with(client: &Client, name: &str, object: Value) -> Self {
        let town = Self { client: client.clone(), name: name.to_owned() };
        town.remove().await;
        let object: Municipality = serde_json::from_value(object).unwrap();
        town.municipalities().create(&PostParams::default(), &object).await.unwrap();
        town
    }

    pub fn namespace(&self) -> String {
        format!("mun-{}", self.name)
    }

    pub fn municipalities(&self) -> Api<Municipality> {
        Api::all(self.client.clone())
    }

    pub fn modules(&self) -> Api<ServiceModule> {
        self.api()
    }

    /// Objects of one kind in the town's namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace())
    }

    /// Objects of a kind that the operator makes: the town's own, and for namespaces all.
    pub fn made(&self, kind: Kind) -> Api<DynamicObject> {
        match kind {
            Kind::Namespace => Api::all_with(self.client.clone(), &kind.api_resource()),
            _ => Api::namespaced_with(self.client.clone(), &self.namespace(), &kind.api_resource()),
        }
    }

    /// The town's objects of a kind that carry a seal.
    pub async fn sealed(&self, kind: Kind) -> Vec<DynamicObject> {
        let mut found = self.made(kind).list(&ListParams::default()).await.unwrap().items;
        found.retain(|object| {
            let is_of_town = kind != Kind::Namespace || object.name_any() == self.namespace();
            is_of_town && object.annotations().contains_key(SEAL)
        });
        found
    }

    /// Opts in.
    pub async fn opt_in(&self, name: &str) -> ServiceModule {
        self.opt_in_with(service_module(&self.name, name)).await
    }

    pub async fn opt_in_with(&self, object: Value) -> ServiceModule {
        let object: ServiceModule = serde_json::from_value(object).unwrap();
        let api = self.modules();
        self.keep_secret("online-dienste", json!({"token": TOKEN})).await;
        eventually("the API server takes the ServiceModule", || async {
            api.create(&PostParams::default(), &object).await.map_err(|error| error.to_string())
        })
        .await
    }

    /// Creates a Secret of the town, or leaves the one that exists as it is.
    pub async fn keep_secret(&self, name: &str, content: Value) {
        let secret = json!({"metadata": {"name": name}, "stringData": content});
        let secret: Secret = serde_json::from_value(secret).unwrap();
        let api = self.api::<Secret>();
        // The town's namespace may not be there yet.
        eventually("the API server takes the Secret", || async {
            match api.create(&PostParams::default(), &secret).await {
                Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
                answer => answer.map(drop).map_err(|error| error.to_string()),
            }
        })
        .await;
    }

    /// The same town, through a client that acts as one of its administrators.
    pub async fn as_administrator(&self) -> Self {
        self.as_member_of(&format!("{}-it", self.name)).await
    }

    /// The same town, through a client that acts as somebody of this group.
    pub async fn as_member_of(&self, group: &str) -> Self {
        let kubeconfig = kube::config::Kubeconfig::read_from(crate::cluster().await.kubeconfig).unwrap();
        let options = kube::config::KubeConfigOptions::default();
        let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
        config.auth_info.impersonate = Some("someone".to_owned());
        let groups = [group.to_owned(), "system:authenticated".to_owned()];
        config.auth_info.impersonate_groups = Some(groups.into());
        Self { client: Client::try_from(config).unwrap(), name: self.name.clone() }
    }

    /// Changes the Municipality.
    pub async fn change(&self, patch: Value) {
        merge(&self.municipalities(), &self.name, patch).await;
    }

    pub async fn ready(&self) -> Municipality {
        self.municipality_says("Ready", "True", "").await
    }

    /// Waits until a condition of the Municipality has this status, and this reason if one is named.
    pub async fn municipality_says(&self, kind: &str, status: &str, reason: &str) -> Municipality {
        let api = self.municipalities();
        eventually(&format!("Municipality {} is {kind}={status} {reason}", self.name), || async {
            let object = api.get(&self.name).await.map_err(|error| error.to_string())?;
            let conditions =
                object.status.as_ref().map(|status| status.conditions.clone()).unwrap_or_default();
            check(&conditions, kind, status, reason, object.metadata.generation).map(|()| object)
        })
        .await
    }

    pub async fn module_ready(&self, name: &str) -> ServiceModule {
        self.module_says(name, "Ready", "True", "").await
    }

    /// Waits until a condition of a ServiceModule has this status, and this reason if one is named.
    pub async fn module_says(&self, name: &str, kind: &str, status: &str, reason: &str) -> ServiceModule {
        let api = self.modules();
        eventually(&format!("ServiceModule {}/{name} is {kind}={status} {reason}", self.name), || async {
            let object = api.get(name).await.map_err(|error| error.to_string())?;
            let conditions =
                object.status.as_ref().map(|status| status.conditions.clone()).unwrap_or_default();
            check(&conditions, kind, status, reason, object.metadata.generation).map(|()| object)
        })
        .await
    }

    /// Leaves: deletes the Municipality and waits until nothing is left of it in the cluster.
    pub async fn remove(&self) {
        delete(&self.municipalities(), &self.name).await;
        gone(&Api::<Namespace>::all(self.client.clone()), &self.namespace()).await;
    }
}

/// Deletes an object and waits until it is gone. Another one may have its name by then.
pub async fn delete<K>(api: &Api<K>, name: &str)
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    let Some(object) = api.get_metadata_opt(name).await.unwrap() else { return };
    match api.delete(name, &DeleteParams::default()).await {
        Ok(_) => is_gone(api, name, object.uid()).await,
        Err(kube::Error::Api(status)) if status.is_not_found() => {}
        Err(error) => panic!("cannot delete {name}: {error}"),
    }
}

/// Waits until no object of that name exists.
pub async fn gone<K>(api: &Api<K>, name: &str)
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    is_gone(api, name, None).await;
}

/// Waits until no object of that name exists, or until one that does not have the UID.
async fn is_gone<K>(api: &Api<K>, name: &str, uid: Option<String>)
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    eventually(&format!("{name} is gone"), || async {
        match api.get_opt(name).await {
            Ok(None) => Ok(()),
            Ok(Some(object)) if uid.is_some() && object.uid() != uid => Ok(()),
            Ok(Some(object)) => Err(format!("finalizers {:?}", object.finalizers())),
            Err(error) => Err(error.to_string()),
        }
    })
    .await;
}

/// Waits until the operator has asked for nothing but its lease and watches for a while. A module that waits
/// for something is no longer asked for every few seconds, so that those of the promise must be settled.
pub async fn at_rest() {
    eventually("the operator comes to rest", || async {
        let before = mark().unwrap();
        tokio::time::sleep(AT_REST).await;
        let mut requests = requests_since(before, OPERATOR).unwrap();
        requests.retain(|request| !request.is_lease() && request.verb != "watch");
        if requests.is_empty() { Ok(()) } else { Err(format!("{requests:?}")) }
    })
    .await;
}

/// Returns the name of the pod that leads.
pub async fn leader(client: &Client) -> String {
    let leases = Api::<Lease>::namespaced(client.clone(), e2e::install::NAMESPACE);
    eventually("somebody leads", || async {
        let lease = leases.get("rathaus").await.map_err(|error| error.to_string())?;
        let holder = lease.spec.and_then(|spec| spec.holder_identity);
        holder.filter(|name| !name.is_empty()).ok_or("nobody".to_owned())
    })
    .await
}

/// Waits until another pod than `former` leads, and returns its name.
pub async fn leader_other_than(client: &Client, former: &str) -> String {
    eventually("somebody else leads", || async {
        let now = leader(client).await;
        if now == former { Err(now) } else { Ok(now) }
    })
    .await
}

/// The process of a pod of the operator, on this machine.
pub fn operator_process(pod: &str) -> i32 {
    let found = e2e::process::find_by_environment(&format!("POD_NAME={pod}"));
    assert_eq!(found.len(), 1, "processes of {pod}: {found:?}");
    found[0]
}

/// Publishes a class that is the one of e-payment but for a change.
pub async fn publish_class(client: &Client, name: &str, change: impl Fn(&mut Value)) {
    let classes = Api::<ModuleClass>::all(client.clone());
    delete(&classes, name).await;
    let mut class = json_of(&classes.get("e-payment").await.unwrap());
    class["metadata"] = json!({"name": name});
    class["status"] = Value::Null;
    change(&mut class);
    classes.create(&PostParams::default(), &serde_json::from_value(class).unwrap()).await.unwrap();
}

/// Merges a patch into an object, as `kubectl patch --type=merge` does.
pub async fn merge<K>(api: &Api<K>, name: &str, patch: Value)
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
}

/// An object as JSON, to read any field.
pub fn json_of(object: &impl Serialize) -> Value {
    serde_json::to_value(object).unwrap()
}

fn check(
    all: &[Condition],
    kind: &str,
    status: &str,
    reason: &str,
    generation: Option<i64>,
) -> Result<(), String> {
    let Some(found) = all.iter().find(|condition| condition.type_ == kind) else {
        return Err(format!("no condition {kind}"));
    };
    let fits = found.status == status && (reason.is_empty() || found.reason == reason);
    if fits && found.observed_generation == generation {
        return Ok(());
    }
    Err(format!("{}={} {} ({})", found.type_, found.status, found.reason, found.message))
}

/// Waits for the next full second, in which an object gets another creation time than one created before.
pub async fn next_second() {
    let now = jiff::Timestamp::now().as_second();
    eventually("the next second begins", || async {
        if jiff::Timestamp::now().as_second() > now { Ok(()) } else { Err("the same second".to_owned()) }
    })
    .await;
}

/// Makes the operator reconcile the town's module `e-payment` now, by a change that it repairs.
pub async fn cause_reconcile(town: &Town) {
    let change =
        json!({"metadata": {"annotations": {"test.example/touched": jiff::Timestamp::now().to_string()}}});
    merge(&town.api::<Service>(), "e-payment", change).await;
}

/// The message of a condition of a ServiceModule.
pub fn module_message(module: &ServiceModule, kind: &str) -> String {
    message(&module.status.as_ref().unwrap().conditions, kind)
}

/// The message of a condition.
pub fn message(conditions: &[Condition], kind: &str) -> String {
    conditions.iter().find(|condition| condition.type_ == kind).map(|c| c.message.clone()).unwrap_or_default()
}
