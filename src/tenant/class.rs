// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! A ModuleClass, checked.

use kube::ResourceExt;

use super::names::{Ars, Image, Version};
use super::verdict::Verdict;
use crate::api::{self, ContractType, ModuleClass};

/// A class that modules can be made from.
#[derive(Clone, Debug, PartialEq)]
pub struct Class {
    /// Name of the ModuleClass.
    pub name: String,
    /// Which contract the image speaks.
    pub contract_type: ContractType,
    /// Version of the module.
    pub version: Version,
    /// Image by digest.
    pub image: Image,
    /// Licence, an SPDX expression.
    pub licence: String,
    plans: Vec<api::Plan>,
    ars_prefixes: Option<Vec<String>>,
}

impl Class {
    /// The plan of that name.
    pub fn plan(&self, name: &str) -> Option<&api::Plan> {
        self.plans.iter().find(|plan| plan.name == name)
    }

    /// The names of all plans, for a person to choose from.
    pub fn plan_names(&self) -> String {
        self.plans.iter().map(|plan| plan.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Whether the municipality with this ARS may use it.
    pub fn is_offered_to(&self, ars: &Ars) -> bool {
        self.ars_prefixes.as_ref().is_none_or(|all| all.iter().any(|prefix| ars.as_str().starts_with(prefix)))
    }
}

/// Checks a ModuleClass; `condition` is where the person who asked will read the answer.
pub fn resolve(raw: &ModuleClass, condition: &'static str) -> Result<Class, Verdict> {
    let spec = &raw.spec;
    let invalid =
        |wrong| Verdict::invalid(condition, "ClassInvalid", format!("class {}: {wrong}", raw.name_any()));
    Ok(Class {
        name: raw.name_any(),
        contract_type: spec.contract_type,
        version: Version::parse(&spec.version).map_err(invalid)?,
        image: Image::parse(&spec.image).map_err(invalid)?,
        licence: spec.licence.clone(),
        plans: spec.plans.clone(),
        ars_prefixes: spec.offered_to.as_ref().map(|offering| offering.ars_prefixes.clone()),
    })
}
