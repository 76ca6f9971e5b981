// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! A day's settlement to fetch, and the treasury's confirmation to hand in.

use std::sync::Arc;

use anyhow::Context;
use askama::Template;
use axum::Json;
use axum::body::Bytes;
use axum::extract::multipart::{Multipart, MultipartRejection};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::civil::Date;
use rathaus_contract::ModuleConfig;
use rathaus_kit::web;

use super::Desk;
use super::login::{Caller, Session, forged};
use crate::confirmation::{self, Report};
use crate::problem::{Code, Problem};
use crate::settlement::{self, Format};

/// `2026-03-01.csv` or `2026-03-01.jsonl`.
fn named(file: &str) -> Option<(Date, Format, &'static str)> {
    let (day, format, kind) = match file.rsplit_once('.')? {
        (day, "csv") => (day, Format::Csv, "text/csv; charset=utf-8"),
        (day, "jsonl") => (day, Format::JsonLines, "application/jsonl"),
        _ => return None,
    };
    // Only as it is written here: what is shorter or longer names no file.
    let date: Date = day.parse().ok()?;
    (date.to_string() == day).then_some((date, format, kind))
}

/// The settlement of a day.
pub async fn download(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    Path(file): Path<String>,
) -> Response {
    let caller = match desk.caller(&headers).await {
        Ok(caller) => caller,
        Err(refused) => return refused.into_response(),
    };
    let Some((day, format, kind)) = named(&file) else {
        let detail = "the files are DAY.csv and DAY.jsonl, such as 2026-03-01.csv";
        return told(&desk, &caller, StatusCode::NOT_FOUND, "Keine solche Datei", detail);
    };
    match settlement::export(&desk.pool, &desk.config.municipality, day, format).await {
        Ok(content) => {
            let name = format!("attachment; filename=\"{}-{file}\"", desk.config.municipality.name);
            let headers = [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, name)];
            (headers, content).into_response()
        }
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), %day, "settlement");
            let detail = error.to_string();
            told(&desk, &caller, StatusCode::SERVICE_UNAVAILABLE, "Kein Tagesabschluss", &detail)
        }
    }
}

/// People get a page, programs a problem.
fn told(desk: &Desk, caller: &Caller, status: StatusCode, title: &str, detail: &str) -> Response {
    match caller {
        Caller::Clerk(_) => desk.told(status, title, detail),
        Caller::Program(_) => Problem::new(Code::Unspecified, detail).with_status(status).into_response(),
    }
}

#[derive(Template)]
#[template(path = "clerk/report.html")]
struct ReportPage<'a> {
    config: &'a ModuleConfig,
    session: &'a Session,
    report: &'a Report,
}

/// The treasury's confirmation: form data (RFC 7578) with the file as `datei`, and from people the
/// session's `token`.
pub async fn upload(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    form: Result<Multipart, MultipartRejection>,
) -> Response {
    let caller = match desk.caller(&headers).await {
        Ok(caller) => caller,
        Err(refused) => return refused.into_response(),
    };
    let unreadable = |error: &anyhow::Error| {
        told(&desk, &caller, StatusCode::BAD_REQUEST, "Datei nicht lesbar", &format!("{error:#}"))
    };
    let form = match form.context("send the file as form data, in the field datei") {
        Ok(form) => form,
        Err(error) => return unreadable(&error),
    };
    let Form { token, file } = match read(form).await {
        Ok(form) => form,
        Err(error) => return unreadable(&error),
    };
    if let Caller::Clerk(session) = &caller
        && session.token != token
    {
        return forged(&desk);
    }
    match confirmation::import(&desk.pool, &file[..], &caller.who()).await {
        Ok(report) => shown(&desk, &caller, &report),
        Err(wrong @ confirmation::Error::NotAConfirmation(_)) => unreadable(&wrong.into()),
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "confirmation");
            told(&desk, &caller, StatusCode::SERVICE_UNAVAILABLE, "Nichts übernommen", &error.to_string())
        }
    }
}

struct Form {
    token: String,
    file: Bytes,
}

async fn read(mut form: Multipart) -> anyhow::Result<Form> {
    let (mut token, mut file) = (String::new(), None);
    while let Some(field) = form.next_field().await? {
        match field.name() {
            Some("token") => token = field.text().await?,
            Some("datei") => file = Some(field.bytes().await?),
            _ => {}
        }
    }
    Ok(Form { token, file: file.context("the field datei is missing")? })
}

fn shown(desk: &Desk, caller: &Caller, report: &Report) -> Response {
    match caller {
        Caller::Clerk(session) => {
            web::render_page(StatusCode::OK, &ReportPage { config: &desk.config, session, report }, "")
        }
        Caller::Program(_) => Json(report).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_by_its_day_and_format_and_in_no_other_way() {
        let day = jiff::civil::date(2026, 3, 1);
        assert_eq!(named("2026-03-01.csv").map(|(date, format, _)| (date, format)), Some((day, Format::Csv)));
        assert_eq!(
            named("2026-03-01.jsonl").map(|(date, format, _)| (date, format)),
            Some((day, Format::JsonLines))
        );
        for file in [
            "2026-03-01",
            "2026-03-01.pdf",
            "2026-02-30.csv",
            "20260301.csv",
            "2026-03-01T10:00:00.csv",
            "../x.csv",
        ] {
            assert!(named(file).is_none(), "{file}");
        }
    }
}
