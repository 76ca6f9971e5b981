// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use std::fmt;

use kube::ResourceExt;

/// One of the custom resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum OwnKind {
    Municipality,
    ModuleClass,
    ServiceModule,
}

impl OwnKind {
    /// All custom resources.
    pub const ALL: [Self; 3] = [Self::Municipality, Self::ModuleClass, Self::ServiceModule];

    /// The name of the kind's controller in logs and metrics.
    pub fn controller(self) -> &'static str {
        match self {
            Self::Municipality => "municipality",
            Self::ModuleClass => "moduleclass",
            Self::ServiceModule => "servicemodule",
        }
    }
}

/// Identifies an object of one of the custom resources.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ObjectKey {
    pub kind: OwnKind,
    /// Empty for Municipalities and ModuleClasses.
    pub namespace: String,
    pub name: String,
}

impl ObjectKey {
    /// The key of an object of this kind.
    pub fn of(kind: OwnKind, object: &impl ResourceExt) -> Self {
        Self { kind, namespace: object.namespace().unwrap_or_default(), name: object.name_any() }
    }

    pub fn town(name: &str) -> Self {
        Self { kind: OwnKind::Municipality, namespace: String::new(), name: name.to_owned() }
    }

    pub fn class(name: &str) -> Self {
        Self { kind: OwnKind::ModuleClass, namespace: String::new(), name: name.to_owned() }
    }

    pub fn module(namespace: &str, name: &str) -> Self {
        Self { kind: OwnKind::ServiceModule, namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.as_str() {
            "" => f.write_str(&self.name),
            namespace => write!(f, "{namespace}/{}", self.name),
        }
    }
}
