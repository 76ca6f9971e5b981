// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The first page: the days, or how to log in.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use rathaus_contract::ModuleConfig;
use rathaus_kit::web;

use super::Desk;
use super::login::Session;
use crate::pay_page::group_thousands;
use crate::settlement::{self, DaySummary};

/// How many days are shown.
const DAYS: u16 = 31;

#[derive(Template)]
#[template(path = "clerk/login.html")]
struct LoginPage<'a> {
    config: &'a ModuleConfig,
}

#[derive(Template)]
#[template(path = "clerk/days.html")]
struct DaysPage<'a> {
    config: &'a ModuleConfig,
    session: &'a Session,
    days: Vec<Day>,
}

struct Day {
    /// As in the address of its files.
    iso: String,
    german: String,
    payments: i64,
    amount: String,
    booked: i64,
}

impl From<DaySummary> for Day {
    fn from(summary: DaySummary) -> Self {
        let DaySummary { day, payments, amount, booked } = summary;
        let german = day.strftime("%d.%m.%Y").to_string();
        Self { iso: day.to_string(), german, payments, amount: group_thousands(&amount, ".", ","), booked }
    }
}

/// The latest days on which something was paid.
pub async fn list(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Response {
    let Some(session) = desk.session(&headers) else {
        return web::page(StatusCode::OK, &LoginPage { config: &desk.config }, "");
    };
    match settlement::list_days(&desk.pool, DAYS).await {
        Ok(days) => {
            let days = days.into_iter().map(Day::from).collect();
            web::page(StatusCode::OK, &DaysPage { config: &desk.config, session: &session, days }, "")
        }
        Err(error) => {
            tracing::error!(%error, "days");
            desk.unavailable()
        }
    }
}
