// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! GiroCheckout of S-Public Services. It knows no requestIds: a repeated start makes another payment
//! there, of which nobody gets the page. So what is not paid counts only for the payment whose page
//! the citizen got, and what is paid counts always.

use anyhow::ensure;
use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use rathaus_contract::GiroCheckout as Project;
use rathaus_kit::Secrets;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::giro_message::{self, Outcome};
use super::http::{self, Http, secret};
use super::{Error, Payment, Provider, PublicUrl, Started, below};
use crate::problem::Code;
use crate::store::Pair;
use crate::transaction::{Decision, ProviderPayment, Status};

/// A town's project at GiroCheckout.
pub struct GiroCheckout {
    project: Project,
    public_url: PublicUrl,
    http: Http,
    secrets: Secrets,
}

/// `transaction/start`.
#[derive(Deserialize)]
struct StartReply {
    reference: String,
    redirect: String,
}

/// `transaction/status`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusReply {
    amount: Option<Text>,
    currency: Option<Text>,
    result_payment: Option<Text>,
}

/// Every reply.
#[derive(Deserialize)]
struct Reply {
    rc: Text,
    #[serde(default)]
    msg: Option<String>,
}

/// The provider writes numbers as numbers and as strings.
#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Text(String),
    Number(u64),
}

impl Text {
    fn into_string(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
        }
    }
}

impl GiroCheckout {
    /// A project as the town described it.
    ///
    /// # Errors
    /// Its URL is none that can be called.
    pub fn new(
        project: Project,
        public_url: PublicUrl,
        http: Http,
        secrets: Secrets,
    ) -> anyhow::Result<Self> {
        let url = &project.url;
        ensure!(url.has_host(), "ePayment.provider.url {url} must be an https or http URL");
        Ok(Self { project, public_url, http, secrets })
    }

    fn password(&self) -> Result<String, Error> {
        self.secrets.read(&self.project.secret, "project-password").map_err(secret)
    }

    /// Sends fields in their order, and checks that the reply is the provider's and a success.
    async fn send<T: DeserializeOwned>(&self, call: &str, fields: &[(&str, &str)]) -> Result<T, Error> {
        let password = self.password()?;
        let Project { merchant_id, project_id, url, .. } = &self.project;
        let ours: [(&str, &str); 2] = [("merchantId", merchant_id), ("projectId", project_id)];
        let mut fields = [&ours, fields].concat();
        let values: Vec<&str> = fields.iter().map(|(_, value)| *value).collect();
        let hash = giro_message::hash(&password, &values);
        fields.push(("hash", &hash));
        let url = below(url, &["transaction", call]);
        let answer = http::send(self.http.client.post(url).form(&fields)).await?;
        if !answer.status.is_success() {
            return Err(Error::Unavailable(format!("GiroCheckout answers {}", answer.status.as_u16())));
        }
        let unreadable = || Error::Unavailable("GiroCheckout's reply cannot be read".to_owned());
        let text = std::str::from_utf8(&answer.body).map_err(|_| unreadable())?;
        let told = answer.headers.get("hash").and_then(|hash| hash.to_str().ok()).unwrap_or_default();
        if !giro_message::is_hash(&password, &[text], told) {
            // Also what a wrong project password looks like.
            let told = "GiroCheckout's reply has a wrong hash; check project-password of Secret";
            return Err(Error::Unavailable(format!("{told} {}", self.project.secret)));
        }
        let reply: Reply = serde_json::from_str(text).map_err(|_| unreadable())?;
        match reply.rc.into_string().as_str() {
            "0" => serde_json::from_str(text).map_err(|_| unreadable()),
            code => Err(refusal(code, reply.msg.as_deref().unwrap_or_default())),
        }
    }

    async fn begin(&self, payment: &Payment) -> Result<Started, Error> {
        let Payment { id, request, .. } = payment;
        let amount = request.gros_amount.hundredths().to_string();
        let [redirect, notify] =
            ["redirect", "notify"].map(|last| self.public_url.below(&["giro", id, last]).to_string());
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
                Ok(Started::There(ProviderPayment { reference, url: url.into() }))
            }
            _ => Err(Error::Unavailable("GiroCheckout's reply has no reference or no redirect".to_owned())),
        }
    }

    async fn outcome(&self, payment: &Payment, reference: &str) -> Result<Option<Decision>, Error> {
        let reply: StatusReply = match self.send("status", &[("reference", reference)]).await {
            Err(Error::Refused { detail, .. }) => return Err(Error::Wrong(detail)),
            reply => reply?,
        };
        let Some(result) = reply.result_payment else { return Ok(None) };
        let text = |field: Option<Text>| field.map(Text::into_string).unwrap_or_default();
        let outcome = Outcome {
            reference: reference.to_owned(),
            merchant_tx_id: payment.id.clone(),
            amount: text(reply.amount),
            currency: text(reply.currency),
            result: result.into_string(),
        };
        decide(payment, Some(reference), &outcome)
    }
}

/// What an outcome decides about the payment whose page is that of `reference`.
fn decide(payment: &Payment, reference: Option<&str>, outcome: &Outcome) -> Result<Option<Decision>, Error> {
    let Payment { id, request, .. } = payment;
    let ours = request.gros_amount.hundredths().to_string();
    if outcome.merchant_tx_id != *id {
        return Err(Error::Wrong("GiroCheckout tells of another payment".to_owned()));
    }
    if (&outcome.amount, &outcome.currency) != (&ours, &request.currency) {
        let Outcome { amount, currency, .. } = outcome;
        let told = format!("GiroCheckout tells of {amount} cents {currency}, and we asked for {ours} cents");
        return Err(Error::Wrong(told));
    }
    let decision = giro_message::decision(&outcome.result);
    let payed = decision.as_ref().is_some_and(|decision| decision.status() == Status::Payed);
    Ok(decision.filter(|_| payed || reference == Some(&outcome.reference)))
}

/// What a return code other than 0 means for the payment that was sent.
fn refusal(code: &str, message: &str) -> Error {
    match code.parse() {
        // Merchant and project are the town's to put right, not the payment's fault.
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
        self.begin(payment).boxed()
    }

    fn look<'a>(
        &'a self,
        payment: &'a Payment,
        reference: &'a str,
    ) -> BoxFuture<'a, Result<Option<Decision>, Error>> {
        self.outcome(payment, reference).boxed()
    }

    /// There is no call that asks for it; what can be known is whether our own part is there.
    fn check<'a>(&'a self, _: &'a Pair) -> BoxFuture<'a, Result<(), Error>> {
        ready(self.password().map(drop)).boxed()
    }

    fn hear(
        &self,
        payment: &Payment,
        reference: Option<&str>,
        fields: &[(String, String)],
    ) -> Result<Option<Decision>, Error> {
        decide(payment, reference, &giro_message::read(&self.password()?, fields)?)
    }
}
