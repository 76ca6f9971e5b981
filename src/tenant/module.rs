// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! A ServiceModule, checked.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;
use url::Url;

use super::class::{self, Class};
use super::e_payment::{self, Place};
use super::names::ModuleName;
use super::secrets::{self, NamedSecret};
use super::town::Town;
use super::verdict::Verdict;
use crate::api::conditions::CLASS_ACCEPTED;
use crate::api::{self, ContractType, ModuleClass, ServiceModule};
use crate::settings::Settings;

/// A module that can be provisioned.
#[derive(Clone, Debug, PartialEq)]
pub struct Module {
    /// Its name, also that of everything made for it.
    pub name: ModuleName,
    /// UID of the ServiceModule object, which owns what is made for it.
    pub uid: String,
    /// Whose it is.
    pub town: Town,
    /// What it is made from.
    pub class: Class,
    /// In which size.
    pub plan: api::Plan,
    /// Where citizens reach it.
    pub public_url: Url,
    /// Where siblings reach it.
    pub cluster_url: Url,
    /// Siblings that it calls, and where.
    pub uses: BTreeMap<ModuleName, Url>,
    /// Siblings that call it.
    pub callers: BTreeSet<ModuleName>,
    /// What the town chose.
    pub configuration: Configuration,
}

/// The block that fits the class's type.
#[derive(Clone, Debug, PartialEq)]
pub enum Configuration {
    /// E-payment.
    EPayment(rathaus_contract::EPayment),
}

impl Configuration {
    /// The Secrets of the town that the block names.
    pub fn secrets(&self) -> Vec<NamedSecret> {
        let Self::EPayment(block) = self;
        secrets::named(block)
    }

    /// Whether the module must reach something outside of the cluster: a provider, or the issuer.
    pub fn calls_out(&self) -> bool {
        let Self::EPayment(block) = self;
        block.provider != rathaus_contract::Provider::Sandbox || block.clerks.is_some()
    }
}

/// What a ServiceModule is judged against.
pub struct World<'a> {
    /// Its municipality, checked; or why there is none to live in.
    pub town: Result<Town, Verdict>,
    /// The class that it names, if there is one.
    pub class: Option<&'a ModuleClass>,
    /// All ServiceModules of its namespace, itself included.
    pub siblings: &'a [&'a ServiceModule],
}

/// Checks a ServiceModule. Every verdict is about `ClassAccepted`: class, plan, block and place.
pub fn resolve(raw: &ServiceModule, world: World<'_>, settings: &Settings) -> Result<Module, Verdict> {
    let spec = &raw.spec;
    let name = ModuleName::parse(&raw.name_any())
        .map_err(|wrong| Verdict::invalid(CLASS_ACCEPTED, "NameInvalid", wrong))?;
    let town = world.town.map_err(|verdict| {
        Verdict::waiting(
            CLASS_ACCEPTED,
            "MunicipalityNotReady",
            format!(
                "the municipality cannot be served yet, ask state IT ({}: {})",
                verdict.reason, verdict.message
            ),
        )
    })?;
    within_limit(raw, &town, world.siblings)?;
    let class = world.class.ok_or_else(|| {
        Verdict::invalid(
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
        return Err(Verdict::refused(
            CLASS_ACCEPTED,
            "ClassNotOffered",
            format!(
                "class {} is not offered to municipalities with ARS {}; choose another or ask state IT",
                class.name, town.ars
            ),
        ));
    }
    let callers = world
        .siblings
        .iter()
        .filter(|sibling| sibling.name_any() != name.as_str())
        .filter(|sibling| sibling.spec.uses.iter().any(|used| used == name.as_str()))
        .filter_map(|sibling| ModuleName::parse(&sibling.name_any()).ok())
        .collect();
    let place = Place { ars: &town.ars, callers: &callers, has_issuer: settings.issuer.is_some() };
    let configuration = configuration(&class, spec, &place)?;
    not_the_operators(&configuration, &name, world.siblings)?;
    let plan = class.plan(&spec.plan).cloned().ok_or_else(|| {
        Verdict::invalid(
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
    let public_url = parse_url(format!("https://{}", town.hostname.of_module(&name)))?;
    let cluster_url = cluster_url(&name, &town)?;
    let uses = siblings_used(&name, &town, spec, world.siblings)?;
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

/// The oldest modules come first. Not left to a ResourceQuota: Kubernetes refuses every object of a
/// kind that it has just learnt to count, for minutes.
fn within_limit(raw: &ServiceModule, town: &Town, siblings: &[&ServiceModule]) -> Result<(), Verdict> {
    let age = |module: &ServiceModule| (module.creation_timestamp(), module.uid());
    let older = siblings.iter().filter(|sibling| age(sibling) < age(raw)).count();
    let limit = town.quota.modules;
    if usize::try_from(limit).is_ok_and(|limit| older < limit) {
        return Ok(());
    }
    let message = format!(
        "the municipality may have {limit} modules and has {older} older than this one; delete one, or ask state IT for a larger spec.quota.modules"
    );
    Err(Verdict::refused(CLASS_ACCEPTED, "ModuleLimitReached", message))
}

fn configuration(
    class: &Class,
    spec: &api::ServiceModuleSpec,
    place: &Place<'_>,
) -> Result<Configuration, Verdict> {
    match (class.contract_type, &spec.e_payment) {
        (ContractType::EPayment, Some(block)) => {
            e_payment::resolve(block, place).map(Configuration::EPayment)
        }
        (contract_type, _) => Err(Verdict::invalid(
            CLASS_ACCEPTED,
            "TypeMismatch",
            format!(
                "class {} is of type {contract_type:?}, and the module's configuration block does not fit it; choose a class whose type fits the block",
                class.name
            ),
        )),
    }
}

/// Each module has a Secret of its own name, made by the operator: a town must not get at its content
/// by naming it.
fn not_the_operators(
    configuration: &Configuration,
    own: &ModuleName,
    siblings: &[&ServiceModule],
) -> Result<(), Verdict> {
    let is_modules =
        |name: &str| name == own.as_str() || siblings.iter().any(|sibling| sibling.name_any() == name);
    match configuration.secrets().into_iter().find(|secret| is_modules(&secret.name)) {
        None => Ok(()),
        Some(NamedSecret { name, field, .. }) => Err(Verdict::invalid(
            CLASS_ACCEPTED,
            "SecretReserved",
            format!(
                "{field} names Secret {name:?}, and the operator keeps the database password of the module {name:?} in it; choose another name, such as {name}-credentials"
            ),
        )),
    }
}

fn siblings_used(
    name: &ModuleName,
    town: &Town,
    spec: &api::ServiceModuleSpec,
    siblings: &[&ServiceModule],
) -> Result<BTreeMap<ModuleName, Url>, Verdict> {
    let sibling = |used: &String| {
        let known = siblings.iter().any(|sibling| sibling.name_any() == *used);
        let used = ModuleName::parse(used).ok().filter(|used| known && used != name).ok_or_else(|| {
            Verdict::invalid(
                CLASS_ACCEPTED,
                "SiblingNotFound",
                format!("spec.uses names {used:?}, which is no other module of this municipality; create it, or remove the name"),
            )
        })?;
        let url = cluster_url(&used, town)?;
        Ok((used, url))
    };
    spec.uses.iter().map(sibling).collect()
}

fn cluster_url(module: &ModuleName, town: &Town) -> Result<Url, Verdict> {
    parse_url(format!("http://{module}.{}.svc", town.name.namespace()))
}

/// A DNS name can be well formed and yet no host of a URL: a label such as `xn--a` is bad Punycode.
fn parse_url(text: String) -> Result<Url, Verdict> {
    Url::parse(&text).map_err(|wrong| {
        Verdict::invalid(
            CLASS_ACCEPTED,
            "HostnameInvalid",
            format!("{text} is not a URL: {wrong}; change the host name"),
        )
    })
}
