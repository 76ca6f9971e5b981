// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Who moves the money: our own page in a sandbox, a platform that speaks XBezahldienste, or
//! GiroCheckout. What they say goes through one gate, [`crate::store::decide`]; none of them can undo
//! what was decided.

mod breaker;
mod flow;
mod giro;
mod giro_message;
mod guard;
mod http;
mod platform_access;
pub mod poller;
mod routes;
mod sandbox;
mod upstream;
mod upstream_answer;

use std::collections::BTreeMap;

use axum::http::StatusCode;
use futures::future::BoxFuture;
use rathaus_contract::{EPayment, EndPoint, ModuleConfig, Provider as Choice};
use rathaus_kit::Secrets;
use url::Url;

use crate::problem::{Code, Problem};
use crate::request::PaymentRequest;
use crate::store::Pair;
use crate::transaction::{Decision, ProviderPayment, Transaction};

pub use flow::begin;
pub use guard::Guard;
pub use routes::routes;

/// A payment as a provider is told of it.
#[derive(Clone, Debug)]
pub struct Payment {
    /// The transaction's id: 32 hexadecimal digits, the same at every repetition.
    pub id: String,
    /// Who asked, for whom.
    pub pair: Pair,
    /// What for.
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
    /// On our own page.
    Here,
    /// On the provider's.
    There(ProviderPayment),
}

/// What keeps a provider from doing what it was asked. The texts are ours, or short and of the
/// provider; they hold nothing of who pays and no credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// It cannot at the moment, or we cannot; the same may be asked later.
    Unavailable(String),
    /// It will never take this payment.
    Refused {
        /// In the words of XBezahldienste.
        code: Code,
        /// Why, in its words; for the online service only, since it may repeat what was sent.
        detail: String,
    },
    /// What it says cannot be right. Nothing may follow from it, and somebody must look.
    Wrong(String),
}

/// Nothing was decided and nothing is lost: it may be asked again.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let told = match error {
            Error::Unavailable(told) | Error::Wrong(told) => told,
            Error::Refused { code, detail } => format!("{code}: {detail}"),
        };
        Self::new(Code::Unspecified, format!("no payments can be taken at the moment: {told}"))
            .with_status(StatusCode::SERVICE_UNAVAILABLE)
    }
}

/// Something that takes payments. Every call may be repeated.
pub trait Provider: Send + Sync {
    /// Its name in metrics and in `paymentMethodDetail`.
    fn name(&self) -> &'static str;

    /// Tells it of a payment.
    fn start<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, Result<Started, Error>>;

    /// Asks it what became of a payment that it knows as `reference`; none: not decided yet.
    fn look<'a>(
        &'a self,
        payment: &'a Payment,
        reference: &'a str,
    ) -> BoxFuture<'a, Result<Option<Decision>, Error>>;

    /// Whether it takes payments for this pair now.
    fn check<'a>(&'a self, pair: &'a Pair) -> BoxFuture<'a, Result<(), Error>>;

    /// Understands what it tells by itself, as the fields of a form in their order; none: nothing is
    /// decided by it.
    ///
    /// # Errors
    /// It is not from the provider, or does not fit the payment.
    fn hear(
        &self,
        _payment: &Payment,
        _reference: Option<&str>,
        _fields: &[(String, String)],
    ) -> Result<Option<Decision>, Error> {
        Err(Error::Wrong(format!("{} tells nothing by itself", self.name())))
    }
}

/// The provider that a town chose.
///
/// # Errors
/// An authority is no certificate.
pub fn chosen(
    config: &ModuleConfig,
    block: &EPayment,
    secrets: &Secrets,
) -> anyhow::Result<Box<dyn Provider>> {
    let public_url = PublicUrl(config.public_url.clone());
    let http = || http::Http::new(config.authorities.as_deref());
    Ok(match &block.provider {
        Choice::Sandbox => Box::new(sandbox::Sandbox),
        Choice::XBezahldienste(platform) => {
            let ids = |end_point: &EndPoint| Some((end_point.id.clone(), end_point.provider_id.clone()?));
            let end_points: BTreeMap<_, _> = block.end_points.iter().filter_map(ids).collect();
            Box::new(upstream::Upstream::new(platform, end_points, public_url, http()?, secrets.clone())?)
        }
        Choice::GiroCheckout(project) => {
            Box::new(giro::GiroCheckout::new(project.clone(), public_url, http()?, secrets.clone())?)
        }
    })
}

/// Where citizens and providers reach this module.
#[derive(Clone, Debug)]
struct PublicUrl(Url);

impl PublicUrl {
    fn below(&self, path: &[&str]) -> Url {
        below(&self.0, path)
    }
}

/// A URL below another, whether that ends with a slash or not.
fn below(base: &Url, path: &[&str]) -> Url {
    let mut url = base.clone();
    // Only a URL such as mailto: has no path; the contract gives http and https ones.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_go_below_the_base_with_or_without_its_slash() {
        for base in ["https://epay.example/api/v1.0.0", "https://epay.example/api/v1.0.0/"] {
            let url = below(&base.parse().unwrap(), &["status", "a/b", "05"]);
            assert_eq!(url.as_str(), "https://epay.example/api/v1.0.0/status/a%2Fb/05");
        }
        assert_eq!(below(&"http://h".parse().unwrap(), &["return", "1"]).as_str(), "http://h/return/1");
    }
}
