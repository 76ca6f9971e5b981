// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Objects of somebody else in a town's namespace that allow more than the operator's own.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::report::{Outcome, Step};
use crate::api::conditions::{ACCESS_READY, ISOLATED};
use crate::desired::AdditiveKind;

const POLICY_FOREIGN: &str = "PolicyForeign";
const ROUTE_FOREIGN: &str = "RouteForeign";

/// Returns the step that reports the objects of a kind that the operator did not make; `None` without any.
pub fn report_foreign(kind: AdditiveKind, namespace: &str, names: &[String]) -> Option<Step> {
    if names.is_empty() {
        return None;
    }
    let (condition, reason, effect) = match kind {
        AdditiveKind::RoleBinding => (ACCESS_READY, "BindingForeign", "gives rights in the namespace"),
        AdditiveKind::NetworkPolicy => (ISOLATED, POLICY_FOREIGN, "allows traffic"),
        AdditiveKind::HTTPRoute => (ISOLATED, ROUTE_FOREIGN, "leads requests into or out of the namespace"),
    };
    // The way out comes first, since a long list of names is cut off.
    let message = format!(
        "{kind:?}s in namespace {namespace} were not made by rathaus, and each {effect} in addition to what rathaus allows; find out who made them, and delete: {}",
        names.join(", ")
    );
    Some(Step { condition, outcome: Outcome::Refused, reason, message })
}

/// How well a town's namespace is isolated, as its condition `Isolated` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// The operator's policies, limits and quota are in force, and nothing allows more.
    Enforced,
    /// They are in force, but policies or routes of somebody else allow more.
    Weakened,
    /// They are not known to be in force.
    Absent,
}

/// Returns the isolation of the town with these conditions.
pub fn isolation(conditions: &[Condition]) -> Isolation {
    match conditions.iter().find(|condition| condition.type_ == ISOLATED) {
        Some(condition) if condition.status == "True" => Isolation::Enforced,
        Some(condition) if [POLICY_FOREIGN, ROUTE_FOREIGN].contains(&condition.reason.as_str()) => {
            Isolation::Weakened
        }
        _ => Isolation::Absent,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::api::conditions::MUNICIPALITY_CONDITIONS;
    use crate::status::{Report, merge_conditions};

    fn conditions(step: Step) -> Vec<Condition> {
        let report = Report { steps: vec![step] };
        merge_conditions(&[], &report, &MUNICIPALITY_CONDITIONS, None, "", Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn what_somebody_else_made_is_named_with_the_way_out() {
        for (kind, condition, reason) in [
            (AdditiveKind::RoleBinding, ACCESS_READY, "BindingForeign"),
            (AdditiveKind::NetworkPolicy, ISOLATED, "PolicyForeign"),
            (AdditiveKind::HTTPRoute, ISOLATED, "RouteForeign"),
        ] {
            let names = ["one".to_owned(), "two".to_owned()];
            let step = report_foreign(kind, "mun-ahaus", &names).unwrap();
            assert_eq!((step.condition, step.outcome, step.reason), (condition, Outcome::Refused, reason));
            assert!(
                step.message.starts_with(&format!("{kind:?}s in namespace mun-ahaus")),
                "{}",
                step.message
            );
            assert!(step.message.ends_with("delete: one, two"), "{}", step.message);
            assert_eq!(report_foreign(kind, "mun-ahaus", &[]), None);
        }
    }

    #[test]
    fn many_long_names_do_not_cut_off_the_way_out() {
        let names: Vec<_> = (0..100).map(|n| format!("{n}-{}", "a".repeat(250))).collect();
        let step = report_foreign(AdditiveKind::NetworkPolicy, "mun-ahaus", &names).unwrap();
        let isolated = &conditions(step)[1];
        assert!(isolated.message.contains("delete: 0-") && isolated.message.ends_with('…'));
    }

    #[test]
    fn policies_and_routes_weaken_the_isolation_and_bindings_do_not() {
        let foreign = |kind| report_foreign(kind, "mun-ahaus", &["open".to_owned()]).unwrap();
        let enforced = || Step::ready(ISOLATED, "Enforced", "");
        assert_eq!(isolation(&conditions(enforced())), Isolation::Enforced);
        assert_eq!(isolation(&conditions(foreign(AdditiveKind::NetworkPolicy))), Isolation::Weakened);
        assert_eq!(isolation(&conditions(foreign(AdditiveKind::HTTPRoute))), Isolation::Weakened);
        let broken = Step { outcome: Outcome::Failed, reason: "ClusterUnavailable", ..enforced() };
        assert_eq!(isolation(&conditions(broken)), Isolation::Absent);
        assert_eq!(isolation(&[]), Isolation::Absent);
        let report = Report { steps: vec![foreign(AdditiveKind::RoleBinding), enforced()] };
        let both = merge_conditions(&[], &report, &MUNICIPALITY_CONDITIONS, None, "", Timestamp::UNIX_EPOCH);
        assert_eq!(isolation(&both), Isolation::Enforced);
    }
}
