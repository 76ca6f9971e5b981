// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Checks a ServiceModule and turns it into a [`Module`].

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;
use url::Url;

use super::class::{self, Class};
use super::e_payment::{self, BlockContext};
use super::names::ModuleName;
use super::rejection::Rejection;
use super::secrets::{self, NamedSecret};
use super::town::Town;
use crate::api::conditions::CLASS_ACCEPTED;
use crate::api::{self, ContractType, ModuleClass, ServiceModule};
use crate::settings::Settings;

/// A ServiceModule that passed all checks and can be provisioned.
#[derive(Clone, Debug, PartialEq)]
pub struct Module {
    /// Name of the ServiceModule, which every object made for it has as well.
    pub name: ModuleName,
    /// UID of the ServiceModule object, the owner of every object made for it.
    pub uid: String,
    /// The municipality that the module belongs to.
    pub town: Town,
    /// The class that it is an instance of.
    pub class: Class,
    /// The plan of the class that it runs with: replicas and resources.
    pub plan: api::Plan,
    /// URL at which citizens reach the module, `https://<module>.<hostname>/`.
    pub public_url: Url,
    /// URL at which sibling modules reach it inside the cluster, `http://<module>.<namespace>.svc/`.
    pub cluster_url: Url,
    /// Sibling modules that it calls (`spec.uses`), each with its cluster URL.
    pub uses: BTreeMap<ModuleName, Url>,
    /// Sibling modules that call it: those whose `spec.uses` names it.
    pub callers: BTreeSet<ModuleName>,
    /// The configuration block of the ServiceModule.
    pub configuration: Configuration,
}

/// A configuration block, one variant for each type of class.
#[derive(Clone, Debug, PartialEq)]
pub enum Configuration {
    /// Configuration of an e-payment module.
    EPayment(rathaus_contract::EPayment),
}

impl Configuration {
    /// The town's Secrets that the block refers to.
    pub fn secrets(&self) -> Vec<NamedSecret> {
        let Self::EPayment(block) = self;
        secrets::named_secrets(block)
    }

    /// Whether the module must connect to a host outside of the cluster: to its payment provider or to
    /// the OpenID Connect issuer.
    pub fn needs_outbound(&self) -> bool {
        let Self::EPayment(block) = self;
        block.provider != rathaus_contract::Provider::Sandbox || block.clerks.is_some()
    }
}

/// The other objects that a ServiceModule is checked against.
pub struct ModuleContext<'a> {
    /// The municipality of the ServiceModule's namespace, or the reason why it cannot be served.
    pub town: Result<Town, Rejection>,
    /// The class that `spec.class` names; `None` if it does not exist.
    pub class: Option<&'a ModuleClass>,
    /// All ServiceModules of the same namespace, including the one that is checked.
    pub siblings: &'a [&'a ServiceModule],
}

/// Checks a ServiceModule's name, municipality, class, plan, configuration block and siblings. Every
/// rejection belongs to the condition `ClassAccepted`.
///
/// # Errors
/// Returns the first check that failed.
pub fn resolve(
    raw: &ServiceModule,
    context: ModuleContext<'_>,
    settings: &Settings,
) -> Result<Module, Rejection> {
    let spec = &raw.spec;
    let name = ModuleName::parse(&raw.name_any())
        .map_err(|message| Rejection::invalid(CLASS_ACCEPTED, "NameInvalid", message))?;
    let town = context.town.map_err(|rejection| {
        Rejection::waiting(
            CLASS_ACCEPTED,
            "MunicipalityNotReady",
            format!(
                "the municipality cannot be served yet, ask state IT ({}: {})",
                rejection.reason, rejection.message
            ),
        )
    })?;
    check_module_limit(raw, &town, context.siblings)?;
    let class = context.class.ok_or_else(|| {
        Rejection::invalid(
            CLASS_ACCEPTED,
            "ClassNotFound",
            format!(
                "spec.class {:?} is not in the catalogue; kubectl get moduleclasses lists what is",
                spec.class
            ),
        )
    })?;
    let class = class::resolve(class, CLASS_ACCEPTED)?;
    if !class.is_offered_to(&town.ars) {
        return Err(Rejection::refused(
            CLASS_ACCEPTED,
            "ClassNotOffered",
            format!(
                "class {} is not offered to municipalities with ARS {}; choose another or ask state IT",
                class.name, town.ars
            ),
        ));
    }
    let callers = context
        .siblings
        .iter()
        .filter(|sibling| sibling.name_any() != name.as_str())
        .filter(|sibling| sibling.spec.uses.iter().any(|used| used == name.as_str()))
        .filter_map(|sibling| ModuleName::parse(&sibling.name_any()).ok())
        .collect();
    let block_context =
        BlockContext { ars: &town.ars, callers: &callers, has_issuer: settings.issuer.is_some() };
    let configuration = resolve_configuration(&class, spec, &block_context)?;
    check_secrets_not_reserved(&configuration, &name, context.siblings)?;
    let plan = class.plan(&spec.plan).cloned().ok_or_else(|| {
        Rejection::invalid(
            CLASS_ACCEPTED,
            "PlanUnknown",
            format!(
                "spec.plan {:?} is not a plan of class {}; it has: {}",
                spec.plan,
                class.name,
                class.plan_names()
            ),
        )
    })?;
    let public_url = parse_url(format!("https://{}", town.hostname.module_host(&name)))?;
    let cluster_url = cluster_url(&name, &town)?;
    let uses = resolve_uses(&name, &town, spec, context.siblings)?;
    Ok(Module {
        uid: raw.uid().unwrap_or_default(),
        name,
        town,
        class,
        plan,
        uses,
        callers,
        configuration,
        public_url,
        cluster_url,
    })
}

/// Checks `spec.quota.modules` of the municipality; the oldest modules are within the limit.
///
/// The town's ResourceQuota only bounds how many modules may be over the limit: its refusal does not say
/// what to do, and does not reach those that exist when the limit is lowered.
fn check_module_limit(
    raw: &ServiceModule,
    town: &Town,
    siblings: &[&ServiceModule],
) -> Result<(), Rejection> {
    let age = |module: &ServiceModule| (module.creation_timestamp(), module.uid());
    let older = siblings.iter().filter(|sibling| age(sibling) < age(raw)).count();
    let limit = town.quota.modules;
    if usize::try_from(limit).is_ok_and(|limit| older < limit) {
        return Ok(());
    }
    let message = format!(
        "the municipality may have {limit} modules and has {older} older than this one; delete one, or ask state IT for a larger spec.quota.modules"
    );
    Err(Rejection::refused(CLASS_ACCEPTED, "ModuleLimitReached", message))
}

fn resolve_configuration(
    class: &Class,
    spec: &api::ServiceModuleSpec,
    context: &BlockContext<'_>,
) -> Result<Configuration, Rejection> {
    match (class.contract_type, &spec.e_payment) {
        (ContractType::EPayment, Some(block)) => {
            e_payment::resolve(block, context).map(Configuration::EPayment)
        }
        (contract_type, _) => Err(Rejection::invalid(
            CLASS_ACCEPTED,
            "TypeMismatch",
            format!(
                "class {} is of type {contract_type:?}, and the module's configuration block does not fit it; choose a class whose type fits the block",
                class.name
            ),
        )),
    }
}

/// Rejects a configuration that names the Secret which the operator makes for a module of this
/// municipality. That Secret holds a database password, and a town could read it by having it mounted.
fn check_secrets_not_reserved(
    configuration: &Configuration,
    name: &ModuleName,
    siblings: &[&ServiceModule],
) -> Result<(), Rejection> {
    let is_reserved =
        |secret: &str| secret == name.as_str() || siblings.iter().any(|sibling| sibling.name_any() == secret);
    match configuration.secrets().into_iter().find(|secret| is_reserved(&secret.name)) {
        None => Ok(()),
        Some(NamedSecret { name, field, .. }) => Err(Rejection::invalid(
            CLASS_ACCEPTED,
            "SecretReserved",
            format!(
                "{field} names Secret {name:?}, which is reserved: the operator keeps the database password of module {name:?} in it; choose another name, such as {name}-credentials"
            ),
        )),
    }
}

fn resolve_uses(
    name: &ModuleName,
    town: &Town,
    spec: &api::ServiceModuleSpec,
    siblings: &[&ServiceModule],
) -> Result<BTreeMap<ModuleName, Url>, Rejection> {
    let resolve_sibling = |used: &String| {
        let exists = siblings.iter().any(|sibling| sibling.name_any() == *used);
        let used = ModuleName::parse(used).ok().filter(|used| exists && used != name).ok_or_else(|| {
            Rejection::invalid(
                CLASS_ACCEPTED,
                "SiblingNotFound",
                format!("spec.uses names {used:?}, which is not another module of this municipality; create that module, or remove the name"),
            )
        })?;
        let url = cluster_url(&used, town)?;
        Ok((used, url))
    };
    spec.uses.iter().map(resolve_sibling).collect()
}

fn cluster_url(module: &ModuleName, town: &Town) -> Result<Url, Rejection> {
    parse_url(format!("http://{module}.{}.svc", town.name.namespace()))
}

/// Parses a URL that was built from checked names. This can still fail: a host name with a label such as
/// `xn--a` is a well-formed DNS name, but invalid Punycode.
fn parse_url(text: String) -> Result<Url, Rejection> {
    Url::parse(&text).map_err(|error| {
        Rejection::invalid(
            CLASS_ACCEPTED,
            "HostnameInvalid",
            format!("{text} is not a URL: {error}; change the host name"),
        )
    })
}
