// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! One payment as it happens: an online service creates it, a citizen confirms it in a browser, and
//! the service asks how it went. The calls are those of XBezahldienste 1.0.0.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rand::distr::{Alphanumeric, SampleString};
use rathaus_conformance::form::Form;
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
    let form = Form::with_first_button(&html).context("the page has no form with a button to send it")?;
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
