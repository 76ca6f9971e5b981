// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! One payment as it happens: an online service creates it, a citizen confirms it in a browser, and
//! the service asks how it went. The calls are those of XBezahldienste 1.0.0.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use html5gum::{HtmlString, StartTag, Token, Tokenizer};
use rand::distr::{Alphanumeric, SampleString};
use reqwest::{Client, Response, StatusCode, header};
use serde_json::{Value, json};
use tokio::time::sleep;
use url::Url;

const LIMIT: Duration = Duration::from_secs(30);

/// A finished payment.
#[derive(Debug)]
pub struct Paid {
    /// The payment provider's name for it.
    pub transaction: String,
    /// In euros, as the standard writes it.
    pub amount: f64,
}

/// Pays a fee at the e-payment module whose public URL is `module`, to the authority `end_point` (an ARS or AGS),
/// as the client that `token` belongs to.
///
/// # Errors
/// A step is answered otherwise than the standard says; the message holds the answer.
pub async fn pay(client: &Client, module: &Url, end_point: &str, token: &str) -> Result<Paid> {
    let amount = 28.80;
    let request = format!("demo-{}", Alphanumeric.sample_string(&mut rand::rng(), 12));
    let create = module.join(&format!("paymenttransaction/rathaus-demo/{end_point}"))?;
    let created = client.post(create).bearer_auth(token).json(&fee(&request, amount)).send().await?;
    let created = json_of(created).await.context("creating the payment")?;
    let information = &created["paymentInformation"];
    let transaction = text(information, "transactionId")?;
    let page = Url::parse(&text(information, "transactionRedirectUrl")?)?;
    confirm(client, page).await.context("confirming it on the pay page")?;
    let status = module.join(&format!("paymenttransaction/rathaus-demo/{end_point}/{transaction}"))?;
    let deadline = Instant::now() + LIMIT;
    loop {
        let answer = client.get(status.clone()).bearer_auth(token).send().await?;
        let now = json_of(answer).await.context("asking how it went")?;
        match text(&now["paymentInformation"], "status")?.as_str() {
            "PAYED" => return Ok(Paid { transaction, amount }),
            "INITIAL" if Instant::now() < deadline => sleep(Duration::from_millis(200)).await,
            other => bail!("the payment {transaction} is {other}"),
        }
    }
}

fn fee(request: &str, amount: f64) -> Value {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    json!({
        "requestId": request,
        "requestTimestamp": now,
        "currency": "EUR",
        "grosAmount": amount,
        "purpose": "Parkausweis 2026",
        "description": "Bewohnerparkausweis",
        "redirectUrl": "https://forms.rathaus.example/return",
        "items": [{
            "id": "1",
            "reference": "99108005",
            "description": "Bewohnerparkausweis",
            "taxRate": 0,
            "quantity": 1,
            "totalNetAmount": amount,
            "totalTaxAmount": 0.0,
            "singleNetAmount": amount,
            "singleTaxAmount": 0.0,
            "bookingData": {},
        }],
    })
}

/// Opens the page and sends its form by the first of its buttons, as a browser would.
async fn confirm(client: &Client, page: Url) -> Result<()> {
    let answer = client.get(page.clone()).header(header::ACCEPT, "text/html").send().await?;
    let cookies: Vec<String> = answer
        .headers()
        .get_all(header::SET_COOKIE)
        .iter()
        .filter_map(|cookie| cookie.to_str().ok()?.split(';').next().map(str::to_owned))
        .collect();
    let html = body(answer).await?;
    let form = first_form(&html)?;
    let mut send = client.post(page.join(&form.action)?).form(&form.fields);
    if !cookies.is_empty() {
        send = send.header(header::COOKIE, cookies.join("; "));
    }
    let origin = page.origin().ascii_serialization();
    let answer = send.header(header::ORIGIN, origin).send().await?;
    if !answer.status().is_redirection() {
        body(answer).await?;
    }
    Ok(())
}

#[derive(Debug, PartialEq)]
struct Form {
    action: String,
    fields: BTreeMap<String, String>,
}

/// Buttons after the first take no part, as in a browser where the first is pressed.
fn first_form(html: &str) -> Result<Form> {
    let mut form: Option<Form> = None;
    let mut pressed = false;
    for Ok(token) in Tokenizer::new(html) {
        match (token, &mut form) {
            (Token::StartTag(tag), None) if is(&tag.name, "form") && is_sent(&tag) => {
                let action = attribute(&tag, "action").unwrap_or_default();
                form = Some(Form { action, fields: BTreeMap::new() });
            }
            (Token::StartTag(tag), Some(form)) if is(&tag.name, "input") => form.take(&tag),
            (Token::StartTag(tag), Some(form)) if is(&tag.name, "button") && sends(&tag) && !pressed => {
                form.take(&tag);
                pressed = true;
            }
            (Token::EndTag(tag), Some(_)) if is(&tag.name, "form") => break,
            _ => {}
        }
    }
    if !pressed {
        bail!("the page has no form with a button to send it");
    }
    form.context("the page has no form")
}

impl Form {
    fn take(&mut self, tag: &StartTag<()>) {
        if let Some(name) = attribute(tag, "name") {
            self.fields.insert(name, attribute(tag, "value").unwrap_or_default());
        }
    }
}

fn is(name: &HtmlString, wanted: &str) -> bool {
    name.as_slice() == wanted.as_bytes()
}

/// Forms that are not sent by POST only search or filter.
fn is_sent(form: &StartTag<()>) -> bool {
    attribute(form, "method").is_some_and(|method| method.eq_ignore_ascii_case("post"))
}

fn sends(button: &StartTag<()>) -> bool {
    attribute(button, "type").is_none_or(|kind| kind == "submit")
}

fn attribute(tag: &StartTag<()>, name: &str) -> Option<String> {
    let value = &tag.attributes.get(name.as_bytes())?.value;
    Some(String::from_utf8_lossy(value).into_owned())
}

async fn json_of(answer: Response) -> Result<Value> {
    Ok(serde_json::from_str(&body(answer).await?)?)
}

async fn body(answer: Response) -> Result<String> {
    let (status, url) = (answer.status(), answer.url().clone());
    let text = answer.text().await?;
    if status != StatusCode::OK {
        bail!("{url} answered {status}: {text}");
    }
    Ok(text)
}

fn text(value: &Value, field: &str) -> Result<String> {
    let found = value[field].as_str().with_context(|| format!("the answer has no {field}: {value}"))?;
    Ok(found.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_sent_as_its_first_button_sends_it() {
        let html = r#"<form method="get" action="/search"><button>go</button></form>
            <form method="POST" action="confirm"><input type="hidden" name="token" value="t1">
            <button type="button" name="help">?</button>
            <button name="decision" value="pay">Pay</button><button name="decision" value="cancel">No</button></form>"#;
        let form = first_form(html).unwrap();
        assert_eq!(form.action, "confirm");
        let fields = [("decision", "pay"), ("token", "t1")];
        assert_eq!(form.fields, fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn a_page_without_a_form_is_an_error() {
        assert!(first_form("<p>Gone</p>").is_err());
    }
}
