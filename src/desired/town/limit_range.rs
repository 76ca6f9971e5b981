// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{LimitRange, LimitRangeItem, LimitRangeSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::desired::labels;
use crate::tenant::Town;

/// Default requests and limits for a container that sets none. The values are low, so that the
/// container does not use up the town's quota; without any, the quota would refuse its pod.
pub fn build(town: &Town) -> LimitRange {
    LimitRange {
        metadata: labels::town_meta(town, "rathaus"),
        spec: Some(LimitRangeSpec {
            limits: vec![LimitRangeItem {
                type_: "Container".to_owned(),
                default_request: Some(amounts([("cpu", "10m"), ("memory", "32Mi")])),
                default: Some(amounts([("memory", "128Mi")])),
                ..Default::default()
            }],
        }),
    }
}

fn amounts<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, Quantity> {
    pairs.into_iter().map(|(name, amount)| (name.to_owned(), Quantity(amount.to_owned()))).collect()
}
