// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! A Municipality, checked.

use k8s_openapi::api::core::v1::Namespace;
use kube::{Resource, ResourceExt};
use url::Url;

use super::names::{Ars, Hostname, TownName};
use super::ownership;
use super::verdict::Verdict;
use crate::api::conditions::{NAMESPACE_READY, READY};
use crate::api::{self, AdministratorKind, DeletionPolicy, Municipality, Quota};
use crate::settings::Settings;

/// A municipality that can be provisioned.
#[derive(Clone, Debug, PartialEq)]
pub struct Town {
    /// Technical name.
    pub name: TownName,
    /// Name as citizens read it.
    pub display_name: String,
    /// Amtlicher Regionalschlüssel.
    pub ars: Ars,
    /// Public host name below which its modules live.
    pub hostname: Hostname,
    /// Who may opt in.
    pub administrators: Vec<Administrator>,
    /// Impressum.
    pub imprint_url: Url,
    /// Datenschutzerklärung.
    pub privacy_url: Url,
    /// Erklärung zur Barrierefreiheit.
    pub accessibility_url: Url,
    /// What all its modules may use together.
    pub quota: Quota,
    /// What becomes of data on deletion.
    pub deletion_policy: DeletionPolicy,
}

/// Somebody who may opt in.
#[derive(Clone, Debug, PartialEq)]
pub enum Administrator {
    /// A user.
    User(String),
    /// A group.
    Group(String),
    /// A ServiceAccount.
    ServiceAccount {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

/// Checks a Municipality against the platform's settings and all other municipalities.
///
/// A younger object never takes an ARS or a host name from an older one. `others` may come from a
/// watch: it delivers objects in the order in which they were created, so whoever sees the younger
/// has seen the older.
pub fn resolve<'a>(
    raw: &Municipality,
    others: impl IntoIterator<Item = &'a Municipality>,
    settings: &Settings,
) -> Result<Town, Verdict> {
    let invalid = |reason, message| Verdict::invalid(READY, reason, message);
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
        return Err(Verdict::refused(READY, "HostnameForeign", message));
    }
    for other in others.into_iter().filter(|other| other.uid() != raw.uid() && is_older(other, raw)) {
        refuse_taken(&ars, &hostname, other)?;
    }
    let url = |field: &str, text: &str| {
        Url::parse(text).ok().filter(|url| url.scheme() == "https" && url.has_host()).ok_or_else(|| {
            invalid("LegalUrlInvalid", format!("spec.legal.{field} {text:?} must be an https URL"))
        })
    };
    Ok(Town {
        imprint_url: url("imprintUrl", &spec.legal.imprint_url)?,
        privacy_url: url("privacyUrl", &spec.legal.privacy_url)?,
        accessibility_url: url("accessibilityUrl", &spec.legal.accessibility_url)?,
        administrators: spec.administrators.iter().map(administrator).collect::<Result<_, _>>()?,
        display_name: spec.display_name.clone(),
        quota: spec.quota.clone(),
        deletion_policy: spec.deletion_policy,
        name,
        ars,
        hostname,
    })
}

fn is_older(one: &Municipality, other: &Municipality) -> bool {
    let age = |m: &Municipality| (m.creation_timestamp(), m.uid());
    age(one) < age(other)
}

fn refuse_taken(ars: &Ars, hostname: &Hostname, older: &Municipality) -> Result<(), Verdict> {
    if older.spec.ars == ars.as_str() {
        let message = format!(
            "spec.ars {ars} belongs to the older municipality {}; delete one of the two objects",
            older.name_any()
        );
        return Err(Verdict::refused(READY, "ArsTaken", message));
    }
    let theirs = Hostname::parse(&older.spec.hostname).ok();
    if theirs.is_some_and(|theirs| hostname.is_within(theirs.as_str()) || theirs.is_within(hostname.as_str()))
    {
        let message = format!(
            "spec.hostname {hostname} is equal to, above or below {}, which belongs to the older municipality {}; choose another",
            older.spec.hostname,
            older.name_any()
        );
        return Err(Verdict::refused(READY, "HostnameTaken", message));
    }
    Ok(())
}

fn administrator(raw: &api::Administrator) -> Result<Administrator, Verdict> {
    if raw.name.starts_with("system:") {
        let message = format!(
            "spec.administrators: {:?} is a name of Kubernetes' own; name the town's own group or user",
            raw.name
        );
        return Err(Verdict::invalid(READY, "AdministratorInvalid", message));
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
            Err(Verdict::invalid(READY, "AdministratorInvalid", message))
        }
    }
}

/// Whose the namespace is that a town would live in.
#[derive(Clone, Debug, PartialEq)]
pub enum NamespaceClaim {
    /// It is not there yet.
    Free,
    /// The operator made it for this very Municipality object.
    Ours,
    /// It cannot be used, and is not touched.
    Denied(Verdict),
}

/// Judges whose the town's namespace is. A label alone proves nothing: ours is what the
/// operator itself applied for this ARS.
pub fn namespace_claim(raw: &Municipality, observed: Option<&Namespace>) -> NamespaceClaim {
    let Some(namespace) = observed else {
        return NamespaceClaim::Free;
    };
    let name = namespace.name_any();
    if !ownership::is_made_for(namespace.meta(), &raw.spec.ars) {
        return NamespaceClaim::Denied(Verdict::refused(
            NAMESPACE_READY,
            "NamespaceForeign",
            format!(
                "namespace {name} exists and was not made for this municipality; remove it, or give the municipality another name"
            ),
        ));
    }
    if namespace.meta().deletion_timestamp.is_some() {
        return NamespaceClaim::Denied(Verdict::waiting(
            NAMESPACE_READY,
            "NamespaceTerminating",
            format!("namespace {name} is being deleted; it is made anew once it is gone"),
        ));
    }
    NamespaceClaim::Ours
}
