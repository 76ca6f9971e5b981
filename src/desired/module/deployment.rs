// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMap, Container, ContainerPort, HTTPGetAction, PodSecurityContext, PodSpec,
    PodTemplateSpec, Probe, ResourceRequirements, SeccompProfile, Secret, SecurityContext,
    TopologySpreadConstraint, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::ObjectMeta;
use rathaus_contract::{ADMIN_PORT, PUBLIC_PORT};
use sha2::{Digest, Sha256};

use super::volumes;
use crate::api::Resources;
use crate::desired::labels;
use crate::tenant::Module;

/// Name of the container port on which the module serves citizens.
pub const PUBLIC_PORT_NAME: &str = "http";
const ADMIN_PORT_NAME: &str = "admin";

/// Seconds between SIGTERM and SIGKILL. The contract gives a module 30 s to stop.
const TERMINATION_GRACE_SECONDS: i64 = 35;

/// Seconds without progress after which a rollout counts as failed; the default of Kubernetes.
const PROGRESS_DEADLINE_SECONDS: i32 = 600;

/// Builds the Deployment of the module with the replicas of its plan. Each pod first runs the database
/// migrations. Pods comply with the profile `restricted` of the Pod Security Standards and have a read-only
/// root file system.
pub fn build(module: &Module, config: &ConfigMap, database: &Secret) -> Deployment {
    let mut pod_labels = labels::for_module(module);
    pod_labels.insert("app.kubernetes.io/version".to_owned(), module.class.version.to_label_value());
    let checksum = ("rathaus.dev/config-checksum".to_owned(), checksum(config, database));
    Deployment {
        metadata: super::meta(module),
        spec: Some(DeploymentSpec {
            replicas: Some(module.plan.replicas),
            revision_history_limit: Some(3),
            progress_deadline_seconds: Some(PROGRESS_DEADLINE_SECONDS),
            selector: labels::module_selector(module.name.as_str()),
            strategy: Some(rolling_update()),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(pod_labels),
                    annotations: Some([checksum].into()),
                    ..Default::default()
                }),
                spec: Some(pod_spec(module)),
            },
            ..Default::default()
        }),
        status: None,
    }
}

/// A new pod must be available before an old one is stopped, so that citizens do not notice an update.
fn rolling_update() -> DeploymentStrategy {
    DeploymentStrategy {
        type_: Some("RollingUpdate".to_owned()),
        rolling_update: Some(RollingUpdateDeployment {
            max_surge: Some(IntOrString::Int(1)),
            max_unavailable: Some(IntOrString::Int(0)),
        }),
    }
}

/// Returns a hash over the configuration and the database credentials. A pod reads these only at its
/// start, so a change must replace the pods.
fn checksum(config: &ConfigMap, database: &Secret) -> String {
    let mut hash = Sha256::new();
    for (key, text) in config.data.iter().flatten() {
        hash.update(key);
        hash.update(text);
    }
    for (key, bytes) in database.data.iter().flatten() {
        hash.update(key);
        hash.update(&bytes.0);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn pod_spec(module: &Module) -> PodSpec {
    PodSpec {
        service_account_name: Some(module.name.to_string()),
        // The former name of the field, which the API server fills with the same value.
        service_account: Some(module.name.to_string()),
        restart_policy: Some("Always".to_owned()),
        dns_policy: Some("ClusterFirst".to_owned()),
        scheduler_name: Some("default-scheduler".to_owned()),
        automount_service_account_token: Some(false),
        // No module reads the addresses of the town's other Services from environment variables.
        enable_service_links: Some(false),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(65532),
            run_as_group: Some(65532),
            fs_group: Some(65532),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                localhost_profile: None,
            }),
            ..Default::default()
        }),
        termination_grace_period_seconds: Some(TERMINATION_GRACE_SECONDS),
        topology_spread_constraints: Some(vec![TopologySpreadConstraint {
            label_selector: Some(labels::module_selector(module.name.as_str())),
            max_skew: 1,
            topology_key: "kubernetes.io/hostname".to_owned(),
            when_unsatisfiable: "ScheduleAnyway".to_owned(),
            ..Default::default()
        }]),
        init_containers: Some(vec![Container {
            name: "migrate".to_owned(),
            args: Some(vec!["migrate".to_owned()]),
            ..container(module, volumes::migration_mounts(module))
        }]),
        containers: vec![Container {
            name: "module".to_owned(),
            ports: Some(vec![port(PUBLIC_PORT_NAME, PUBLIC_PORT), port(ADMIN_PORT_NAME, ADMIN_PORT)]),
            // Migrations have already run, so that a start takes about a second; after 30 s it counts
            // as failed.
            startup_probe: Some(Probe {
                failure_threshold: Some(30),
                period_seconds: Some(1),
                ..probe("/livez")
            }),
            liveness_probe: Some(Probe {
                failure_threshold: Some(3),
                period_seconds: Some(10),
                ..probe("/livez")
            }),
            readiness_probe: Some(Probe {
                failure_threshold: Some(2),
                period_seconds: Some(5),
                ..probe("/readyz")
            }),
            ..container(module, volumes::module_mounts(module))
        }],
        volumes: Some(volumes::volumes(module)),
        ..Default::default()
    }
}

fn container(module: &Module, mounts: Vec<VolumeMount>) -> Container {
    Container {
        image: Some(module.class.image.to_string()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        resources: Some(resources(&module.plan.resources)),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
            ..Default::default()
        }),
        volume_mounts: Some(mounts),
        termination_message_path: Some("/dev/termination-log".to_owned()),
        // The last log lines of a failed container become its message in the pod's status.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Default::default()
    }
}

fn resources(resources: &Resources) -> ResourceRequirements {
    let amounts = |pairs: &[(&str, &str)]| -> BTreeMap<String, Quantity> {
        pairs.iter().map(|(name, amount)| ((*name).to_owned(), Quantity((*amount).to_owned()))).collect()
    };
    ResourceRequirements {
        requests: Some(amounts(&[("cpu", &resources.requests.cpu), ("memory", &resources.requests.memory)])),
        limits: Some(amounts(&[("memory", &resources.limits.memory)])),
        claims: None,
    }
}

fn port(name: &str, number: u16) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: number.into(),
        protocol: Some("TCP".to_owned()),
        ..Default::default()
    }
}

fn probe(path: &str) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String(ADMIN_PORT_NAME.to_owned()),
            scheme: Some("HTTP".to_owned()),
            ..Default::default()
        }),
        timeout_seconds: Some(5),
        success_threshold: Some(1),
        ..Default::default()
    }
}
