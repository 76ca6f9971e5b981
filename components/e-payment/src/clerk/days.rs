// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The start page of the desk: the list of days for clerks, the login link for everybody else.

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

/// The most days that the page lists.
const MAX_DAYS: u16 = 31;

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
    days: Vec<DayRow>,
}

struct DayRow {
    /// ISO 8601 date, as in the URLs of the day's files.
    iso: String,
    /// Date as Germans write it, such as 01.03.2026.
    german: String,
    payments: i64,
    amount: String,
    booked: i64,
}

impl From<DaySummary> for DayRow {
    fn from(summary: DaySummary) -> Self {
        let DaySummary { day, payments, amount, booked } = summary;
        let german = day.strftime("%d.%m.%Y").to_string();
        Self { iso: day.to_string(), german, payments, amount: group_thousands(&amount, ".", ","), booked }
    }
}

/// Lists the latest days on which something was paid, or shows the login page without a session.
pub async fn list(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Response {
    let Some(session) = desk.session(&headers) else {
        return web::render_page(StatusCode::OK, &LoginPage { config: &desk.config }, "");
    };
    match settlement::list_days(&desk.pool, MAX_DAYS).await {
        Ok(days) => {
            let days = days.into_iter().map(DayRow::from).collect();
            web::render_page(StatusCode::OK, &DaysPage { config: &desk.config, session: &session, days }, "")
        }
        Err(error) => {
            tracing::error!(%error, "the days cannot be listed");
            desk.unavailable_page()
        }
    }
}
