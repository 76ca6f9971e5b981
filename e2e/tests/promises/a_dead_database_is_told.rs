// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise: a database server that is down, or that refuses the operator, gets a reason of its own at the
//! modules that wait for it, and they go on by themselves.

use crate::client;
use crate::support::{Town, module_message};

pub async fn a_database_server_that_is_down_is_told_and_clears_when_it_is_back() {
    let town = Town::admit(&client().await, "bad-g", "206").await;
    town.ready().await;
    e2e::database::stop().await.unwrap();
    town.opt_in("e-payment").await;
    let module = town.module_says("e-payment", "DatabaseReady", "False", "DatabaseUnreachable").await;
    e2e::database::start().await.unwrap();
    assert!(module_message(&module, "DatabaseReady").contains("the operator tries again"));
    town.module_ready("e-payment").await;

    // The server no longer accepts the operator's role, whose open connections end, too.
    e2e::database::sql("ALTER ROLE rathaus_admin NOLOGIN").await.unwrap();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'rathaus_admin'";
    e2e::database::sql(end).await.unwrap();
    town.opt_in("second").await;
    town.module_says("second", "DatabaseReady", "False", "DatabaseRefused").await;
    e2e::database::sql("ALTER ROLE rathaus_admin LOGIN").await.unwrap();
    town.module_ready("second").await;
    town.remove().await;
}
