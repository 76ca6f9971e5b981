// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! One complete payment: an online service creates it, a citizen confirms it in a browser, and the service
//! asks for its status. The calls are those of XBezahldienste 1.0.0.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rand::distr::{Alphanumeric, SampleString};
use rathaus_conformance::form::Form;
use reqwest::{Client, Response, StatusCode, header};
use serde_json::{Value, json};
use tokio::time::sleep;
use url::Url;

/// How long the payment may stay `INITIAL` after the citizen has confirmed it.
const PAYMENT_LIMIT: Duration = Duration::from_secs(30);

/// A successful payment.
#[derive(Debug)]
pub struct SuccessfulPayment {
    /// The payment's `transactionId` at the e-payment module.
    pub transaction: String,
    /// The amount in euros, a decimal number as in the standard.
    pub amount: f64,
}

/// Pays a fee at the e-payment module whose public URL is `module`, to the authority `end_point` (an ARS or
/// AGS), as the client that `token` belongs to.
///
/// # Errors
/// Fails if an answer differs from what the standard demands; the message holds the answer.
pub async fn pay(client: &Client, module: &Url, end_point: &str, token: &str) -> Result<SuccessfulPayment> {
    let amount = 28.80;
    let request_id = format!("demo-{}", Alphanumeric.sample_string(&mut rand::rng(), 12));
    let create = module.join(&format!("paymenttransaction/rathaus-demo/{end_point}"))?;
    let created =
        client.post(create).bearer_auth(token).json(&payment_request(&request_id, amount)).send().await?;
    let created = read_json(created).await.context("creating the payment")?;
    let information = &created["paymentInformation"];
    let transaction = text_field(information, "transactionId")?;
    let page = Url::parse(&text_field(information, "transactionRedirectUrl")?)?;
    confirm_as_citizen(client, page).await.context("confirming the payment on the pay page")?;
    let status = module.join(&format!("paymenttransaction/rathaus-demo/{end_point}/{transaction}"))?;
    let deadline = Instant::now() + PAYMENT_LIMIT;
    loop {
        let answer = client.get(status.clone()).bearer_auth(token).send().await?;
        let now = read_json(answer).await.context("asking for the status of the payment")?;
        match text_field(&now["paymentInformation"], "status")?.as_str() {
            "PAYED" => return Ok(SuccessfulPayment { transaction, amount }),
            "INITIAL" if Instant::now() < deadline => sleep(Duration::from_millis(200)).await,
            other => bail!("the payment {transaction} has the status {other}"),
        }
    }
}

fn payment_request(request_id: &str, amount: f64) -> Value {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    json!({
        "requestId": request_id,
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

/// Opens the pay page and submits its form by the first button, as a browser would.
async fn confirm_as_citizen(client: &Client, page: Url) -> Result<()> {
    let answer = client.get(page.clone()).header(header::ACCEPT, "text/html").send().await?;
    let cookies: Vec<String> = answer
        .headers()
        .get_all(header::SET_COOKIE)
        .iter()
        .filter_map(|cookie| cookie.to_str().ok()?.split(';').next().map(str::to_owned))
        .collect();
    let html = read_body(answer).await?;
    let form = Form::with_first_button(&html).context("the page has no form with a button to send it")?;
    let mut send = client.post(page.join(&form.action)?).form(&form.fields);
    if !cookies.is_empty() {
        send = send.header(header::COOKIE, cookies.join("; "));
    }
    let origin = page.origin().ascii_serialization();
    let answer = send.header(header::ORIGIN, origin).send().await?;
    if !answer.status().is_redirection() {
        read_body(answer).await?;
    }
    Ok(())
}

async fn read_json(answer: Response) -> Result<Value> {
    Ok(serde_json::from_str(&read_body(answer).await?)?)
}

async fn read_body(answer: Response) -> Result<String> {
    let (status, url) = (answer.status(), answer.url().clone());
    let text = answer.text().await?;
    if status != StatusCode::OK {
        bail!("{url} answered {status}: {text}");
    }
    Ok(text)
}

fn text_field(value: &Value, field: &str) -> Result<String> {
    let found = value[field].as_str().with_context(|| format!("the answer has no {field}: {value}"))?;
    Ok(found.to_owned())
}
