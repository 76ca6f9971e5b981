// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Resilience around a provider: every call has a timeout, temporary failures are retried with backoff, a
//! circuit breaker keeps calls from a provider that is down, and all calls are encode_metrics.

use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable};
use futures::future::BoxFuture;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::breaker::CircuitBreaker;
use super::{Error, Payment, Provider, Started};
use crate::store::Pair;
use crate::transaction::Decision;

/// Limit of one attempt. It is a little longer than the HTTP client's own timeout, whose error message is
/// more precise.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(7);
/// Limit of all attempts of a call together; shorter than a request to this module may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(14);
/// Limit of all attempts of an availability check, which its caller repeats anyway.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);
const BACKOFF: ExponentialBuilder =
    ExponentialBuilder::new().with_min_delay(Duration::from_millis(200)).with_max_times(2).with_jitter();
/// Histogram buckets in seconds. Healthy platforms answer within the first ones, and no call takes longer
/// than [`CALL_TIMEOUT`].
const DURATION_BUCKETS: [f64; 8] = [0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    provider: &'static str,
    call: &'static str,
    outcome: &'static str,
}

/// A [`Provider`] with timeouts, retries, circuit breaker and metrics.
pub struct ResilientProvider {
    provider: Box<dyn Provider>,
    breaker: CircuitBreaker,
    call_durations: Family<CallLabels, Histogram, fn() -> Histogram>,
    circuit_open: Gauge,
    payment_started: Notify,
}

impl ResilientProvider {
    /// Wraps `provider`, with the circuit closed.
    pub fn new(provider: Box<dyn Provider>) -> Self {
        Self {
            provider,
            breaker: CircuitBreaker::default(),
            call_durations: Family::new_with_constructor(|| Histogram::new(DURATION_BUCKETS)),
            circuit_open: Gauge::default(),
            payment_started: Notify::new(),
        }
    }

    /// Registers the metrics of the provider's calls.
    pub fn register(&self, registry: &mut Registry) {
        let help = "Calls to the payment provider with all their tries, by call and outcome";
        let durations = self.call_durations.clone();
        registry.register_with_unit("provider_call_duration", help, Unit::Seconds, durations);
        let help = "1 while the payment provider is taken to be down and calls fail without being tried";
        registry.register("provider_circuit_open", help, self.circuit_open.clone());
    }

    /// The name of the provider in metrics and in `paymentMethodDetail`.
    pub fn name(&self) -> &'static str {
        self.provider.name()
    }

    /// Calls [`Provider::start`] and wakes up the task in [`Self::wait_for_new_payment`].
    ///
    /// # Errors
    /// Fails as the provider does, and with [`Error::Unavailable`] if it times out or the circuit is open.
    pub async fn start(&self, payment: &Payment) -> Result<Started, Error> {
        let started = self.call("start", CALL_TIMEOUT, || self.provider.start(payment)).await;
        self.payment_started.notify_one();
        started
    }

    /// Calls [`Provider::look_up`].
    ///
    /// # Errors
    /// Fails as [`Self::start`] does.
    pub async fn look_up(&self, payment: &Payment, reference: &str) -> Result<Option<Decision>, Error> {
        self.call("look", CALL_TIMEOUT, || self.provider.look_up(payment, reference)).await
    }

    /// Calls [`Provider::check_availability`].
    ///
    /// # Errors
    /// Fails as [`Self::start`] does.
    pub async fn check_availability(&self, pair: &Pair) -> Result<(), Error> {
        self.call("check", CHECK_TIMEOUT, || self.provider.check_availability(pair)).await
    }

    /// Calls [`Provider::parse_notification`], which needs no connection to the provider.
    ///
    /// # Errors
    /// Fails as the provider does.
    pub fn parse_notification(
        &self,
        payment: &Payment,
        reference: Option<&str>,
        fields: &[(String, String)],
    ) -> Result<Option<Decision>, Error> {
        self.provider.parse_notification(payment, reference, fields)
    }

    /// Whether the circuit is open, so that calls fail without being tried.
    pub fn is_down(&self) -> bool {
        self.breaker.is_open(Instant::now())
    }

    /// Waits until a payment is started. Returns at once if one was started since the last wait.
    pub async fn wait_for_new_payment(&self) {
        self.payment_started.notified().await;
    }

    async fn call<'a, T>(
        &self,
        call: &'static str,
        total_timeout: Duration,
        attempt: impl Fn() -> BoxFuture<'a, Result<T, Error>>,
    ) -> Result<T, Error> {
        let name = self.name();
        self.breaker.admit(Instant::now()).map_err(|wait| {
            let seconds = wait.as_secs() + 1;
            Error::Unavailable(format!("{name} failed several times; it will be called again in {seconds} s"))
        })?;
        let started_at = Instant::now();
        let timed_out = || Error::Unavailable(format!("{name} does not answer in time"));
        let attempts =
            (|| async { timeout(ATTEMPT_TIMEOUT, attempt()).await.unwrap_or_else(|_| Err(timed_out())) })
                .retry(BACKOFF)
                .when(|error| matches!(error, Error::Unavailable(_)));
        let result = timeout(total_timeout, attempts).await.unwrap_or_else(|_| Err(timed_out()));
        let outcome = match &result {
            Ok(_) => "ok",
            Err(Error::Unavailable(_)) => "unavailable",
            Err(Error::Refused { .. }) => "refused",
            Err(Error::Invalid(_)) => "wrong",
        };
        self.breaker.record(outcome != "unavailable", Instant::now());
        self.circuit_open.set(self.is_down().into());
        let labels = CallLabels { provider: name, call, outcome };
        self.call_durations.get_or_create(&labels).observe(started_at.elapsed().as_secs_f64());
        result
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures::FutureExt;
    use futures::future::{pending, ready};
    use prometheus_client::encoding::text::encode;

    use super::*;
    use crate::problem::Code;

    /// Answers the n-th check with the n-th answer and repeats the last one; `None` means that the call
    /// never returns.
    struct ScriptedProvider {
        answers: Vec<Option<Result<(), Error>>>,
        calls: Arc<AtomicU32>,
    }

    impl Provider for ScriptedProvider {
        fn name(&self) -> &'static str {
            "Scripted"
        }

        fn start<'a>(&'a self, _: &'a Payment) -> BoxFuture<'a, Result<Started, Error>> {
            ready(Ok(Started::OwnPage)).boxed()
        }

        fn look_up<'a>(
            &'a self,
            _: &'a Payment,
            _: &'a str,
        ) -> BoxFuture<'a, Result<Option<Decision>, Error>> {
            ready(Ok(None)).boxed()
        }

        fn check_availability<'a>(&'a self, _: &'a Pair) -> BoxFuture<'a, Result<(), Error>> {
            let call = self.calls.fetch_add(1, Ordering::Relaxed) as usize;
            match &self.answers[call.min(self.answers.len() - 1)] {
                Some(answer) => ready(answer.clone()).boxed(),
                None => pending().boxed(),
            }
        }
    }

    fn scripted_provider(answers: Vec<Option<Result<(), Error>>>) -> (ResilientProvider, Arc<AtomicU32>) {
        let calls = Arc::new(AtomicU32::new(0));
        (ResilientProvider::new(Box::new(ScriptedProvider { answers, calls: calls.clone() })), calls)
    }

    fn pair() -> Pair {
        Pair { originator: "o".to_owned(), end_point: "e".to_owned() }
    }

    fn unavailable() -> Option<Result<(), Error>> {
        Some(Err(Error::Unavailable("503".to_owned())))
    }

    fn encode_metrics(provider: &ResilientProvider) -> String {
        let (mut registry, mut text) = (Registry::default(), String::new());
        provider.register(&mut registry);
        encode(&mut text, &registry).unwrap();
        text
    }

    #[tokio::test]
    async fn temporary_failures_are_retried() {
        let (provider, calls) = scripted_provider(vec![unavailable(), unavailable(), Some(Ok(()))]);
        assert_eq!(provider.check_availability(&pair()).await, Ok(()));
        assert_eq!(calls.load(Ordering::Relaxed), 3);
        let label = r#"provider="Scripted",call="check",outcome="ok""#;
        assert!(
            encode_metrics(&provider).contains(&format!("provider_call_duration_seconds_count{{{label}}} 1"))
        );
    }

    #[tokio::test]
    async fn refusals_are_not_retried() {
        let refused = Error::Refused { code: Code::ValidationError, detail: "purpose".to_owned() };
        let (provider, calls) = scripted_provider(vec![Some(Err(refused.clone()))]);
        for _ in 0..10 {
            assert_eq!(provider.check_availability(&pair()).await, Err(refused.clone()));
        }
        assert_eq!((calls.load(Ordering::Relaxed), provider.is_down()), (10, false));
    }

    #[tokio::test]
    async fn a_call_that_never_returns_times_out() {
        let (provider, _) = scripted_provider(vec![None]);
        let started_at = Instant::now();
        let timed_out = Error::Unavailable("Scripted does not answer in time".to_owned());
        assert_eq!(provider.check_availability(&pair()).await, Err(timed_out));
        assert!(started_at.elapsed() <= CHECK_TIMEOUT + Duration::from_secs(2));
    }

    #[tokio::test]
    async fn an_open_circuit_fails_calls_without_trying_them() {
        let (provider, calls) = scripted_provider(vec![unavailable()]);
        while !provider.is_down() {
            provider.check_availability(&pair()).await.unwrap_err();
        }
        let before = calls.load(Ordering::Relaxed);
        let Err(Error::Unavailable(message)) = provider.check_availability(&pair()).await else {
            panic!("the circuit is open")
        };
        assert!(message.contains("called again in"), "{message}");
        assert_eq!(calls.load(Ordering::Relaxed), before, "nothing was tried");
        assert!(encode_metrics(&provider).contains("provider_circuit_open 1"));
    }
}
