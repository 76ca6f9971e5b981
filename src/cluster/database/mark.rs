// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Whose a role is: the comment on it names municipality, module and installation.

use crate::tenant::Module;

/// Whom a module's role belongs to, as the comment on the role begins. It contains the ARS and not a UID, so
/// that a municipality which is created anew finds its data, and another one of the same name does not.
pub fn owner_comment(ars: &str, module: &str) -> String {
    format!("rathaus: municipality {ars}, module {module}")
}

/// The beginning of the comment for a module; see [`owner_comment`].
pub(super) fn owner_of(module: &Module) -> String {
    owner_comment(module.town.ars.as_str(), module.name.as_str())
}

/// The comment on a module's role.
pub(super) struct Mark<'a> {
    /// See [`owner_comment`].
    pub owner: &'a str,
    /// The id of the installation that the database belongs to.
    pub installation: &'a str,
}

impl Mark<'_> {
    /// The whole comment.
    pub fn comment(&self) -> String {
        format!("{}, installation {}", self.owner, self.installation)
    }

    /// Whether a role with this comment is the module's. A comment without installation is one of version
    /// 0.1.0, or one by which state IT hands the database over: it belongs to whoever comes first.
    pub fn is_on(&self, comment: &str) -> bool {
        comment == self.owner || comment == self.comment()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_belongs_to_one_module_of_one_installation_or_of_none_yet() {
        let owner = owner_comment("055540004004", "e-payment");
        let mark = |installation| Mark { owner: &owner, installation };
        let comment = mark("0123456789abcdef").comment();
        assert_eq!(
            comment,
            "rathaus: municipality 055540004004, module e-payment, installation 0123456789abcdef"
        );
        assert!(mark("0123456789abcdef").is_on(&comment) && mark("0123456789abcdef").is_on(&owner));
        assert!(!mark("fedcba9876543210").is_on(&comment), "another installation");
        for other in ["", "rathaus: municipality 055540004004, module e-payment2", &owner[..owner.len() - 1]]
        {
            assert!(!mark("0123456789abcdef").is_on(other), "{other:?}");
        }
    }
}
