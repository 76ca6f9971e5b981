// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use super::Kind;

/// A kind of which each additional object allows more, whatever the operator's own objects say: one of
/// somebody else in a town's namespace matters, even though the operator leaves it as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant has the name of its kind")]
pub enum AdditiveKind {
    RoleBinding,
    NetworkPolicy,
    HTTPRoute,
}

impl AdditiveKind {
    /// All additive kinds.
    pub const ALL: [Self; 3] = [Self::RoleBinding, Self::NetworkPolicy, Self::HTTPRoute];

    /// Returns the kind among all kinds that the operator may make.
    pub fn kind(self) -> Kind {
        match self {
            Self::RoleBinding => Kind::RoleBinding,
            Self::NetworkPolicy => Kind::NetworkPolicy,
            Self::HTTPRoute => Kind::HTTPRoute,
        }
    }
}
