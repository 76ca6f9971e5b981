// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! A platform that speaks XBezahldienste 1.0.0, such as the state's. This module sends its transaction id as
//! the platform's requestId, so that the platform recognises a repeated start.

use std::collections::BTreeMap;

use anyhow::ensure;
use futures::FutureExt;
use futures::future::BoxFuture;
use rathaus_contract::XBezahldienste;
use rathaus_kit::Secrets;
use reqwest::StatusCode;
use url::Url;

use super::http::{HttpClient, Response};
use super::platform_client::PlatformClient;
use super::upstream_response::{self, PaymentInformation};
use super::{Error, Payment, Provider, PublicUrl, Started, join_path};
use crate::problem::Code;
use crate::request::PaymentRequest;
use crate::store::Pair;
use crate::transaction::Decision;
use crate::web_url::WebUrl;

/// The platform, and the names under which it knows this town.
pub struct Upstream {
    url: Url,
    /// The town's originatorId at the platform; the online service's own one if the town has none there.
    originator: Option<String>,
    /// The platform's endPointIds by this module's, where they differ.
    end_points: BTreeMap<String, String>,
    public_url: PublicUrl,
    client: PlatformClient,
}

impl Upstream {
    /// Creates a provider for the platform that the town configured. `end_points` maps this module's
    /// endPointIds to the platform's.
    ///
    /// # Errors
    /// Fails if the URL has no host.
    pub fn new(
        platform: &XBezahldienste,
        end_points: BTreeMap<String, String>,
        public_url: PublicUrl,
        http: HttpClient,
        secrets: Secrets,
    ) -> anyhow::Result<Self> {
        let url = platform.url.clone();
        ensure!(url.has_host(), "ePayment.provider.url {url} must be an https or http URL");
        Ok(Self {
            url,
            originator: platform.originator_id.clone(),
            end_points,
            public_url,
            client: PlatformClient::new(&platform.authentication, http, secrets),
        })
    }

    /// The platform's URL of `resource` for a pair, and for a transaction of it if there is one.
    fn resource_url(&self, resource: &str, pair: &Pair, transaction: Option<&str>) -> Url {
        let originator = self.originator.as_ref().unwrap_or(&pair.originator);
        let end_point = self.end_points.get(&pair.end_point).unwrap_or(&pair.end_point);
        let path: Vec<&str> = [resource, originator, end_point].into_iter().chain(transaction).collect();
        join_path(&self.url, &path)
    }

    async fn start_transaction(&self, payment: &Payment) -> Result<Started, Error> {
        let return_url = self.public_url.join(&["return", &payment.id]);
        let redirect_url =
            WebUrl::try_from(return_url.to_string()).map_err(|error| Error::Invalid(error.to_owned()))?;
        // All other fields stay as the online service sent them, including requestTimestamp, because a
        // repeated start must send the same request.
        let request = PaymentRequest {
            request_id: payment.id.clone(),
            redirect_url: Some(redirect_url),
            ..payment.request.clone()
        };
        let url = self.resource_url("paymenttransaction", &payment.pair, None);
        let response = self.client.send(|client| client.post(url.clone()).json(&request)).await?;
        let information = match success_body(response) {
            Ok(body) => upstream_response::parse_transaction(payment, &body),
            // A platform that does not repeat its answers refuses to repeat a request whose response was
            // lost. If its transaction ids are the requestIds, as the standard allows, the payment can be
            // looked up instead.
            Err(refusal) if upstream_response::is_payment_exists(&refusal) => {
                match self.fetch_information(payment, &payment.id).await {
                    Err(Error::Refused { .. } | Error::Invalid(_)) => Err(refusal),
                    found => found,
                }
            }
            Err(refusal) => Err(refusal),
        };
        match information.and_then(|information| information.into_at_provider(&return_url)) {
            Ok(at) => Ok(Started::Redirect(at)),
            // No citizen was redirected yet, so an invalid answer can safely fail the payment.
            Err(Error::Invalid(detail)) => Err(Error::Refused { code: Code::Unspecified, detail }),
            Err(error) => Err(error),
        }
    }

    async fn fetch_information(
        &self,
        payment: &Payment,
        reference: &str,
    ) -> Result<PaymentInformation, Error> {
        let url = self.resource_url("paymenttransaction", &payment.pair, Some(reference));
        let response = self.client.send(|client| client.get(url.clone())).await?;
        upstream_response::parse_transaction(payment, &success_body(response)?)
    }

    async fn fetch_decision(&self, payment: &Payment, reference: &str) -> Result<Option<Decision>, Error> {
        match self.fetch_information(payment, reference).await {
            Ok(information) => information.into_decision(reference),
            // A refused lookup says nothing about the payment, so it must not fail it.
            Err(Error::Refused { code, .. }) => {
                Err(Error::Invalid(format!("the platform refuses to look up {reference}: {code}")))
            }
            Err(error) => Err(error),
        }
    }

    async fn check_status(&self, pair: &Pair) -> Result<(), Error> {
        let url = self.resource_url("status", pair, None);
        success_body(self.client.send(|client| client.get(url.clone())).await?).map(drop)
    }
}

fn success_body(response: Response) -> Result<Vec<u8>, Error> {
    match response.status {
        StatusCode::OK | StatusCode::CREATED => Ok(response.body),
        status => Err(upstream_response::error_from_response(status, &response.body)),
    }
}

impl Provider for Upstream {
    fn name(&self) -> &'static str {
        "XBezahldienste"
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

    fn check_availability<'a>(&'a self, pair: &'a Pair) -> BoxFuture<'a, Result<(), Error>> {
        self.check_status(pair).boxed()
    }
}
