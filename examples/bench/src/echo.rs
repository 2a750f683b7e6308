//! The echo, for sockets that are a `Stream` and a `Sink`, as most are.

use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt};

/// The most messages that are taken before a flush.
pub const BATCH: usize = 64;

/// The loop that everyone writes: receive one, send one. Ends with the first error, as the servers do.
pub async fn plain<S, M, E>(mut socket: S, is_data: impl Fn(&M) -> bool)
where
    S: Stream<Item = Result<M, E>> + Sink<M> + Unpin,
{
    while let Some(Ok(message)) = socket.next().await {
        if is_data(&message) && socket.send(message).await.is_err() {
            return;
        }
    }
}

/// The loop of who wants it fast: all that have come already are echoed before one flush. They are gathered first, since
/// reading from some sockets (those of tokio-websockets) flushes what was fed to them.
pub async fn batched<S, M, E>(mut socket: S, is_data: impl Fn(&M) -> bool)
where
    S: Stream<Item = Result<M, E>> + Sink<M> + Unpin,
{
    let mut ready = Vec::with_capacity(BATCH);
    while let Some(Ok(message)) = socket.next().await {
        ready.push(message);
        while ready.len() < BATCH
            && let Some(Some(Ok(message))) = socket.next().now_or_never()
        {
            ready.push(message);
        }
        for message in ready.drain(..) {
            if is_data(&message) && socket.feed(message).await.is_err() {
                return;
            }
        }
        if socket.flush().await.is_err() {
            return;
        }
    }
}
