// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The controller of GatewayClass `rathaus-local`. It serves HTTPRoutes by Caddy in a pod, so that network
//! policies apply to its traffic as to that of any gateway.

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
    attach::{Attachment, ClusterObjects, Rejection, ServedRoute, attach},
    status::{CONTROLLER_NAME, condition},
};
use crate::{
    network::HOST,
    pki::{Authority, PemPair, Subject, ca_certificate},
    watch::{mirror, run_on_change},
};

const CLASS_NAME: &str = "rathaus-local";
/// The namespace of Caddy and of the Gateway.
const NAMESPACE: &str = "rathaus-gateway";
/// The name of Caddy's Service, and the `app` label of its pod.
const CADDY: &str = "caddy";

struct Controller {
    client: Client,
    http: reqwest::Client,
    authority: Authority,
    gateways: Store<Gateway>,
    routes: Store<HTTPRoute>,
    namespaces: Store<Namespace>,
    services: Store<Service>,
    pods: Store<Pod>,
    /// Certificates by host. Each is signed once, so that an unchanged cluster gives an unchanged
    /// configuration.
    certificates: RefCell<BTreeMap<String, PemPair>>,
    /// Id of the container that was configured last, and its configuration.
    loaded: RefCell<(String, Value)>,
}

/// Serves the routes of the cluster until the future is dropped.
///
/// # Errors
/// Fails if the node's authority cannot be read.
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
    run_on_change(changes, "gateway", || controller.reconcile()).await;
    Ok(())
}

impl Controller {
    async fn reconcile(&self) -> Result<()> {
        let objects = ClusterObjects { namespaces: self.namespaces.state(), services: self.services.state() };
        let gateways = self.gateways.state();
        let own = gateways.iter().filter(|gateway| gateway.spec.gateway_class_name == CLASS_NAME);
        let routes = self.routes.state();
        let mut attachments: BTreeMap<usize, Vec<Attachment>> = BTreeMap::new();
        let mut of_gateway = Vec::new();
        for gateway in own {
            let mut served = Vec::new();
            for (index, route) in routes.iter().enumerate() {
                let found = attach(gateway, route, &objects);
                served.extend(found.iter().filter_map(|attachment| attachment.accepted.clone().ok()));
                attachments.entry(index).or_default().extend(found);
            }
            of_gateway.push((gateway, served));
        }
        let all: Vec<ServedRoute> = of_gateway.iter().flat_map(|(_, served)| served.clone()).collect();
        // The status is written only when Caddy serves the routes, so that clients can rely on `Accepted`.
        let programmed = self.configure_caddy(&all).await;
        for (index, found) in &attachments {
            if programmed.is_ok() {
                self.report_route(&routes[*index], found).await?;
            }
        }
        let outcome = programmed.as_ref().map(drop).map_err(|error| Rejection {
            reason: "Pending",
            message: format!("Caddy has not loaded the routes: {error:#}"),
        });
        for (gateway, served) in of_gateway {
            self.report_gateway(gateway, &outcome, &served).await?;
        }
        self.report_class().await?;
        self.publish_address().await?;
        programmed
    }

    /// Sends Caddy its configuration, unless this container has it already. A new container has none.
    async fn configure_caddy(&self, routes: &[ServedRoute]) -> Result<()> {
        let Some((container, address)) = self.pods.state().iter().find_map(|pod| running_caddy(pod)) else {
            bail!("the pod of Caddy is not running yet");
        };
        let config = caddy::render_config(routes, &self.certificates(routes)?);
        let wanted = (container, config);
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

    fn certificates(&self, routes: &[ServedRoute]) -> Result<Vec<PemPair>> {
        let mut signed = self.certificates.borrow_mut();
        let hosts = routes.iter().flat_map(|route| &route.hosts).filter(|host| *host != "*");
        hosts
            .map(|host| {
                if let Some(pair) = signed.get(host) {
                    return Ok(pair.clone());
                }
                let subject = Subject { name: "rathaus local gateway", group: None, hosts: &[host] };
                let pair = self.authority.sign(subject)?;
                signed.insert(host.clone(), pair.clone());
                Ok(pair)
            })
            .collect()
    }

    async fn report_route(&self, route: &HTTPRoute, attachments: &[Attachment]) -> Result<()> {
        let old = route.status.clone().unwrap_or_default();
        let new = status::route_status(&old, route.metadata.generation.unwrap_or_default(), attachments);
        if new == old {
            return Ok(());
        }
        self.write_status(route, &new).await
    }

    async fn report_gateway(
        &self,
        gateway: &Gateway,
        programmed: &Result<(), Rejection>,
        served: &[ServedRoute],
    ) -> Result<()> {
        let old = gateway.status.clone().unwrap_or_default();
        let generation = gateway.metadata.generation.unwrap_or_default();
        let listeners = &gateway.spec.listeners;
        let new = status::gateway_status(&old, generation, HOST, listeners, programmed, served);
        if new == old {
            return Ok(());
        }
        self.write_status(gateway, &new).await
    }

    async fn report_class(&self) -> Result<()> {
        let classes = Api::<GatewayClass>::all(self.client.clone());
        let Some(class) = classes.get_opt(CLASS_NAME).await? else { return Ok(()) };
        let old = class.status.unwrap_or_default().conditions;
        let generation = class.metadata.generation.unwrap_or_default();
        let new = vec![condition(&old, generation, "Accepted", &Ok(()))];
        if class.spec.controller_name == CONTROLLER_NAME && new != old {
            let patch = Patch::Merge(json!({"status": {"conditions": new}}));
            classes.patch_status(CLASS_NAME, &PatchParams::default(), &patch).await?;
        }
        Ok(())
    }

    /// Writes the node's address into the status of Caddy's Service, as a load balancer of a cloud does.
    /// kube-proxy then forwards that address to Caddy.
    async fn publish_address(&self) -> Result<()> {
        let services = self.services.state();
        let own = services
            .iter()
            .find(|service| service.namespace().as_deref() == Some(NAMESPACE) && service.name_any() == CADDY);
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
        let namespace = object.namespace().context("the object has no namespace")?;
        let api = Api::<K>::namespaced(self.client.clone(), &namespace);
        let patch = Patch::Merge(json!({"status": status}));
        match api.patch_status(&object.name_any(), &PatchParams::default(), &patch).await {
            // The object was deleted meanwhile.
            Err(kube::Error::Api(answer)) if answer.is_not_found() => Ok(()),
            answer => {
                answer.map(drop).with_context(|| format!("writing the status of {}", object.name_any()))
            }
        }
    }
}

/// Makes an HTTP client send every request to the local gateway and trust its certificates.
///
/// # Errors
/// Fails if no node was started.
pub fn route_through(builder: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder> {
    let authority = reqwest::Certificate::from_pem(ca_certificate()?.as_bytes())?;
    Ok(builder.tls_certs_only([authority]).dns_resolver(Arc::new(GatewayResolver)))
}

/// Resolves every host name to the node's address. The port comes from the URL.
struct GatewayResolver;

impl reqwest::dns::Resolve for GatewayResolver {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(async {
            let gateway: IpAddr = HOST.parse()?;
            let all: reqwest::dns::Addrs = Box::new(std::iter::once(SocketAddr::new(gateway, 0)));
            Ok(all)
        })
    }
}

/// The container id and the address of Caddy if it is running in this pod. The id changes with every restart.
fn running_caddy(pod: &Pod) -> Option<(String, String)> {
    let status = pod.status.as_ref()?;
    let container = status.container_statuses.as_ref()?.first()?;
    container.state.as_ref()?.running.as_ref()?;
    let is_caddy = pod.labels().get("app").is_some_and(|app| app == CADDY);
    let is_serving = is_caddy && pod.metadata.deletion_timestamp.is_none();
    is_serving.then(|| Some((container.container_id.clone()?, status.pod_ip.clone()?)))?
}
