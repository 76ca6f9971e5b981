// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The controller of GatewayClass `rathaus-local`: serves HTTPRoutes by a Caddy that runs as a pod, so
//! that network policies see its traffic as they would see any gateway's.

mod api;
mod attach;
mod caddy;
mod status;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt::Debug,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use futures::stream::select_all;
use k8s_openapi::{
    NamespaceResourceScope,
    api::core::v1::{Namespace, Pod, Service},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams},
    runtime::reflector::Store,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use self::{
    api::{Gateway, GatewayClass, HTTPRoute},
    attach::{Attachment, Refusal, Served, World, attach},
    status::{CONTROLLER_NAME, condition},
};
use crate::{
    network::HOST,
    pki::{Authority, Pair, Subject, ca_certificate},
    watch::{mirror, on_change},
};

const CLASS: &str = "rathaus-local";
const NAMESPACE: &str = "rathaus-gateway";
const NAME: &str = "caddy";

struct Controller {
    client: Client,
    http: reqwest::Client,
    authority: Authority,
    gateways: Store<Gateway>,
    routes: Store<HTTPRoute>,
    namespaces: Store<Namespace>,
    services: Store<Service>,
    pods: Store<Pod>,
    /// By host. Signed once, so that an unchanged world gives an unchanged configuration.
    certificates: RefCell<BTreeMap<String, Pair>>,
    /// Which pod has loaded which configuration.
    loaded: RefCell<(String, Value)>,
}

/// Serves the cluster's routes until the future is dropped.
///
/// # Errors
/// The node's authority cannot be read.
pub async fn run(client: Client) -> Result<()> {
    let (gateways, gateway_changes) = mirror(Api::<Gateway>::all(client.clone()));
    let (routes, route_changes) = mirror(Api::<HTTPRoute>::all(client.clone()));
    let (namespaces, namespace_changes) = mirror(Api::<Namespace>::all(client.clone()));
    let (services, service_changes) = mirror(Api::<Service>::all(client.clone()));
    let (pods, pod_changes) = mirror(Api::<Pod>::namespaced(client.clone(), NAMESPACE));
    let controller = Controller {
        client,
        http: reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?,
        authority: Authority::open()?,
        gateways,
        routes,
        namespaces,
        services,
        pods,
        certificates: RefCell::default(),
        loaded: RefCell::default(),
    };
    let changes =
        select_all([gateway_changes, route_changes, namespace_changes, service_changes, pod_changes]);
    on_change(changes, "gateway", || controller.reconcile()).await;
    Ok(())
}

impl Controller {
    async fn reconcile(&self) -> Result<()> {
        let world = World { namespaces: self.namespaces.state(), services: self.services.state() };
        let gateways = self.gateways.state();
        let own = gateways.iter().filter(|gateway| gateway.spec.gateway_class_name == CLASS);
        let routes = self.routes.state();
        let mut verdicts: BTreeMap<usize, Vec<Attachment>> = BTreeMap::new();
        let mut of_gateway = Vec::new();
        for gateway in own {
            let mut served = Vec::new();
            for (index, route) in routes.iter().enumerate() {
                let found = attach(gateway, route, &world);
                served.extend(found.iter().filter_map(|verdict| verdict.accepted.clone().ok()));
                verdicts.entry(index).or_default().extend(found);
            }
            of_gateway.push((gateway, served));
        }
        let all: Vec<Served> = of_gateway.iter().flat_map(|(_, served)| served.clone()).collect();
        // Served first, said afterwards: who reads `Accepted` may rely on it.
        let programmed = self.load(&all).await;
        for (index, found) in &verdicts {
            if programmed.is_ok() {
                self.report_route(&routes[*index], found).await?;
            }
        }
        let outcome = programmed.as_ref().map(drop).map_err(|error| Refusal {
            reason: "Pending",
            message: format!("Caddy has not taken the routes: {error:#}"),
        });
        for (gateway, served) in of_gateway {
            self.report_gateway(gateway, &outcome, &served).await?;
        }
        self.report_class().await?;
        self.publish_address().await?;
        programmed
    }

    /// Gives Caddy its configuration, unless it has it. A new pod has none.
    async fn load(&self, routes: &[Served]) -> Result<()> {
        let Some((identity, address)) = self.pods.state().iter().find_map(|pod| running(pod)) else {
            bail!("its pod does not run yet");
        };
        let config = caddy::config(routes, &self.certificates(routes)?);
        let wanted = (identity, config);
        if *self.loaded.borrow() == wanted {
            return Ok(());
        }
        let url = format!("http://{address}:{}/load", caddy::ADMIN_PORT);
        let answer = self.http.post(url).json(&wanted.1).send().await?;
        if !answer.status().is_success() {
            bail!("{}: {}", answer.status(), answer.text().await?);
        }
        tracing::info!(routes = routes.len(), "routes in force");
        self.loaded.replace(wanted);
        Ok(())
    }

    fn certificates(&self, routes: &[Served]) -> Result<Vec<Pair>> {
        let mut known = self.certificates.borrow_mut();
        let hosts = routes.iter().flat_map(|route| &route.hosts).filter(|host| *host != "*");
        hosts
            .map(|host| {
                if let Some(pair) = known.get(host) {
                    return Ok(pair.clone());
                }
                let subject = Subject { name: "rathaus local gateway", group: None, hosts: &[host] };
                let pair = self.authority.sign(subject)?;
                known.insert(host.clone(), pair.clone());
                Ok(pair)
            })
            .collect()
    }

    async fn report_route(&self, route: &HTTPRoute, verdicts: &[Attachment]) -> Result<()> {
        let old = route.status.clone().unwrap_or_default();
        let new = status::of_route(&old, route.metadata.generation.unwrap_or_default(), verdicts);
        if new == old {
            return Ok(());
        }
        self.write_status(route, &new).await
    }

    async fn report_gateway(
        &self,
        gateway: &Gateway,
        programmed: &Result<(), Refusal>,
        served: &[Served],
    ) -> Result<()> {
        let old = gateway.status.clone().unwrap_or_default();
        let generation = gateway.metadata.generation.unwrap_or_default();
        let listeners = &gateway.spec.listeners;
        let new = status::of_gateway(&old, generation, HOST, listeners, programmed, served);
        if new == old {
            return Ok(());
        }
        self.write_status(gateway, &new).await
    }

    async fn report_class(&self) -> Result<()> {
        let classes = Api::<GatewayClass>::all(self.client.clone());
        let Some(class) = classes.get_opt(CLASS).await? else { return Ok(()) };
        let old = class.status.unwrap_or_default().conditions;
        let generation = class.metadata.generation.unwrap_or_default();
        let new = vec![condition(&old, generation, "Accepted", &Ok(()))];
        if class.spec.controller_name == CONTROLLER_NAME && new != old {
            let patch = Patch::Merge(json!({"status": {"conditions": new}}));
            classes.patch_status(CLASS, &PatchParams::default(), &patch).await?;
        }
        Ok(())
    }

    /// Tells kube-proxy that the Service answers at the node's address, as a cloud's load balancer
    /// would.
    async fn publish_address(&self) -> Result<()> {
        let services = self.services.state();
        let own = services
            .iter()
            .find(|service| service.namespace().as_deref() == Some(NAMESPACE) && service.name_any() == NAME);
        let Some(service) = own else { return Ok(()) };
        let published = service
            .status
            .iter()
            .flat_map(|status| status.load_balancer.iter())
            .flat_map(|balancer| balancer.ingress.iter().flatten())
            .any(|ingress| ingress.ip.as_deref() == Some(HOST));
        if published {
            return Ok(());
        }
        self.write_status(service.as_ref(), &json!({"loadBalancer": {"ingress": [{"ip": HOST}]}})).await
    }

    async fn write_status<K>(&self, object: &K, status: &impl Serialize) -> Result<()>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let namespace = object.namespace().context("an object without a namespace")?;
        let api = Api::<K>::namespaced(self.client.clone(), &namespace);
        let patch = Patch::Merge(json!({"status": status}));
        match api.patch_status(&object.name_any(), &PatchParams::default(), &patch).await {
            // Deleted meanwhile: nobody is left to tell.
            Err(kube::Error::Api(answer)) if answer.is_not_found() => Ok(()),
            answer => answer.map(drop).with_context(|| format!("status of {}", object.name_any())),
        }
    }
}

/// A client for which every name is the local gateway's, and its certificates are good.
///
/// # Errors
/// The local node does not run.
pub fn through(builder: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder> {
    let authority = reqwest::Certificate::from_pem(ca_certificate()?.as_bytes())?;
    Ok(builder.tls_certs_only([authority]).dns_resolver(Arc::new(Here)))
}

/// Resolves every name to the node's address. The port is the URL's.
struct Here;

impl reqwest::dns::Resolve for Here {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(async {
            let here: IpAddr = HOST.parse()?;
            let all: reqwest::dns::Addrs = Box::new(std::iter::once(SocketAddr::new(here, 0)));
            Ok(all)
        })
    }
}

/// What changes when Caddy starts anew, and its address.
fn running(pod: &Pod) -> Option<(String, String)> {
    let status = pod.status.as_ref()?;
    let container = status.container_statuses.as_ref()?.first()?;
    container.state.as_ref()?.running.as_ref()?;
    let ours = pod.labels().get("app").is_some_and(|app| app == NAME);
    let lives = ours && pod.metadata.deletion_timestamp.is_none();
    lives.then(|| Some((container.container_id.clone()?, status.pod_ip.clone()?)))?
}
