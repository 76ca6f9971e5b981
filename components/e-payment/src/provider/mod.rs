// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Payment providers: the module's own page in a sandbox, a platform that speaks XBezahldienste, or
//! GiroCheckout. Every decision of a provider is stored by [`crate::store::decide`], which keeps the first
//! one: no provider can change a transaction that is decided.

mod breaker;
mod flow;
mod giro;
mod giro_message;
mod http;
mod platform_client;
pub mod poller;
mod resilient;
mod routes;
mod sandbox;
mod upstream;
mod upstream_response;

use std::collections::BTreeMap;

use axum::http::StatusCode;
use futures::future::BoxFuture;
use rathaus_contract::{EPayment, EndPoint, ModuleConfig, Provider as ProviderConfig};
use rathaus_kit::Secrets;
use url::Url;

use crate::problem::{Code, Problem};
use crate::request::PaymentRequest;
use crate::store::Pair;
use crate::transaction::{Decision, ProviderPayment, Transaction};

pub use flow::start_once;
pub use resilient::ResilientProvider;
pub use routes::routes;

/// A payment as it is sent to a provider.
#[derive(Clone, Debug)]
pub struct Payment {
    /// The transaction's id, 32 hexadecimal digits. A repeated start sends the same one.
    pub id: String,
    /// The online service and the authority that gets the money.
    pub pair: Pair,
    /// The amount, the purpose and everything else that the online service sent.
    pub request: PaymentRequest,
}

impl TryFrom<&Transaction> for Payment {
    type Error = Problem;

    fn try_from(transaction: &Transaction) -> Result<Self, Problem> {
        Ok(Self {
            id: transaction.id.clone(),
            pair: transaction.pair.clone(),
            request: transaction.payment_request()?,
        })
    }
}

/// Where the citizen pays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Started {
    /// On the module's own page.
    OwnPage,
    /// On the provider's page, to which the browser is redirected.
    Redirect(ProviderPayment),
}

/// Why a call to a provider failed. The texts are written by this module or are short excerpts of the
/// provider's answer; they contain no payer data and no credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The provider or this module cannot do it at the moment; the same call may be retried later.
    Unavailable(String),
    /// The provider will never accept this payment.
    Refused {
        /// The functional code of XBezahldienste that fits the refusal.
        code: Code,
        /// The reason in the provider's words. It may repeat what was sent, so only the online service
        /// gets to see it.
        detail: String,
    },
    /// The provider's answer or message contradicts the payment or is not signed by the provider. Nothing
    /// may be decided by it, and the town's administrators must investigate.
    Invalid(String),
}

/// Status 503, whatever the error is: nothing was decided, and the online service may retry.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let reason = match error {
            Error::Unavailable(reason) | Error::Invalid(reason) => reason,
            Error::Refused { code, detail } => format!("{code}: {detail}"),
        };
        Self::new(Code::Unspecified, format!("no payments can be taken at the moment: {reason}"))
            .with_status(StatusCode::SERVICE_UNAVAILABLE)
    }
}

/// A payment provider. Every call is idempotent from this module's point of view and may be repeated.
pub trait Provider: Send + Sync {
    /// The name of the provider in metrics and in `paymentMethodDetail`.
    fn name(&self) -> &'static str;

    /// Registers a payment with the provider and returns where the citizen pays it.
    fn start<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, Result<Started, Error>>;

    /// Asks the provider for the outcome of the payment that it knows as `reference`. Returns `None` while
    /// the payment is not decided.
    fn look_up<'a>(
        &'a self,
        payment: &'a Payment,
        reference: &'a str,
    ) -> BoxFuture<'a, Result<Option<Decision>, Error>>;

    /// Fails if the provider accepts no payments for this pair at the moment.
    fn check_availability<'a>(&'a self, pair: &'a Pair) -> BoxFuture<'a, Result<(), Error>>;

    /// Parses a notification that the provider sent on its own: the form fields in the order in which they
    /// were sent. Returns `None` if the notification decides nothing.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the notification is not from the provider or is about another payment, and for
    /// providers that send none; [`Error::Unavailable`] if the Secret for verifying it cannot be read.
    fn parse_notification(
        &self,
        _payment: &Payment,
        _reference: Option<&str>,
        _fields: &[(String, String)],
    ) -> Result<Option<Decision>, Error> {
        Err(Error::Invalid(format!("{} sends no notifications", self.name())))
    }
}

/// Creates the provider that the town configured.
///
/// # Errors
/// Fails if `authorities` in `module.json` is not a certificate bundle in PEM, or if the provider's URL has
/// no host.
pub fn from_config(
    config: &ModuleConfig,
    settings: &EPayment,
    secrets: &Secrets,
) -> anyhow::Result<Box<dyn Provider>> {
    let public_url = PublicUrl(config.public_url.clone());
    let http = || http::HttpClient::new(config.authorities.as_deref());
    Ok(match &settings.provider {
        ProviderConfig::Sandbox => Box::new(sandbox::Sandbox),
        ProviderConfig::XBezahldienste(platform) => {
            let id_mapping =
                |end_point: &EndPoint| Some((end_point.id.clone(), end_point.provider_id.clone()?));
            let end_points: BTreeMap<_, _> = settings.end_points.iter().filter_map(id_mapping).collect();
            Box::new(upstream::Upstream::new(platform, end_points, public_url, http()?, secrets.clone())?)
        }
        ProviderConfig::GiroCheckout(project) => {
            Box::new(giro::GiroCheckout::new(project.clone(), public_url, http()?, secrets.clone())?)
        }
    })
}

/// The URL at which citizens and providers reach this module.
#[derive(Clone, Debug)]
struct PublicUrl(Url);

impl PublicUrl {
    fn join(&self, path: &[&str]) -> Url {
        join_path(&self.0, path)
    }
}

/// Appends path segments to `base`, whether that ends with a slash or not. Segments are percent-encoded.
fn join_path(base: &Url, path: &[&str]) -> Url {
    let mut url = base.clone();
    // This fails for URLs such as mailto: only; the contract allows none but http and https.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_appended_to_a_base_with_or_without_a_trailing_slash() {
        for base in ["https://epay.example/api/v1.0.0", "https://epay.example/api/v1.0.0/"] {
            let url = join_path(&base.parse().unwrap(), &["status", "a/b", "05"]);
            assert_eq!(url.as_str(), "https://epay.example/api/v1.0.0/status/a%2Fb/05");
        }
        assert_eq!(join_path(&"http://h".parse().unwrap(), &["return", "1"]).as_str(), "http://h/return/1");
    }
}
