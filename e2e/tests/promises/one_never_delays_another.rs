// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise (invariant 6): one broken tenant never delays another.

use crate::client;
use crate::support::{Town, municipality};

pub async fn invariant_6_broken_towns_do_not_delay_a_sound_one() {
    let client = client().await;
    let mut broken = Vec::new();
    for number in 0..8 {
        let name = format!("fair-broken-{number}");
        let mut object = municipality(&name, &format!("90{number}"));
        object["spec"]["hostname"] = format!("{name}.elsewhere.example").into();
        broken.push(Town::admit_with(&client, &name, object).await);
    }
    // One more whose module names a class that does not exist.
    let misguided = Town::admit(&client, "fair-misguided", "910").await;
    misguided.ready().await;
    let mut module = crate::support::service_module("fair-misguided", "e-payment");
    module["spec"]["class"] = "nowhere".into();
    misguided.opt_in_with(module).await;

    let healthy = Town::admit(&client, "fair-healthy", "911").await;
    healthy.opt_in("e-payment").await;
    healthy.module_ready("e-payment").await;
    for town in broken.iter().chain([&misguided, &healthy]) {
        town.remove().await;
    }
}
