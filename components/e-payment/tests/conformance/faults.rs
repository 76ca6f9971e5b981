// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What a payment service may do wrong, and the rule that finds it.

use axum::http::{Method, header};
use serde_json::{Value, json};

use super::proxy::{Inner, Reply, Sent};
use super::support::TOKEN;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    ExistsIs500,
    ExistsIsValidation,
    CentIsNothing,
    PayedAfterCanceled,
    AmountsAsText,
    RedirectUrlKept,
    TimesWithoutZ,
    PollChanges,
    RepeatedIsNew,
    AnybodyMay,
    NoFunctionalCode,
    NoRequestorInEcho,
    NinetyNineRefused,
    HundredAccepted,
    UnknownIs400,
    EveryPairCanBePaid,
    ProblemAsJson,
    CreatedIs201,
    MethodWhileInitial,
    UnknownFieldsRefused,
    RefusedIsStored,
    OneAtATime,
    LongDetail,
    CurrencyIgnored,
    DecimalsCutOff,
    OneReference,
    Latin1Accepted,
    EverybodySees,
    DeleteWorks,
    KeyIgnored,
    LastWins,
    CanceledIsPaidFor,
}

impl Fault {
    pub const ALL: [(Self, &str); 32] = [
        (Self::ExistsIs500, "idempotency.other-request"),
        (Self::ExistsIsValidation, "errors.payment-exists"),
        (Self::CentIsNothing, "sums.one-cent-off"),
        (Self::PayedAfterCanceled, "states.once"),
        (Self::AmountsAsText, "answers.amounts"),
        (Self::RedirectUrlKept, "states.payed"),
        (Self::TimesWithoutZ, "states.payed"),
        (Self::PollChanges, "answers.polling-changes-nothing"),
        (Self::RepeatedIsNew, "idempotency.repeated"),
        (Self::AnybodyMay, "authentication.missing"),
        (Self::NoFunctionalCode, "errors.problem"),
        (Self::NoRequestorInEcho, "answers.echo"),
        (Self::NinetyNineRefused, "request.items.count"),
        (Self::HundredAccepted, "request.items.count"),
        (Self::UnknownIs400, "errors.unknown-transaction"),
        (Self::EveryPairCanBePaid, "errors.status-of-unknown-pair"),
        (Self::ProblemAsJson, "errors.problem"),
        (Self::CreatedIs201, "answers.created"),
        (Self::MethodWhileInitial, "answers.initial"),
        (Self::UnknownFieldsRefused, "request.unknown-fields"),
        (Self::RefusedIsStored, "errors.nothing-stored"),
        (Self::OneAtATime, "transport.slow-clients"),
        (Self::LongDetail, "errors.limits"),
        (Self::CurrencyIgnored, "request.currency"),
        (Self::DecimalsCutOff, "request.grosAmount.decimals"),
        (Self::OneReference, "states.references"),
        (Self::Latin1Accepted, "transport.no-utf-8"),
        (Self::EverybodySees, "errors.foreign-originator"),
        (Self::DeleteWorks, "errors.other-methods"),
        (Self::KeyIgnored, "idempotency.key-reused"),
        (Self::LastWins, "errors.duplicate-keys"),
        (Self::CanceledIsPaidFor, "states.canceled"),
    ];
}

impl Inner {
    /// Faults in what the program is asked, and answers instead of it.
    pub async fn before(&self, sent: &mut Sent) -> Option<Reply> {
        let mut json = sent.json();
        let creates = sent.creates();
        let items = json["items"].as_array().map_or(0, Vec::len);
        match self.fault {
            Fault::AnybodyMay if !sent.headers.contains_key(header::AUTHORIZATION) => {
                let token = format!("Bearer {TOKEN}").parse().unwrap();
                sent.headers.insert(header::AUTHORIZATION, token);
            }
            Fault::RepeatedIsNew
                if creates && !self.seen.lock().unwrap().bodies.insert(sent.body.clone()) =>
            {
                json["requestId"] = format!("again-{:x}", rand::random::<u64>()).into();
                sent.set(&json);
            }
            Fault::NinetyNineRefused if creates && items == 99 => {
                return Some(Reply::problem(400, "VALIDATION_ERROR"));
            }
            Fault::HundredAccepted if creates && items == 100 => {
                json["items"].as_array_mut().unwrap().pop();
                sent.set(&json);
            }
            Fault::EveryPairCanBePaid if sent.path.starts_with("/status/") => {
                let text = json!({"status": "OK"}).to_string();
                return Some(Reply { status: 200, headers: Default::default(), text });
            }
            Fault::UnknownFieldsRefused if json.get("somethingNew").is_some() => {
                return Some(Reply::problem(400, "VALIDATION_ERROR"));
            }
            Fault::RefusedIsStored if creates => {
                let id = json["requestId"].as_str().unwrap_or_default();
                if self.seen.lock().unwrap().refused.contains(id) {
                    return Some(Reply::problem(409, "PAYMENT_EXISTS"));
                }
            }
            Fault::CurrencyIgnored if json["currency"].is_string() => {
                json["currency"] = "EUR".into();
                sent.set(&json);
            }
            Fault::DecimalsCutOff if json.is_object() => {
                cut_off(&mut json);
                sent.set(&json);
            }
            Fault::Latin1Accepted => {
                sent.body = String::from_utf8_lossy(&sent.body).replace('\u{fffd}', "ö").into()
            }
            Fault::EverybodySees if sent.polls() => {
                if let Some(path) = self.seen.lock().unwrap().paths.get(&sent.id()) {
                    sent.path = path.clone();
                }
            }
            Fault::DeleteWorks if sent.method == Method::DELETE => {
                return Some(Reply { status: 204, headers: Default::default(), text: String::new() });
            }
            Fault::KeyIgnored => drop(sent.headers.remove("idempotency-key")),
            // serde_json's map keeps the last of two.
            Fault::LastWins if json.is_object() => sent.set(&json),
            Fault::PollChanges if sent.polls() => self.cancel_by_polling(sent).await,
            Fault::PayedAfterCanceled if sent.path.starts_with("/pay/") => {
                let mut seen = self.seen.lock().unwrap();
                let (id, body) = (sent.id(), String::from_utf8_lossy(&sent.body));
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

    /// The third poll cancels.
    async fn cancel_by_polling(&self, sent: &Sent) {
        let polls = {
            let mut seen = self.seen.lock().unwrap();
            let polls = seen.polls.entry(sent.path.clone()).or_default();
            *polls += 1;
            *polls
        };
        if polls == 3 {
            let kind = (header::CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap());
            let press = Sent {
                method: Method::POST,
                path: format!("/pay/{}", sent.id()),
                headers: [kind].into_iter().collect(),
                body: b"decision=cancel".to_vec(),
            };
            self.forward(&press).await;
        }
    }

    /// Faults in what it answers.
    pub async fn after(&self, sent: &Sent, reply: &mut Reply) {
        let problem = reply.status >= 400;
        match self.fault {
            Fault::ExistsIs500 if reply.status == 409 => reply.status = 500,
            Fault::ExistsIsValidation if reply.status == 409 => {
                reply.change(|json| json["functionalCode"] = "VALIDATION_ERROR".into());
            }
            Fault::CentIsNothing if reply.text.contains("CALCULATION_ERROR") => {
                self.repair_cent(sent, reply).await
            }
            Fault::PayedAfterCanceled if self.seen.lock().unwrap().confirmed.contains(&sent.id()) => {
                reply.change(|json| json["paymentInformation"]["status"] = "PAYED".into());
            }
            Fault::AmountsAsText if !problem => reply.change(|json| {
                let amount = &mut json["paymentRequest"]["grosAmount"];
                *amount = amount.to_string().into();
            }),
            Fault::RedirectUrlKept => reply.change(|json| {
                if json["paymentInformation"]["status"] == "PAYED" {
                    json["paymentInformation"]["transactionRedirectUrl"] = "https://pay.example/".into();
                }
            }),
            Fault::TimesWithoutZ => reply.change(|json| {
                let time = &mut json["paymentInformation"]["transactionTimestamp"];
                if let Some(text) = time.as_str() {
                    *time = text.trim_end_matches('Z').into();
                }
            }),
            Fault::RepeatedIsNew if sent.creates() => {
                // Sent under another name, told under its own.
                if let Some(first) = sent.json()["requestId"].as_str().filter(|id| id.starts_with("again-")) {
                    reply.change(|json| json["paymentRequest"]["requestId"] = first.into());
                }
            }
            Fault::NoFunctionalCode if problem => reply.change(|json| drop(remove(json, "functionalCode"))),
            Fault::NoRequestorInEcho if !problem => {
                reply.change(|json| drop(remove(&mut json["paymentRequest"], "requestor")));
            }
            Fault::UnknownIs400 if reply.status == 404 => {
                reply.status = 400;
                reply.change(|json| json["status"] = 400.into());
            }
            Fault::ProblemAsJson if problem => {
                reply.headers.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
            }
            Fault::CreatedIs201 if sent.creates() && !problem => reply.status = 201,
            Fault::MethodWhileInitial => reply.change(|json| {
                if json["paymentInformation"]["status"] == "INITIAL" {
                    json["paymentInformation"]["paymentMethod"] = "OTHER".into();
                }
            }),
            Fault::CanceledIsPaidFor => reply.change(|json| {
                if json["paymentInformation"]["status"] == "CANCELED" {
                    json["paymentInformation"]["paymentMethod"] = "OTHER".into();
                }
            }),
            Fault::RefusedIsStored if sent.creates() && reply.status == 400 => {
                let id = sent.json()["requestId"].as_str().unwrap_or_default().to_owned();
                self.seen.lock().unwrap().refused.insert(id);
            }
            Fault::LongDetail if problem => {
                let text = String::from_utf8_lossy(&sent.body).into_owned();
                reply.change(|json| json["detail"] = text.into());
            }
            Fault::OneReference => reply.change(|json| {
                let reference = &mut json["paymentInformation"]["transactionReference"];
                if reference.is_string() {
                    *reference = "KASSENZEICHEN".into();
                }
            }),
            Fault::EverybodySees if sent.creates() && !problem => reply.change(|json| {
                let id = json["paymentInformation"]["transactionId"].as_str().unwrap_or_default();
                let path = format!("{}/{id}", sent.path);
                self.seen.lock().unwrap().paths.insert(id.to_owned(), path);
            }),
            _ => {}
        }
    }

    /// Lets a sum pass that is a cent off.
    async fn repair_cent(&self, sent: &Sent, reply: &mut Reply) {
        for by in [0.01, -0.01] {
            let mut json = sent.json();
            let amount = json["grosAmount"].as_f64().unwrap_or_default() + by;
            json["grosAmount"] = ((amount * 100.0).round() / 100.0).into();
            let body = json.to_string().into_bytes();
            let again = Sent {
                method: sent.method.clone(),
                path: sent.path.clone(),
                headers: sent.headers.clone(),
                body,
            };
            let answer = self.forward(&again).await;
            if answer.status == 200 {
                *reply = answer;
                return;
            }
        }
    }
}

fn remove(json: &mut Value, field: &str) -> Option<Value> {
    json.as_object_mut()?.remove(field)
}

/// Cuts every number off after two decimals.
fn cut_off(json: &mut Value) {
    match json {
        Value::Number(number) => {
            let decimals = number.to_string();
            if decimals.split_once('.').is_some_and(|(_, decimals)| decimals.len() > 2) {
                *json = ((number.as_f64().unwrap_or_default() * 100.0).floor() / 100.0).into();
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(cut_off),
        Value::Object(fields) => fields.values_mut().for_each(cut_off),
        _ => {}
    }
}
