// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The client for reads and writes of the leader. It sends no change once the term is over: a process that was
//! frozen for a while may find itself in the middle of a run that another leader has long repeated.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use futures::future::{Either, Ready, ready};
use http::{Method, Request};
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use tower::{BoxError, Layer, Service};

/// Until when this process leads, by its monotonic clock, which goes on while it is frozen.
#[derive(Clone, Debug, Default)]
pub struct Term(Arc<Mutex<Option<Instant>>>);

impl Term {
    /// Sets the end of the term.
    pub fn set_end(&self, end: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }

    /// Whether the term has begun and has not ended.
    pub fn is_running(&self, now: Instant) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|end| now < end)
    }
}

/// The term of this process as the leader is over.
#[derive(Debug, thiserror::Error)]
#[error("this process leads no more, and changes nothing")]
struct TermOver;

/// Makes a client that sends requests other than GET only during the term.
///
/// # Errors
/// The configuration contains an invalid certificate, key or address.
pub fn leader_client(config: Config, term: Term) -> kube::Result<Client> {
    Ok(ClientBuilder::try_from(config)?.with_layer(&Fence(term)).build())
}

#[derive(Clone)]
struct Fence(Term);

impl<S> Layer<S> for Fence {
    type Service = Fenced<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Fenced { inner, term: self.0.clone() }
    }
}

struct Fenced<S> {
    inner: S,
    term: Term,
}

impl<S> Service<Request<Body>> for Fenced<S>
where
    S: Service<Request<Body>, Error = BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Either<S::Future, Ready<Result<S::Response, BoxError>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.method() == Method::GET || self.term.is_running(Instant::now()) {
            return Either::Left(self.inner.call(request));
        }
        Either::Right(ready(Err(TermOver.into())))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use http::Response;
    use k8s_openapi::api::core::v1::Namespace;
    use kube::Api;
    use kube::api::DeleteParams;

    use super::*;

    #[tokio::test]
    async fn changes_are_sent_during_the_term_only_and_reads_always() {
        let served = Arc::new(AtomicUsize::new(0));
        let counter = served.clone();
        let server = tower::service_fn(move |_: Request<Body>| {
            counter.fetch_add(1, Ordering::Relaxed);
            let body = r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mun-ahaus"}}"#;
            let answer = Response::new(Body::from(body.as_bytes().to_vec()));
            async { Ok::<_, BoxError>(answer) }
        });
        let term = Term::default();
        let client = ClientBuilder::new(server, "default").with_layer(&Fence(term.clone())).build();
        let namespaces = Api::<Namespace>::all(client);
        let delete = async || namespaces.delete("mun-ahaus", &DeleteParams::default()).await.map(drop);

        let before = delete().await.unwrap_err();
        assert!(before.to_string().contains("leads no more"), "{before}");
        term.set_end(Instant::now() + Duration::from_secs(60));
        delete().await.unwrap();
        term.set_end(Instant::now());
        delete().await.unwrap_err();
        assert_eq!(served.load(Ordering::Relaxed), 1);
        namespaces.get("mun-ahaus").await.unwrap();
    }
}
