use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;
use websocket_driver::{OriginalUri, ServerConfig};

use super::body::ResponseBody;
use super::future::ResponseFuture;
use crate::shutdown::Shutdown;
use crate::socket::WebSocket;
use crate::upgrade::error::{UpgradeError, UpgradeRefusal};
use crate::upgrade::task::UpgradeTask;
use crate::upgrade::{Upgrade, UpgradeRequest};

pub(super) type FailedUpgrade = dyn Fn(UpgradeError) + Send + Sync;

/// The service created by [`WebSocketLayer`](crate::WebSocketLayer).
#[derive(Clone)]
pub struct WebSocketService<S, H> {
    pub(super) inner: S,
    pub(super) handler: H,
    pub(super) config: ServerConfig,
    pub(super) on_failed_upgrade: Option<Arc<FailedUpgrade>>,
    pub(super) shutdown: Option<Shutdown>,
}

impl<S, H, F, B, R> Service<Request<B>> for WebSocketService<S, H>
where
    S: Service<Request<B>, Response = Response<R>>,
    H: Fn(WebSocket, Request<()>) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let upgrade = match UpgradeRequest::new(&mut request) {
            Err(refusal) if refusal.is_plain_http() => return ResponseFuture::inner(self.inner.call(request)),
            _ if self.shutdown.as_ref().is_some_and(Shutdown::has_begun) => Err(UpgradeRefusal::ShuttingDown),
            Err(refusal) => {
                refusal.report_to(&self.config);
                Err(refusal)
            }
            Ok(upgrade) => upgrade.accept_with_body(&self.config),
        };
        match upgrade {
            Ok((response, mut upgrade)) => {
                if let Some(shutdown) = &self.shutdown {
                    upgrade = upgrade.shutdown(shutdown);
                }
                self.spawn(upgrade, request);
                ResponseFuture::own(response.map(|()| ResponseBody::empty()))
            }
            Err(refusal) => ResponseFuture::own(refusal.to_response().map(ResponseBody::text)),
        }
    }
}

impl<S, H> WebSocketService<S, H> {
    fn spawn<F, B>(&self, upgrade: Upgrade, request: Request<B>)
    where
        H: Fn(WebSocket, Request<()>) -> F + Clone + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
    {
        let handler = self.handler.clone();
        let on_failed_upgrade = self.on_failed_upgrade.clone();
        let (mut parts, body) = request.into_parts();
        if let Some(OriginalUri(uri)) = parts.extensions.get::<OriginalUri>() {
            parts.uri = uri.clone();
        }
        tokio::spawn(UpgradeTask::new(async move {
            let upgraded = if upgrade.needs_body() { upgrade.with_body(body).await } else { upgrade.open().await };
            match upgraded {
                Ok(socket) => Some(handler(socket, Request::from_parts(parts, ()))),
                Err(error) => {
                    if let Some(on_failed_upgrade) = on_failed_upgrade {
                        on_failed_upgrade(error);
                    }
                    None
                }
            }
        }));
    }
}

impl<S: fmt::Debug, H> fmt::Debug for WebSocketService<S, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketService")
            .field("inner", &self.inner)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
