// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What stands between this module and a provider: every call ends in time, what failed in passing is
//! tried again, what is down is left alone, and all of it is measured.

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

use super::breaker::Breaker;
use super::{Error, Payment, Provider, Started};
use crate::store::Pair;
use crate::transaction::Decision;

/// One try; a little longer than the HTTP client gives a request, which tells more of what was wrong.
const TRY: Duration = Duration::from_secs(7);
/// All tries of a call; shorter than a request to this module may take.
const CALL: Duration = Duration::from_secs(14);
/// All tries of a question that somebody asks again anyway.
const CHECK: Duration = Duration::from_secs(5);
const RETRIES: ExponentialBuilder =
    ExponentialBuilder::new().with_min_delay(Duration::from_millis(200)).with_max_times(2).with_jitter();
/// Seconds: a good platform answers within the first ones, and none gets more than [`CALL`].
const BUCKETS: [f64; 8] = [0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    provider: &'static str,
    call: &'static str,
    outcome: &'static str,
}

/// A provider, guarded.
pub struct Guard {
    provider: Box<dyn Provider>,
    breaker: Breaker,
    calls: Family<Call, Histogram, fn() -> Histogram>,
    open: Gauge,
    news: Notify,
}

impl Guard {
    /// A provider of which nothing is known yet.
    pub fn new(provider: Box<dyn Provider>) -> Self {
        Self {
            provider,
            breaker: Breaker::default(),
            calls: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            open: Gauge::default(),
            news: Notify::new(),
        }
    }

    /// Puts what is measured under its names.
    pub fn register(&self, registry: &mut Registry) {
        let told = "Calls to the payment provider with all their tries, by call and outcome";
        registry.register_with_unit("provider_call_duration", told, Unit::Seconds, self.calls.clone());
        let told = "1 while the payment provider is taken to be down and calls fail without being tried";
        registry.register("provider_circuit_open", told, self.open.clone());
    }

    /// The provider's name.
    pub fn name(&self) -> &'static str {
        self.provider.name()
    }

    /// Tells the provider of a payment.
    ///
    /// # Errors
    /// As [`Provider::start`].
    pub async fn start(&self, payment: &Payment) -> Result<Started, Error> {
        let started = self.call("start", CALL, || self.provider.start(payment)).await;
        self.news.notify_one();
        started
    }

    /// Asks what became of a payment.
    ///
    /// # Errors
    /// As [`Provider::look`].
    pub async fn look(&self, payment: &Payment, reference: &str) -> Result<Option<Decision>, Error> {
        self.call("look", CALL, || self.provider.look(payment, reference)).await
    }

    /// Whether it takes payments for a pair now.
    ///
    /// # Errors
    /// As [`Provider::check`].
    pub async fn check(&self, pair: &Pair) -> Result<(), Error> {
        self.call("check", CHECK, || self.provider.check(pair)).await
    }

    /// Understands what it tells by itself.
    ///
    /// # Errors
    /// As [`Provider::hear`].
    pub fn hear(
        &self,
        payment: &Payment,
        reference: Option<&str>,
        fields: &[(String, String)],
    ) -> Result<Option<Decision>, Error> {
        self.provider.hear(payment, reference, fields)
    }

    /// Whether calls fail without being tried.
    pub fn is_down(&self) -> bool {
        self.breaker.is_open(Instant::now())
    }

    /// Waits until a payment was started, which may have been before.
    pub async fn news(&self) {
        self.news.notified().await;
    }

    async fn call<'a, T>(
        &self,
        call: &'static str,
        limit: Duration,
        attempt: impl Fn() -> BoxFuture<'a, Result<T, Error>>,
    ) -> Result<T, Error> {
        let name = self.name();
        self.breaker.admit(Instant::now()).map_err(|wait| {
            let seconds = wait.as_secs() + 1;
            Error::Unavailable(format!("{name} failed several times; it is asked again in {seconds} s"))
        })?;
        let began = Instant::now();
        let late = || Error::Unavailable(format!("{name} does not answer in time"));
        let tries = (|| async { timeout(TRY, attempt()).await.unwrap_or_else(|_| Err(late())) })
            .retry(RETRIES)
            .when(|error| matches!(error, Error::Unavailable(_)));
        let result = timeout(limit, tries).await.unwrap_or_else(|_| Err(late()));
        let outcome = match &result {
            Ok(_) => "ok",
            Err(Error::Unavailable(_)) => "unavailable",
            Err(Error::Refused { .. }) => "refused",
            Err(Error::Wrong(_)) => "wrong",
        };
        self.breaker.record(outcome != "unavailable", Instant::now());
        self.open.set(self.is_down().into());
        let label = Call { provider: name, call, outcome };
        self.calls.get_or_create(&label).observe(began.elapsed().as_secs_f64());
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

    /// Answers the n-th call with the n-th answer and goes on with the last; none: it never answers.
    struct Scripted {
        answers: Vec<Option<Result<(), Error>>>,
        calls: Arc<AtomicU32>,
    }

    impl Provider for Scripted {
        fn name(&self) -> &'static str {
            "Scripted"
        }

        fn start<'a>(&'a self, _: &'a Payment) -> BoxFuture<'a, Result<Started, Error>> {
            ready(Ok(Started::Here)).boxed()
        }

        fn look<'a>(&'a self, _: &'a Payment, _: &'a str) -> BoxFuture<'a, Result<Option<Decision>, Error>> {
            ready(Ok(None)).boxed()
        }

        fn check<'a>(&'a self, _: &'a Pair) -> BoxFuture<'a, Result<(), Error>> {
            let call = self.calls.fetch_add(1, Ordering::Relaxed) as usize;
            match &self.answers[call.min(self.answers.len() - 1)] {
                Some(answer) => ready(answer.clone()).boxed(),
                None => pending().boxed(),
            }
        }
    }

    fn scripted(answers: Vec<Option<Result<(), Error>>>) -> (Guard, Arc<AtomicU32>) {
        let calls = Arc::new(AtomicU32::new(0));
        (Guard::new(Box::new(Scripted { answers, calls: calls.clone() })), calls)
    }

    fn pair() -> Pair {
        Pair { originator: "o".to_owned(), end_point: "e".to_owned() }
    }

    fn down() -> Option<Result<(), Error>> {
        Some(Err(Error::Unavailable("503".to_owned())))
    }

    fn measured(guard: &Guard) -> String {
        let (mut registry, mut text) = (Registry::default(), String::new());
        guard.register(&mut registry);
        encode(&mut text, &registry).unwrap();
        text
    }

    #[tokio::test]
    async fn what_fails_in_passing_is_tried_again() {
        let (guard, calls) = scripted(vec![down(), down(), Some(Ok(()))]);
        assert_eq!(guard.check(&pair()).await, Ok(()));
        assert_eq!(calls.load(Ordering::Relaxed), 3);
        let label = r#"provider="Scripted",call="check",outcome="ok""#;
        assert!(measured(&guard).contains(&format!("provider_call_duration_seconds_count{{{label}}} 1")));
    }

    #[tokio::test]
    async fn what_is_refused_is_not_tried_again() {
        let refused = Error::Refused { code: Code::ValidationError, detail: "purpose".to_owned() };
        let (guard, calls) = scripted(vec![Some(Err(refused.clone()))]);
        for _ in 0..10 {
            assert_eq!(guard.check(&pair()).await, Err(refused.clone()));
        }
        assert_eq!((calls.load(Ordering::Relaxed), guard.is_down()), (10, false));
    }

    #[tokio::test]
    async fn what_never_answers_ends_in_time() {
        let (guard, _) = scripted(vec![None]);
        let began = Instant::now();
        let late = Error::Unavailable("Scripted does not answer in time".to_owned());
        assert_eq!(guard.check(&pair()).await, Err(late));
        assert!(began.elapsed() <= CHECK + Duration::from_secs(2));
    }

    #[tokio::test]
    async fn what_is_down_is_left_alone_and_says_so() {
        let (guard, calls) = scripted(vec![down()]);
        while !guard.is_down() {
            guard.check(&pair()).await.unwrap_err();
        }
        let before = calls.load(Ordering::Relaxed);
        let Err(Error::Unavailable(told)) = guard.check(&pair()).await else { panic!("it is down") };
        assert!(told.contains("asked again in"), "{told}");
        assert_eq!(calls.load(Ordering::Relaxed), before, "nothing was tried");
        assert!(measured(&guard).contains("provider_circuit_open 1"));
    }
}
