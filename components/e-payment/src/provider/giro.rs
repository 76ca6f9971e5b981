// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! GiroCheckout of S-Public Services. Its API has no request ids: a repeated start creates a second payment
//! there, whose page no citizen ever sees. Therefore a failure or cancellation counts only for the payment
//! whose page the citizen got, while a successful payment always counts.

use anyhow::ensure;
use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use rathaus_contract::GiroCheckout as Project;
use rathaus_kit::Secrets;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::giro_message::{self, Outcome};
use super::http::{self, HttpClient, secret_error};
use super::{Error, Payment, Provider, PublicUrl, Started, join_path};
use crate::problem::Code;
use crate::store::Pair;
use crate::transaction::{Decision, ProviderPayment, Status};

/// A town's project at GiroCheckout.
pub struct GiroCheckout {
    project: Project,
    public_url: PublicUrl,
    http: HttpClient,
    secrets: Secrets,
}

/// The reply to `transaction/start`.
#[derive(Deserialize)]
struct StartReply {
    reference: String,
    redirect: String,
}

/// The reply to `transaction/status`. The fields are missing until the payment has an outcome.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusReply {
    amount: Option<StringOrNumber>,
    currency: Option<StringOrNumber>,
    result_payment: Option<StringOrNumber>,
}

/// The fields that every reply has: return code and message.
#[derive(Deserialize)]
struct Reply {
    rc: StringOrNumber,
    #[serde(default)]
    msg: Option<String>,
}

/// GiroCheckout sends numbers both as JSON numbers and as strings.
#[derive(Deserialize)]
#[serde(untagged)]
enum StringOrNumber {
    String(String),
    Number(u64),
}

impl StringOrNumber {
    fn into_string(self) -> String {
        match self {
            Self::String(text) => text,
            Self::Number(number) => number.to_string(),
        }
    }
}

impl GiroCheckout {
    /// Creates a provider for the town's project.
    ///
    /// # Errors
    /// Fails if the URL has no host.
    pub fn new(
        project: Project,
        public_url: PublicUrl,
        http: HttpClient,
        secrets: Secrets,
    ) -> anyhow::Result<Self> {
        let url = &project.url;
        ensure!(url.has_host(), "ePayment.provider.url {url} must be an https or http URL");
        Ok(Self { project, public_url, http, secrets })
    }

    fn password(&self) -> Result<String, Error> {
        self.secrets.read(&self.project.secret, "project-password").map_err(secret_error)
    }

    /// Posts a signed form to `transaction/{call}`, verifies the reply's hash and parses it. The order of
    /// `fields` matters, since the hash covers the values in order.
    async fn send<T: DeserializeOwned>(&self, call: &str, fields: &[(&str, &str)]) -> Result<T, Error> {
        let password = self.password()?;
        let Project { merchant_id, project_id, url, .. } = &self.project;
        let project: [(&str, &str); 2] = [("merchantId", merchant_id), ("projectId", project_id)];
        let mut fields = [&project, fields].concat();
        let values: Vec<&str> = fields.iter().map(|(_, value)| *value).collect();
        let hash = giro_message::compute_hash(&password, &values);
        fields.push(("hash", &hash));
        let url = join_path(url, &["transaction", call]);
        let response = http::send(self.http.client.post(url).form(&fields)).await?;
        if !response.status.is_success() {
            return Err(Error::Unavailable(format!("GiroCheckout answers {}", response.status.as_u16())));
        }
        let unreadable = || Error::Unavailable("GiroCheckout's reply cannot be read".to_owned());
        let text = std::str::from_utf8(&response.body).map_err(|_| unreadable())?;
        let hash = response.headers.get("hash").and_then(|hash| hash.to_str().ok()).unwrap_or_default();
        if !giro_message::verify_hash(&password, &[text], hash) {
            // A wrong project password has the same effect as a forged reply.
            let message = "GiroCheckout's reply has a wrong hash; check project-password of Secret";
            return Err(Error::Unavailable(format!("{message} {}", self.project.secret)));
        }
        let reply: Reply = serde_json::from_str(text).map_err(|_| unreadable())?;
        match reply.rc.into_string().as_str() {
            "0" => serde_json::from_str(text).map_err(|_| unreadable()),
            code => Err(error_from_return_code(code, reply.msg.as_deref().unwrap_or_default())),
        }
    }

    async fn start_transaction(&self, payment: &Payment) -> Result<Started, Error> {
        let Payment { id, request, .. } = payment;
        let amount = request.gros_amount.hundredths().to_string();
        let [redirect, notify] =
            ["redirect", "notify"].map(|last| self.public_url.join(&["giro", id, last]).to_string());
        let fields = [
            ("merchantTxId", id.as_str()),
            ("amount", &amount),
            ("currency", &request.currency),
            ("purpose", &request.purpose),
            ("urlRedirect", &redirect),
            ("urlNotify", &notify),
        ];
        let StartReply { reference, redirect } = self.send("start", &fields).await?;
        let page = url::Url::parse(&redirect).ok().filter(|url| matches!(url.scheme(), "https" | "http"));
        match page {
            Some(url) if !reference.is_empty() => {
                Ok(Started::Redirect(ProviderPayment { reference, url: url.into() }))
            }
            _ => Err(Error::Unavailable("GiroCheckout's reply has no reference or no redirect".to_owned())),
        }
    }

    async fn fetch_decision(&self, payment: &Payment, reference: &str) -> Result<Option<Decision>, Error> {
        let reply: StatusReply = match self.send("status", &[("reference", reference)]).await {
            Err(Error::Refused { detail, .. }) => return Err(Error::Invalid(detail)),
            reply => reply?,
        };
        let Some(result) = reply.result_payment else { return Ok(None) };
        let text = |field: Option<StringOrNumber>| field.map(StringOrNumber::into_string).unwrap_or_default();
        let outcome = Outcome {
            reference: reference.to_owned(),
            merchant_tx_id: payment.id.clone(),
            amount: text(reply.amount),
            currency: text(reply.currency),
            result: result.into_string(),
        };
        decision_from_outcome(payment, Some(reference), &outcome)
    }
}

/// Checks that an outcome is about `payment` and returns what it decides. `reference` is GiroCheckout's id
/// of the payment whose page the citizen got.
fn decision_from_outcome(
    payment: &Payment,
    reference: Option<&str>,
    outcome: &Outcome,
) -> Result<Option<Decision>, Error> {
    let Payment { id, request, .. } = payment;
    let expected = request.gros_amount.hundredths().to_string();
    if outcome.merchant_tx_id != *id {
        return Err(Error::Invalid("GiroCheckout reports another payment".to_owned()));
    }
    if (&outcome.amount, &outcome.currency) != (&expected, &request.currency) {
        let Outcome { amount, currency, .. } = outcome;
        let message =
            format!("GiroCheckout reports {amount} cents {currency}, but {expected} cents were requested");
        return Err(Error::Invalid(message));
    }
    let decision = giro_message::decision_from_result(&outcome.result);
    let paid = decision.as_ref().is_some_and(|decision| decision.status() == Status::Payed);
    Ok(decision.filter(|_| paid || reference == Some(&outcome.reference)))
}

/// The error that a return code other than 0 means for a call.
fn error_from_return_code(code: &str, message: &str) -> Error {
    match code.parse() {
        // The codes in between concern merchant and project: the town has to fix them, and payments wait.
        Ok(5003..=5019 | 5022..=5099) => {
            Error::Refused { code: Code::Unspecified, detail: format!("GiroCheckout {code}: {message}") }
        }
        _ => Error::Unavailable(format!("GiroCheckout answers return code {code}")),
    }
}

impl Provider for GiroCheckout {
    fn name(&self) -> &'static str {
        "GiroCheckout"
    }

    fn start<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, Result<Started, Error>> {
        self.start_transaction(payment).boxed()
    }

    fn look_up<'a>(
        &'a self,
        payment: &'a Payment,
        reference: &'a str,
    ) -> BoxFuture<'a, Result<Option<Decision>, Error>> {
        self.fetch_decision(payment, reference).boxed()
    }

    /// GiroCheckout has no call for this, so only the configured project password is checked.
    fn check_availability<'a>(&'a self, _: &'a Pair) -> BoxFuture<'a, Result<(), Error>> {
        ready(self.password().map(drop)).boxed()
    }

    fn parse_notification(
        &self,
        payment: &Payment,
        reference: Option<&str>,
        fields: &[(String, String)],
    ) -> Result<Option<Decision>, Error> {
        let outcome = giro_message::parse_notification(&self.password()?, fields)?;
        decision_from_outcome(payment, reference, &outcome)
    }
}
