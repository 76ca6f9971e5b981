// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Checks a Municipality and turns it into a [`Town`].

use k8s_openapi::api::core::v1::Namespace;
use kube::{Resource, ResourceExt};
use url::Url;

use super::hostnames::{HeldHostnames, overlap};
use super::names::{Ars, Hostname, TownName};
use super::ownership::{self, Ownership};
use super::rejection::Rejection;
use super::seal::SealKey;
use crate::api::conditions::{NAMESPACE_READY, READY};
use crate::api::{self, AdministratorKind, DeletionPolicy, Municipality, Quota};
use crate::settings::Settings;

/// Reason of a rejection because another municipality has the host name.
pub const HOSTNAME_TAKEN: &str = "HostnameTaken";

/// A Municipality that passed all checks and can be provisioned.
#[derive(Clone, Debug, PartialEq)]
pub struct Town {
    /// Name of the Municipality object.
    pub name: TownName,
    /// Name that citizens read, such as `Stadt Ahaus`.
    pub display_name: String,
    /// Amtlicher Regionalschlüssel, 12 digits.
    pub ars: Ars,
    /// Public host name; each module is served at `<module>.<hostname>`.
    pub hostname: Hostname,
    /// The subjects that may write ServiceModules in the town's namespace.
    pub administrators: Vec<Administrator>,
    /// URL of the Impressum (§ 5 DDG).
    pub imprint_url: Url,
    /// URL of the Datenschutzerklärung (Art. 13 DSGVO).
    pub privacy_url: Url,
    /// URL of the Erklärung zur Barrierefreiheit (§ 12b BGG and the laws of the Länder).
    pub accessibility_url: Url,
    /// Upper bounds for all modules of the town together.
    pub quota: Quota,
    /// Whether databases are kept or dropped when a module or the town is deleted.
    pub deletion_policy: DeletionPolicy,
}

/// An RBAC subject that may write ServiceModules in the town's namespace.
#[derive(Clone, Debug, PartialEq)]
pub enum Administrator {
    /// A user, by the name that the cluster's authentication gives it.
    User(String),
    /// A group, by the name that the cluster's authentication gives it.
    Group(String),
    /// A ServiceAccount, such as that of a GitOps engine.
    ServiceAccount {
        /// Namespace of the ServiceAccount.
        namespace: String,
        /// Name of the ServiceAccount.
        name: String,
    },
}

/// Checks a Municipality against the platform's settings and all other municipalities.
///
/// Where two municipalities claim the same ARS, the older object keeps it and the younger is rejected. A host name
/// belongs to the municipality that holds it, until that gives it up; if nobody does, to the older one. `others` may
/// come from a watch: a watch delivers objects in the order of their creation, so a process that has seen the
/// younger object has also seen the older one.
///
/// # Errors
/// Returns the first check that failed.
pub fn resolve<'a>(
    raw: &Municipality,
    others: impl IntoIterator<Item = &'a Municipality>,
    held: &HeldHostnames,
    settings: &Settings,
) -> Result<Town, Rejection> {
    let invalid = |reason, message| Rejection::invalid(READY, reason, message);
    let spec = &raw.spec;
    let name = TownName::parse(&raw.name_any()).map_err(|e| invalid("NameInvalid", e))?;
    let ars = Ars::parse(&spec.ars).map_err(|e| invalid("ArsInvalid", e))?;
    let hostname = Hostname::parse(&spec.hostname).map_err(|e| invalid("HostnameInvalid", e))?;
    if !settings
        .gateway
        .domains
        .iter()
        .any(|domain| hostname.is_within(domain) && hostname.as_str() != domain)
    {
        let message = format!(
            "spec.hostname {hostname} is not below a domain that the platform's gateway serves ({}); choose one below it, or have state IT add the domain to its settings",
            settings.gateway.domains.join(", ")
        );
        return Err(Rejection::refused(READY, "HostnameForeign", message));
    }
    let is_held = held.get(&raw.name_any()).is_some_and(|held| held == hostname.as_str());
    for other in others.into_iter().filter(|other| other.uid() != raw.uid()) {
        let is_older = is_older(other, raw);
        if is_older {
            check_ars(&ars, other)?;
        }
        // Two that began at the same time may both hold it.
        let held = held.get(&other.name_any()).filter(|_| is_older || !is_held);
        check_hostname(&hostname, other, held, is_older && !is_held)?;
    }
    let legal_url = |field: &str, text: &str| {
        Url::parse(text).ok().filter(|url| url.scheme() == "https" && url.has_host()).ok_or_else(|| {
            invalid("LegalUrlInvalid", format!("spec.legal.{field} {text:?} must be an https URL"))
        })
    };
    Ok(Town {
        imprint_url: legal_url("imprintUrl", &spec.legal.imprint_url)?,
        privacy_url: legal_url("privacyUrl", &spec.legal.privacy_url)?,
        accessibility_url: legal_url("accessibilityUrl", &spec.legal.accessibility_url)?,
        administrators: spec.administrators.iter().map(parse_administrator).collect::<Result<_, _>>()?,
        display_name: spec.display_name.clone(),
        quota: spec.quota.clone(),
        deletion_policy: spec.deletion_policy,
        name,
        ars,
        hostname,
    })
}

/// Compares by creation; objects that were created in the same second are ordered by UID.
fn is_older(municipality: &Municipality, other: &Municipality) -> bool {
    let age = |m: &Municipality| (m.creation_timestamp(), m.uid());
    age(municipality) < age(other)
}

/// Rejects an ARS that an older municipality has.
fn check_ars(ars: &Ars, older: &Municipality) -> Result<(), Rejection> {
    if older.spec.ars != ars.as_str() {
        return Ok(());
    }
    let message = format!(
        "spec.ars {ars} belongs to the older municipality {}; delete one of the two objects",
        older.name_any()
    );
    Err(Rejection::refused(READY, "ArsTaken", message))
}

/// Rejects a host name that overlaps with the one that another municipality holds, or claims with precedence.
fn check_hostname(
    hostname: &Hostname,
    other: &Municipality,
    held: Option<&String>,
    has_precedence: bool,
) -> Result<(), Rejection> {
    let claimed = Some(&other.spec.hostname).filter(|_| has_precedence);
    let taken = |name: &&String| overlap(hostname.as_str(), name);
    let (name, owner) = match (held.filter(taken), claimed.filter(taken)) {
        (Some(name), _) => (name, "held by municipality"),
        (None, Some(name)) => (name, "claimed by the older municipality"),
        (None, None) => return Ok(()),
    };
    let message = format!(
        "spec.hostname {hostname} is equal to, above or below {name}, which is {owner} {}; choose another",
        other.name_any()
    );
    Err(Rejection::refused(READY, HOSTNAME_TAKEN, message))
}

fn parse_administrator(raw: &api::Administrator) -> Result<Administrator, Rejection> {
    if raw.name.starts_with("system:") {
        let message = format!(
            "spec.administrators: {:?} is a name that Kubernetes reserves for itself; name a group or user of the town",
            raw.name
        );
        return Err(Rejection::invalid(READY, "AdministratorInvalid", message));
    }
    let name = raw.name.clone();
    match (raw.kind, raw.namespace.clone()) {
        (AdministratorKind::User, None) => Ok(Administrator::User(name)),
        (AdministratorKind::Group, None) => Ok(Administrator::Group(name)),
        (AdministratorKind::ServiceAccount, Some(namespace)) => {
            Ok(Administrator::ServiceAccount { namespace, name })
        }
        _ => {
            let message = format!(
                "spec.administrators: namespace is required for a ServiceAccount and only for one; see {name:?}"
            );
            Err(Rejection::invalid(READY, "AdministratorInvalid", message))
        }
    }
}

/// To whom the namespace belongs that a town needs.
#[derive(Clone, Debug, PartialEq)]
pub enum NamespaceClaim {
    /// The namespace does not exist yet.
    Free,
    /// The operator made it for this municipality.
    Ours,
    /// The town cannot use it, and the operator leaves it as it is.
    Denied(Rejection),
}

/// Decides to whom the town's namespace belongs: it must carry the seal for this ARS.
pub fn namespace_claim(raw: &Municipality, observed: Option<&Namespace>, key: &SealKey) -> NamespaceClaim {
    let Some(namespace) = observed else {
        return NamespaceClaim::Free;
    };
    let name = namespace.name_any();
    match ownership::ownership(key, "Namespace", namespace.meta(), &raw.spec.ars) {
        Ownership::Foreign => {
            return NamespaceClaim::Denied(Rejection::refused(
                NAMESPACE_READY,
                "NamespaceForeign",
                format!(
                    "namespace {name} exists and was not made for this municipality; remove it, or give the municipality another name"
                ),
            ));
        }
        Ownership::Unsealed => {
            return NamespaceClaim::Denied(Rejection::refused(
                NAMESPACE_READY,
                "UpgradeNeeded",
                format!(
                    "namespace {name} was made by version 0.1.0 and carries no seal; nothing is changed in it until state IT has checked `rathaus upgrade --plan` and run `rathaus upgrade`"
                ),
            ));
        }
        Ownership::Ours => {}
    }
    if namespace.meta().deletion_timestamp.is_some() {
        return NamespaceClaim::Denied(Rejection::waiting(
            NAMESPACE_READY,
            "NamespaceTerminating",
            format!("namespace {name} is being deleted; it is created again once it is gone"),
        ));
    }
    NamespaceClaim::Ours
}
