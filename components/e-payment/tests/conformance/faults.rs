// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Faults of a payment service, and the conformance rule that detects each of them.

use axum::http::{Method, header};
use serde_json::{Value, json};

use super::proxy::{ForwardedRequest, ProxyState, Reply};
use super::support::TOKEN;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    PaymentExistsIs500,
    PaymentExistsIsValidationError,
    CentDifferenceAccepted,
    PayedAfterCanceled,
    AmountsAsStrings,
    RedirectUrlKept,
    TimesWithoutZ,
    PollingCancels,
    RepetitionCreatesNew,
    MissingCredentialsAccepted,
    NoFunctionalCode,
    NoRequestorInEcho,
    NinetyNineItemsRefused,
    HundredItemsAccepted,
    UnknownTransactionIs400,
    UnknownPairReady,
    ProblemAsJson,
    CreatedIs201,
    InitialHasPaymentMethod,
    UnknownFieldsRefused,
    RefusedRequestIsStored,
    RequestsAreSerialized,
    LongDetail,
    CurrencyIgnored,
    DecimalsTruncated,
    SameReceiptNumber,
    Latin1Accepted,
    ForeignTransactionsVisible,
    DeleteAccepted,
    IdempotencyKeyIgnored,
    DuplicateKeysAccepted,
    CanceledHasPaymentMethod,
}

impl Fault {
    pub const ALL: [(Self, &str); 32] = [
        (Self::PaymentExistsIs500, "idempotency.other-request"),
        (Self::PaymentExistsIsValidationError, "errors.payment-exists"),
        (Self::CentDifferenceAccepted, "sums.one-cent-off"),
        (Self::PayedAfterCanceled, "states.once"),
        (Self::AmountsAsStrings, "answers.amounts"),
        (Self::RedirectUrlKept, "states.payed"),
        (Self::TimesWithoutZ, "states.payed"),
        (Self::PollingCancels, "answers.polling-changes-nothing"),
        (Self::RepetitionCreatesNew, "idempotency.repeated"),
        (Self::MissingCredentialsAccepted, "authentication.missing"),
        (Self::NoFunctionalCode, "errors.problem"),
        (Self::NoRequestorInEcho, "answers.echo"),
        (Self::NinetyNineItemsRefused, "request.items.count"),
        (Self::HundredItemsAccepted, "request.items.count"),
        (Self::UnknownTransactionIs400, "errors.unknown-transaction"),
        (Self::UnknownPairReady, "errors.status-of-unknown-pair"),
        (Self::ProblemAsJson, "errors.problem"),
        (Self::CreatedIs201, "answers.created"),
        (Self::InitialHasPaymentMethod, "answers.initial"),
        (Self::UnknownFieldsRefused, "request.unknown-fields"),
        (Self::RefusedRequestIsStored, "errors.nothing-stored"),
        (Self::RequestsAreSerialized, "transport.slow-clients"),
        (Self::LongDetail, "errors.limits"),
        (Self::CurrencyIgnored, "request.currency"),
        (Self::DecimalsTruncated, "request.grosAmount.decimals"),
        (Self::SameReceiptNumber, "states.references"),
        (Self::Latin1Accepted, "transport.no-utf-8"),
        (Self::ForeignTransactionsVisible, "errors.foreign-originator"),
        (Self::DeleteAccepted, "errors.other-methods"),
        (Self::IdempotencyKeyIgnored, "idempotency.key-reused"),
        (Self::DuplicateKeysAccepted, "errors.duplicate-keys"),
        (Self::CanceledHasPaymentMethod, "states.canceled"),
    ];
}

impl ProxyState {
    /// Applies a fault to a request. If it returns a reply, the program does not get the request.
    pub async fn alter_request(&self, request: &mut ForwardedRequest) -> Option<Reply> {
        let mut json = request.json();
        let creates = request.is_create();
        let items = json["items"].as_array().map_or(0, Vec::len);
        match self.fault {
            Fault::MissingCredentialsAccepted if !request.headers.contains_key(header::AUTHORIZATION) => {
                let token = format!("Bearer {TOKEN}").parse().unwrap();
                request.headers.insert(header::AUTHORIZATION, token);
            }
            Fault::RepetitionCreatesNew
                if creates && !self.observations.lock().unwrap().bodies.insert(request.body.clone()) =>
            {
                json["requestId"] = format!("again-{:x}", rand::random::<u64>()).into();
                request.set_body(&json);
            }
            Fault::NinetyNineItemsRefused if creates && items == 99 => {
                return Some(Reply::problem(400, "VALIDATION_ERROR"));
            }
            Fault::HundredItemsAccepted if creates && items == 100 => {
                json["items"].as_array_mut().unwrap().pop();
                request.set_body(&json);
            }
            Fault::UnknownPairReady if request.path.starts_with("/status/") => {
                let text = json!({"status": "OK"}).to_string();
                return Some(Reply { status: 200, headers: Default::default(), text });
            }
            Fault::UnknownFieldsRefused if json.get("somethingNew").is_some() => {
                return Some(Reply::problem(400, "VALIDATION_ERROR"));
            }
            Fault::RefusedRequestIsStored if creates => {
                let id = json["requestId"].as_str().unwrap_or_default();
                if self.observations.lock().unwrap().refused.contains(id) {
                    return Some(Reply::problem(409, "PAYMENT_EXISTS"));
                }
            }
            Fault::CurrencyIgnored if json["currency"].is_string() => {
                json["currency"] = "EUR".into();
                request.set_body(&json);
            }
            Fault::DecimalsTruncated if json.is_object() => {
                truncate_decimals(&mut json);
                request.set_body(&json);
            }
            Fault::Latin1Accepted => {
                request.body = String::from_utf8_lossy(&request.body).replace('\u{fffd}', "ö").into()
            }
            Fault::ForeignTransactionsVisible if request.is_poll() => {
                if let Some(path) = self.observations.lock().unwrap().paths.get(&request.id()) {
                    request.path = path.clone();
                }
            }
            Fault::DeleteAccepted if request.method == Method::DELETE => {
                return Some(Reply { status: 204, headers: Default::default(), text: String::new() });
            }
            Fault::IdempotencyKeyIgnored => drop(request.headers.remove("idempotency-key")),
            // The map of serde_json keeps the last of two values.
            Fault::DuplicateKeysAccepted if json.is_object() => request.set_body(&json),
            Fault::PollingCancels if request.is_poll() => self.cancel_by_polling(request).await,
            Fault::PayedAfterCanceled if request.path.starts_with("/pay/") => {
                let mut seen = self.observations.lock().unwrap();
                let (id, body) = (request.id(), String::from_utf8_lossy(&request.body));
                match body.as_ref() {
                    "decision=cancel" => drop(seen.canceled.insert(id)),
                    "decision=confirm" if seen.canceled.contains(&id) => drop(seen.confirmed.insert(id)),
                    _ => {}
                }
            }
            _ => {}
        }
        None
    }

    /// Cancels a transaction when it is polled for the third time.
    async fn cancel_by_polling(&self, request: &ForwardedRequest) {
        let polls = {
            let mut observations = self.observations.lock().unwrap();
            let polls = observations.polls.entry(request.path.clone()).or_default();
            *polls += 1;
            *polls
        };
        if polls == 3 {
            let content_type = (header::CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap());
            let press = ForwardedRequest {
                method: Method::POST,
                path: format!("/pay/{}", request.id()),
                headers: [content_type].into_iter().collect(),
                body: b"decision=cancel".to_vec(),
            };
            self.forward(&press).await;
        }
    }

    /// Applies a fault to a reply of the program.
    pub async fn alter_reply(&self, request: &ForwardedRequest, reply: &mut Reply) {
        let is_problem = reply.status >= 400;
        match self.fault {
            Fault::PaymentExistsIs500 if reply.status == 409 => reply.status = 500,
            Fault::PaymentExistsIsValidationError if reply.status == 409 => {
                reply.change_body(|json| json["functionalCode"] = "VALIDATION_ERROR".into());
            }
            Fault::CentDifferenceAccepted if reply.text.contains("CALCULATION_ERROR") => {
                self.accept_cent_difference(request, reply).await
            }
            Fault::PayedAfterCanceled
                if self.observations.lock().unwrap().confirmed.contains(&request.id()) =>
            {
                reply.change_body(|json| json["paymentInformation"]["status"] = "PAYED".into());
            }
            Fault::AmountsAsStrings if !is_problem => reply.change_body(|json| {
                let amount = &mut json["paymentRequest"]["grosAmount"];
                *amount = amount.to_string().into();
            }),
            Fault::RedirectUrlKept => reply.change_body(|json| {
                if json["paymentInformation"]["status"] == "PAYED" {
                    json["paymentInformation"]["transactionRedirectUrl"] = "https://pay.example/".into();
                }
            }),
            Fault::TimesWithoutZ => reply.change_body(|json| {
                let time = &mut json["paymentInformation"]["transactionTimestamp"];
                if let Some(text) = time.as_str() {
                    *time = text.trim_end_matches('Z').into();
                }
            }),
            Fault::RepetitionCreatesNew if request.is_create() => {
                // The request was stored with another requestId, but the reply has to name the original one.
                if let Some(first) =
                    request.json()["requestId"].as_str().filter(|id| id.starts_with("again-"))
                {
                    reply.change_body(|json| json["paymentRequest"]["requestId"] = first.into());
                }
            }
            Fault::NoFunctionalCode if is_problem => {
                reply.change_body(|json| drop(remove(json, "functionalCode")))
            }
            Fault::NoRequestorInEcho if !is_problem => {
                reply.change_body(|json| drop(remove(&mut json["paymentRequest"], "requestor")));
            }
            Fault::UnknownTransactionIs400 if reply.status == 404 => {
                reply.status = 400;
                reply.change_body(|json| json["status"] = 400.into());
            }
            Fault::ProblemAsJson if is_problem => {
                reply.headers.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
            }
            Fault::CreatedIs201 if request.is_create() && !is_problem => reply.status = 201,
            Fault::InitialHasPaymentMethod => reply.change_body(|json| {
                if json["paymentInformation"]["status"] == "INITIAL" {
                    json["paymentInformation"]["paymentMethod"] = "OTHER".into();
                }
            }),
            Fault::CanceledHasPaymentMethod => reply.change_body(|json| {
                if json["paymentInformation"]["status"] == "CANCELED" {
                    json["paymentInformation"]["paymentMethod"] = "OTHER".into();
                }
            }),
            Fault::RefusedRequestIsStored if request.is_create() && reply.status == 400 => {
                let id = request.json()["requestId"].as_str().unwrap_or_default().to_owned();
                self.observations.lock().unwrap().refused.insert(id);
            }
            Fault::LongDetail if is_problem => {
                let text = String::from_utf8_lossy(&request.body).into_owned();
                reply.change_body(|json| json["detail"] = text.into());
            }
            Fault::SameReceiptNumber => reply.change_body(|json| {
                let reference = &mut json["paymentInformation"]["transactionReference"];
                if reference.is_string() {
                    *reference = "KASSENZEICHEN".into();
                }
            }),
            Fault::ForeignTransactionsVisible if request.is_create() && !is_problem => {
                reply.change_body(|json| {
                    let id = json["paymentInformation"]["transactionId"].as_str().unwrap_or_default();
                    let path = format!("{}/{id}", request.path);
                    self.observations.lock().unwrap().paths.insert(id.to_owned(), path);
                })
            }
            _ => {}
        }
    }

    /// Sends a request whose sum is off by a cent again, with the correct sum.
    async fn accept_cent_difference(&self, request: &ForwardedRequest, reply: &mut Reply) {
        for difference in [0.01, -0.01] {
            let mut json = request.json();
            let amount = json["grosAmount"].as_f64().unwrap_or_default() + difference;
            json["grosAmount"] = ((amount * 100.0).round() / 100.0).into();
            let body = json.to_string().into_bytes();
            let corrected = ForwardedRequest {
                method: request.method.clone(),
                path: request.path.clone(),
                headers: request.headers.clone(),
                body,
            };
            let accepted = self.forward(&corrected).await;
            if accepted.status == 200 {
                *reply = accepted;
                return;
            }
        }
    }
}

fn remove(json: &mut Value, field: &str) -> Option<Value> {
    json.as_object_mut()?.remove(field)
}

/// Truncates every number to two decimals.
fn truncate_decimals(json: &mut Value) {
    match json {
        Value::Number(number) => {
            let decimals = number.to_string();
            if decimals.split_once('.').is_some_and(|(_, decimals)| decimals.len() > 2) {
                *json = ((number.as_f64().unwrap_or_default() * 100.0).floor() / 100.0).into();
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(truncate_decimals),
        Value::Object(fields) => fields.values_mut().for_each(truncate_decimals),
        _ => {}
    }
}
