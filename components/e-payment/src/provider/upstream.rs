// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! A platform that speaks XBezahldienste 1.0.0, such as the state's. Our transaction's id is the
//! requestId there, so that a repetition is known as one.

use std::collections::BTreeMap;

use anyhow::ensure;
use futures::FutureExt;
use futures::future::BoxFuture;
use rathaus_contract::XBezahldienste;
use rathaus_kit::Secrets;
use reqwest::StatusCode;
use url::Url;

use super::http::{Answer, Http};
use super::platform_access::PlatformAccess;
use super::upstream_answer::{self, Information};
use super::{Error, Payment, Provider, PublicUrl, Started, below};
use crate::problem::Code;
use crate::request::PaymentRequest;
use crate::store::Pair;
use crate::transaction::Decision;
use crate::web_url::WebUrl;

/// The platform and how we are known there.
pub struct Upstream {
    url: Url,
    originator: Option<String>,
    /// Our endPointIds and the platform's, where they differ.
    end_points: BTreeMap<String, String>,
    public_url: PublicUrl,
    access: PlatformAccess,
}

impl Upstream {
    /// A platform as the town described it.
    ///
    /// # Errors
    /// Its URL is none that can be called.
    pub fn new(
        platform: &XBezahldienste,
        end_points: BTreeMap<String, String>,
        public_url: PublicUrl,
        http: Http,
        secrets: Secrets,
    ) -> anyhow::Result<Self> {
        let url = platform.url.clone();
        ensure!(url.has_host(), "ePayment.provider.url {url} must be an https or http URL");
        Ok(Self {
            url,
            originator: platform.originator_id.clone(),
            end_points,
            public_url,
            access: PlatformAccess::new(&platform.authentication, http, secrets),
        })
    }

    fn below(&self, first: &str, pair: &Pair, last: Option<&str>) -> Url {
        let originator = self.originator.as_ref().unwrap_or(&pair.originator);
        let end_point = self.end_points.get(&pair.end_point).unwrap_or(&pair.end_point);
        let path: Vec<&str> = [first, originator, end_point].into_iter().chain(last).collect();
        below(&self.url, &path)
    }

    async fn begin(&self, payment: &Payment) -> Result<Started, Error> {
        let back = self.public_url.below(&["return", &payment.id]);
        let redirect_url =
            WebUrl::try_from(back.to_string()).map_err(|wrong| Error::Wrong(wrong.to_owned()))?;
        // Everything else as it came, requestTimestamp too: a repetition must be the same request.
        let request = PaymentRequest {
            request_id: payment.id.clone(),
            redirect_url: Some(redirect_url),
            ..payment.request.clone()
        };
        let url = self.below("paymenttransaction", &payment.pair, None);
        let answer = self.access.send(|client| client.post(url.clone()).json(&request)).await?;
        let known = match success(answer) {
            Ok(body) => upstream_answer::read(payment, &body),
            // A platform that replays nothing refuses the repetition of a request whose answer was lost.
            // Where ids are requestIds, as the standard allows, the payment is found all the same.
            Err(refusal) if upstream_answer::exists(&refusal) => match self.ask(payment, &payment.id).await {
                Err(Error::Refused { .. } | Error::Wrong(_)) => Err(refusal),
                known => known,
            },
            Err(refusal) => Err(refusal),
        };
        match known.and_then(|known| known.started(&back)) {
            Ok(at) => Ok(Started::There(at)),
            // Nobody was sent there yet, and nobody must be.
            Err(Error::Wrong(detail)) => Err(Error::Refused { code: Code::Unspecified, detail }),
            Err(error) => Err(error),
        }
    }

    async fn ask(&self, payment: &Payment, reference: &str) -> Result<Information, Error> {
        let url = self.below("paymenttransaction", &payment.pair, Some(reference));
        let answer = self.access.send(|client| client.get(url.clone())).await?;
        upstream_answer::read(payment, &success(answer)?)
    }

    async fn outcome(&self, payment: &Payment, reference: &str) -> Result<Option<Decision>, Error> {
        match self.ask(payment, reference).await {
            Ok(known) => known.decision(reference),
            // A question that is refused says nothing of the payment.
            Err(Error::Refused { code, .. }) => {
                Err(Error::Wrong(format!("the platform does not tell of {reference}: {code}")))
            }
            Err(error) => Err(error),
        }
    }

    async fn status(&self, pair: &Pair) -> Result<(), Error> {
        let url = self.below("status", pair, None);
        success(self.access.send(|client| client.get(url.clone())).await?).map(drop)
    }
}

fn success(answer: Answer) -> Result<Vec<u8>, Error> {
    match answer.status {
        StatusCode::OK | StatusCode::CREATED => Ok(answer.body),
        status => Err(upstream_answer::refusal(status, &answer.body)),
    }
}

impl Provider for Upstream {
    fn name(&self) -> &'static str {
        "XBezahldienste"
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

    fn check<'a>(&'a self, pair: &'a Pair) -> BoxFuture<'a, Result<(), Error>> {
        self.status(pair).boxed()
    }
}
