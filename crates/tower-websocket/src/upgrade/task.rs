use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

pin_project! {
    /// The future of the one task that completes an upgrade and then handles the socket. The state
    /// of the handshake is boxed, so that it is freed when the socket opens, and takes no memory
    /// beside the future of the handler. An `async` block would store both.
    #[project = Stage]
    pub(crate) enum UpgradeTask<F> {
        Upgrading { upgrading: Pin<Box<dyn Future<Output = Option<F>> + Send>> },
        Serving { #[pin] serving: F },
    }
}

impl<F: Future<Output = ()>> UpgradeTask<F> {
    /// Creates a task from a future that resolves to that of the handler, or to `None` if there is
    /// no socket.
    pub(crate) fn new(upgrading: impl Future<Output = Option<F>> + Send + 'static) -> Self {
        Self::Upgrading { upgrading: Box::pin(upgrading) }
    }
}

impl<F: Future<Output = ()>> Future for UpgradeTask<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match self.as_mut().project() {
                Stage::Upgrading { upgrading } => match ready!(upgrading.as_mut().poll(cx)) {
                    Some(serving) => self.set(Self::Serving { serving }),
                    None => return Poll::Ready(()),
                },
                Stage::Serving { serving } => return serving.poll(cx),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, pending, poll_fn};
    use std::sync::{Arc, Weak};

    use super::*;

    #[tokio::test]
    async fn state_of_the_upgrade_is_dropped_before_the_handler_runs() {
        async fn handle(state: Weak<()>) {
            assert_eq!(state.strong_count(), 0);
        }
        let state = Arc::new(());
        // Unlike an `async` block, this owns its state until it is dropped.
        UpgradeTask::new(poll_fn(move |_| Poll::Ready(Some(handle(Arc::downgrade(&state)))))).await;
    }

    #[tokio::test]
    async fn failed_upgrade_ends_the_task() {
        UpgradeTask::new(async { None::<Ready<()>> }).await;
    }

    #[test]
    fn task_is_hardly_larger_than_the_handler() {
        fn size<F>(_: &F) -> (usize, usize) {
            (size_of::<F>(), size_of::<UpgradeTask<F>>())
        }
        let state = [0_u8; 480];
        let (handler, task) = size(&async move {
            pending::<()>().await;
            std::hint::black_box(&state);
        });
        assert!(task <= handler + size_of::<usize>(), "{task} for {handler}");
    }
}
