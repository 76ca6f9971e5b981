// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The client for watches, which reports every event and bookmark that the API server sends.
//!
//! The watcher of kube-runtime consumes bookmarks itself: they renew its resource version and appear
//! neither in its stream nor in its state. A quiet watch cannot be told from a dead one there. The other ways
//! to see bookmarks are worse: an own loop around `Api::watch` would repeat the watcher's handling of expired
//! versions and broken connections, and frequent lists would cost the API server what watches save. So a
//! layer below the watcher looks at the responses. Opening a watch is no evidence, since a proxy can do
//! that; only what is sent is.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, TryFutureExt};
use http::{Request, Response, Uri};
use http_body_util::BodyExt;
use kube::client::{Body, ClientBuilder, DynBody};
use kube::{Client, Config};
use tower::{Layer, Service};

/// How long the connection of a watch may be silent, or that of a list without an answer, before it is
/// closed and the request repeated. Longer than the minute between two bookmarks, and short enough for the
/// next connection to bring one before the watch is stale.
const READ_TIMEOUT: Duration = Duration::from_secs(100);

/// Receives the plural of a kind with every event or bookmark of it.
type OnEvent = Arc<dyn Fn(&str) + Send + Sync>;

/// Makes a client for watches that calls `on_event` with the kind's plural for every event and bookmark.
///
/// # Errors
/// The configuration contains an invalid certificate, key or address.
pub fn watch_client(
    mut config: Config,
    on_event: impl Fn(&str) + Send + Sync + 'static,
) -> kube::Result<Client> {
    config.read_timeout = Some(READ_TIMEOUT);
    Ok(ClientBuilder::try_from(config)?.with_layer(&ReportEvents(Arc::new(on_event))).build())
}

#[derive(Clone)]
struct ReportEvents(OnEvent);

impl<S> Layer<S> for ReportEvents {
    type Service = EventReporter<S>;

    fn layer(&self, inner: S) -> Self::Service {
        EventReporter { inner, on_event: self.0.clone() }
    }
}

struct EventReporter<S> {
    inner: S,
    on_event: OnEvent,
}

impl<S> Service<Request<Body>> for EventReporter<S>
where
    S: Service<Request<Body>, Response = Response<Box<DynBody>>>,
    S::Future: Send + 'static,
{
    type Response = Response<Box<DynBody>>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let watched = watched_plural(request.uri());
        let response = self.inner.call(request);
        let Some(plural) = watched else { return response.boxed() };
        let on_event = self.on_event.clone();
        response
            .map_ok(move |response| {
                if !response.status().is_success() {
                    return response;
                }
                response.map(|body| {
                    let reported = body.map_frame(move |frame| {
                        if frame.data_ref().is_some_and(|data| is_event(data)) {
                            on_event(&plural);
                        }
                        frame
                    });
                    Box::new(reported) as Box<DynBody>
                })
            })
            .boxed()
    }
}

/// The plural of the kind that a request watches; `None` for other requests.
fn watched_plural(uri: &Uri) -> Option<String> {
    let is_watch = uri.query()?.split('&').any(|pair| pair == "watch=true");
    is_watch.then(|| uri.path().rsplit('/').next().unwrap_or_default().to_owned())
}

/// Whether a frame of a watch shows that the API server still reports changes. It writes each event as a
/// chunk of its own that begins with the type. An error ends the watch; the next list shows whether the
/// kind can be seen again.
fn is_event(frame: &[u8]) -> bool {
    !frame.starts_with(br#"{"type":"ERROR""#)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::{StreamExt, TryStreamExt};
    use k8s_openapi::api::core::v1::Service as KubeService;
    use kube::Api;
    use kube::api::WatchParams;

    use super::*;

    /// A client of an API server that answers every request with this status and body. Also returns the
    /// plurals that were reported.
    fn client(status: u16, body: &'static str) -> (Client, Arc<Mutex<Vec<String>>>) {
        let reported = Arc::new(Mutex::new(Vec::new()));
        let server = tower::service_fn(move |_: Request<Body>| async move {
            let body = Body::from(body.as_bytes().to_vec()).map_err(Into::into);
            let body: Box<DynBody> = Box::new(body);
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(
                Response::builder().status(status).body(body).unwrap(),
            )
        });
        let sink = reported.clone();
        let layer = ReportEvents(Arc::new(move |plural| sink.lock().unwrap().push(plural.to_owned())));
        (ClientBuilder::new(server, "default").with_layer(&layer).build(), reported)
    }

    async fn watch(client: Client) {
        let services = Api::<KubeService>::all(client);
        if let Ok(events) = services.watch(&WatchParams::default(), "1").await {
            events.boxed().into_stream().for_each(|_| async {}).await;
        }
    }

    #[tokio::test]
    async fn a_bookmark_is_reported() {
        let bookmark = concat!(
            r#"{"type":"BOOKMARK","object":{"apiVersion":"v1","kind":"Service","#,
            r#""metadata":{"resourceVersion":"2"}}}"#,
            "\n"
        );
        let (client, reported) = client(200, bookmark);
        watch(client).await;
        assert_eq!(*reported.lock().unwrap(), ["services"]);
    }

    #[tokio::test]
    async fn an_error_and_a_silent_watch_are_not_reported() {
        let expired = concat!(r#"{"type":"ERROR","object":{"code":410,"message":"expired"}}"#, "\n");
        for (status, body) in [(200, expired), (200, ""), (500, "{}")] {
            let (client, reported) = client(status, body);
            watch(client).await;
            assert!(reported.lock().unwrap().is_empty(), "{status} {body}");
        }
    }

    #[tokio::test]
    async fn a_list_is_not_reported() {
        let (client, reported) = client(200, r#"{"metadata":{"resourceVersion":"1"},"items":[]}"#);
        Api::<KubeService>::all(client).list(&Default::default()).await.unwrap();
        assert!(reported.lock().unwrap().is_empty());
    }
}
