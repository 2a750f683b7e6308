use std::task::{Context, Poll};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::guard::OriginGuard;
use crate::answer::request::is_handshake;
use crate::layer::body::ResponseBody;
use crate::layer::future::ResponseFuture;

/// The service created by [`OriginGuard`] as a layer.
#[derive(Debug, Clone)]
pub struct OriginGuardService<S> {
    inner: S,
    guard: OriginGuard,
}

impl<S> Layer<S> for OriginGuard {
    type Service = OriginGuardService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        OriginGuardService { inner, guard: self.clone() }
    }
}

impl<S, B, R> Service<Request<B>> for OriginGuardService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if is_handshake(&request)
            && let Err(refusal) = self.guard.check(&request)
        {
            return ResponseFuture::own(refusal.to_response().map(ResponseBody::text));
        }
        ResponseFuture::inner(self.inner.call(request))
    }
}
