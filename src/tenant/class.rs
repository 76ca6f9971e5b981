// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Checks a ModuleClass and turns it into a [`Class`].

use kube::ResourceExt;

use super::names::{Ars, Image, Version};
use super::rejection::Rejection;
use crate::api::{self, ContractType, ModuleClass};

/// A ModuleClass that passed all checks.
#[derive(Clone, Debug, PartialEq)]
pub struct Class {
    /// Name of the ModuleClass.
    pub name: String,
    /// The contract that the image implements.
    pub contract_type: ContractType,
    /// Version of the module, Semantic Versioning 2.0.0.
    pub version: Version,
    /// Container image, pinned by digest.
    pub image: Image,
    /// Licence of the module, an SPDX expression.
    pub licence: String,
    /// Whether log lines of its containers may be copied into the status of its modules.
    pub shows_container_logs: bool,
    plans: Vec<api::Plan>,
    ars_prefixes: Option<Vec<String>>,
}

impl Class {
    /// Returns the plan with this name, if the class has one.
    pub fn plan(&self, name: &str) -> Option<&api::Plan> {
        self.plans.iter().find(|plan| plan.name == name)
    }

    /// Returns the names of all plans, separated by commas, for an error message.
    pub fn plan_names(&self) -> String {
        self.plans.iter().map(|plan| plan.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Whether the municipality with this ARS may use the class.
    pub fn is_offered_to(&self, ars: &Ars) -> bool {
        self.ars_prefixes
            .as_ref()
            .is_none_or(|prefixes| prefixes.iter().any(|prefix| ars.as_str().starts_with(prefix)))
    }
}

/// Checks a ModuleClass. A rejection carries the type `condition`: `Ready` when the ModuleClass itself is
/// checked, `ClassAccepted` when a ServiceModule uses it.
///
/// # Errors
/// Fails if the version is not a semantic version or the image is not pinned by digest.
pub fn resolve(raw: &ModuleClass, condition: &'static str) -> Result<Class, Rejection> {
    let spec = &raw.spec;
    let invalid = |message| {
        Rejection::invalid(condition, "ClassInvalid", format!("class {}: {message}", raw.name_any()))
    };
    Ok(Class {
        name: raw.name_any(),
        contract_type: spec.contract_type,
        version: Version::parse(&spec.version).map_err(invalid)?,
        image: Image::parse(&spec.image).map_err(invalid)?,
        licence: spec.licence.clone(),
        shows_container_logs: spec.diagnostics.as_ref().is_some_and(|diagnostics| diagnostics.container_logs),
        plans: spec.plans.clone(),
        ars_prefixes: spec.offered_to.as_ref().map(|offering| offering.ars_prefixes.clone()),
    })
}
