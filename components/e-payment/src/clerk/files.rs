// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Downloads of a day's settlement, and uploads of the treasury's booking confirmation.

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
use super::login::{DeskUser, Session, reject_foreign_form};
use crate::confirmation::{self, Report};
use crate::problem::{Code, Problem};
use crate::settlement::{self, Format};

/// Parses a file name such as `2026-03-01.csv` or `2026-03-01.jsonl` into day, format and media type.
fn parse_file_name(file: &str) -> Option<(Date, Format, &'static str)> {
    let (day, format, media_type) = match file.rsplit_once('.')? {
        (day, "csv") => (day, Format::Csv, "text/csv; charset=utf-8"),
        (day, "jsonl") => (day, Format::JsonLines, "application/jsonl"),
        _ => return None,
    };
    // The parser accepts other notations too, which are not names of files.
    let date: Date = day.parse().ok()?;
    (date.to_string() == day).then_some((date, format, media_type))
}

/// Downloads the settlement of a day.
pub async fn download(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    Path(file): Path<String>,
) -> Response {
    let user = match desk.authenticate(&headers).await {
        Ok(user) => user,
        Err(denied) => return denied.into_response(),
    };
    let Some((day, format, media_type)) = parse_file_name(&file) else {
        let detail = "the files are DAY.csv and DAY.jsonl, such as 2026-03-01.csv";
        return error_response(&desk, &user, StatusCode::NOT_FOUND, "Keine solche Datei", detail);
    };
    match settlement::export(&desk.pool, &desk.config.municipality, day, format).await {
        Ok(content) => {
            let disposition = format!("attachment; filename=\"{}-{file}\"", desk.config.municipality.name);
            let headers =
                [(header::CONTENT_TYPE, media_type.to_owned()), (header::CONTENT_DISPOSITION, disposition)];
            (headers, content).into_response()
        }
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), %day, "the settlement cannot be exported");
            let detail = error.to_string();
            error_response(&desk, &user, StatusCode::SERVICE_UNAVAILABLE, "Kein Tagesabschluss", &detail)
        }
    }
}

/// Clerks get an HTML page with `title`, programs get problem details (RFC 9457).
fn error_response(desk: &Desk, user: &DeskUser, status: StatusCode, title: &str, detail: &str) -> Response {
    match user {
        DeskUser::Clerk(_) => desk.error_page(status, title, detail),
        DeskUser::Program(_) => Problem::new(Code::Unspecified, detail).with_status(status).into_response(),
    }
}

#[derive(Template)]
#[template(path = "clerk/report.html")]
struct ReportPage<'a> {
    config: &'a ModuleConfig,
    session: &'a Session,
    report: &'a Report,
}

/// Imports the treasury's confirmation: form data (RFC 7578) with the file in the field `datei`, and with the
/// session's token in the field `token` if a clerk uploads it.
pub async fn upload(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    form: Result<Multipart, MultipartRejection>,
) -> Response {
    let user = match desk.authenticate(&headers).await {
        Ok(user) => user,
        Err(denied) => return denied.into_response(),
    };
    let unreadable = |error: &anyhow::Error| {
        error_response(&desk, &user, StatusCode::BAD_REQUEST, "Datei nicht lesbar", &format!("{error:#}"))
    };
    let form = match form.context("send the file as form data, in the field datei") {
        Ok(form) => form,
        Err(error) => return unreadable(&error),
    };
    let UploadForm { token, file } = match read_form(form).await {
        Ok(form) => form,
        Err(error) => return unreadable(&error),
    };
    if let DeskUser::Clerk(session) = &user
        && session.token != token
    {
        return reject_foreign_form(&desk);
    }
    match confirmation::import(&desk.pool, &file[..], &user.audit_name()).await {
        Ok(report) => report_response(&desk, &user, &report),
        Err(error @ confirmation::Error::NotAConfirmation(_)) => unreadable(&error.into()),
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the confirmation cannot be imported");
            let detail = error.to_string();
            error_response(&desk, &user, StatusCode::SERVICE_UNAVAILABLE, "Nichts übernommen", &detail)
        }
    }
}

struct UploadForm {
    token: String,
    file: Bytes,
}

async fn read_form(mut form: Multipart) -> anyhow::Result<UploadForm> {
    let (mut token, mut file) = (String::new(), None);
    while let Some(field) = form.next_field().await? {
        match field.name() {
            Some("token") => token = field.text().await?,
            Some("datei") => file = Some(field.bytes().await?),
            _ => {}
        }
    }
    Ok(UploadForm { token, file: file.context("the field datei is missing")? })
}

/// Clerks get the report as an HTML page, programs as JSON.
fn report_response(desk: &Desk, user: &DeskUser, report: &Report) -> Response {
    match user {
        DeskUser::Clerk(session) => {
            web::render_page(StatusCode::OK, &ReportPage { config: &desk.config, session, report }, "")
        }
        DeskUser::Program(_) => Json(report).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_consist_of_day_and_format_in_one_notation_only() {
        let day = jiff::civil::date(2026, 3, 1);
        assert_eq!(
            parse_file_name("2026-03-01.csv").map(|(date, format, _)| (date, format)),
            Some((day, Format::Csv))
        );
        assert_eq!(
            parse_file_name("2026-03-01.jsonl").map(|(date, format, _)| (date, format)),
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
            assert!(parse_file_name(file).is_none(), "{file}");
        }
    }
}
