use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;

use super::body::ResponseBody;

pin_project! {
    /// The response future of [`WebSocketService`](crate::server::WebSocketService) and
    /// [`OriginGuardService`](crate::origin::OriginGuardService).
    #[derive(Debug)]
    pub struct ResponseFuture<F, B> {
        #[pin]
        kind: Kind<F, B>,
    }
}

pin_project! {
    #[project = KindProjection]
    #[derive(Debug)]
    enum Kind<F, B> {
        Inner { #[pin] future: F },
        Own { response: Option<Response<ResponseBody<B>>> },
    }
}

impl<F, B> ResponseFuture<F, B> {
    pub(crate) fn inner(future: F) -> Self {
        Self { kind: Kind::Inner { future } }
    }

    pub(crate) fn own(response: Response<ResponseBody<B>>) -> Self {
        Self { kind: Kind::Own { response: Some(response) } }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProjection::Inner { future } => {
                Poll::Ready(ready!(future.poll(cx)).map(|response| response.map(ResponseBody::inner)))
            }
            KindProjection::Own { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response)),
                // Polled again after completion.
                None => Poll::Pending,
            },
        }
    }
}
